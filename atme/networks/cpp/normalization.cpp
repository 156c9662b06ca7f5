// Of fused.py: moments, SiLU after a factor and an offset, what these are made of, and derivatives; sums over pixels.

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
  two_sums<A>(
      images, pixels, channels, threads, each.data(), nothing.data(), [=](Size, Size from, Size to, A* a, A* b) {
        gathered(length, channels, a, b, [=](A* sum, A*) {
          in_pixels((to - from) * channels, length,
                    [=](Size at, Size c, auto part) { add(sum + c, load(x + from * channels + at, part), part); });
        });
      });
  for (Size c = 0; c < channels; c++) {
    double sum = 0;
    for (Size image = 0; image < images; image++) sum += each[image * channels + c];
    total[c] = A(sum);
  }
}

// What the step makes of moments, (images, channels) each, by the letters of fused.py; `heard` has s - 1 and t.
template <class A>
void normalization(const A* mean, const A* variance, const A* bias, const A* gamma, const A* beta, const A* heard,
                   A* mu, A* r, A* factor, A* offset, Size images, Size channels, Size groups, double eps) {
  const Size each = channels / groups;
  for (Size image = 0; image < images; image++)
    for (Size group = 0; group < groups; group++) {
      const Size first = group * each, at = image * channels + first;
      double sum = 0, spread = 0;
      for (Size c = 0; c < each; c++) sum += double(mean[at + c]) + bias[first + c];
      const double middle = sum / double(each);
      for (Size c = 0; c < each; c++) {
        const double differs = double(mean[at + c]) + bias[first + c] - middle;
        spread += variance[at + c] + differs * differs;
      }
      const double of_group = 1 / std::sqrt(spread / double(each) + eps);
      for (Size c = first; c < first + each; c++) {
        const Size here = image * channels + c;
        const double s = 1 + double(heard[image * 2 * channels + c]), t = heard[image * 2 * channels + channels + c];
        mu[here] = A(middle);
        r[here] = A(of_group);
        factor[here] = A(gamma[c] * s * of_group);
        offset[here] = A(beta[c] * s + t + gamma[c] * s * of_group * (bias[c] - middle));
      }
    }
}

// Its derivative, from P and Q, (images, channels) each, to a1 and a0, and to what the step is told.
template <class A>
void normalization_slope(const A* P, const A* Q, const A* mean, const A* mu, const A* r, const A* factor, const A* bias,
                         const A* gamma, const A* beta, const A* heard, A* a1, A* a0, A* to_bias, A* to_gamma,
                         A* to_beta, A* to_heard, Size images, Size pixels, Size channels, Size groups) {
  const Size each = channels / groups;
  std::vector<double> totals(3 * channels);
  for (Size image = 0; image < images; image++)
    for (Size group = 0; group < groups; group++) {
      double of_R = 0, of_P = 0;
      const Size first = group * each, end = first + each;
      const auto R = [&](Size c) {
        const Size at = image * channels + c;
        return r[at] * (Q[at] + (double(bias[c]) - mu[at]) * P[at]);
      };
      const auto s = [&](Size c) { return 1 + double(heard[image * 2 * channels + c]); };
      for (Size c = first; c < end; c++) {
        of_R += gamma[c] * s(c) * R(c);
        of_P += gamma[c] * s(c) * P[image * channels + c];
      }
      const double values = double(each) * double(pixels);
      for (Size c = first; c < end; c++) {
        const Size at = image * channels + c;
        const double slope = -double(r[at]) * r[at] * of_R / values;
        const double shift = slope * (double(bias[c]) - mu[at]) - r[at] * of_P / values;
        a1[at] = A(slope);
        a0[at] = A(shift);
        totals[c] += double(factor[at]) * P[at] + double(pixels) * (slope * mean[at] + shift);
        totals[channels + c] += s(c) * R(c);
        totals[2 * channels + c] += s(c) * P[at];
        to_heard[image * 2 * channels + c] = A(gamma[c] * R(c) + double(beta[c]) * P[at]);
        to_heard[image * 2 * channels + channels + c] = P[at];
      }
    }
  for (Size c = 0; c < channels; c++) {
    to_bias[c] = A(totals[c]);
    to_gamma[c] = A(totals[channels + c]);
    to_beta[c] = A(totals[2 * channels + c]);
  }
}

}  // namespace

#define OF_NUMBERS(A)                                                                                                  \
  extern "C" void normalization_##A(const A* mean, const A* variance, const A* bias, const A* gamma, const A* beta,    \
                                    const A* heard, A* mu, A* r, A* factor, A* offset, Size b, Size c, Size groups,    \
                                    double eps, int) {                                                                 \
    normalization(mean, variance, bias, gamma, beta, heard, mu, r, factor, offset, b, c, groups, eps);                 \
  }                                                                                                                    \
  extern "C" void normalization_slope_##A(const A* P, const A* Q, const A* mean, const A* mu, const A* r,              \
                                          const A* factor, const A* bias, const A* gamma, const A* beta,               \
                                          const A* heard, A* a1, A* a0, A* to_bias, A* to_gamma, A* to_beta,           \
                                          A* to_heard, Size b, Size n, Size c, Size groups, int) {                     \
    normalization_slope(P, Q, mean, mu, r, factor, bias, gamma, beta, heard, a1, a0, to_bias, to_gamma, to_beta,       \
                        to_heard, b, n, c, groups);                                                                    \
  }

OF_NUMBERS(float)
OF_NUMBERS(double)

#define OF_MAPS(NAME, T, A)                                                                                            \
  extern "C" void moments_##NAME(const T* x, A* mean, A* variance, Size b, Size n, Size c, int threads) {              \
    moments(x, mean, variance, b, n, c, threads);                                                                      \
  }                                                                                                                    \
  extern "C" void activated_##NAME(const T* x, const A* f, const A* o, const T* residual, T* result, Size b, Size n,   \
                                   Size c, int threads) {                                                              \
    activated(x, f, o, residual, result, b, n, c, threads);                                                            \
  }                                                                                                                    \
  extern "C" void slope_sums_##NAME(const T* g, const T* x, const A* f, const A* o, A* P, A* Q, Size b, Size n,        \
                                    Size c, int threads) {                                                             \
    slope_sums(g, x, f, o, P, Q, b, n, c, threads);                                                                    \
  }                                                                                                                    \
  extern "C" void combined_##NAME(const T* g, const T* x, const A* f, const A* o, const A* a1, const A* a0, T* result, \
                                  Size b, Size n, Size c, int threads) {                                               \
    combined(g, x, f, o, a1, a0, result, b, n, c, threads);                                                            \
  }                                                                                                                    \
  extern "C" void sums_##NAME(const T* x, A* total, Size b, Size n, Size c, int threads) {                             \
    sums(x, total, b, n, c, threads);                                                                                  \
  }

OF_MAPS(float, float, float)
OF_MAPS(double, double, double)
OF_MAPS(bfloat16, Bfloat16, float)
