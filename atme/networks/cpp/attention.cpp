// Of linear_attention.py: softmaxes over pixels and over features, and their derivatives.
//
// Conversions, exponentials and sums are loops of their own over a row: compilers make less of all of it in one.

#include "numbers.h"

namespace {

// e^(k - max over pixels) in place of k, and its sums over pixels.
template <class T, class A = typename Sum<T>::type>
void exponentials(T* k, A* total, Size images, Size pixels, Size channels, int threads) {
  const Size pieces = (pixels + PIECE - 1) / PIECE;
  std::vector<A> highest(images * pieces * channels);
  in_pieces(images, pixels, channels, threads, [&](Size image, Size from, Size to, Size piece) {
    A* most = highest.data() + piece * channels;
    for (Size c = 0; c < channels; c++) most[c] = wide(k[(image * pixels + from) * channels + c]);
    for (Size n = image * pixels + from + 1; n < image * pixels + to; n++)
#pragma omp simd
      for (Size c = 0; c < channels; c++) most[c] = larger(most[c], A(wide(k[n * channels + c])));
  });
  for (Size image = 0; image < images; image++)
    for (Size piece = 1; piece < pieces; piece++)
      for (Size c = 0; c < channels; c++) {
        A& most = highest[image * pieces * channels + c];
        most = larger(most, highest[(image * pieces + piece) * channels + c]);
      }
  std::vector<double> sums(images * channels), nothing(images * channels);
  two_sums<A>(images, pixels, channels, threads, sums.data(), nothing.data(), [&](Size image, Size from, Size to, A* __restrict a, A*) {
    const A* most = highest.data() + image * pieces * channels;
    const Size width = channels;
    std::vector<A> exponentials(width);
    A* __restrict e = exponentials.data();
    for (T* __restrict here = k + from * width; here < k + to * width; here += width) {
#pragma omp simd
      for (Size c = 0; c < width; c++) e[c] = wide(here[c]) - most[c];
#pragma omp simd
      for (Size c = 0; c < width; c++) e[c] = exponential(e[c]);
#pragma omp simd
      for (Size c = 0; c < width; c++) a[c] += e[c];
#pragma omp simd
      for (Size c = 0; c < width; c++) here[c] = narrow<T>(e[c]);
    }
  });
  std::copy(sums.begin(), sums.end(), total);
}

// e (gradient - same) in place of the gradient, the numbers `same` those of a channel.
template <class T, class A = typename Sum<T>::type>
void centered(const T* e, T* gradient, const A* same, Size images, Size pixels, Size channels, int threads) {
  in_pieces(images, pixels, channels, threads, [=](Size image, Size from, Size to, Size) {
    const A* mean = same + image * channels;
    for (Size n = image * pixels + from; n < image * pixels + to; n++)
#pragma omp simd
      for (Size c = 0; c < channels; c++) {
        const Size at = n * channels + c;
        gradient[at] = narrow<T>(A(wide(e[at])) * (A(wide(gradient[at])) - mean[c]));
      }
  });
}

// The softmax of each row, in its place.
template <class T, class A = typename Sum<T>::type> void softmax(T* rows, Size count, Size width, int threads) {
  in_pieces(1, count, width, threads, [=](Size, Size from, Size to, Size) {
    std::vector<A> exponentials(width);
    A* __restrict e = exponentials.data();
    for (T* __restrict here = rows + from * width; here < rows + to * width; here += width) {
      A most = wide(here[0]), sum = 0;
#pragma omp simd
      for (Size i = 0; i < width; i++) e[i] = wide(here[i]);
#pragma omp simd reduction(max : most)
      for (Size i = 0; i < width; i++) most = larger(most, e[i]);
#pragma omp simd
      for (Size i = 0; i < width; i++) e[i] = exponential(e[i] - most);
#pragma omp simd reduction(+ : sum)
      for (Size i = 0; i < width; i++) sum += e[i];
      const A each = A(1) / sum;
#pragma omp simd
      for (Size i = 0; i < width; i++) here[i] = narrow<T>(e[i] * each);
    }
  });
}

// q (gradient - sum q gradient) of each row, in place of the gradient.
template <class T, class A = typename Sum<T>::type>
void softmax_slope(const T* q, T* gradient, Size count, Size width, int threads) {
  in_pieces(1, count, width, threads, [=](Size, Size from, Size to, Size) {
    std::vector<A> products(2 * width);
    A *__restrict value = products.data(), *__restrict product = value + width;
    for (Size row = from; row < to; row++) {
      const T* here = q + row * width;
      T* __restrict of_here = gradient + row * width;
      A sum = 0;
#pragma omp simd
      for (Size i = 0; i < width; i++) value[i] = wide(here[i]);
#pragma omp simd
      for (Size i = 0; i < width; i++) product[i] = value[i] * A(wide(of_here[i]));
#pragma omp simd reduction(+ : sum)
      for (Size i = 0; i < width; i++) sum += product[i];
#pragma omp simd
      for (Size i = 0; i < width; i++) of_here[i] = narrow<T>(product[i] - value[i] * sum);
    }
  });
}

}  // namespace

#define OF_MAPS(NAME, T, A) \
  extern "C" void exponentials_##NAME(T* k, A* total, Size b, Size n, Size c, int threads) {                          \
    exponentials(k, total, b, n, c, threads);                                                                         \
  }                                                                                                                   \
  extern "C" void centered_##NAME(const T* e, T* g, const A* same, Size b, Size n, Size c, int threads) {             \
    centered(e, g, same, b, n, c, threads);                                                                           \
  }                                                                                                                   \
  extern "C" void softmax_##NAME(T* rows, Size count, Size width, int threads) {                                      \
    softmax(rows, count, width, threads);                                                                             \
  }                                                                                                                   \
  extern "C" void softmax_slope_##NAME(const T* q, T* g, Size count, Size width, int threads) {                       \
    softmax_slope(q, g, count, width, threads);                                                                       \
  }

OF_MAPS(float, float, float)
OF_MAPS(double, double, double)
OF_MAPS(bfloat16, Bfloat16, float)
