// Matrices as they are multiplied, in float or in pairs of bfloat16.

#pragma once

#include <cstdlib>

#include "vectors.h"

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

}  // namespace
