// Of winograd.py: convolutions by Winograd's minimal filtering, and the derivative of their weights.
//
// A tile of results, SIDE x SIDE of them, is made of a window of 6 x 6 pixels. Along each axis, with the points
// p = 0, a, -a, b, -b and infinity, a^2 = 1/2, b^2 = 2,
//
//     results = A^T (G w * B^T x),   A^T[j, i] = p_i^j,   G[i, j] = p_i^j / N_i,   N_i = product of p_i - p_k over k,
//
// and B^T[i] the coefficients of the product of x - p_k over the other points; infinity takes the last of powers alone.
// Of 6 points, TAPS are a weight's and SIDE = 7 - TAPS a result's. So each of 36 values of a window is multiplied once:
// 36 products of matrices, tiles by channels, in place of TAPS^2 SIDE^2. Points near 1 keep rounding small.
//
// All of it is computed in float, tile by tile in one order: results do not depend on the number of threads. But for
// gradients of bfloat16 maps, what is multiplied is rounded to bfloat16 where the processor multiplies pairs of it.

#include "convolutions.h"

namespace {

constexpr int WINDOW = 6;
constexpr Size POINTS = WINDOW * WINDOW;
constexpr Size GROUP = 96;            // tiles that are multiplied before results are made of them
constexpr Size CHUNK = 512;           // channels of what is read that are multiplied together
constexpr Size FEW = 48;              // tiles at least whose products are added to sums of weights
constexpr Size ROOM = Size(1) << 20;  // numbers kept at once: of windows, of weights, of sums
constexpr Size WORTH_THREADS = Size(1) << 18;

constexpr float POWERS[2][5] = {{1.0f, 0.70710678118654752f, 0.5f, 0.35355339059327376f, 0.25f},
                                {1.0f, 1.41421356237309505f, 2.0f, 2.82842712474619010f, 4.0f}};
constexpr float RESULTS[2] = {1.0f, 1.0f}, WEIGHTS[2] = {-2.0f / 3.0f, 1.0f / 6.0f};  // 1 / N of a and of b

// B^T x: six pixels to six values.
inline void of_window(const Vector* x, Vector* out, int step) {
  constexpr float A = POWERS[0][1], B = POWERS[1][1];
  const Vector e = x[4] - 2.0f * x[2], f = A * (x[3] - 2.0f * x[1]), g = x[4] - 0.5f * x[2],
               h = B * (x[3] - 0.5f * x[1]);
  out[0] = x[0] - 2.5f * x[2] + x[4];
  out[step] = e + f;
  out[2 * step] = e - f;
  out[3 * step] = g + h;
  out[4 * step] = g - h;
  out[5 * step] = x[5] - 2.5f * x[3] + x[1];
}

// N numbers to six values: G w by WEIGHTS, A y by RESULTS.
template <int N>
inline void raised(const Vector* x, const float (&scale)[2], Vector* out, int step) {
  out[0] = x[0];
#pragma GCC unroll 2
  for (int k = 0; k < 2; k++) {
    Vector even = x[0] * scale[k], odd = x[1] * (scale[k] * POWERS[k][1]);
#pragma GCC unroll 5
    for (int j = 2; j < N; j++) (j % 2 ? odd : even) += x[j] * (scale[k] * POWERS[k][j]);
    out[(2 * k + 1) * step] = even + odd;
    out[(2 * k + 2) * step] = even - odd;
  }
  out[5 * step] = x[N - 1];
}

// Six values to N numbers: A^T m by RESULTS, G^T u by WEIGHTS.
template <int N>
inline void lowered(const Vector* m, const float (&scale)[2], Vector* out, int step) {
  const Vector sums[2] = {m[1] + m[2], m[3] + m[4]}, differences[2] = {m[1] - m[2], m[3] - m[4]};
#pragma GCC unroll 5
  for (int j = 0; j < N; j++) {
    const Vector* from = j % 2 ? differences : sums;
    Vector result = from[0] * (scale[0] * POWERS[0][j]) + from[1] * (scale[1] * POWERS[1][j]);
    if (j == 0) result += m[0];
    if (j == N - 1) result += m[5];
    out[j * step] = result;
  }
}

// A transform of IN numbers to OUT along both axes: `row(i)` has IN vectors of row i, `put(i, j, value)` takes OUT x
// OUT.
template <int IN, int OUT, class Row, class Along, class Put>
inline void along_both(Row row, Along along, Put put) {
  Vector half[OUT * IN], made[OUT];  // half: turned
#pragma GCC unroll 6
  for (int i = 0; i < IN; i++) along(row(i), half + i, IN);
#pragma GCC unroll 6
  for (int j = 0; j < OUT; j++) {
    along(half + j * IN, made, 1);
#pragma GCC unroll 6
    for (int i = 0; i < OUT; i++) put(i, j, made[i]);
  }
}

// Where `along_both` puts values: [point], `step` apart.
template <class V>
inline auto values_at(V* to, Size step) {
  return [=](int i, int j, Vector value) { store(to + (i * WINDOW + j) * step, value); };
}

// Of `count` that follow one another, `make(k, put)` has the values of the k-th: one as numbers, or two as pairs.
template <class V, class Make>
inline void put_together(Size, Make make, V* to, Size step) {
  make(0, values_at(to, step));
}
template <class Make>
inline void put_together(Size count, Make make, Pair* to, Size step) {
  Vector first[POINTS];
  make(0, [&](int i, int j, Vector value) { first[i * WINDOW + j] = value; });
  if (count > 1)
    make(1, [&](int i, int j, Vector value) { store(to + (i * WINDOW + j) * step, first[i * WINDOW + j], value); });
  else
    for (Size point = 0; point < POINTS; point++) store(to + point * step, first[point], Vector{});
}

// Where tiles lie in a map of results, and their windows in the map that is read.
template <int SIDE>
struct Tiling {
  Size height, width, border, down, across, each, all;  // tiles of an image, of the batch

  Tiling(Size images, Size height, Size width, Size border)
      : height(height),
        width(width),
        border(border),
        down((out_height() + SIDE - 1) / SIDE),
        across((out_width() + SIDE - 1) / SIDE),
        each(down * across),
        all(images * each) {}
  Size out_height() const { return height + 2 * border - (WINDOW - SIDE); }
  Size out_width() const { return width + 2 * border - (WINDOW - SIDE); }
  struct Place {
    Size image, top, left;
  };
  Place place(Size tile) const { return {tile / each, tile % each / across * SIDE, tile % across * SIDE}; }
};

// N x N pixels from (top, left) on; what lies outside is 0. Those of the tile after the next are asked for, too: the
// processor does not guess them.
template <int N, int SIDE, class T>
inline void pixels(const T* image, Size height, Size width, Size channels, Size top, Size left, Vector* out) {
  if (top >= 0 && left >= 0 && top + N <= height && left + N <= width) {
    const T* first = image + (top * width + left) * channels;
#pragma GCC unroll 6
    for (int i = 0; i < N; i++)
#pragma GCC unroll 6
      for (int j = 0; j < N; j++) {
        out[i * N + j] = load(first + (i * width + j) * channels);
        if (j < SIDE) __builtin_prefetch(first + (i * width + j + 2 * SIDE) * channels);
      }
    return;
  }
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      const Size y = top + i, x = left + j;
      const bool inside = y >= 0 && x >= 0 && y < height && x < width;
      out[i * N + j] = inside ? load(image + (y * width + x) * channels) : Vector{};
    }
}

// Rows of values that lie in memory, [point], `step` apart.
struct Stored {
  const float* at;
  Size step;
  Vector here[WINDOW];
  const Vector* operator()(int i) {
#pragma GCC unroll 6
    for (int j = 0; j < WINDOW; j++) here[j] = load(at + (i * WINDOW + j) * step);
    return here;
  }
};

// The values of a tile's window, [point][channel]; of pairs, that of the next tile beside it, if there are `count`.
template <int SIDE, class T, class V>
void windows(const Maps<T>& x, const Tiling<SIDE>& tiling, Size tile, Size count, V* to, Size step) {
  const typename Tiling<SIDE>::Place places[] = {tiling.place(tile), tiling.place(tile + 1)};
  for (int m = 0; m < 2; m++)
    for (Size c = 0; c < x.channels[m]; c += LANES, to += LANES) {
      const auto make = [&](Size k, auto put) {
        const auto& place = places[k];
        Vector window[POINTS];
        pixels<WINDOW, SIDE>(x.of[m] + place.image * tiling.height * tiling.width * x.channels[m] + c, tiling.height,
                             tiling.width, x.channels[m], place.top - tiling.border, place.left - tiling.border,
                             window);
        along_both<WINDOW, WINDOW>([&](int i) { return window + i * WINDOW; }, of_window, put);
      };
      put_together(count, make, to, step);
    }
}

// The values of a tile of the results' gradient, likewise.
template <int SIDE, class T, class V>
void gradients(const T* gradient, Size channels, Size wanted, const Tiling<SIDE>& tiling, Size tile, Size count, V* to,
               Size step) {
  const typename Tiling<SIDE>::Place places[] = {tiling.place(tile), tiling.place(tile + 1)};
  const Size height = tiling.out_height(), width = tiling.out_width();
  for (Size c = 0; c < wanted; c += LANES, to += LANES) {
    const auto make = [&](Size k, auto put) {
      const auto& place = places[k];
      Vector here[SIDE * SIDE];
      pixels<SIDE, SIDE>(gradient + place.image * height * width * channels + c, height, width, channels, place.top,
                         place.left, here);
      along_both<SIDE, WINDOW>([&](int i) { return here + i * SIDE; },
                               [](const Vector* y, Vector* out, int apart) { raised<SIDE>(y, RESULTS, out, apart); },
                               put);
    };
    put_together(count, make, to, step);
  }
}

// A tile of results of a panel from the products of its values, [point][channel].
template <int SIDE, class T>
void results(const float* products, Size step, int vectors, const float* start, const T* more, T* y, Size channels,
             const Tiling<SIDE>& tiling, Size tile) {
  const auto [image, top, left] = tiling.place(tile);
  const Size width = tiling.out_width(), first = ((image * tiling.out_height() + top) * width + left) * channels;
  const Size rows = std::min<Size>(SIDE, tiling.out_height() - top), columns = std::min<Size>(SIDE, width - left);
  for (int v = 0; v < vectors; v++) {
    const Vector bias = start == nullptr ? Vector{} : load(start + v * LANES);
    along_both<WINDOW, SIDE>(
        Stored{products + v * LANES, step},
        [](const Vector* m, Vector* out, int apart) { lowered<SIDE>(m, RESULTS, out, apart); },
        [&](int i, int j, Vector value) {
          if (i >= rows || j >= columns) return;
          const Size at = first + (i * width + j) * channels + v * LANES;
          store(y + at, more == nullptr ? value + bias : value + bias + load(more + at));
        });
  }
}

// G w G^T of LANES weights at a time, [point].
template <int TAPS, class Put>
inline void of_weights(const Vector* w, Put put) {
  along_both<TAPS, WINDOW>([=](int i) { return w + i * TAPS; },
                           [](const Vector* w, Vector* out, int apart) { raised<TAPS>(w, WEIGHTS, out, apart); }, put);
}

// From one point to the next in a panel; no power of two, else points are in each other's way in the cache.
template <class E>
Size panel_step(Size depth, Size lanes) {
  return depth / EACH<E> * lanes + LANES;
}

// The values of weights for results [first, first + lanes), [point][what is read, or two of it][lane].
template <int TAPS, class E>
void panel_of(const Weights<float>& weights, Size from, Size until, Size first, Size lanes, E* to) {
  constexpr int AREA = TAPS * TAPS;
  const Size step = panel_step<E>(until - from, lanes), columns = weights.columns;
  const auto asked = [&](Size row, Size tap, Size column, Size ahead) {
    const float* numbers = weights.at + (row * AREA + tap) * columns + column;
    __builtin_prefetch(numbers + ahead);  // what comes two later: the processor does not guess it
    return weights.standardized(load(numbers), row);
  };
  if (weights.back) {
    for (Size row = from; row < until; row += EACH<E>, to += lanes)
      for (Size v = 0; v < lanes; v += LANES) {
        const auto make = [&](Size k, auto put) {
          Vector taps[AREA];
          for (int t = 0; t < AREA; t++) taps[t] = asked(row + k, AREA - 1 - t, first + v, 2 * AREA * columns);
          of_weights<TAPS>(taps, put);
        };
        put_together(EACH<E>, make, to + v, step);
      }
    return;
  }
  for (Size v = 0; v < lanes; v += LANES)
    for (Size block = from; block < until; block += LANES) {
      Vector turned[AREA][LANES];  // tap, column: rows side by side
      for (int t = 0; t < AREA; t++) {
        for (int row = 0; row < LANES; row++) turned[t][row] = asked(first + v + row, t, block, 2 * LANES);
        transpose(turned[t]);
      }
      for (Size c = 0; c < LANES; c += EACH<E>) {
        const auto make = [&](Size k, auto put) {
          Vector taps[AREA];
          for (int t = 0; t < AREA; t++) taps[t] = turned[t][c + k];
          of_weights<TAPS>(taps, put);
        };
        put_together(EACH<E>, make, to + (block - from + c) / EACH<E> * lanes + v, step);
      }
    }
}

// y, multiplied in E.
template <int TAPS, class E, class T>
void convolved(Maps<T> x, const Weights<float>& weights, const float* start, const T* more, T* y,
               const Tiling<7 - TAPS>& tiling, Size first, Size count, int threads) {
  const Size inner = x.all(), panels = (count + PANEL - 1) / PANEL, groups = (tiling.all + GROUP - 1) / GROUP;
  // Values of weights are made once, and those of windows by who needs them; or of windows once, and of weights anew
  // for each group of tiles, where weights are many, or groups fewer than threads. Bits are the same.
  const Size values = POINTS * inner / EACH<E> * count, window = POINTS * inner / EACH<E>;
  const bool once = values <= ROOM || (groups > 1 && groups >= threads && values <= 4 * ROOM);
  const Size together = once ? GROUP : std::min(groups * GROUP, std::max(GROUP, ROOM / window / GROUP * GROUP));
  const Size step = together * inner + 2 * LANES, product_step = GROUP * PANEL + LANES;
  Scratch<Alone<E>> read(once ? 0 : POINTS * step);
  const Size pieces = (inner + CHUNK - 1) / CHUNK;
  Scratch<E> shared(once ? values + POINTS * panels * pieces * LANES : 0);
  const auto lanes_of = [&](Size panel) { return std::min(PANEL, count - panel * PANEL); };
  const auto weigh = [&](Size panel, Size from, Size until, E* to) {
    panel_of<TAPS>(weights, from, until, first + panel * PANEL, lanes_of(panel), to);
  };
#pragma omp parallel num_threads(threads) if (threads > 1 && tiling.all * inner * count > WORTH_THREADS)
  {
    if (weights.to_measure()) {
#pragma omp for schedule(static)
      for (Size row = 0; row < weights.rows; row++) weights.measure(row);
    }
    Scratch<Alone<E>> own(once ? POINTS * step : 0);
    Scratch<E> weighed(once ? 0 : POINTS * panel_step<E>(std::min(inner, CHUNK), PANEL));
    Scratch<float> products(POINTS * product_step);
    // A panel's results of some tiles, from their windows and what `weights_from` gives for a piece of channels.
    const auto write = [&](Size panel, const Alone<E>* read, Size tile, Size tiles, auto weights_from) {
      const Size lanes = lanes_of(panel);
      for (Size from = 0; from < inner; from += CHUNK) {
        const Size depth = std::min(CHUNK, inner - from) / EACH<E>;
        const E* of_weights = weights_from(from, from + depth * EACH<E>);
        const auto multiply = from ? multiplied<true, E> : multiplied<false, E>;
        for (Size point = 0; point < POINTS; point++)
          multiply(reinterpret_cast<const E*>(read + point * step + from), inner / EACH<E>, 1,
                   of_weights + point * panel_step<E>(depth * EACH<E>, lanes), lanes,
                   products.at + point * product_step, lanes, tiles, lanes, depth);
      }
      for (Size at = 0; at < tiles; at++)
        results(products.at + at * lanes, product_step, int(lanes / LANES),
                start == nullptr ? start : start + panel * PANEL, more == nullptr ? more : more + panel * PANEL,
                y + panel * PANEL, count, tiling, tile + at);
    };
    if (once) {
      const auto place = [&](Size panel, Size from) {
        const Size before = panel * pieces + from / CHUNK;
        return shared.at + POINTS * ((panel * PANEL * inner + from * lanes_of(panel)) / EACH<E> + before * LANES);
      };
#pragma omp for schedule(static)
      for (Size panel = 0; panel < panels; panel++)
        for (Size from = 0; from < inner; from += CHUNK)
          weigh(panel, from, std::min(from + CHUNK, inner), place(panel, from));
#pragma omp for schedule(static)
      for (Size tile = 0; tile < tiling.all; tile += GROUP) {
        const Size tiles = std::min(GROUP, tiling.all - tile);
        for (Size at = 0; at < tiles; at++) windows(x, tiling, tile + at, 1, own.at + at * inner, step);
        for (Size panel = 0; panel < panels; panel++)
          write(panel, own.at, tile, tiles, [&](Size from, Size) { return place(panel, from); });
      }
    } else {
      for (Size begin = 0; begin < tiling.all; begin += together) {
        const Size here = std::min(together, tiling.all - begin);
#pragma omp for schedule(static)
        for (Size tile = 0; tile < here; tile++) windows(x, tiling, begin + tile, 1, read.at + tile * inner, step);
#pragma omp for schedule(static)
        for (Size work = 0; work < (here + GROUP - 1) / GROUP * panels; work++) {
          const Size panel = work % panels, tile = work / panels * GROUP;
          write(panel, read.at + tile * inner, begin + tile, std::min(GROUP, here - tile), [&](Size from, Size until) {
            weigh(panel, from, until, weighed.at);
            return weighed.at;
          });
        }
      }
    }
  }
}

// The weights' derivative of `rows` x `columns` of them, from the sums of their values, [point][row][column].
template <int TAPS>
void of_sums(const float* sums, Size step, Size width, Size rows, Size columns, float* to, Size to_width) {
  for (Size row = 0; row < rows; row++)
    for (Size column = 0; column < columns; column += LANES) {
      float* out = to + row * TAPS * TAPS * to_width + column;
      along_both<WINDOW, TAPS>(
          Stored{sums + row * width + column, step},
          [](const Vector* u, Vector* out, int apart) { lowered<TAPS>(u, WEIGHTS, out, apart); },
          [=](int i, int j, Vector value) { store(out + (i * TAPS + j) * to_width, value); });
    }
}

// The derivative of weights from the gradient of the results, multiplied in E.
template <int TAPS, class E, class T>
void weights_slope(Maps<T> x, const T* gradient, const Weights<float>& weights, float* result,
                   const Tiling<7 - TAPS>& tiling, int threads) {
  const Size rows = weights.rows, columns = x.all(), panels = (columns + PANEL - 1) / PANEL;
  const bool few = tiling.all <= GROUP && POINTS * tiling.all * (columns + rows) <= 4 * ROOM;  // tiles: all at once
  const Size chunk = few ? rows : std::min(rows, std::max<Size>(LANES, ROOM / (POINTS * columns) / LANES * LANES));
  const Size room =
      few ? (tiling.all + EACH<E> - 1) / EACH<E> : std::max(FEW, ROOM / 4 / (POINTS * (columns + chunk)) / FEW * FEW);
  const Size together = std::min(tiling.all, room * EACH<E>);
  const Size step = room * columns + LANES, slope_step = room * chunk + LANES;
  const Size own_step = LANES * PANEL + LANES, sum_step = chunk * columns + LANES;
  Scratch<E> values(POINTS * step), slopes(POINTS * slope_step);
  Scratch<float> sums(few ? 0 : POINTS * sum_step);
#pragma omp parallel num_threads(threads) if (threads > 1 && tiling.all * rows * columns > WORTH_THREADS)
  for (Size first = 0; first < rows; first += chunk) {
    const Size count = std::min(chunk, rows - first);
    for (Size start = 0; start < tiling.all; start += together) {
      const Size here = std::min(together, tiling.all - start), depth = (here + EACH<E> - 1) / EACH<E>;
#pragma omp for schedule(static)
      for (Size k = 0; k < depth; k++) {
        const Size tile = k * EACH<E>, left = here - tile;
        if (first == 0 || together < tiling.all)  // else they are there already
          windows(x, tiling, start + tile, left, values.at + k * columns, step);
        gradients(gradient + first, rows, count, tiling, start + tile, left, slopes.at + k * chunk, slope_step);
      }
      if (few) {
        Scratch<float> own(POINTS * own_step);
#pragma omp for schedule(static)
        for (Size work = 0; work < (rows + LANES - 1) / LANES * panels; work++) {
          const Size row = work / panels * LANES, column = work % panels * PANEL;
          const Size those = std::min<Size>(LANES, rows - row), wide = std::min(PANEL, columns - column);
          for (Size point = 0; point < POINTS; point++)
            multiplied<false, E>(slopes.at + point * slope_step + row, 1, rows, values.at + point * step + column,
                                 columns, own.at + point * own_step, PANEL, those, wide, depth);
          of_sums<TAPS>(own.at, own_step, PANEL, those, wide, result + row * TAPS * TAPS * columns + column, columns);
        }
      } else {
#pragma omp for schedule(static)
        for (Size work = 0; work < POINTS * panels; work++) {
          const Size point = work / panels, column = work % panels * PANEL;
          const auto multiply = start ? multiplied<true, E> : multiplied<false, E>;
          multiply(slopes.at + point * slope_step, 1, chunk, values.at + point * step + column, columns,
                   sums.at + point * sum_step + column, columns, count, std::min(PANEL, columns - column), depth);
        }
      }
    }
#pragma omp for schedule(static)
    for (Size row = first; row < first + count; row++) {
      float* to = result + row * weights.width();
      if (!few) of_sums<TAPS>(sums.at + (row - first) * columns, sum_step, columns, 1, columns, to, columns);
      if (weights.statistics != nullptr) weights.slope(row, to);
    }
  }
}

}  // namespace

#define OF_MAPS(NAME, T, TAPS)                                                                                         \
  extern "C" void convolved_##TAPS##_##NAME(const T* x, const T* beside, const float* weight, float* statistics,       \
                                            const float* start, const T* more, T* y, Size b, Size h, Size w,           \
                                            Size border, Size c1, Size c2, Size rows, Size columns, Size back,         \
                                            Size first, Size count, double eps, int threads) {                         \
    const auto way = back ? convolved<TAPS, Multiplied<T>, T> : convolved<TAPS, float, T>;                             \
    way({{x, beside}, {c1, c2}}, {weight, statistics, eps, rows, columns, TAPS * TAPS, back != 0}, start, more, y,     \
        {b, h, w, border}, first, count, threads);                                                                     \
  }                                                                                                                    \
  extern "C" void weights_slope_##TAPS##_##NAME(const T* x, const T* beside, const T* gradient, const float* weight,   \
                                                float* statistics, float* result, Size b, Size h, Size w, Size border, \
                                                Size c1, Size c2, Size rows, int threads) {                            \
    weights_slope<TAPS, Multiplied<T>, T>({{x, beside}, {c1, c2}}, gradient,                                           \
                                          {weight, statistics, -1, rows, c1 + c2, TAPS * TAPS, false}, result,         \
                                          {b, h, w, border}, threads);                                                 \
  }

// Numbers that channels come in; whether the processor has a matrix unit for bfloat16, which direct.cpp is for; and
// whether it multiplies pairs of bfloat16.
extern "C" int lanes() { return LANES; }
extern "C" int matrix_unit() { return has_matrix_unit(); }
extern "C" int multiplies_pairs() { return std::is_same_v<Multiplied<Bfloat16>, Pair>; }

OF_MAPS(float, float, 2)
OF_MAPS(float, float, 3)
OF_MAPS(float, float, 4)
OF_MAPS(bfloat16, Bfloat16, 2)
OF_MAPS(bfloat16, Bfloat16, 3)
OF_MAPS(bfloat16, Bfloat16, 4)
