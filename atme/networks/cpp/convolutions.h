// Of winograd.cpp and direct.cpp, and of weights.cpp: maps and weights as convolutions read them, and weights that are
// standardized, (w - mean) r of each row.

#pragma once

#include "matrices.h"

namespace {

// One or two maps that are read as one.
template <class T>
struct Maps {
  const T* of[2];
  Size channels[2];
  Size all() const { return channels[0] + channels[1]; }
};

// A row's mean, and r = 1 / sqrt(variance + eps).
template <class W>
inline void measured(const W* row, Size width, double eps, W* statistics) {
  W sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
  for (Size i = 0; i < width; i++) sum += row[i];
  const W mean = sum / W(width);
#pragma omp simd reduction(+ : squares)
  for (Size i = 0; i < width; i++) squares += (row[i] - mean) * (row[i] - mean);
  statistics[0] = mean;
  statistics[1] = W(1) / std::sqrt(squares / W(width) + W(eps));
}

// From the gradient of a standardized row to that of the row, r (g - mean g - (w - mean) r^2 mean g (w - mean)): its two
// sums, part by part, and then its parts.
template <class W>
struct RowSlope {
  const W mean, r;
  W sum = 0, along = 0;

  explicit RowSlope(const W* statistics) : mean(statistics[0]), r(statistics[1]) {}
  template <class T>
  void add(const T* gradient, const W* row, Size count) {
    W more = 0, further = 0;
#pragma omp simd reduction(+ : more, further)
    for (Size i = 0; i < count; i++) {
      const W g = wide(gradient[i]);
      more += g;
      further += g * (row[i] - mean);
    }
    sum += more;
    along += further;
  }
  template <class T>
  void write(const T* gradient, const W* row, Size count, Size width, W* to) const {
    const W of_mean = sum / W(width), of_spread = along * r * r / W(width);
#pragma omp simd
    for (Size i = 0; i < count; i++) to[i] = r * (wide(gradient[i]) - of_mean - (row[i] - mean) * of_spread);
  }
};

// Weights (rows, taps, columns), and which way they are used: from columns to rows, or back, taps reversed. Where there
// are statistics, mean and r of each row, what is used is (w - mean) r; they are taken first where there is an eps.
template <class W>
struct Weights {
  const W* at;
  float* statistics;
  double eps;
  Size rows, columns, taps;
  bool back;

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
    of.add(gradient, here, width());
    of.write(gradient, here, width(), width(), gradient);
  }
};

}  // namespace
