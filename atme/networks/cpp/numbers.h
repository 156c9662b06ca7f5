// Numbers as passes read and write them, and the pieces that work is done in; passes.py says what is computed.
//
// A map is `pixels` times `channels` numbers of an image, the channels of a pixel beside each other. Numbers of a
// channel are in the precision that sums are taken in: float for float and bfloat16, double for double. Sums over
// pixels are taken piece by piece, and the pieces added up in double, in their order: bits do not depend on the number
// of threads.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

using Size = int64_t;

constexpr Size PIECE = 128;       // pixels whose sums are taken together
constexpr Size ALONE = 1 << 15;   // numbers from which on several threads are worth waking

struct Bfloat16 { uint16_t bits; };

template <class T> struct Sum { using type = float; };
template <> struct Sum<double> { using type = double; };

inline float wide(float x) { return x; }
inline double wide(double x) { return x; }
inline float wide(Bfloat16 x) {
  const uint32_t bits = uint32_t(x.bits) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

template <class T> inline T narrow(typename Sum<T>::type x) { return x; }
// To the nearest, of two the even one. NaN stays NaN as arithmetic makes it and as bfloat16 has it: its last bits are 0.
template <> inline Bfloat16 narrow<Bfloat16>(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return {uint16_t((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

// work(image, first pixel, last pixel + 1, number of the piece) for each piece of each image.
template <class Work> void in_pieces(Size images, Size pixels, Size channels, int threads, Work work) {
  const Size pieces = (pixels + PIECE - 1) / PIECE;
#pragma omp parallel for num_threads(threads) if (threads > 1 && images * pixels * channels > ALONE) schedule(static)
  for (Size at = 0; at < images * pieces; at++) {
    const Size first = at % pieces * PIECE;
    work(at / pieces, first, std::min(first + PIECE, pixels), at);
  }
}

// Two sums over pixels of each channel of each image: add(image, first pixel, last + 1, a, b) adds those of a piece.
template <class A, class Add>
void two_sums(Size images, Size pixels, Size channels, int threads, double* first, double* second, Add add) {
  const Size pieces = (pixels + PIECE - 1) / PIECE;
  std::vector<A> sums(images * pieces * 2 * channels, A(0));
  in_pieces(images, pixels, channels, threads, [&](Size image, Size from, Size to, Size piece) {
    A* a = sums.data() + piece * 2 * channels;
    add(image, image * pixels + from, image * pixels + to, a, a + channels);
  });
  for (Size image = 0; image < images; image++)
    for (Size piece = image * pieces; piece < (image + 1) * pieces; piece++) {
      const A* a = sums.data() + piece * 2 * channels;
      for (Size c = 0; c < channels; c++) first[image * channels + c] += a[c];
      for (Size c = 0; c < channels; c++) second[image * channels + c] += a[channels + c];
    }
}

}  // namespace
