// Of block.py: standardized weights, and their derivative.

#include "numbers.h"

namespace {

// Rows of weights, `taps` times `channels` numbers, to (w - mean) r; the first channels of each tap into one array, the
// others into another one. `statistics` gets mean and r of each row.
template <class W, class T>
void standardized(const W* weight, T* first, T* second, W* statistics, Size rows, Size taps, Size channels, Size split,
                  double eps, int threads) {
  const Size width = taps * channels;
#pragma omp parallel for num_threads(threads) if (threads > 1 && rows * width > ALONE) schedule(static)
  for (Size row = 0; row < rows; row++) {
    const W* here = weight + row * width;
    W sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (Size i = 0; i < width; i++) sum += here[i];
    const W mean = sum / W(width);
#pragma omp simd reduction(+ : squares)
    for (Size i = 0; i < width; i++) squares += (here[i] - mean) * (here[i] - mean);
    const W r = W(1) / std::sqrt(squares / W(width) + W(eps));
    statistics[2 * row] = mean;
    statistics[2 * row + 1] = r;
    for (Size tap = row * taps; tap < (row + 1) * taps; tap++) {
      const W* from = weight + tap * channels;
#pragma omp simd
      for (Size c = 0; c < split; c++) first[tap * split + c] = narrow<T>((from[c] - mean) * r);
#pragma omp simd
      for (Size c = split; c < channels; c++)
        second[tap * (channels - split) + c - split] = narrow<T>((from[c] - mean) * r);
    }
  }
}

// From gradients of what `standardized` made to that of the weights.
template <class W, class T>
void standardized_slope(const T* first, const T* second, const W* weight, const W* statistics, W* result, Size rows,
                        Size taps, Size channels, Size split, int threads) {
  const Size width = taps * channels;
#pragma omp parallel for num_threads(threads) if (threads > 1 && rows * width > ALONE) schedule(static)
  for (Size row = 0; row < rows; row++) {
    const W mean = statistics[2 * row], r = statistics[2 * row + 1];
    W sum = 0, along = 0;
    for (Size tap = row * taps; tap < (row + 1) * taps; tap++) {
      const W* from = weight + tap * channels;
#pragma omp simd reduction(+ : sum, along)
      for (Size c = 0; c < split; c++) {
        const W g = wide(first[tap * split + c]);
        sum += g;
        along += g * (from[c] - mean);
      }
#pragma omp simd reduction(+ : sum, along)
      for (Size c = split; c < channels; c++) {
        const W g = wide(second[tap * (channels - split) + c - split]);
        sum += g;
        along += g * (from[c] - mean);
      }
    }
    const W of_mean = sum / W(width), of_spread = along * r * r / W(width);
    for (Size tap = row * taps; tap < (row + 1) * taps; tap++) {
      const W* from = weight + tap * channels;
      W* out = result + tap * channels;
#pragma omp simd
      for (Size c = 0; c < split; c++)
        out[c] = r * (wide(first[tap * split + c]) - of_mean - (from[c] - mean) * of_spread);
#pragma omp simd
      for (Size c = split; c < channels; c++)
        out[c] = r * (wide(second[tap * (channels - split) + c - split]) - of_mean - (from[c] - mean) * of_spread);
    }
  }
}

}  // namespace

#define OF_WEIGHTS(NAME, W, T)                                                                                       \
  extern "C" void standardized_##NAME(const W* weight, T* first, T* second, W* statistics, Size rows, Size taps,      \
                                      Size channels, Size split, double eps, int threads) {                           \
    standardized(weight, first, second, statistics, rows, taps, channels, split, eps, threads);                       \
  }                                                                                                                   \
  extern "C" void standardized_slope_##NAME(const T* first, const T* second, const W* weight, const W* statistics,    \
                                            W* result, Size rows, Size taps, Size channels, Size split,               \
                                            int threads) {                                                            \
    standardized_slope(first, second, weight, statistics, result, rows, taps, channels, split, threads);              \
  }

OF_WEIGHTS(float_float, float, float)
OF_WEIGHTS(double_double, double, double)
OF_WEIGHTS(float_bfloat16, float, Bfloat16)
