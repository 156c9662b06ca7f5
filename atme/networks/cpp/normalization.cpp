// Of fused.py: moments, SiLU after a factor and an offset, and its derivative.

#include "numbers.h"

namespace {

template <class T, class A = typename Sum<T>::type>
void moments(const T* x, A* mean, A* variance, Size images, Size pixels, Size channels, int threads) {
  std::vector<A> near(images * channels);
  for (Size image = 0; image < images; image++) {
    A* at = near.data() + image * channels;
    const Size few = std::min(pixels, PIECE);
    for (Size n = 0; n < few; n++)
      for (Size c = 0; c < channels; c++) at[c] += wide(x[(image * pixels + n) * channels + c]);
    for (Size c = 0; c < channels; c++) at[c] /= A(few);
  }
  std::vector<double> sums(images * channels), squares(images * channels);
  two_sums<A>(images, pixels, channels, threads, sums.data(), squares.data(), [&](Size image, Size from, Size to, A* __restrict a, A* __restrict b) {
    const A* of_near = near.data() + image * channels;
    const Size width = channels;
    for (const T* here = x + from * width; here < x + to * width; here += width)
#pragma omp simd
      for (Size c = 0; c < width; c++) {
        const A differs = wide(here[c]) - of_near[c];
        a[c] += differs;
        b[c] += differs * differs;
      }
  });
  for (Size i = 0; i < images * channels; i++) {
    const double differs = sums[i] / double(pixels);
    mean[i] = A(near[i] + differs);
    variance[i] = A(std::max(squares[i] / double(pixels) - differs * differs, 0.0));
  }
}

template <class T, class A = typename Sum<T>::type>
void activated(const T* x, const A* factor, const A* offset, const T* residual, T* result, Size images, Size pixels,
               Size channels, int threads) {
  in_pieces(images, pixels, channels, threads, [=](Size image, Size from, Size to, Size) {
    const A *f = factor + image * channels, *o = offset + image * channels;
    for (Size n = image * pixels + from; n < image * pixels + to; n++) {
      const T* here = x + n * channels;
      T* out = result + n * channels;
      if (residual == nullptr) {
#pragma omp simd
        for (Size c = 0; c < channels; c++) {
          const A z = wide(here[c]) * f[c] + o[c];
          out[c] = narrow<T>(z * sigmoid(z));
        }
      } else {
        const T* beside = residual + n * channels;
#pragma omp simd
        for (Size c = 0; c < channels; c++) {
          const A z = wide(here[c]) * f[c] + o[c];
          out[c] = narrow<T>(z * sigmoid(z) + wide(beside[c]));
        }
      }
    }
  });
}

template <class T, class A = typename Sum<T>::type>
void slope_sums(const T* gradient, const T* x, const A* factor, const A* offset, A* P, A* Q, Size images, Size pixels,
                Size channels, int threads) {
  std::vector<double> p(images * channels), q(images * channels);
  two_sums<A>(images, pixels, channels, threads, p.data(), q.data(), [=](Size image, Size from, Size to, A* __restrict a, A* __restrict b) {
    const A *f = factor + image * channels, *o = offset + image * channels;
    for (Size n = from; n < to; n++) {
      const T *here = x + n * channels, *of_here = gradient + n * channels;
#pragma omp simd
      for (Size c = 0; c < channels; c++) {
        const A value = wide(here[c]);
        const A g = wide(of_here[c]) * silu_slope(value * f[c] + o[c]);
        a[c] += g;
        b[c] += g * value;
      }
    }
  });
  std::copy(p.begin(), p.end(), P);
  std::copy(q.begin(), q.end(), Q);
}

template <class T, class A = typename Sum<T>::type>
void combined(const T* gradient, const T* x, const A* factor, const A* offset, const A* a1, const A* a0, T* result,
              Size images, Size pixels, Size channels, int threads) {
  in_pieces(images, pixels, channels, threads, [=](Size image, Size from, Size to, Size) {
    const A *f = factor + image * channels, *o = offset + image * channels;
    const A *slope = a1 + image * channels, *shift = a0 + image * channels;
    for (Size n = image * pixels + from; n < image * pixels + to; n++) {
      const T *here = x + n * channels, *of_here = gradient + n * channels;
      T* out = result + n * channels;
#pragma omp simd
      for (Size c = 0; c < channels; c++) {
        const A value = wide(here[c]);
        const A g = wide(of_here[c]) * silu_slope(value * f[c] + o[c]);
        out[c] = narrow<T>(g * f[c] + (value * slope[c] + shift[c]));
      }
    }
  });
}

}  // namespace

#define OF_MAPS(NAME, T, A)                                                                                          \
  extern "C" void moments_##NAME(const T* x, A* mean, A* variance, Size b, Size n, Size c, int threads) {             \
    moments(x, mean, variance, b, n, c, threads);                                                                     \
  }                                                                                                                   \
  extern "C" void activated_##NAME(const T* x, const A* f, const A* o, const T* residual, T* result, Size b, Size n,  \
                                   Size c, int threads) {                                                             \
    activated(x, f, o, residual, result, b, n, c, threads);                                                           \
  }                                                                                                                   \
  extern "C" void slope_sums_##NAME(const T* g, const T* x, const A* f, const A* o, A* P, A* Q, Size b, Size n,       \
                                    Size c, int threads) {                                                            \
    slope_sums(g, x, f, o, P, Q, b, n, c, threads);                                                                   \
  }                                                                                                                   \
  extern "C" void combined_##NAME(const T* g, const T* x, const A* f, const A* o, const A* a1, const A* a0,           \
                                  T* result, Size b, Size n, Size c, int threads) {                                   \
    combined(g, x, f, o, a1, a0, result, b, n, c, threads);                                                           \
  }

OF_MAPS(float, float, float)
OF_MAPS(double, double, double)
OF_MAPS(bfloat16, Bfloat16, float)
