// Of winograd.cpp and direct.cpp, and of weights.cpp: maps and weights as convolutions read them, and weights that are
// standardized, (w - mean) r of each row.

#pragma once

#include "functions.h"
#include "matrices.h"

namespace {

constexpr Size COMING = 1024;  // numbers of weights from what is read to what is asked for

// One or two maps that are read as one.
template <class T>
struct Maps {
  const T* of[2];
  Size channels[2];
  Size all() const { return channels[0] + channels[1]; }
};

// A row's mean, and r = 1 / sqrt(variance + eps). What comes is asked for ahead.
template <class W>
inline void measured(const W* row, Size width, double eps, W* statistics) {
  VectorOf<W> sums{}, squares{};
  in_vectors(width, [&](Size i, auto part) {
    __builtin_prefetch(row + COMING + i);
    sums += load(row + i, part);
  });
  const W mean = sum<W>(sums) / W(width);
  in_vectors(width, [&](Size i, auto part) {
    const VectorOf<W> differs = only(load(row + i, part) - mean, part);
    squares += differs * differs;
  });
  statistics[0] = mean;
  statistics[1] = W(1) / std::sqrt(sum<W>(squares) / W(width) + W(eps));
}

// From the gradient g of a standardized row to that of the row, r (g - mean g - (w - mean) r^2 mean g (w - mean)): its
// two sums, part by part, and then its parts. The next row is asked for ahead.
template <class W>
struct RowSlope {
  const W mean, r;
  VectorOf<W> sums{}, along{};

  explicit RowSlope(const W* statistics) : mean(statistics[0]), r(statistics[1]) {}
  template <class T>
  void add(const T* gradient, const W* row, Size count, Size width) {
    in_vectors(count, [&](Size i, auto part) {
      __builtin_prefetch(row + width + i);
      const VectorOf<W> g = load(gradient + i, part);
      sums += g;
      along += g * (load(row + i, part) - mean);
    });
  }
  template <class T>
  void write(const T* gradient, const W* row, Size count, Size width, W* to) const {
    const W of_mean = sum<W>(sums) / W(width), of_spread = sum<W>(along) * r * r / W(width);
    in_vectors(count, [&](Size i, auto part) {
      const VectorOf<W> g = load(gradient + i, part), differs = load(row + i, part) - mean;
      store(to + i, r * (g - of_mean - differs * of_spread), part);
    });
  }
};

// Weights (rows, taps, columns), and which way they are used: from columns to rows, or back, taps reversed. Where there
// are statistics, mean and r of each row, what is used is (w - mean) r; they are taken first where there is an eps.
//
// Of a convolution of 4 x 4 taps and stride 2, they are the 2 x 2 taps of a map whose columns are four pixels'; they
// lie as the 4 x 4 taps do, those of two pixels beside each other, `half` of the columns, then such of the next tap.
template <class W>
struct Weights {
  const W* at;
  float* statistics;
  double eps;
  Size rows, columns, taps;
  bool back;
  Size half = 0;

  Size place(Size row, Size tap, Size column) const {
    if (half == 0) return (row * taps + tap) * columns + column;
    return row * width() + (tap / 2 * 4 + tap % 2 + (column >= half)) * half + column;
  }
  bool to_measure() const { return statistics != nullptr && eps >= 0; }
  void measure(Size row) const {
    if constexpr (std::is_same_v<W, float>) measured(at + row * width(), width(), eps, statistics + 2 * row);
  }
  Size width() const { return taps * columns; }
  Vector standardized(Vector numbers, Size row) const {
    return statistics == nullptr ? numbers : (numbers - statistics[2 * row]) * statistics[2 * row + 1];
  }
  // From the gradient of what is used to that of the weights, in its place.
  void slope(Size row, float* gradient) const {
    const W* here = at + row * width();
    RowSlope<W> of(statistics + 2 * row);
    of.add(gradient, here, width(), width());
    of.write(gradient, here, width(), width(), gradient);
  }
};

}  // namespace
