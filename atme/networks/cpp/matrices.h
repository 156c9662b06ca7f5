// Matrices as they are multiplied, in float or in pairs of bfloat16.

#pragma once

#include <cstdlib>

#include "matrix_unit.h"

namespace {

// Numbers in one of what is multiplied, and each by itself.
template <class E>
constexpr Size EACH = std::is_same_v<E, Pair> ? 2 : 1;
template <class E>
using Alone = std::conditional_t<std::is_same_v<E, Pair>, Bfloat16, float>;

constexpr Size PANEL = 2 * LANES;  // columns that are made together

template <class V>
struct Scratch {
  V* at;
  explicit Scratch(Size numbers)
      : at(static_cast<V*>(std::aligned_alloc(64, (numbers * Size(sizeof(V)) + 63) / 64 * 64))) {}
  ~Scratch() { std::free(at); }
  Scratch(const Scratch&) = delete;
};

// Matrices b[k, column] of `images` as they are multiplied: in panels, each row of a panel beside the next.
template <class E>
struct Panels {
  Size depth, columns;
  Scratch<E> at;

  // Columns fill whole vectors, and depth, of pairs, is even; `number(image, k, column)` is what there is.
  template <class Number>
  Panels(Size images, Size depth, Size columns, Number number) : depth(depth), columns(columns), at(images * size()) {
    E* to = at.at;
    for (Size image = 0; image < images; image++)
      for (Size first = 0; first < columns; first += PANEL) {
        const Size width = std::min(PANEL, columns - first);
        for (Size k = 0; k < depth; k += EACH<E>, to += width)
          for (Size c = 0; c < width; c++)
            if constexpr (EACH<E> == 1)
              to[c] = number(image, k, first + c);
            else
              to[c].bits = narrow<Bfloat16>(number(image, k, first + c)).bits |
                           uint32_t(narrow<Bfloat16>(number(image, k + 1, first + c)).bits) << 16;
      }
  }
  Size size() const { return depth / EACH<E> * columns; }

  // out (count x those) = rows (count x some) b, or += that; of some of its rows and columns, PANEL by PANEL.
  template <bool MORE = false>
  void times(Size image, const E* rows, Size count, float* out, Size from_row, Size some, Size from, Size those) const {
    for (Size first = from; first < from + those; first += PANEL) {
      const Size width = std::min(PANEL, columns - first);
      const E* panel = at.at + image * size() + first * (depth / EACH<E>)+from_row / EACH<E> * width;
      product<MORE, E>(rows, some / EACH<E>, panel, width, out + first - from, those, count, width, some / EACH<E>);
    }
  }
  template <bool MORE = false>
  void times(Size image, const E* rows, Size count, float* out) const {
    times<MORE>(image, rows, count, out, 0, depth, 0, columns);
  }
};

// A tile of numbers, pixels x width, as it is multiplied: its rows, and, to be summed over pixels, its columns, as the
// first or the second of the two.
template <class E, bool FIRST = false>
struct Ready;

template <bool FIRST>
struct Ready<float, FIRST> {
  const float* at;
  Ready(Size, Size) {}
  void take(const float* from, Size, Size) { at = from; }
  const float* rows() const { return at; }
  const float* over() const { return at; }
};

template <bool FIRST>
struct Ready<Pair, FIRST> {
  Scratch<Bfloat16> alone;
  Scratch<Pair> pairs;
  Ready(Size tall, Size width) : alone(tall * width), pairs(padded<Pair>(tall / 2) * width) {}
  void take(const float* from, Size count, Size width) {
    for (Size p = 0; p < count; p += 2)
      for (Size c = p * width; c < (p + 1) * width; c += LANES) {
        const Vector first = load(from + c), second = p + 1 < count ? load(from + width + c) : Vector{};
        store(alone.at + c, first);
        if (p + 1 < count) store(alone.at + width + c, second);
        store(pairs.at + c - p / 2 * width, first, second);
      }
    const Size depth = (count + 1) / 2, whole = padded<Pair>(depth);
    std::memset(pairs.at + depth * width, 0, (whole - depth) * width * sizeof(Pair));
    if (FIRST) get_ready_to_sum(pairs.at, width, whole, width);
  }
  const Pair* rows() const { return reinterpret_cast<const Pair*>(alone.at); }
  const Pair* over() const { return pairs.at; }
};

// sums (features x channels) += the sum over `count` pixels of a, turned, times b.
template <class E>
void add_over(const Ready<E, true>& a, Size features, const Ready<E>& b, Size channels, Size count, float* sums) {
  product_over<true, E>(a.over(), features, b.over(), channels, sums, channels, features, channels,
                        padded<E>((count + EACH<E> - 1) / EACH<E>));
}

}  // namespace
