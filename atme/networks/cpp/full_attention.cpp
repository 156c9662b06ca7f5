// Of attention.py: attention of every pixel to every pixel, head by head, a block of keys at a time (Dao et al. 2022,
// arXiv 2205.14135): no matrix of pixels by pixels lies in memory.
//
// Queries, keys and values of a pixel follow one another, and so do heads, `width` numbers each. With s the products of
// queries and keys, times width^-1/2, and l the logarithm of a row's sum of exponentials, p = exp(s - l), result = p v;
// with g the result's gradient, that of v is p^T g, of s it is p (g v^T - sum of g times the result over a row).

#include <limits>

#include "functions.h"
#include "matrices.h"

namespace {

constexpr Size TALL = 96, BLOCK = 256;  // queries and keys that are taken together

struct Sizes {
  Size images, pixels, heads, width;

  Size all() const { return images * heads; }
  Size apart() const { return heads * width; }  // from pixel to pixel, and from queries to keys
  Size padded() const { return (pixels + LANES - 1) / LANES * LANES; }
  float factor() const { return 1.0f / std::sqrt(float(width)); }
  bool threads_pay() const { return images * pixels * pixels * heads > Size(1) << 16; }
  // A head of an image's pixels; of queries, keys and values the 0th, 1st or 2nd.
  template <class T>
  T* of(T* qkv, Size at, int which) const {
    return qkv + (at / heads * pixels * 3 + which) * apart() + at % heads * width;
  }
  template <class T>
  T* of(T* pixel, Size at) const {
    return pixel + at / heads * pixels * apart() + at % heads * width;
  }
};

// b[k, pixel] of numbers of pixels, `apart` from each other; 0 beyond the last one. And b[pixel, column].
template <class T>
auto turned(const T* from, Size apart, Size pixels) {
  return [=](Size, Size k, Size pixel) { return pixel < pixels ? wide(from[pixel * apart + k]) : 0.0f; };
}
template <class T>
auto in_rows(const T* from, Size apart, Size pixels) {
  return [=](Size, Size pixel, Size c) { return pixel < pixels ? wide(from[pixel * apart + c]) : 0.0f; };
}

template <class T>
void read(const T* from, Size apart, Size count, Size width, float* to) {
  for (Size row = 0; row < count; row++)
    for (Size c = 0; c < width; c += LANES) store(to + row * width + c, load(from + row * apart + c));
}

template <class T>
void write(const float* from, Size count, Size width, Size apart, T* to) {
  for (Size row = 0; row < count; row++)
    for (Size c = 0; c < width; c += LANES) store(to + row * apart + c, load(from + row * width + c));
}

template <class T>
void fully_attended(const T* qkv, T* result, float* logs, const Sizes& sizes, int threads) {
  using E = Multiplied<T>;
  const Size width = sizes.width, pixels = sizes.pixels, padded = sizes.padded(), apart = sizes.apart();
  const float factor = sizes.factor();
#pragma omp parallel for num_threads(threads) if (threads > 1 && sizes.threads_pay()) schedule(static)
  for (Size at = 0; at < sizes.all(); at++) {
    const T* queries = sizes.of(qkv, at, 0);
    const Panels<E> by_keys(1, width, padded, turned(sizes.of(qkv, at, 1), 3 * apart, pixels));
    const Panels<E> by_values(1, padded, width, in_rows(sizes.of(qkv, at, 2), 3 * apart, pixels));
    Scratch<float> q(TALL * width), p(TALL * BLOCK), out(TALL * width);
    Ready<E> ready_q(TALL, width), ready_p(TALL, BLOCK);
    float most[TALL], total[TALL];
    for (Size first = 0; first < pixels; first += TALL) {
      const Size count = std::min(TALL, pixels - first);
      read(queries + first * 3 * apart, 3 * apart, count, width, q.at);
      ready_q.take(q.at, count, width);
      std::fill_n(most, count, -std::numeric_limits<float>::infinity());
      std::fill_n(total, count, 0.0f);
      std::fill_n(out.at, count * width, 0.0f);
      for (Size from = 0; from < padded; from += BLOCK) {
        const Size those = std::min(BLOCK, padded - from), real = std::min(those, pixels - from);
        by_keys.times(0, ready_q.rows(), count, p.at, 0, width, from, those);
        for (Size row = 0; row < count; row++) {
          float* here = p.at + row * those;
          std::fill_n(here + real, those - real, -std::numeric_limits<float>::infinity());
          Vector highest = load(here), sum{};
          for (Size c = LANES; c < those; c += LANES) highest = larger(highest, load(here + c));
          const float before = most[row];
          most[row] = std::max(before, factor * reduced(highest, [](Vector a, Vector b) { return larger(a, b); }));
          for (Size c = 0; c < those; c += LANES) {
            const Vector value = exponential(load(here + c) * factor - most[row]);
            store(here + c, value);
            sum += value;
          }
          const float shrunk = std::exp(before - most[row]);  // what was summed up before a larger one came
          total[row] = total[row] * shrunk + reduced(sum, [](Vector a, Vector b) { return a + b; });
          if (shrunk != 1.0f)
            for (Size c = row * width; c < (row + 1) * width; c += LANES) store(out.at + c, load(out.at + c) * shrunk);
        }
        ready_p.take(p.at, count, those);
        by_values.template times<true>(0, ready_p.rows(), count, out.at, from, those, 0, width);
      }
      for (Size row = 0; row < count; row++) {
        logs[at * pixels + first + row] = most[row] + std::log(total[row]);
        for (Size c = row * width; c < (row + 1) * width; c += LANES) store(out.at + c, load(out.at + c) / total[row]);
      }
      write(out.at, count, width, apart, sizes.of(result, at) + first * apart);
    }
  }
}

template <class T>
void fully_attended_slope(const T* gradient, const T* qkv, const T* result, const float* logs, T* of_qkv,
                          const Sizes& sizes, int threads) {
  using E = Multiplied<T>;
  const Size width = sizes.width, pixels = sizes.pixels, padded = sizes.padded(), apart = sizes.apart();
  const float factor = sizes.factor();
#pragma omp parallel for num_threads(threads) if (threads > 1 && sizes.threads_pay()) schedule(static)
  for (Size at = 0; at < sizes.all(); at++) {
    const T *queries = sizes.of(qkv, at, 0), *keys = sizes.of(qkv, at, 1), *values = sizes.of(qkv, at, 2);
    const Panels<E> by_keys(1, width, padded, turned(keys, 3 * apart, pixels));
    const Panels<E> by_values(1, width, padded, turned(values, 3 * apart, pixels));
    const Panels<E> back_by_keys(1, padded, width, in_rows(keys, 3 * apart, pixels));
    Scratch<float> q(TALL * width), g(TALL * width), made(TALL * width), p(TALL * BLOCK), of_p(TALL * BLOCK);
    Ready<E> ready_q(TALL, width), ready_g(TALL, width), ready_p(TALL, BLOCK), ready_of_p(TALL, BLOCK);
    std::vector<float> of_keys(padded * width), of_values(padded * width);
    float along[TALL];
    for (Size first = 0; first < pixels; first += TALL) {
      const Size count = std::min(TALL, pixels - first);
      read(queries + first * 3 * apart, 3 * apart, count, width, q.at);
      read(sizes.of(gradient, at) + first * apart, apart, count, width, g.at);
      read(sizes.of(result, at) + first * apart, apart, count, width, made.at);
      for (Size row = 0; row < count; row++) {
        Vector sum{};
        for (Size c = row * width; c < (row + 1) * width; c += LANES) sum += load(g.at + c) * load(made.at + c);
        along[row] = reduced(sum, [](Vector a, Vector b) { return a + b; });
      }
      ready_q.take(q.at, count, width);
      ready_g.take(g.at, count, width);
      std::fill_n(made.at, count * width, 0.0f);  // from here on the gradient of queries
      for (Size from = 0; from < padded; from += BLOCK) {
        const Size those = std::min(BLOCK, padded - from), real = std::min(those, pixels - from);
        by_keys.times(0, ready_q.rows(), count, p.at, 0, width, from, those);
        by_values.times(0, ready_g.rows(), count, of_p.at, 0, width, from, those);
        for (Size row = 0; row < count; row++) {
          float *here = p.at + row * those, *slope = of_p.at + row * those;
          const float log = logs[at * pixels + first + row];
          for (Size c = 0; c < those; c += LANES) {
            const Vector value = exponential(load(here + c) * factor - log);
            store(here + c, value);
            store(slope + c, value * (load(slope + c) - along[row]) * factor);
          }
          std::fill_n(here + real, those - real, 0.0f);
          std::fill_n(slope + real, those - real, 0.0f);
        }
        ready_p.take(p.at, count, those);
        ready_of_p.take(of_p.at, count, those);
        add_over(ready_p, those, ready_g, width, count, of_values.data() + from * width);
        add_over(ready_of_p, those, ready_q, width, count, of_keys.data() + from * width);
        back_by_keys.template times<true>(0, ready_of_p.rows(), count, made.at, from, those, 0, width);
      }
      write(made.at, count, width, 3 * apart, sizes.of(of_qkv, at, 0) + first * 3 * apart);
    }
    write(of_keys.data(), pixels, width, 3 * apart, sizes.of(of_qkv, at, 1));
    write(of_values.data(), pixels, width, 3 * apart, sizes.of(of_qkv, at, 2));
  }
}

}  // namespace

#define OF_MAPS(NAME, T)                                                                                               \
  extern "C" void fully_attended_##NAME(const T* qkv, T* result, float* logs, Size b, Size n, Size heads, Size d,      \
                                        int threads) {                                                                 \
    fully_attended(qkv, result, logs, {b, n, heads, d}, threads);                                                      \
  }                                                                                                                    \
  extern "C" void fully_attended_slope_##NAME(const T* gradient, const T* qkv, const T* result, const float* logs,     \
                                              T* of_qkv, Size b, Size n, Size heads, Size d, int threads) {            \
    fully_attended_slope(gradient, qkv, result, logs, of_qkv, {b, n, heads, d}, threads);                              \
  }

OF_MAPS(float, float)
OF_MAPS(bfloat16, Bfloat16)
