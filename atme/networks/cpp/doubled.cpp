// Of doubled.py: weights of results between pixels, and these to where they belong; and back.

#include "functions.h"

namespace {

// Three numbers along an axis to those of two results, two taps each: (w0 + w1, w2) and (w0, w1 + w2); and back.
template <class V>
inline void spread(const V* w, V* out, int step) {
  out[0] = w[0] + w[1];
  out[step] = w[2];
  out[2 * step] = w[0];
  out[3 * step] = w[1] + w[2];
}
template <class V>
inline void gathered(const V* g, V* out, int step) {
  out[0] = g[0] + g[2];
  out[step] = g[0] + g[3];
  out[2 * step] = g[1] + g[3];
}

// Weights (rows, 3, 3, channels), and those of four results (2 x 2, rows, 2 x 2, channels).
template <class T>
struct Four {
  T* at;
  Size rows, channels;
  // Of result (a, b) at tap (p, q), by 2 a + p and 2 b + q.
  T* of(Size row, int ap, int bq) const {
    return at + ((((ap / 2) * 2 + bq / 2) * rows + row) * 4 + ap % 2 * 2 + bq % 2) * channels;
  }
};

template <class T, class A = typename Sum<T>::type>
void between(const T* weight, T* made, Size rows, Size channels, int threads) {
  const Four<T> four{made, rows, channels};
#pragma omp parallel for num_threads(threads) if (threads > 1 && rows * channels > ALONE) schedule(static)
  for (Size row = 0; row < rows; row++)
    in_vectors(channels, [&](Size c, auto part) {
      VectorOf<A> taps[3], half[4 * 3], whole[4];  // half: turned
      for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) taps[j] = load(weight + (row * 9 + i * 3 + j) * channels + c, part);
        spread(taps, half + i, 3);
      }
      for (int bq = 0; bq < 4; bq++) {
        spread(half + bq * 3, whole, 1);
        for (int ap = 0; ap < 4; ap++) store(four.of(row, ap, bq) + c, whole[ap], part);
      }
    });
}

template <class T, class A = typename Sum<T>::type>
void between_slope(const T* gradient, T* result, Size rows, Size channels, int threads) {
  const Four<const T> four{gradient, rows, channels};
#pragma omp parallel for num_threads(threads) if (threads > 1 && rows * channels > ALONE) schedule(static)
  for (Size row = 0; row < rows; row++)
    in_vectors(channels, [&](Size c, auto part) {
      VectorOf<A> given[4], half[3 * 4], taps[3];
      for (int ap = 0; ap < 4; ap++) {
        for (int bq = 0; bq < 4; bq++) given[bq] = load(four.of(row, ap, bq) + c, part);
        gathered(given, half + ap, 4);
      }
      for (int j = 0; j < 3; j++) {
        gathered(half + j * 4, taps, 1);
        for (int i = 0; i < 3; i++) store(result + (row * 9 + i * 3 + j) * channels + c, taps[i], part);
      }
    });
}

}  // namespace

#define OF_WEIGHTS(NAME, T)                                                                                            \
  extern "C" void between_##NAME(const T* weight, T* made, Size rows, Size channels, int threads) {                    \
    between(weight, made, rows, channels, threads);                                                                    \
  }                                                                                                                    \
  extern "C" void between_slope_##NAME(const T* made, T* weight, Size rows, Size channels, int threads) {              \
    between_slope(made, weight, rows, channels, threads);                                                              \
  }

OF_WEIGHTS(float, float)
OF_WEIGHTS(double, double)
OF_WEIGHTS(bfloat16, Bfloat16)

// Parts (images x down x across x 2 x 2 x bytes) and whole (images x 2 (down - 1) x 2 (across - 1) x bytes): the part
// [a][b] of place (i, j) is the pixel (2 i + a - 1, 2 j + b - 1), if there is one.
extern "C" void interleaved(const char* from, char* to, Size images, Size down, Size across, Size bytes, Size back,
                            int threads) {
  const Size width = 2 * (across - 1), rows = 2 * down;
#pragma omp parallel for num_threads(threads) if (threads > 1 && images * rows * width * bytes > ALONE) schedule(static)
  for (Size at = 0; at < images * rows; at++) {
    const Size image = at / rows, i = at % rows / 2, a = at % 2, y = 2 * i + a - 1;
    const Size parts = ((image * down + i) * across * 4 + 2 * a) * bytes;  // of j = 0, b = 0
    const Size whole = (image * 2 * (down - 1) + y) * width * bytes;
    const bool outside = y < 0 || y >= 2 * (down - 1);
    for (Size j = 0; j < across; j++) {
      const Size first = j == 0, last = j == across - 1, part = parts + j * 4 * bytes;  // first: without b = 0
      const Size pixel = whole + (2 * j - 1 + first) * bytes, count = (2 - first - last) * bytes;
      if (!back) {
        if (!outside) std::memcpy(to + pixel, from + part + first * bytes, count);
      } else if (outside) {
        std::memset(to + part, 0, 2 * bytes);
      } else {
        if (first) std::memset(to + part, 0, bytes);
        std::memcpy(to + part + first * bytes, from + pixel, count);
        if (last) std::memset(to + part + bytes, 0, bytes);
      }
    }
  }
}
