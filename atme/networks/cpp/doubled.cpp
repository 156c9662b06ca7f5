// Of doubled.py: results between pixels to where they belong, and back.

#include "numbers.h"

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
