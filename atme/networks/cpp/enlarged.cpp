// Of enlarged.py: maps at twice the size on straight lines between pixels, and the derivative.
//
// Along one axis the pixel i of a small map lies at 2 i + place of the large one, and between two lies their mean; before
// the first, or after the last, the border is continued.

#include "functions.h"

namespace {

struct Axis {
  Size small, place;

  // The pixels, one or two, whose mean lies at `at` of the large map.
  std::pair<Size, Size> sources(Size at) const {
    const Size i = at / 2;
    if (at % 2 == place) return {i, i};
    return place ? std::pair(std::max<Size>(i - 1, 0), i) : std::pair(i, std::min(i + 1, small - 1));
  }

  // What a pixel is multiplied by before, at and after its place in the large map: 0 where that ends.
  void shares(Size i, float* to) const {
    const bool first = i == 0, last = i == small - 1;
    to[0] = first ? (place ? 1.0f : 0.0f) : 0.5f;
    to[1] = 1.0f;
    to[2] = last ? (place ? 0.0f : 1.0f) : 0.5f;
  }
};

template <class T>
void enlarged(const T* from, T* to, Size images, Size height, Size width, Size channels, Size place, int threads) {
  const Axis down{height, place}, across{width, place};
  const Size rows = images * 2 * height;
#pragma omp parallel for num_threads(threads) if (threads > 1 && rows * width * channels > ALONE) schedule(static)
  for (Size row = 0; row < rows; row++) {
    const auto [above, below] = down.sources(row % (2 * height));
    const T* image = from + row / (2 * height) * height * width * channels;
    const T *upper = image + above * width * channels, *lower = image + below * width * channels;
    for (Size at = 0; at < 2 * width; at++) {
      const auto [left, right] = across.sources(at);
      const Size l = left * channels, r = right * channels;
      T* out = to + (row * 2 * width + at) * channels;
      in_vectors(channels, [=](Size c, auto part) {
        const auto first = load(upper + l + c, part) + load(upper + r + c, part);
        const auto second = load(lower + l + c, part) + load(lower + r + c, part);
        store(out + c, 0.25f * (first + second), part);
      });
    }
  }
}

// The derivative, (images, height, width, channels) of what is there twice as large.
template <class T>
void enlarged_slope(const T* from, T* to, Size images, Size height, Size width, Size channels, Size place,
                    int threads) {
  const Axis down{height, place}, across{width, place};
  const Size rows = images * height, pitch = 2 * width * channels;
#pragma omp parallel for num_threads(threads) if (threads > 1 && rows * width * channels > ALONE) schedule(static)
  for (Size row = 0; row < rows; row++) {
    float of_rows[3];
    down.shares(row % height, of_rows);
    const T* middle = from + (2 * row + place) * pitch;  // 2 height rows each: images need no sum of their own
    for (Size at = 0; at < width; at++) {
      float of_columns[3];
      across.shares(at, of_columns);
      const T* center = middle + (2 * at + place) * channels;
      in_vectors(channels, [&, out = to + (row * width + at) * channels](Size c, auto part) {
        VectorOf<T> total{};
        for (Size i = 0; i < 3; i++)
          for (Size j = 0; j < 3; j++)
            if (const float share = of_rows[i] * of_columns[j]; share != 0)
              total += share * load(center + (i - 1) * pitch + (j - 1) * channels + c, part);
        store(out + c, total, part);
      });
    }
  }
}

}  // namespace

#define OF_MAPS(NAME, T)                                                                                             \
  extern "C" void enlarged_##NAME(const T* x, T* y, Size b, Size h, Size w, Size c, Size place, int threads) {       \
    enlarged(x, y, b, h, w, c, place, threads);                                                                      \
  }                                                                                                                  \
  extern "C" void enlarged_slope_##NAME(const T* g, T* result, Size b, Size h, Size w, Size c, Size place,           \
                                        int threads) {                                                               \
    enlarged_slope(g, result, b, h, w, c, place, threads);                                                           \
  }

OF_MAPS(float, float)
OF_MAPS(double, double)
OF_MAPS(bfloat16, Bfloat16)
