// Functions of numbers side by side, and how rows of any length are taken in vectors.

#pragma once

#include "vectors.h"

namespace {

// e^x is 2^n e^r with |r| <= ln 2 / 2, e^r by its series with the coefficients of Cephes: within two units of the last
// digit. n is what is left of x / ln 2 in the last bits of a number as large as 3 * 2^22.
inline Vector exponential(Vector x) {
  constexpr float SHIFT = 12582912.0f;
  x = smaller(Vector{} + 88.0f, larger(Vector{} - 87.0f, x));
  const Vector shifted = x * 1.44269504f + SHIFT, n = shifted - SHIFT;
  const Vector r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vector p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  return p * reinterpret_cast<Vector>((reinterpret_cast<Bits>(shifted) << 23) + (127u << 23));
}

inline Doubles exponential(Doubles x) {
  for (int i = 0; i < LANES; i++) x[i] = std::exp(x[i]);
  return x;
}

template <class V>
inline V sigmoid(V z) {
  return 1.0f / (1.0f + exponential(-z));
}

template <class V>
inline V silu_slope(V z) {
  const V s = sigmoid(z);
  return s * (1.0f + z * (1.0f - s));
}

// All lanes as one: `both` takes two vectors.
template <int HALF = LANES / 2, class V, class Both>
inline auto reduced(V values, Both both) {
  values = both(values, crossed<HALF>(values, std::make_index_sequence<LANES>()));
  if constexpr (HALF > 1)
    return reduced<HALF / 2>(values, both);
  else
    return values[0];
}

template <class A>
inline A sum(VectorOf<A> values) {
  return reduced(values, [](VectorOf<A> a, VectorOf<A> b) { return a + b; });
}

// How many of LANES numbers there are: all, as a rule.
struct Whole {};
struct Some {
  int count;
};

template <class T>
inline VectorOf<T> load(const T* from, Whole) {
  return load(from);
}
template <class T>
inline VectorOf<T> load(const T* from, Some some) {  // the others are 0
  T padded[LANES] = {};
  std::copy_n(from, some.count, padded);
  return load(padded);
}
template <class T>
inline void store(T* to, const VectorOf<T>& values, Whole) {
  store(to, values);
}
template <class T>
inline void store(T* to, const VectorOf<T>& values, Some some) {
  T padded[LANES];
  store(padded, values);
  std::copy_n(padded, some.count, to);
}

// Numbers that there are; 0 in place of the others.
template <class V>
inline V only(const V& values, Whole) {
  return values;
}
template <class V>
inline V only(V values, Some some) {
  for (int i = some.count; i < LANES; i++) values[i] = 0;
  return values;
}

template <class T, class P>
inline void add(T* to, const VectorOf<T>& values, P part) {
  store(to, load(to, part) + values, part);
}

// work(first, part) for `count` numbers, as many as there are lanes at a time.
template <class Work>
inline void in_vectors(Size count, Work work) {
  Size at = 0;
  for (; at + LANES <= count; at += LANES) work(at, Whole());
  if (at < count) work(at, Some{int(count - at)});
}

// Numbers of channels, repeated until they fill whole vectors: so do pixels of any number of channels.
template <class A>
struct Repeated {
  Size length;
  std::vector<A> numbers;  // [image][length]

  // Their least common multiple with LANES, a power of two. (GCC 12 gives -64 for std::lcm(64, 16) in some places.)
  static Size length_of(Size channels) { return channels * LANES / std::min<Size>(channels & -channels, LANES); }
  Repeated(const A* from, Size images, Size channels) : length(length_of(channels)), numbers(images * length) {
    for (Size i = 0; i < images; i++)
      for (Size c = 0; c < length; c++) numbers[i * length + c] = from[i * channels + c % channels];
  }
  const A* of(Size image) const { return numbers.data() + image * length; }
};

// work(number, its place among `length` of them, part) for `count` numbers of pixels.
template <class Work>
inline void in_pixels(Size count, Size length, Work work) {
  Size at = 0;
  for (; at + length <= count; at += length)
    for (Size c = 0; c < length; c += LANES) work(at + c, c, Whole());
  in_vectors(count - at, [&](Size c, auto part) { work(at + c, c, part); });
}

// add(a, b): two sums of a piece, in as many places as `Repeated` has; then by channel.
template <class A, class Add>
inline void gathered(Size length, Size channels, A* first, A* second, Add add) {
  std::vector<A> sums(2 * length);
  add(sums.data(), sums.data() + length);
  for (Size i = 0; i < length; i++) {
    first[i % channels] += sums[i];
    second[i % channels] += sums[length + i];
  }
}

}  // namespace
