// Numbers side by side as the processor takes them at once, and the product of matrices that all of it rests on.

#pragma once

#include <type_traits>
#include <utility>

#include "numbers.h"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

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
typedef double Doubles __attribute__((vector_size(LANES * 8)));
typedef double AnyDoubles __attribute__((vector_size(LANES * 8), aligned(8), may_alias));
typedef uint32_t Bits __attribute__((vector_size(LANES * 4)));
typedef uint16_t Halves __attribute__((vector_size(LANES * 2)));
typedef uint16_t AnyHalves __attribute__((vector_size(LANES * 2), aligned(2), may_alias));

// LANES numbers of the precision that sums of T are taken in.
template <class T>
using VectorOf = std::conditional_t<std::is_same_v<T, double>, Doubles, Vector>;

inline Vector load(const float* from) { return *reinterpret_cast<const AnyVector*>(from); }
inline Doubles load(const double* from) { return *reinterpret_cast<const AnyDoubles*>(from); }
inline Vector load(const Bfloat16* from) {
#ifdef __AVX512F__  // here and below: what GCC makes of the general words is longer
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return reinterpret_cast<Vector>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
#else
  const Halves halves = *reinterpret_cast<const AnyHalves*>(from);
  return reinterpret_cast<Vector>(__builtin_convertvector(halves, Bits) << 16);
#endif
}
inline void store(float* to, Vector values) { *reinterpret_cast<AnyVector*>(to) = values; }
inline void store(double* to, const Doubles& values) { *reinterpret_cast<AnyDoubles*>(to) = values; }
inline void store(Bfloat16* to, Vector values) {  // as `narrow`; where the processor has it, numbers below 2^-126 are 0
#ifdef __AVX512BF16__
  const __m256bh halves = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(values));
  std::memcpy(to, &halves, sizeof halves);
#else
  const Bits bits = reinterpret_cast<Bits>(values);
  *reinterpret_cast<AnyHalves*>(to) = __builtin_convertvector((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16, Halves);
#endif
}

// The larger of two, or the smaller; b where one is no number.
inline Vector larger(Vector a, Vector b) {
#ifdef __AVX512F__
  return reinterpret_cast<Vector>(_mm512_max_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
#else
  return a > b ? a : b;
#endif
}
inline Vector smaller(Vector a, Vector b) {
#ifdef __AVX512F__
  return reinterpret_cast<Vector>(_mm512_min_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
#else
  return a < b ? a : b;
#endif
}
inline Doubles larger(const Doubles& a, const Doubles& b) { return a > b ? a : b; }

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

// Each lane and the one HALF further on, in each other's place.
template <int HALF, class V, size_t... I>
inline V crossed(V values, std::index_sequence<I...>) {
#ifdef SHUFFLES
  return __builtin_shufflevector(values, values, (int(I) ^ HALF)...);
#else
  return V{values[I ^ HALF]...};
#endif
}

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

// Two bfloat16 that follow one another in what is summed over.
struct __attribute__((may_alias)) Pair {
  uint32_t bits;
};

// What numbers of a map are multiplied as: bfloat16 in pairs where the processor multiplies these, else as float.
#ifdef __AVX512BF16__
template <class T>
using Multiplied = std::conditional_t<std::is_same_v<T, Bfloat16>, Pair, float>;
#else
template <class T>
using Multiplied = float;
#endif

inline Bits load(const Pair* from) {
  Bits bits;
  std::memcpy(&bits, from, sizeof bits);
  return bits;
}

// LANES pairs of two vectors, rounded.
inline void store(Pair* to, Vector first, Vector second) {
#ifdef __AVX512BF16__
  const __m512i halves =
      reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(second), reinterpret_cast<__m512>(first)));
  constexpr Bits ORDER = {0x100000, 0x110001, 0x120002, 0x130003, 0x140004, 0x150005, 0x160006, 0x170007,
                          0x180008, 0x190009, 0x1a000a, 0x1b000b, 0x1c000c, 0x1d000d, 0x1e000e, 0x1f000f};
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(reinterpret_cast<__m512i>(ORDER), halves));
#else
  for (int i = 0; i < LANES; i++)
    to[i].bits = narrow<Bfloat16>(first[i]).bits | uint32_t(narrow<Bfloat16>(second[i]).bits) << 16;
#endif
}

// sum + left right, of pairs both products.
inline void add_product(Vector& sum, float left, Vector right) { sum += left * right; }
#ifdef __AVX512BF16__
inline void add_product(Vector& sum, Pair left, Bits right) {
  sum = reinterpret_cast<Vector>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum),
                                                  reinterpret_cast<__m512bh>(_mm512_set1_epi32(int(left.bits))),
                                                  reinterpret_cast<__m512bh>(right)));
}
#endif

// c (R rows, W vectors each) = or += the sum over `depth` of a[row, k] b[k, column], E numbers or pairs.
template <int R, int W, bool MORE, class E>
inline void block(const E* a, Size row, Size next, const E* b, Size b_next, float* c, Size c_row, Size depth) {
  Vector sums[R][W];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int w = 0; w < W; w++) sums[r][w] = Vector{};
  for (Size k = 0; k < depth; k++) {
    decltype(load(b)) right[W];
#pragma GCC unroll 4
    for (int w = 0; w < W; w++) right[w] = load(b + w * LANES);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const E left = a[r * row];
#pragma GCC unroll 4
      for (int w = 0; w < W; w++) add_product(sums[r][w], left, right[w]);
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
template <bool MORE, int W, class E>
inline void rows_of(const E* a, Size row, Size next, const E* b, Size b_next, float* c, Size c_row, Size rows,
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
template <bool MORE, class E = float>
void multiplied(const E* a, Size row, Size next, const E* b, Size b_next, float* c, Size c_row, Size rows, Size columns,
                Size depth) {
  Size at = 0;
  for (; at + 2 * LANES <= columns; at += 2 * LANES)
    rows_of<MORE, 2>(a, row, next, b + at, b_next, c + at, c_row, rows, depth);
  if (at < columns) rows_of<MORE, 1>(a, row, next, b + at, b_next, c + at, c_row, rows, depth);
}

}  // namespace
