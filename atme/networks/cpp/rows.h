// Of attention.cpp and linear_attention.cpp: one pixel's numbers, normalized over its channels, or a softmax of them.

#pragma once

#include "functions.h"

namespace {

// What a pixel's channels are less their mean, and one over their spread.
template <class T, class A = typename Sum<T>::type>
struct Centered {
  A r;

  // x + start, if there is one, into `to`.
  Centered(const T* x, const A* start, Size channels, double eps, A* to) {
    VectorOf<A> total{}, squares{};
    in_vectors(channels, [&](Size c, auto part) {
      VectorOf<A> value = load(x + c, part);
      if (start != nullptr) value += load(start + c, part);
      store(to + c, value, part);
      total += value;
    });
    const A mean = sum<A>(total) / A(channels);
    in_vectors(channels, [&](Size c, auto part) {
      store(to + c, load(to + c) - mean, part);
      const VectorOf<A> differs = load(to + c, part);
      squares += differs * differs;
    });
    r = A(1) / std::sqrt(sum<A>(squares) / A(channels) + A(eps));
  }
};

// (x + start - mean) r scale + residual. In this and the next, `room` is for channels and LANES numbers.
template <class T, class R, class A = typename Sum<T>::type>
inline void normalized_row(const T* x, const A* start, const A* scale, const R* residual, R* result, Size channels,
                           double eps, A* room) {
  const Centered<T> centered(x, start, channels, eps, room);
  in_vectors(channels, [&](Size c, auto part) {
    VectorOf<A> value = load(room + c) * centered.r * load(scale + c, part);
    if (residual != nullptr) value += load(residual + c, part);
    store(result + c, value, part);
  });
}

// The derivative of x, with `more` added if there is one. Added to first and second: it, without that, and the scale's.
template <class G, class T, class R, class A = typename Sum<T>::type>
inline void normalized_row_slope(const G* gradient, const T* x, const A* start, const A* scale, const R* more,
                                 R* result, A* first, A* second, Size channels, double eps, A* room, A* slopes) {
  const Centered<T> centered(x, start, channels, eps, room);
  VectorOf<A> total{}, along{};
  in_vectors(channels, [&](Size c, auto part) {
    const VectorOf<A> value = load(room + c, part) * centered.r, g = load(gradient + c, part);
    store(second + c, load(second + c) + g * value);
    const VectorOf<A> slope = g * load(scale + c, part);
    store(room + c, value);
    store(slopes + c, slope);
    total += slope;
    along += slope * value;
  });
  const A mean = sum<A>(total) / A(channels), turn = sum<A>(along) / A(channels);
  in_vectors(channels, [&](Size c, auto part) {
    VectorOf<A> value = (load(slopes + c) - mean - load(room + c) * turn) * centered.r;
    store(first + c, load(first + c) + value);
    if (more != nullptr) value += load(more + c, part);
    store(result + c, value, part);
  });
}

// The softmax of a row, in its place; `room` is for width and LANES numbers.
template <class T, class A = typename Sum<T>::type>
inline void softmax_row(T* row, Size width, A* room) {
  VectorOf<A> most = VectorOf<A>{} + wide(row[0]), total{};
  in_vectors(width, [&](Size i, auto part) {
    if constexpr (std::is_same_v<decltype(part), Whole>)
      most = larger(most, load(row + i));
    else
      for (int j = 0; j < part.count; j++) most[j] = std::max(most[j], A(wide(row[i + j])));
  });
  const A highest = reduced(most, [](const VectorOf<A>& a, const VectorOf<A>& b) { return larger(a, b); });
  in_vectors(width, [&](Size i, auto part) {
    store(room + i, exponential(load(row + i, part) - highest), part);
    total += load(room + i, part);
  });
  const A each = A(1) / sum<A>(total);
  in_vectors(width, [&](Size i, auto part) { store(row + i, load(room + i) * each, part); });
}

// q (gradient - sum q gradient), in place of the gradient.
template <class T, class A = typename Sum<T>::type>
inline void softmax_row_slope(const T* q, T* gradient, Size width) {
  VectorOf<A> total{};
  in_vectors(width, [&](Size i, auto part) { total += load(q + i, part) * load(gradient + i, part); });
  const A same = sum<A>(total);
  in_vectors(width, [&](Size i, auto part) {
    store(gradient + i, load(q + i, part) * (load(gradient + i, part) - same), part);
  });
}

}  // namespace
