// Numbers side by side as the processor takes them at once, and the product of matrices that all of it rests on.

#pragma once

#include <type_traits>
#include <utility>

#include "numbers.h"

namespace {

// Of float that the processor takes at once, and rows of a product that its registers hold, two vectors each.
#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 12;
#elif defined(__AVX__)
constexpr int LANES = 8, ROWS = 6;
#elif defined(__aarch64__)
constexpr int LANES = 4, ROWS = 12;
#else
constexpr int LANES = 4, ROWS = 6;
#endif

typedef float Vector __attribute__((vector_size(LANES * 4)));
typedef float AnyVector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint32_t Bits __attribute__((vector_size(LANES * 4)));
typedef uint16_t Halves __attribute__((vector_size(LANES * 2)));
typedef uint16_t AnyHalves __attribute__((vector_size(LANES * 2), aligned(2), may_alias));

inline Vector load(const float* from) { return *reinterpret_cast<const AnyVector*>(from); }
inline Vector load(const Bfloat16* from) {
  const Halves halves = *reinterpret_cast<const AnyHalves*>(from);
  return reinterpret_cast<Vector>(__builtin_convertvector(halves, Bits) << 16);
}
inline void store(float* to, Vector values) { *reinterpret_cast<AnyVector*>(to) = values; }
inline void store(Bfloat16* to, Vector values) {
  const Bits bits = reinterpret_cast<Bits>(values);
  *reinterpret_cast<AnyHalves*>(to) = __builtin_convertvector((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16, Halves);
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLES
#endif
#endif

#ifdef SHUFFLES
template <int HALF, size_t... I>
inline Vector interleaved(Vector a, Vector b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (HALF * LANES / 2 + int(I) / 2 + (I % 2 ? LANES : 0))...);
}
#endif

// LANES rows of as many numbers, in place.
inline void transpose(Vector* rows) {
#ifdef SHUFFLES
  constexpr std::make_index_sequence<LANES> all;
  for (int step = 1; step < LANES; step *= 2) {
    Vector mixed[LANES];
#pragma GCC unroll 8
    for (int i = 0; i < LANES / 2; i++) {
      mixed[2 * i] = interleaved<0>(rows[i], rows[i + LANES / 2], all);
      mixed[2 * i + 1] = interleaved<1>(rows[i], rows[i + LANES / 2], all);
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) rows[i] = mixed[i];
  }
#else
  float turned[LANES][LANES];
  for (int i = 0; i < LANES; i++)
    for (int j = 0; j < LANES; j++) turned[j][i] = rows[i][j];
  for (int i = 0; i < LANES; i++) rows[i] = load(turned[i]);
#endif
}

// c (R rows, W vectors each) = or += the sum over `depth` of a[row, k] b[k, column].
template <int R, int W, bool MORE>
inline void block(const float* a, Size row, Size next, const float* b, Size b_next, float* c, Size c_row, Size depth) {
  Vector sums[R][W];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int w = 0; w < W; w++) sums[r][w] = Vector{};
  for (Size k = 0; k < depth; k++) {
    Vector right[W];
#pragma GCC unroll 4
    for (int w = 0; w < W; w++) right[w] = load(b + w * LANES);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const float left = a[r * row];
#pragma GCC unroll 4
      for (int w = 0; w < W; w++) sums[r][w] += left * right[w];
    }
    a += next;
    b += b_next;
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int w = 0; w < W; w++) {
      float* to = c + r * c_row + w * LANES;
      store(to, MORE ? load(to) + sums[r][w] : sums[r][w]);
    }
}

// c (rows x W vectors) from a[row, k] and b[k, column].
template <bool MORE, int W>
inline void rows_of(const float* a, Size row, Size next, const float* b, Size b_next, float* c, Size c_row, Size rows,
                    Size depth) {
  Size at = 0;
  const auto by = [&](auto R) {
    block<R.value, W, MORE>(a + at * row, row, next, b, b_next, c + at * c_row, c_row, depth);
    at += R.value;
  };
  constexpr bool LARGE = ROWS > 8;  // then 16 rows are twice 8, rather than 12 and 4
  while (rows - at >= ROWS && !(LARGE && rows - at == ROWS + 4)) by(std::integral_constant<int, ROWS>());
  if constexpr (LARGE)
    while (rows - at >= 8) by(std::integral_constant<int, 8>());
  while (rows - at >= 4) by(std::integral_constant<int, 4>());
  while (rows > at) by(std::integral_constant<int, 1>());
}

// The product of a[row, k] and b[k, column], in place of c or added to it; columns in whole vectors.
template <bool MORE>
void multiplied(const float* a, Size row, Size next, const float* b, Size b_next, float* c, Size c_row, Size rows,
                Size columns, Size depth) {
  Size at = 0;
  for (; at + 2 * LANES <= columns; at += 2 * LANES)
    rows_of<MORE, 2>(a, row, next, b + at, b_next, c + at, c_row, rows, depth);
  if (at < columns) rows_of<MORE, 1>(a, row, next, b + at, b_next, c + at, c_row, rows, depth);
}

}  // namespace
