// Of linear_attention.py: each pixel normalized over its channels, softmaxes over pixels and over features, and their
// derivatives.

#include <limits>

#include "rows.h"

namespace {

// (x + start - mean) r scale + residual, mean and r those of a pixel.
template <class T, class A = typename Sum<T>::type>
void normalized(const T* x, const A* start, const A* scale, const T* residual, T* result, Size pixels, Size channels,
                double eps, int threads) {
  in_pieces(1, pixels, channels, threads, [=](Size, Size from, Size to, Size) {
    std::vector<A> room(channels + LANES);
    for (Size at = from * channels; at < to * channels; at += channels)
      normalized_row(x + at, start, scale, residual == nullptr ? residual : residual + at, result + at, channels, eps,
                     room.data());
  });
}

// The derivative of x, with `more` added if there is one; sums over pixels of it (without), and of the scale's.
template <class T, class A = typename Sum<T>::type>
void normalized_slope(const T* gradient, const T* x, const A* start, const A* scale, const T* more, T* result,
                      A* of_start, A* of_scale, Size pixels, Size channels, double eps, int threads) {
  std::vector<double> of_starts(channels), of_scales(channels);
  two_sums<A>(1, pixels, channels, threads, of_starts.data(), of_scales.data(),
              [=](Size, Size from, Size to, A* a, A* b) {
                const Size room = channels + LANES;
                std::vector<A> rooms(4 * room);
                A *here = rooms.data(), *slopes = here + room, *first = slopes + room, *second = first + room;
                for (Size at = from * channels; at < to * channels; at += channels)
                  normalized_row_slope(gradient + at, x + at, start, scale, more == nullptr ? more : more + at,
                                       result + at, first, second, channels, eps, here, slopes);
                std::copy_n(first, channels, a);
                std::copy_n(second, channels, b);
              });
  std::copy(of_starts.begin(), of_starts.end(), of_start);
  std::copy(of_scales.begin(), of_scales.end(), of_scale);
}

// e^(k - max over pixels) in place of k, and its sums over pixels.
template <class T, class A = typename Sum<T>::type>
void exponentials(T* k, A* total, Size images, Size pixels, Size channels, int threads) {
  constexpr A LEAST = -std::numeric_limits<A>::infinity();
  const Size pieces = (pixels + PIECE - 1) / PIECE, length = Repeated<A>::length_of(channels);
  std::vector<A> of_pieces(images * pieces * channels, LEAST), of_images(images * channels, LEAST);
  in_pieces(images, pixels, channels, threads, [&](Size image, Size from, Size to, Size piece) {
    std::vector<A> most(length, LEAST);
    const T* first = k + (image * pixels + from) * channels;
    A *highest = most.data(), *here = of_pieces.data() + piece * channels;
    in_pixels((to - from) * channels, length, [=](Size at, Size c, auto part) {
      store(highest + c, larger(load(highest + c, part), load(first + at, part)), part);
    });
    for (Size c = 0; c < length; c++) here[c % channels] = std::max(here[c % channels], highest[c]);
  });
  for (Size piece = 0; piece < images * pieces; piece++)
    for (Size c = 0; c < channels; c++) {
      A& most = of_images[piece / pieces * channels + c];
      most = std::max(most, of_pieces[piece * channels + c]);
    }
  const Repeated<A> maxima(of_images.data(), images, channels);
  std::vector<double> sums(images * channels), nothing(images * channels);
  two_sums<A>(images, pixels, channels, threads, sums.data(), nothing.data(),
              [&](Size image, Size from, Size to, A* a, A* b) {
                const A* most = maxima.of(image);
                T* first = k + from * channels;
                gathered(length, channels, a, b, [&](A* sum, A*) {
                  in_pixels((to - from) * channels, length, [=](Size at, Size c, auto part) {
                    const VectorOf<A> value = exponential(load(first + at, part) - load(most + c));
                    add(sum + c, value, part);
                    store(first + at, value, part);
                  });
                });
              });
  std::copy(sums.begin(), sums.end(), total);
}

// e (gradient - same) in place of the gradient, the numbers `same` those of a channel.
template <class T, class A = typename Sum<T>::type>
void centered(const T* e, T* gradient, const A* same, Size images, Size pixels, Size channels, int threads) {
  const Repeated<A> means(same, images, channels);
  in_pieces(images, pixels, channels, threads, [&](Size image, Size from, Size to, Size) {
    const Size first = (image * pixels + from) * channels;
    const A* mean = means.of(image);
    in_pixels((to - from) * channels, means.length, [=](Size at, Size c, auto part) {
      T* here = gradient + first + at;
      store(here, load(e + first + at, part) * (load(here, part) - load(mean + c)), part);
    });
  });
}

// The softmax of each row, in its place.
template <class T, class A = typename Sum<T>::type>
void softmax(T* rows, Size count, Size width, int threads) {
  in_pieces(1, count, width, threads, [=](Size, Size from, Size to, Size) {
    std::vector<A> room(width + LANES);
    for (T* here = rows + from * width; here < rows + to * width; here += width) softmax_row(here, width, room.data());
  });
}

// q (gradient - sum q gradient) of each row, in place of the gradient.
template <class T, class A = typename Sum<T>::type>
void softmax_slope(const T* q, T* gradient, Size count, Size width, int threads) {
  in_pieces(1, count, width, threads, [=](Size, Size from, Size to, Size) {
    for (Size at = from * width; at < to * width; at += width) softmax_row_slope(q + at, gradient + at, width);
  });
}

}  // namespace

#define OF_MAPS(NAME, T, A)                                                                                            \
  extern "C" void normalized_##NAME(const T* x, const A* start, const A* scale, const T* residual, T* result, Size n,  \
                                    Size c, double eps, int threads) {                                                 \
    normalized(x, start, scale, residual, result, n, c, eps, threads);                                                 \
  }                                                                                                                    \
  extern "C" void normalized_slope_##NAME(const T* g, const T* x, const A* start, const A* scale, const T* more,       \
                                          T* result, A* of_start, A* of_scale, Size n, Size c, double eps,             \
                                          int threads) {                                                               \
    normalized_slope(g, x, start, scale, more, result, of_start, of_scale, n, c, eps, threads);                        \
  }                                                                                                                    \
  extern "C" void exponentials_##NAME(T* k, A* total, Size b, Size n, Size c, int threads) {                           \
    exponentials(k, total, b, n, c, threads);                                                                          \
  }                                                                                                                    \
  extern "C" void centered_##NAME(const T* e, T* g, const A* same, Size b, Size n, Size c, int threads) {              \
    centered(e, g, same, b, n, c, threads);                                                                            \
  }                                                                                                                    \
  extern "C" void softmax_##NAME(T* rows, Size count, Size width, int threads) {                                       \
    softmax(rows, count, width, threads);                                                                              \
  }                                                                                                                    \
  extern "C" void softmax_slope_##NAME(const T* q, T* g, Size count, Size width, int threads) {                        \
    softmax_slope(q, g, count, width, threads);                                                                        \
  }

OF_MAPS(float, float, float)
OF_MAPS(double, double, double)
OF_MAPS(bfloat16, Bfloat16, float)
