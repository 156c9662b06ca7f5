// Of products.py: products of tall matrices, the pixels of a map by channels, in float; of bfloat16, sums over pixels.
//
// Sums over pixels are taken in strands whose number depends on that of the pixels alone: so do bits.

#include "matrices.h"

namespace {

constexpr Size TALL = 96;                 // rows that are multiplied together
constexpr Size STRAND = 2048, MOST = 16;  // rows of a strand at least, and strands at most

// c (rows x columns) = a (rows x depth) b + start, or c += a b; rows of `images`, each with its own b if `own`.
void product(const float* a, const float* b, const float* start, float* c, Size images, Size rows, Size depth,
             Size columns, bool own, bool more, int threads) {
  const Size pieces = (rows + TALL - 1) / TALL, size = depth * columns;
  const Panels<float> by_b(own ? images : 1, depth, columns,
                           [=](Size image, Size k, Size c) { return b[image * size + k * columns + c]; });
#pragma omp parallel for num_threads(threads) if (threads > 1 && images * rows * size > 1 << 18) schedule(static)
  for (Size at = 0; at < images * pieces; at++) {
    const Size image = at / pieces, from = at % pieces * TALL, count = std::min(TALL, rows - from);
    const float* left = a + (image * rows + from) * depth;
    float* out = c + (image * rows + from) * columns;
    if (start != nullptr)
      for (Size row = 0; row < count; row++) std::copy_n(start, columns, out + row * columns);
    if (more || start != nullptr)
      by_b.times<true>(own ? image : 0, left, count, out);
    else
      by_b.times(own ? image : 0, left, count, out);
  }
}

// Rows of bfloat16 as they are multiplied.
[[maybe_unused]] inline void get_ready(const Bfloat16* rows, Size count, Size width, Pair* to) {
  for (Size row = 0; row < count; row += 2) {
    const Bfloat16 *first = rows + row * width, *second = first + width;
    for (Size c = 0; c < width; c++)
      to[row / 2 * width + c].bits = first[c].bits | (row + 1 < count ? uint32_t(second[c].bits) << 16 : 0);
  }
}

[[maybe_unused]] inline void get_ready(const Bfloat16* rows, Size count, Size width, float* to) {
  for (Size i = 0; i < count * width; i++) to[i] = wide(rows[i]);
}

// c (features x columns) of each image: the sum over its rows of a (rows x features), turned, times b (rows x columns).
template <class T>
void product_over(const T* a, const T* b, float* c, Size images, Size rows, Size features, Size columns, int threads) {
  const Size strands = std::min(MOST, std::max<Size>(1, rows / STRAND)), size = features * columns;
  const Size length = ((rows + strands - 1) / strands + TALL - 1) / TALL * TALL;
  std::vector<float> sums(images * strands * size);
#pragma omp parallel for num_threads(threads) if (threads > 1 && images * rows * size > 1 << 18) schedule(static)
  for (Size at = 0; at < images * strands; at++) {
    const Size image = at / strands, first = at % strands * length, last = std::min(first + length, rows);
    float* sum = sums.data() + at * size;
    using E = Multiplied<T>;
    std::vector<E> left, right;
    if constexpr (!std::is_same_v<T, float>) left.resize(TALL * features), right.resize(TALL * columns);
    for (Size from = first; from < last; from += TALL) {
      const Size row = image * rows + from, count = std::min(TALL, last - from);
      const T *of_a = a + row * features, *of_b = b + row * columns;
      if constexpr (std::is_same_v<T, float>) {
        multiplied<true>(of_a, 1, features, of_b, columns, sum, columns, features, columns, count);
      } else {
        get_ready(of_a, count, features, left.data());
        get_ready(of_b, count, columns, right.data());
        const Size depth = (count + EACH<E> - 1) / EACH<E>;
        multiplied<true>(left.data(), 1, features, right.data(), columns, sum, columns, features, columns, depth);
      }
    }
  }
  for (Size image = 0; image < images; image++)
    for (Size strand = 0; strand < strands; strand++) {
      const float* from = sums.data() + (image * strands + strand) * size;
      float* to = c + image * size;
      if (strand == 0)
        std::copy_n(from, size, to);
      else
        for (Size i = 0; i < size; i++) to[i] += from[i];
    }
}

}  // namespace

extern "C" void product_float(const float* a, const float* b, const float* start, float* c, Size images, Size rows,
                              Size depth, Size columns, Size own, Size more, int threads) {
  product(a, b, start, c, images, rows, depth, columns, own != 0, more != 0, threads);
}

#define OVER(NAME, T)                                                                                                  \
  extern "C" void product_over_##NAME(const T* a, const T* b, float* c, Size images, Size rows, Size features,         \
                                      Size columns, int threads) {                                                     \
    product_over(a, b, c, images, rows, features, columns, threads);                                                   \
  }

OVER(float, float)
OVER(bfloat16, Bfloat16)
