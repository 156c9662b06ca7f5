// Of fused.py: moments, SiLU after a factor and an offset, and its derivative; and sums over pixels.

#include "functions.h"

namespace {

template <class T, class A = typename Sum<T>::type>
void moments(const T* x, A* mean, A* variance, Size images, Size pixels, Size channels, int threads) {
  std::vector<A> first(images * channels);
  for (Size image = 0; image < images; image++) {
    A* at = first.data() + image * channels;
    const Size few = std::min(pixels, PIECE);
    for (Size n = 0; n < few; n++)
      for (Size c = 0; c < channels; c++) at[c] += wide(x[(image * pixels + n) * channels + c]);
    for (Size c = 0; c < channels; c++) at[c] /= A(few);
  }
  const Repeated<A> near(first.data(), images, channels);
  std::vector<double> sums(images * channels), squares(images * channels);
  two_sums<A>(images, pixels, channels, threads, sums.data(), squares.data(),
              [&](Size image, Size from, Size to, A* a, A* b) {
                const A* of_near = near.of(image);
                const T* here = x + from * channels;
                gathered(near.length, channels, a, b, [&](A* sum, A* squared) {
                  in_pixels((to - from) * channels, near.length, [=](Size at, Size c, auto part) {
                    const auto differs = load(here + at, part) - load(of_near + c);
                    add(sum + c, differs, part);
                    add(squared + c, differs * differs, part);
                  });
                });
              });
  for (Size i = 0; i < images * channels; i++) {
    const double differs = sums[i] / double(pixels);
    mean[i] = A(first[i] + differs);
    variance[i] = A(std::max(squares[i] / double(pixels) - differs * differs, 0.0));
  }
}

template <class T, class A = typename Sum<T>::type>
void activated(const T* x, const A* factor, const A* offset, const T* residual, T* result, Size images, Size pixels,
               Size channels, int threads) {
  const Repeated<A> factors(factor, images, channels), offsets(offset, images, channels);
  in_pieces(images, pixels, channels, threads, [&](Size image, Size from, Size to, Size) {
    const A *f = factors.of(image), *o = offsets.of(image);
    const Size first = (image * pixels + from) * channels, count = (to - from) * channels;
    const auto make = [&](auto beside) {
      in_pixels(count, factors.length, [=](Size at, Size c, auto part) {
        const auto z = load(x + first + at, part) * load(f + c) + load(o + c);
        auto value = z * sigmoid(z);
        if constexpr (beside.value) value += load(residual + first + at, part);
        store(result + first + at, value, part);
      });
    };
    residual == nullptr ? make(std::false_type()) : make(std::true_type());
  });
}

template <class T, class A = typename Sum<T>::type>
void slope_sums(const T* gradient, const T* x, const A* factor, const A* offset, A* P, A* Q, Size images, Size pixels,
                Size channels, int threads) {
  const Repeated<A> factors(factor, images, channels), offsets(offset, images, channels);
  std::vector<double> p(images * channels), q(images * channels);
  two_sums<A>(images, pixels, channels, threads, p.data(), q.data(), [&](Size image, Size from, Size to, A* a, A* b) {
    const A *f = factors.of(image), *o = offsets.of(image);
    const T *here = x + from * channels, *of_here = gradient + from * channels;
    gathered(factors.length, channels, a, b, [&](A* sum, A* along) {
      in_pixels((to - from) * channels, factors.length, [=](Size at, Size c, auto part) {
        const auto value = load(here + at, part);
        const auto g = load(of_here + at, part) * silu_slope(value * load(f + c) + load(o + c));
        add(sum + c, g, part);
        add(along + c, g * value, part);
      });
    });
  });
  std::copy(p.begin(), p.end(), P);
  std::copy(q.begin(), q.end(), Q);
}

template <class T, class A = typename Sum<T>::type>
void combined(const T* gradient, const T* x, const A* factor, const A* offset, const A* a1, const A* a0, T* result,
              Size images, Size pixels, Size channels, int threads) {
  const Repeated<A> factors(factor, images, channels), offsets(offset, images, channels);
  const Repeated<A> slopes(a1, images, channels), shifts(a0, images, channels);
  in_pieces(images, pixels, channels, threads, [&](Size image, Size from, Size to, Size) {
    const A *f = factors.of(image), *o = offsets.of(image), *slope = slopes.of(image), *shift = shifts.of(image);
    const Size first = (image * pixels + from) * channels;
    in_pixels((to - from) * channels, factors.length, [=](Size at, Size c, auto part) {
      const auto value = load(x + first + at, part), of_factor = load(f + c);
      const auto g = load(gradient + first + at, part) * silu_slope(value * of_factor + load(o + c));
      store(result + first + at, g * of_factor + (value * load(slope + c) + load(shift + c)), part);
    });
  });
}

// Sums over pixels, of all images.
template <class T, class A = typename Sum<T>::type>
void sums(const T* x, A* total, Size images, Size pixels, Size channels, int threads) {
  const Size length = Repeated<A>::length_of(channels);
  std::vector<double> each(images * channels), nothing(images * channels);
  two_sums<A>(images, pixels, channels, threads, each.data(), nothing.data(),
              [=](Size, Size from, Size to, A* a, A* b) {
                gathered(length, channels, a, b, [=](A* sum, A*) {
                  in_pixels((to - from) * channels, length, [=](Size at, Size c, auto part) {
                    add(sum + c, load(x + from * channels + at, part), part);
                  });
                });
              });
  for (Size c = 0; c < channels; c++) {
    double sum = 0;
    for (Size image = 0; image < images; image++) sum += each[image * channels + c];
    total[c] = A(sum);
  }
}

}  // namespace

#define OF_MAPS(NAME, T, A)                                                                                          \
  extern "C" void moments_##NAME(const T* x, A* mean, A* variance, Size b, Size n, Size c, int threads) {            \
    moments(x, mean, variance, b, n, c, threads);                                                                    \
  }                                                                                                                  \
  extern "C" void activated_##NAME(const T* x, const A* f, const A* o, const T* residual, T* result, Size b, Size n, \
                                   Size c, int threads) {                                                            \
    activated(x, f, o, residual, result, b, n, c, threads);                                                          \
  }                                                                                                                  \
  extern "C" void slope_sums_##NAME(const T* g, const T* x, const A* f, const A* o, A* P, A* Q, Size b, Size n,      \
                                    Size c, int threads) {                                                           \
    slope_sums(g, x, f, o, P, Q, b, n, c, threads);                                                                  \
  }                                                                                                                  \
  extern "C" void combined_##NAME(const T* g, const T* x, const A* f, const A* o, const A* a1, const A* a0,          \
                                  T* result, Size b, Size n, Size c, int threads) {                                  \
    combined(g, x, f, o, a1, a0, result, b, n, c, threads);                                                          \
  }                                                                                                                  \
  extern "C" void sums_##NAME(const T* x, A* total, Size b, Size n, Size c, int threads) {                           \
    sums(x, total, b, n, c, threads);                                                                                \
  }

OF_MAPS(float, float, float)
OF_MAPS(double, double, double)
OF_MAPS(bfloat16, Bfloat16, float)
