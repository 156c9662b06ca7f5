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
constexpr Size STRAND = 512, MOST = 4;  // queries over which sums are taken at least, and strands of a head at most

struct Sizes {
  Size images, pixels, heads, width;

  Size all() const { return images * heads; }
  Size apart() const { return heads * width; }  // from pixel to pixel, and from queries to keys
  Size padded() const { return (pixels + LANES - 1) / LANES * LANES; }
  float factor() const { return 1.0f / std::sqrt(float(width)); }
  Size tiles() const { return (pixels + TALL - 1) / TALL; }
  Size strands() const { return std::min(MOST, std::max<Size>(1, pixels / STRAND)); }
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

// Of each head b[k, pixel], or b[pixel, k], of queries, keys or values; 0 beyond the last pixel.
template <class T>
auto turned(const T* qkv, const Sizes& sizes, int which) {
  return [=](Size at, Size k, Size pixel) {
    return pixel < sizes.pixels ? wide(sizes.of(qkv, at, which)[pixel * 3 * sizes.apart() + k]) : 0.0f;
  };
}
template <class T>
auto in_rows(const T* qkv, const Sizes& sizes, int which) {
  return [=](Size at, Size pixel, Size k) { return turned(qkv, sizes, which)(at, k, pixel); };
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
  const Panels<E> by_keys(sizes.all(), width, padded, turned(qkv, sizes, 1));
  const Panels<E> by_values(sizes.all(), padded, width, in_rows(qkv, sizes, 2));
#pragma omp parallel num_threads(threads) if (threads > 1 && sizes.threads_pay())
  {
    const MatrixUnit<E> unit;
    Scratch<float> q(TALL * width), p(TALL * BLOCK), out(TALL * width);
    Ready<E> ready_q(TALL, width), ready_p(TALL, BLOCK);
    float most[TALL], total[TALL];
#pragma omp for schedule(static)
    for (Size work = 0; work < sizes.all() * sizes.tiles(); work++) {
      const Size at = work / sizes.tiles(), first = work % sizes.tiles() * TALL;
      const T* queries = sizes.of(qkv, at, 0);
      const Size count = std::min(TALL, pixels - first);
      read(queries + first * 3 * apart, 3 * apart, count, width, q.at);
      ready_q.take(q.at, count, width);
      std::fill_n(most, count, -std::numeric_limits<float>::infinity());
      std::fill_n(total, count, 0.0f);
      std::fill_n(out.at, count * width, 0.0f);
      for (Size from = 0; from < padded; from += BLOCK) {
        const Size those = std::min(BLOCK, padded - from), real = std::min(those, pixels - from);
        by_keys.times(at, ready_q.rows(), count, p.at, 0, width, from, those);
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
        by_values.template times<true>(at, ready_p.rows(), count, out.at, from, those, 0, width);
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
  const Panels<E> by_keys(sizes.all(), width, padded, turned(qkv, sizes, 1));
  const Panels<E> by_values(sizes.all(), width, padded, turned(qkv, sizes, 2));
  const Panels<E> back_by_keys(sizes.all(), padded, width, in_rows(qkv, sizes, 1));
  const Size strands = sizes.strands(), length = (sizes.tiles() + strands - 1) / strands * TALL, size = padded * width;
  std::vector<float> of_keys(sizes.all() * strands * size), of_values(sizes.all() * strands * size);
#pragma omp parallel num_threads(threads) if (threads > 1 && sizes.threads_pay())
  {
    const MatrixUnit<E> unit;
    Scratch<float> q(TALL * width), g(TALL * width), made(TALL * width), p(TALL * BLOCK), of_p(TALL * BLOCK);
    Ready<E> ready_q(TALL, width), ready_g(TALL, width);
    Ready<E, true> ready_p(TALL, BLOCK), ready_of_p(TALL, BLOCK);
    float along[TALL];
#pragma omp for schedule(static)
    for (Size work = 0; work < sizes.all() * strands; work++) {
      const Size at = work / strands, begin = work % strands * length, end = std::min(begin + length, pixels);
      const T* queries = sizes.of(qkv, at, 0);
      for (Size first = begin; first < end; first += TALL) {
        const Size count = std::min(TALL, end - first);
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
          by_keys.times(at, ready_q.rows(), count, p.at, 0, width, from, those);
          by_values.times(at, ready_g.rows(), count, of_p.at, 0, width, from, those);
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
          add_over(ready_p, those, ready_g, width, count, of_values.data() + work * size + from * width);
          add_over(ready_of_p, those, ready_q, width, count, of_keys.data() + work * size + from * width);
          back_by_keys.template times<true>(at, ready_of_p.rows(), count, made.at, from, those, 0, width);
        }
        write(made.at, count, width, 3 * apart, sizes.of(of_qkv, at, 0) + first * 3 * apart);
      }
    }
#pragma omp for schedule(static)
    for (Size at = 0; at < sizes.all(); at++) {
      float *keys = of_keys.data() + at * strands * size, *values = of_values.data() + at * strands * size;
      for (Size i = size; i < strands * size; i++) {
        keys[i % size] += keys[i];
        values[i % size] += values[i];
      }
      write(keys, pixels, width, 3 * apart, sizes.of(of_qkv, at, 1));
      write(values, pixels, width, 3 * apart, sizes.of(of_qkv, at, 2));
    }
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
