// Of winograd.py: convolutions of bfloat16 maps of stride 1, and the derivative of their weights, by a processor's
// matrix unit.
//
// A band of rows of what is read is copied with its border, so that its pixels, `across` of them in a row, follow one
// another: then for each tap what a number of results that follow one another read does so, too, and is a tile of the
// unit as it lies. Results in the border are left out. Sums are float, in one order: results do not depend on the
// number of threads.

#include "convolutions.h"

#ifdef ATME_MATRIX_UNIT

namespace {

constexpr Size DEEP = 2 * TILE;       // channels of a tile
constexpr Size TOGETHER = 2 * TILE;   // results of a pixel, and pixels, that are made together
constexpr Size CHUNK = 8;             // planes of what is read whose products are added up together
constexpr Size ROOM = Size(1) << 18;  // numbers of a band
// Pairs of weights from which on, and numbers of what is read up to which, weights are made ready panel by panel.
constexpr Size MANY = Size(1) << 18, FEW = Size(1) << 20;
constexpr Size KEPT = Size(1) << 19;  // results whose sums are kept, so that weights can be read row by row
constexpr Size SUMMED = Size(1) << 18,
               LEAST_SUMMED = 1200;  // numbers, and positions, whose products are summed together
constexpr Size AHEAD = 24;           // pixels that are asked for ahead
constexpr Size WORTH_THREADS = Size(1) << 20;

inline Size up(Size number, Size whole) { return (number + whole - 1) / whole * whole; }

struct Shape {
  Size images, height, width, border, side;

  Size out_height() const { return height + 2 * border - side + 1; }
  Size out_width() const { return width + 2 * border - side + 1; }
  Size across() const { return width + 2 * border; }
  Size taps() const { return side * side; }
  // Of a tap, from the first, in what is read with its border; the last one's.
  Size offset(Size tap) const { return tap / side * across() + tap % side; }
  Size reach() const { return offset(taps() - 1); }
};

// Rows [from, from + count) of an image between borders, which are 0: planes of DEEP channels, `apart` numbers each.
void bordered(const Maps<Bfloat16>& x, const Shape& shape, Size image, Size from, Size count, Size apart,
              Bfloat16* to) {
  const Size across = shape.across() * DEEP;
  for (Size row = 0; row < count; row++, to += across) {
    const Size at = from + row - shape.border;
    if (at < 0 || at >= shape.height) {
      for (Size k = 0; k < up(x.all(), DEEP) / DEEP; k++) std::memset(to + k * apart, 0, across * sizeof *to);
      continue;
    }
    Size first = 0;
    for (int map = 0; map < 2; first += x.channels[map++]) {
      const Size those = x.channels[map];
      const Bfloat16* pixels = x.of[map] + (image * shape.height + at) * shape.width * those;
      for (Size c = 0; c < those;) {
        const Size wide = (first + c) % DEEP == 0 && c + DEEP <= those ? DEEP : LANES;
        const Bfloat16* pixel = pixels + c;
        Bfloat16* place = to + (first + c) / DEEP * apart + (first + c) % DEEP + shape.border * DEEP;
        for (Size column = 0; column < shape.width; column++, pixel += those, place += DEEP)
          if (wide == DEEP) {
            __builtin_prefetch(pixel + AHEAD * those);
            std::memcpy(place, pixel, DEEP * sizeof *to);
          } else {
            std::memcpy(place, pixel, LANES * sizeof *to);
          }
        c += wide;
      }
    }
  }
}

// All rows of all images so, by the threads of a team.
void all_bordered(const Maps<Bfloat16>& x, const Shape& shape, Size apart, Bfloat16* to) {
  const Size planes = up(x.all(), DEEP) / DEEP, rows = shape.out_height() + shape.side - 1;
#pragma omp for schedule(static)
  for (Size plane = 0; plane < shape.images * planes; plane++) std::memset(to + plane * apart, 0, apart * sizeof *to);
#pragma omp for schedule(static) collapse(2)
  for (Size image = 0; image < shape.images; image++)
    for (Size row = 0; row < rows; row++)
      bordered(x, shape, image, row, 1, apart, to + image * apart * planes + row * shape.across() * DEEP);
}

// Sixteen weights of a row as the unit has them, or thirty-two; 0 where there is no such row or column. Those that lie
// `ahead` are asked for.
template <class W>
inline __m512i sixteen(const Weights<W>& weights, Size row, Size tap, Size column, Size ahead) {
  if (row >= weights.rows || column >= weights.columns) return __m512i{};
  const W* from = weights.at + weights.place(row, tap, column);
  __builtin_prefetch(from + ahead);
  if constexpr (std::is_same_v<W, Bfloat16>)
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  else
    return _mm512_cvtepu16_epi32(
        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(weights.standardized(load(from), row)))));
}
template <class W>
inline Vector thirty_two(const Weights<W>& weights, Size row, Size tap, Size column) {
  const W* from = weights.at + weights.place(row, tap, column);
  if (column + DEEP > weights.columns)
    return reinterpret_cast<Vector>(
        _mm512_zextsi256_si512(_mm512_cvtepi32_epi16(sixteen(weights, row, tap, column, 0))));
  if constexpr (std::is_same_v<W, Bfloat16>)
    return reinterpret_cast<Vector>(load(reinterpret_cast<const Pair*>(from)));
  else
    return reinterpret_cast<Vector>(
        _mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(weights.standardized(load(from + LANES), row)),
                            reinterpret_cast<__m512>(weights.standardized(load(from), row))));
}

// A tile of weights: for results [first, first + 16) the pairs from channel `from` of what is read.
template <class W>
void tile_of(const Weights<W>& weights, Size tap, Size from, Size first, Pair* to) {
  if (weights.back) {
    for (Size k = 0; k < TILE; k++) {
      // The processor does not guess the rows of the next tile.
      const auto of = [&](Size row) {
        return sixteen(weights, row, weights.taps - 1 - tap, first, DEEP * weights.width());
      };
      const Size row = from + 2 * k;
      _mm512_storeu_si512(to + k * TILE, _mm512_or_si512(of(row), _mm512_slli_epi32(of(row + 1), 16)));
    }
    return;
  }
  Vector pairs[TILE];
  for (Size row = 0; row < TILE; row++) pairs[row] = thirty_two(weights, first + row, tap, from);
  transpose(pairs);
  for (Size k = 0; k < TILE; k++) store(reinterpret_cast<float*>(to + k * TILE), pairs[k]);
}

// Results of `count` pixels that follow one another, of 16 W channels; `more` lies as they do, unless there is none.
template <int W>
inline void write(const float* sums, const Vector* bias, const Bfloat16* more, Size count, Bfloat16* to,
                  Size channels) {
  for (Size p = 0; p < count; p++, sums += TOGETHER, to += channels) {
    Vector first = load(sums) + bias[0];
    if (more != nullptr) first += load(more + p * channels);
    if constexpr (W > 1) {
      Vector second = load(sums + LANES) + bias[1];
      if (more != nullptr) second += load(more + p * channels + LANES);
      const __m512bh both = _mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(second), reinterpret_cast<__m512>(first));
      _mm512_storeu_si512(to, reinterpret_cast<__m512i>(both));
    } else {
      store(to, first);
    }
  }
}

// `convolved`, back, DEEP rows of weights after DEEP rows, which lie in one piece: columns of a panel lie in all rows.
// Sums of all results are kept meanwhile.
template <class N>
void convolved_by_rows(const Maps<Bfloat16>& x, const Weights<N>& weights, const float* start, const Bfloat16* more,
                       Bfloat16* y, const Shape& shape, Size first, Size count, int threads) {
  const Size height = shape.out_height(), width = shape.out_width(), across = shape.across(), taps = shape.taps();
  const Size steps = up(x.all(), DEEP) / DEEP, panels = (count + TOGETHER - 1) / TOGETHER, tile = TILE * TILE;
  const Size pixels = up(height * across, TOGETHER), of_tap = count * TILE;
  const Size apart = std::max((height + shape.side - 1) * across, pixels + shape.reach()) * DEEP;
  const auto wide = [&](Size panel) { return std::min(TOGETHER, count - panel * TOGETHER) / TILE; };
  Scratch<Bfloat16> whole(shape.images * apart * steps);
  Scratch<Pair> ready(taps * of_tap);
  Scratch<float> sums(shape.images * panels * pixels * TOGETHER);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    const MatrixUnit<Pair> unit;
    all_bordered(x, shape, apart, whole.at);
    for (Size k = 0; k < steps; k++) {
#pragma omp for schedule(static)
      for (Size pair = 0; pair < TILE; pair++)
        for (Size tap = 0; tap < taps; tap++)
          for (Size column = 0; column < count; column += TILE) {
            const auto of = [&](Size row) { return sixteen(weights, row, tap, first + column, COMING); };
            const Size row = k * DEEP + 2 * pair;
            _mm512_storeu_si512(ready.at + (taps - 1 - tap) * of_tap + column * TILE + pair * TILE,
                                _mm512_or_si512(of(row), _mm512_slli_epi32(of(row + 1), 16)));
          }
      written();
#pragma omp for schedule(static) collapse(2)
      for (Size image = 0; image < shape.images; image++)
        for (Size panel = 0; panel < panels; panel++) {
          const Bfloat16* plane = whole.at + (image * steps + k) * apart;
          float* here = sums.at + (image * panels + panel) * pixels * TOGETHER;
          for (Size at = 0; at < pixels; at += TOGETHER)
            by_number(true, wide(panel) > 1, [&](auto R, auto W) {
              (k ? begin<true, R.value, W.value> : begin<false, R.value, W.value>)(here + at * TOGETHER, TOGETHER);
              for (Size tap = 0; tap < taps; tap++)
                add<R.value, W.value>(
                    {reinterpret_cast<const Pair*>(plane + (at + shape.offset(tap)) * DEEP), TILE, tile, 0},
                    {ready.at + tap * of_tap + panel * TOGETHER * TILE, TILE, tile, 0}, 1);
              end<R.value, W.value>(here + at * TOGETHER, TOGETHER);
            });
        }
    }
    written();
#pragma omp for schedule(static) collapse(2)
    for (Size image = 0; image < shape.images; image++)
      for (Size panel = 0; panel < panels; panel++) {
        Vector bias[2]{};
        for (Size w = 0; start != nullptr && w < wide(panel); w++) bias[w] = load(start + panel * TOGETHER + w * TILE);
        for (Size row = 0; row < height; row++) {
          const float* here = sums.at + ((image * panels + panel) * pixels + row * across) * TOGETHER;
          const Size place = (image * height + row) * width * count + panel * TOGETHER;
          const Bfloat16* beside = more == nullptr ? more : more + place;
          (wide(panel) > 1 ? write<2> : write<1>)(here, bias, beside, width, y + place, count);
        }
      }
  }
}

template <class N>
void convolved(const Maps<Bfloat16>& x, const Weights<N>& weights, const float* start, const Bfloat16* more,
               Bfloat16* y, const Shape& shape, Size first, Size count, int threads) {
  const Size height = shape.out_height(), width = shape.out_width(), across = shape.across(), taps = shape.taps();
  const Size channels = up(x.all(), DEEP), steps = channels / DEEP, panels = (count + TOGETHER - 1) / TOGETHER;
  const Size tile = TILE * TILE, panel_size = steps * taps * 2 * tile;
  // Where weights are many and pixels few, a panel's weights are made ready where its results are made; else those of
  // all panels before, and threads share bands of an image.
  const Size all = shape.images * (height + shape.side - 1) * across * channels;
  const bool many = panels * panel_size > MANY && all <= FEW, by_panel = many && panels >= threads;
  if (many && weights.back && shape.images * height * across * count <= KEPT)
    return convolved_by_rows(x, weights, start, more, y, shape, first, count, threads);
  const Size wanted = (height * across * channels + ROOM - 1) / ROOM,
             tall = by_panel ? height : (height - 1) / up(wanted, threads) + 1;
  const Size bands = (height + tall - 1) / tall, pixels = up(tall * across, TOGETHER);
  const Size apart = std::max((tall + shape.side - 1) * across, pixels + shape.reach()) * DEEP;
  const auto wide = [&](Size panel) { return std::min(TOGETHER, count - panel * TOGETHER) / TILE; };
  // A panel's weights: of a chunk of channels, tap by tap.
  const auto get_ready = [&](Size panel, Size tap, Pair* to) {
    for (Size k = 0; k < steps; k++) {
      const Size before = k / CHUNK * CHUNK, within = std::min(steps - before, CHUNK);
      Pair* here = to + (before * taps + tap * within + k - before) * wide(panel) * tile;
      for (Size w = 0; w < wide(panel); w++)
        tile_of(weights, tap, k * DEEP, first + panel * TOGETHER + w * TILE, here + w * tile);
    }
  };
  // A panel's results of rows of an image, from what is read for them.
  const auto make = [&](Size panel, const Pair* made, const Bfloat16* band, Size image, Size top, Size rows,
                        float* sums) {
    const Size lanes = wide(panel) * TILE;
    Vector bias[2]{};
    for (Size w = 0; start != nullptr && w < wide(panel); w++) bias[w] = load(start + panel * TOGETHER + w * TILE);
    for (Size from = 0; from < steps; from += CHUNK) {
      const Size those = std::min(CHUNK, steps - from);
      const Pair* right = made + from * taps * wide(panel) * tile;
      Size row = 0, column = 0;
      for (Size at = 0; at < rows * across; at += TOGETHER) {
        float* here = steps > CHUNK ? sums + at * TOGETHER : sums;
        written();
        by_number(true, lanes > TILE, [&](auto R, auto W) {
          (from ? begin<true, R.value, W.value> : begin<false, R.value, W.value>)(here, TOGETHER);
          const Bfloat16* pixel = band + from * apart + at * DEEP;
          for (Size tap = 0; tap < taps; tap++)
            add<R.value, W.value>(
                {reinterpret_cast<const Pair*>(pixel + shape.offset(tap) * DEEP), TILE, tile, apart / 2},
                {right + tap * those * W.value * tile, TILE, tile, W.value * tile}, those);
          end<R.value, W.value>(here, TOGETHER);
        });
        if (from + CHUNK < steps) continue;
        for (Size p = 0; p < TOGETHER && row < rows;) {  // what is in a row, without its border
          const Size some = std::min(TOGETHER - p, across - column), real = std::min(some, width - column);
          const Size place = ((image * height + top + row) * width + column) * count + panel * TOGETHER;
          const Bfloat16* beside = more == nullptr ? more : more + place;
          if (real > 0) (lanes > TILE ? write<2> : write<1>)(here + p * TOGETHER, bias, beside, real, y + place, count);
          p += some;
          column += some;
          if (column == across) column = 0, row++;
        }
      }
    }
  };
  Scratch<Bfloat16> whole(by_panel ? shape.images * apart * steps : 0);
  Scratch<Pair> shared(by_panel ? 0 : panels * panel_size);
#pragma omp parallel num_threads(threads) if (threads > 1 &&                                                           \
                                                  shape.images * height * width * channels * count > WORTH_THREADS)
  {
    const MatrixUnit<Pair> unit;
    Scratch<float> sums((steps > CHUNK ? pixels : TOGETHER) * TOGETHER);
    const auto read_rows = [&](Size image, Size from, Size rows, Bfloat16* to) {
      bordered(x, shape, image, from, rows, apart, to);
    };
    if (by_panel) {
      all_bordered(x, shape, apart, whole.at);
      Scratch<Pair> own(panel_size);
#pragma omp for schedule(static)
      for (Size panel = 0; panel < panels; panel++) {
        if (weights.to_measure())
          for (Size row = first + panel * TOGETHER; row < first + panel * TOGETHER + wide(panel) * TILE; row++)
            weights.measure(row);
        for (Size tap = 0; tap < taps; tap++) get_ready(panel, tap, own.at);
        for (Size image = 0; image < shape.images; image++)
          make(panel, own.at, whole.at + image * apart * steps, image, 0, height, sums.at);
      }
    } else {
      if (weights.to_measure()) {
#pragma omp for schedule(static)
        for (Size row = first; row < first + count; row++) weights.measure(row);
      }
#pragma omp for schedule(static) collapse(2)
      for (Size panel = 0; panel < panels; panel++)
        for (Size tap = 0; tap < taps; tap++) get_ready(panel, tap, shared.at + panel * panel_size);
      Scratch<Bfloat16> band(apart * steps);
      std::memset(band.at, 0, apart * steps * sizeof(Bfloat16));
#pragma omp for schedule(static)
      for (Size work = 0; work < shape.images * bands; work++) {
        const Size image = work / bands, top = work % bands * tall, rows = std::min(tall, height - top);
        read_rows(image, top, rows + shape.side - 1, band.at);
        for (Size panel = 0; panel < panels; panel++)
          make(panel, shared.at + panel * panel_size, band.at, image, top, rows, sums.at);
      }
    }
  }
}

// Sixteen channels of positions that follow one another, as pairs to be summed over: of every second one and the next,
// `even`, and, if they are wanted, of those between, `odd`, after a pair of nothing and the first.
template <bool ODD>
class Paired {
 public:
  Paired(Pair* even, Pair* odd) : even_(even), odd_(odd) {}
  // `count` pixels, `apart` from one to the next.
  void add(const Bfloat16* pixel, Size apart, Size count) {
    add(count, [=](Size at) {
      __builtin_prefetch(pixel + (at + AHEAD) * apart);
      return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(pixel + at * apart)));
    });
  }
  void add_nothing(Size count) {
    add(count, [](Size) { return _mm512_setzero_si512(); });
  }

 private:
  template <class Number>
  void add(Size count, Number number) {
    __m512i before = before_;
    Pair *even = even_, *odd = odd_;
    const auto put = [&before](Pair*& to, __m512i next) {
      _mm512_storeu_si512(to, _mm512_or_si512(before, _mm512_slli_epi32(next, 16)));
      to += TILE;
      before = next;
    };
    const auto first = [&](__m512i next) {
      if constexpr (ODD) put(odd, next);
      before = next;
    };
    Size at = 0;
    if (second_ && at < count) {
      put(even, number(at++));
      second_ = false;
    }
    for (; at + 1 < count; at += 2) {
      first(number(at));
      put(even, number(at + 1));
    }
    if (at < count) {
      first(number(at));
      second_ = true;
    }
    before_ = before;
    even_ = even;
    odd_ = odd;
  }
  Pair *even_, *odd_;
  __m512i before_{};
  bool second_ = false;
};

// The derivative of weights from the gradient of the results.
void weights_slope(const Maps<Bfloat16>& x, const Bfloat16* gradient, const Weights<float>& weights, float* result,
                   const Shape& shape, int threads) {
  const Size rows = weights.rows, height = shape.out_height(), width = shape.out_width(), across = shape.across(),
             columns = x.all();
  const Size most = std::max(LEAST_SUMMED, SUMMED / (2 * columns + rows)),
             tall = std::min(height, std::max<Size>(1, most / across));
  const Size bands = (height + tall - 1) / tall, tiles = up(tall * across, DEEP) / DEEP;
  const Size pairs = tiles * TILE + shape.reach() / 2 + 2;  // of a block of 16 channels
  const Size blocks = columns / TILE, parts = rows / TILE, tile = TILE * TILE, row = shape.taps() * columns;
  const bool fused = weights.statistics != nullptr && parts >= 2 * threads;  // with rows' own slope
  Scratch<Pair> even(blocks * pairs * TILE), odd(blocks * (pairs + 1) * TILE), slopes(parts * tiles * tile);
#pragma omp parallel num_threads(threads) if (threads > 1 &&                                                           \
                                                  shape.images * height * width * rows * columns > WORTH_THREADS)
  {
    const MatrixUnit<Pair> unit;
    for (Size band = 0; band < shape.images * bands; band++) {
      const Size image = band / bands, top = band % bands * tall, some = std::min(tall, height - top);
#pragma omp for schedule(static)
      for (Size work = 0; work < blocks + parts; work++) {
        if (work < blocks) {
          const Size channel = work * TILE, map = channel < x.channels[0] ? 0 : 1, those = x.channels[map];
          const Bfloat16* pixels =
              x.of[map] + image * shape.height * shape.width * those + channel - map * x.channels[0];
          Paired<true> made(even.at + work * pairs * TILE, odd.at + work * (pairs + 1) * TILE);
          for (Size row = top - shape.border; row < top + some + shape.side - 1 - shape.border; row++) {
            const bool there = row >= 0 && row < shape.height;
            made.add_nothing(there ? shape.border : across);
            if (!there) continue;
            made.add(pixels + row * shape.width * those, those, shape.width);
            made.add_nothing(shape.border);
          }
          made.add_nothing(2 * pairs - (some + shape.side - 1) * across);
        } else {
          const Size part = work - blocks;
          const Bfloat16* pixels = gradient + (image * height + top) * width * rows + part * TILE;
          Pair* to = slopes.at + part * tiles * tile;
          Paired<false> made(to, nullptr);
          for (Size row = 0; row < some; row++) {
            made.add(pixels + row * width * rows, rows, width);
            made.add_nothing(across - width);
          }
          made.add_nothing(tiles * DEEP - some * across);
          for (Size k = 0; k < tiles; k++) turn(to + k * tile, TILE);
        }
      }
      written();
      const auto add_band = [&](Size part, Size block) {
        for (Size tap = 0; tap < shape.taps(); tap++) {
          const Size offset = shape.offset(tap), each = (offset % 2 ? pairs + 1 : pairs) * TILE;
          const Pair* right = (offset % 2 ? odd.at + TILE : even.at) + block * each + offset / 2 * TILE;
          float* sums = result + weights.place(part * TILE, tap, block * TILE);
          by_number(part + 1 < parts, block + 1 < blocks, [&](auto R, auto W) {
            if (band == 0)  // rows lie far apart: these are asked for, since they are written at last
              for (Size r = 0; r < R.value * TILE; r++)
                for (Size w = 0; w < W.value; w++) __builtin_prefetch(sums + r * row + w * TILE, 1);
            (band ? begin<true, R.value, W.value> : begin<false, R.value, W.value>)(sums, row);
            add<R.value, W.value>({slopes.at + part * tiles * tile, TILE, tiles * tile, tile},
                                  {right, TILE, each, tile}, tiles);
            end<R.value, W.value>(sums, row);
          });
        }
      };
      if (fused && band == shape.images * bands - 1) {
#pragma omp for schedule(static)
        for (Size part = 0; part < parts; part += 2) {
          for (Size block = 0; block < blocks; block += 2) add_band(part, block);
          for (Size at = part * TILE; at < std::min(part + 2, parts) * TILE; at++) weights.slope(at, result + at * row);
        }
      } else {
#pragma omp for schedule(static) collapse(2)
        for (Size part = 0; part < parts; part += 2)
          for (Size block = 0; block < blocks; block += 2) add_band(part, block);
      }
    }
    if (weights.statistics != nullptr && !fused) {
#pragma omp for schedule(static)
      for (Size at = 0; at < rows; at++) weights.slope(at, result + at * row);
    }
  }
}

}  // namespace

#define OF_WEIGHTS(NAME, W)                                                                                            \
  extern "C" void convolved_directly_##NAME(                                                                           \
      const Bfloat16* x, const Bfloat16* beside, const W* weight, float* statistics, const float* start,               \
      const Bfloat16* more, Bfloat16* y, Size b, Size h, Size w, Size border, Size c1, Size c2, Size rows,             \
      Size columns, Size back, Size first, Size count, double eps, Size side, Size half, int threads) {                \
    convolved<W>({{x, beside}, {c1, c2}}, {weight, statistics, eps, rows, columns, side * side, back != 0, half},      \
                 start, more, y, {b, h, w, border, side}, first, count, threads);                                      \
  }

OF_WEIGHTS(float, float)
OF_WEIGHTS(bfloat16, Bfloat16)

extern "C" void weights_slope_directly(const Bfloat16* x, const Bfloat16* beside, const Bfloat16* gradient,
                                       const float* weight, float* statistics, float* result, Size b, Size h, Size w,
                                       Size border, Size c1, Size c2, Size rows, Size side, Size half, int threads) {
  weights_slope({{x, beside}, {c1, c2}}, gradient, {weight, statistics, -1, rows, c1 + c2, side * side, false, half},
                result, {b, h, w, border, side}, threads);
}

#endif
