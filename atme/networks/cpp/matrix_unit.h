// Intel's matrix unit for bfloat16 (AMX), on Linux: tiles of 16 rows of 16 pairs, times tiles of 16 pairs of 16
// columns.

#pragma once

#include "vectors.h"

// (clang before 16 has another word for it.)
#if (defined(__AMX_BF16__) || defined(__AMXBF16__)) && defined(__AVX512BF16__) && defined(__linux__)
#define ATME_MATRIX_UNIT
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#endif

namespace {

// A processor's unit for products of matrices of E, set up in this thread until it goes out of scope; as a rule, none.
template <class E>
class MatrixUnit {
 public:
  MatrixUnit() {}
};

#ifdef ATME_MATRIX_UNIT

constexpr Size TILE = 16;  // rows, columns, and pairs

// Whether the system lets this process have the unit: it has to be asked, once (ARCH_REQ_XCOMP_PERM, tile data).
inline bool has_matrix_unit() {
  static const bool allowed = syscall(SYS_arch_prctl, 0x1023, 18) == 0;
  return allowed;
}

// What was stored before is there for the unit's words, whose reading and writing the compiler does not see.
inline void written() { std::atomic_signal_fence(std::memory_order_seq_cst); }

// Intel's, for whole tiles. At last it is as it was before: other libraries remember how they left it.
template <>
class MatrixUnit<Pair> {
 public:
  MatrixUnit() {
    if (!has_matrix_unit()) return;
    alignas(64) Setup whole{};
    whole.palette = 1;
    for (int tile = 0; tile < 8; tile++) {
      whole.bytes[tile] = TILE * sizeof(Pair);
      whole.rows[tile] = TILE;
    }
    written();
    _tile_storeconfig(&before_);
    written();
    _tile_loadconfig(&whole);
  }
  ~MatrixUnit() {
    if (!has_matrix_unit()) return;
    written();
    _tile_loadconfig(&before_);
  }
  MatrixUnit(const MatrixUnit&) = delete;

 private:
  struct Setup {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  };
  alignas(64) Setup before_{};
};

// Tiles of what is multiplied: pairs from row to row, to the tile beside (of a: below), and to the next to be added up.
struct Tiles {
  const Pair* at;
  Size row, beside, next;
};

// Sums of R x W tiles of c, from 0 or from what is there.
template <bool MORE, int R, int W>
inline void begin(const float* c, Size row) {
  const Size step = row * Size(sizeof(float));
  const float* lower = c + TILE * row;
  if constexpr (MORE) {
    _tile_loadd(0, c, step);
    if constexpr (W > 1) _tile_loadd(1, c + TILE, step);
    if constexpr (R > 1) _tile_loadd(2, lower, step);
    if constexpr (R > 1 && W > 1) _tile_loadd(3, lower + TILE, step);
  } else {
    _tile_zero(0);
    if constexpr (W > 1) _tile_zero(1);
    if constexpr (R > 1) _tile_zero(2);
    if constexpr (R > 1 && W > 1) _tile_zero(3);
  }
}

// Added to them: a b, of `count` tiles that are added up.
template <int R, int W>
inline void add(Tiles a, Tiles b, Size count) {
  const Size left = a.row * Size(sizeof(Pair)), right = b.row * Size(sizeof(Pair));
  for (Size k = 0; k < count; k++, a.at += a.next, b.at += b.next) {
    _tile_loadd(4, a.at, left);
    _tile_loadd(6, b.at, right);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (W > 1) {
      _tile_loadd(7, b.at + b.beside, right);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (R > 1) {
      _tile_loadd(5, a.at + a.beside, left);
      _tile_dpbf16ps(2, 5, 6);
    }
    if constexpr (R > 1 && W > 1) _tile_dpbf16ps(3, 5, 7);
  }
}

template <int R, int W>
inline void end(float* c, Size row) {
  const Size step = row * Size(sizeof(float));
  float* lower = c + TILE * row;
  _tile_stored(0, c, step);
  if constexpr (W > 1) _tile_stored(1, c + TILE, step);
  if constexpr (R > 1) _tile_stored(2, lower, step);
  if constexpr (R > 1 && W > 1) _tile_stored(3, lower + TILE, step);
}

// work(rows, columns), of tiles 1 or 2 as constants.
template <class Work>
inline void by_number(bool two_rows, bool two_columns, Work work) {
  using One = std::integral_constant<int, 1>;
  using Two = std::integral_constant<int, 2>;
  if (two_rows)
    two_columns ? work(Two(), Two()) : work(Two(), One());
  else
    two_columns ? work(One(), Two()) : work(One(), One());
}

// 16 rows of 16 pairs, so many apart, in each other's place.
inline void turn(Pair* block, Size apart) {
  Vector rows[TILE];
  for (Size k = 0; k < TILE; k++) rows[k] = reinterpret_cast<Vector>(load(block + k * apart));
  transpose(rows);
  for (Size k = 0; k < TILE; k++) store(reinterpret_cast<float*>(block + k * apart), rows[k]);
}

// c = or += a b in whole tiles; columns of b lie beside each other.
template <bool MORE>
void by_tiles(Tiles a, const Pair* b, Size b_row, float* c, Size c_row, Size rows, Size columns, Size depth) {
  written();
  for (Size row = 0, tall; row < rows; row += tall * TILE) {
    tall = rows - row >= 2 * TILE ? 2 : 1;
    for (Size at = 0, broad; at < columns; at += broad * TILE) {
      broad = columns - at >= 2 * TILE ? 2 : 1;
      by_number(tall > 1, broad > 1, [&](auto R, auto W) {
        float* to = c + row * c_row + at;
        begin<MORE, R.value, W.value>(to, c_row);
        const Tiles left{a.at + row / TILE * a.beside, a.row, a.beside, a.next};
        add<R.value, W.value>(left, {b + at, b_row, TILE, TILE * b_row}, depth / TILE);
        end<R.value, W.value>(to, c_row);
      });
    }
  }
}
#else
inline bool has_matrix_unit() { return false; }
#endif

// Whether matrices of E are multiplied by the unit, here.
template <class E>
inline bool by_unit() {
  return std::is_same_v<E, Pair> && has_matrix_unit();
}

// How many rows a matrix is made of that is summed over `depth` of them: the others are 0.
template <class E>
inline Size padded(Size depth) {
  constexpr Size WHOLE = 16;
  return by_unit<E>() ? (depth + WHOLE - 1) / WHOLE * WHOLE : depth;
}

// Gets a[k, column], `apart` from k to k, ready for `product_over`; both numbers in whole tiles where it is by unit.
template <class E>
inline void get_ready_to_sum(E* a, Size apart, Size depth, Size columns) {
#ifdef ATME_MATRIX_UNIT
  if constexpr (std::is_same_v<E, Pair>)
    if (has_matrix_unit())
      for (Size k = 0; k < depth; k += TILE)
        for (Size column = 0; column < columns; column += TILE) turn(a + k * apart + column, apart);
#endif
}

// The product of rows a[row, k] and b[k, column], in place of c or added to it; columns in whole vectors. With pairs it
// is within the life of a `MatrixUnit`, and so is the next.
template <bool MORE, class E>
void product(const E* a, Size a_row, const E* b, Size b_row, float* c, Size c_row, Size rows, Size columns,
             Size depth) {
#ifdef ATME_MATRIX_UNIT
  if constexpr (std::is_same_v<E, Pair>)
    if (has_matrix_unit() && rows >= TILE && depth >= TILE) {
      const Size tall = rows / TILE * TILE, deep = depth / TILE * TILE;
      by_tiles<MORE>({a, a_row, TILE * a_row, TILE}, b, b_row, c, c_row, tall, columns, deep);
      if (deep < depth)
        multiplied<true, E>(a + deep, a_row, 1, b + deep * b_row, b_row, c, c_row, tall, columns, depth - deep);
      a += tall * a_row;
      c += tall * c_row;
      rows -= tall;
    }
#endif
  if (rows > 0) multiplied<MORE, E>(a, a_row, 1, b, b_row, c, c_row, rows, columns, depth);
}

// The sum over k of a[k, row] b[k, column], a made ready by `get_ready_to_sum`, rows in whole vectors, too.
template <bool MORE, class E>
void product_over(const E* a, Size a_next, const E* b, Size b_row, float* c, Size c_row, Size rows, Size columns,
                  Size depth) {
#ifdef ATME_MATRIX_UNIT
  if constexpr (std::is_same_v<E, Pair>)
    if (has_matrix_unit())
      return by_tiles<MORE>({a, a_next, TILE, TILE * a_next}, b, b_row, c, c_row, rows, columns, depth);
#endif
  multiplied<MORE, E>(a, 1, a_next, b, b_row, c, c_row, rows, columns, depth);
}

}  // namespace
