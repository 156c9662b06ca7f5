// Of linear_attention.py: linear attention by tiles, a few pixels at a time. Their queries, keys and gradients are made
// where they are needed, and never lie in memory as a map.
//
// Sums over pixels are taken in strands, whose number depends on that of the pixels alone: so do bits.

#include <limits>

#include "matrices.h"
#include "rows.h"

namespace {

constexpr Size STRAND = 512, MOST = 16;  // pixels of a strand at least, and strands of an image at most
constexpr Size TALL = 96;                // pixels of a tile at most
constexpr Size WORTH_THREADS = Size(1) << 16;

// What an image has to be cut into.
struct Sizes {
  Size images, pixels, channels, features, head;
  double eps;

  Size tall() const { return channels > 128 ? (by_unit<Pair>() ? 64 : TALL / 2) : TALL; }
  Size matrix() const { return features * channels; }
  Size strands() const { return std::min(MOST, std::max<Size>(1, pixels / STRAND)); }
  bool threads_pay() const { return images * pixels * channels > WORTH_THREADS; }

  // work(first pixel of all images, how many) for each tile of a strand of an image.
  template <class Work>
  void in_tiles(Size image, Size strand, Work work) const {
    const Size length = ((pixels + strands() - 1) / strands() + TALL - 1) / TALL * TALL;
    const Size last = std::min((strand + 1) * length, pixels);
    for (Size from = strand * length; from < last; from += tall())
      work(image * pixels + from, std::min(tall(), last - from));
  }
};

// b[k, column] of numbers `row` apart along k and `column` apart along columns, images one after the other.
inline auto numbers(const float* b, Size image, Size row, Size column) {
  return [=](Size i, Size k, Size c) { return b[i * image + k * row + c * column]; };
}

// The pixels of a tile, normalized.
template <class T, class E = Multiplied<T>>
struct Normalized {
  const Sizes& sizes;
  const float* scale;
  Scratch<float> y, room;
  Ready<E> ready;

  Normalized(const Sizes& sizes, const float* scale)
      : sizes(sizes),
        scale(scale),
        y(sizes.tall() * sizes.channels),
        room(sizes.channels + LANES),
        ready(sizes.tall(), sizes.channels) {}
  void make(const T* x, Size count) {
    const Size channels = sizes.channels;
    for (Size at = 0; at < count * channels; at += channels)
      normalized_row<T, float, float>(x + at, nullptr, scale, nullptr, y.at + at, channels, sizes.eps, room.at);
    ready.take(y.at, count, channels);
  }
};

// Sums of a tile, added up in double: what a row adds to comes first.
struct Sums {
  std::vector<float> here;
  explicit Sums(Size channels) : here(channels + LANES) {}
  void into(double* total, Size channels) {
    for (Size c = 0; c < channels; c++) total[c] += here[c];
    std::fill(here.begin(), here.end(), 0.0f);
  }
};

// Of keys K of all pixels: their maxima, and the sums of e = exp(K - maximum) and of e y.
template <class T>
void keys(const T* x, const float* scale, const float* to_k, float* most, float* total, float* context,
          const Sizes& sizes, int threads) {
  using E = Multiplied<T>;
  const Size features = sizes.features, channels = sizes.channels, strands = sizes.strands();
  const Panels<E> by_k(1, channels, features, numbers(to_k, 0, 1, channels));
  const Size all = sizes.images * strands, size = sizes.matrix();
  std::vector<float> mosts(all * features, -std::numeric_limits<float>::infinity()), totals(all * features),
      sums(all * size);
#pragma omp parallel num_threads(threads) if (threads > 1 && sizes.threads_pay())
  {
    const MatrixUnit<E> unit;
    Normalized<T> y(sizes, scale);
    Scratch<float> k(sizes.tall() * features);
    Ready<E, true> e(sizes.tall(), features);
#pragma omp for schedule(static)
    for (Size at = 0; at < all; at++) {
      float *highest = mosts.data() + at * features, *added = totals.data() + at * features,
            *sum = sums.data() + at * size;
      sizes.in_tiles(at / strands, at % strands, [&](Size from, Size count) {
        y.make(x + from * channels, count);
        by_k.times(0, y.ready.rows(), count, k.at);
        for (Size f = 0; f < features; f += LANES) {
          const Vector before = load(highest + f);
          Vector now = before, here{};
          for (Size at = f; at < count * features; at += features) now = larger(now, load(k.at + at));
          for (Size at = f; at < count * features; at += features) {
            const Vector value = exponential(load(k.at + at) - now);
            store(k.at + at, value);
            here += value;
          }
          const Vector shrunk = exponential(before - now);  // what was summed up before a larger one came
          store(highest + f, now);
          store(added + f, load(added + f) * shrunk + here);
          for (int i = 0; i < LANES; i++)
            if (before[i] < now[i])
              for (Size c = (f + i) * channels; c < (f + i + 1) * channels; c += LANES)
                store(sum + c, load(sum + c) * shrunk[i]);
        }
        e.take(k.at, count, features);
        add_over(e, features, y.ready, channels, count, sum);
      });
    }
  }
  std::fill_n(total, sizes.images * features, 0.0f);
  std::fill_n(context, sizes.images * size, 0.0f);
  for (Size row = 0; row < sizes.images * features; row++) {
    const Size image = row / features, f = row % features;
    const auto of = [&](Size strand) { return (image * strands + strand) * features + f; };
    most[row] = mosts[of(0)];
    for (Size strand = 1; strand < strands; strand++) most[row] = std::max(most[row], mosts[of(strand)]);
    for (Size strand = 0; strand < strands; strand++) {
      const float shrunk = std::exp(mosts[of(strand)] - most[row]);
      total[row] += totals[of(strand)] * shrunk;
      for (Size c = 0; c < channels; c++) context[row * channels + c] += sums[of(strand) * channels + c] * shrunk;
    }
  }
}

// The softmaxes of a tile's queries, head by head, as numbers and as they are multiplied.
template <class E>
struct Queries {
  const Sizes& sizes;
  Scratch<float> q, room;
  Ready<E, true> ready;

  explicit Queries(const Sizes& sizes)
      : sizes(sizes), q(sizes.tall() * sizes.features), room(sizes.head + LANES), ready(sizes.tall(), sizes.features) {}
  void make(const Panels<E>& by_q, const E* y, Size count) {
    by_q.times(0, y, count, q.at);
    for (Size at = 0; at < count * sizes.features; at += sizes.head) softmax_row(q.at + at, sizes.head, room.at);
    ready.take(q.at, count, sizes.features);
  }
};

// x + N(q M + b) scale.
template <class T>
void attended(const T* x, const float* scale, const float* to_q, const float* matrix, const float* bias,
              const float* out_scale, T* result, const Sizes& sizes, int threads) {
  using E = Multiplied<T>;
  const Size features = sizes.features, channels = sizes.channels, strands = sizes.strands();
  const Panels<E> by_q(1, channels, features, numbers(to_q, 0, 1, channels));
  const Panels<E> by_m(sizes.images, features, channels, numbers(matrix, sizes.matrix(), channels, 1));
#pragma omp parallel num_threads(threads) if (threads > 1 && sizes.threads_pay())
  {
    const MatrixUnit<E> unit;
    Normalized<T> y(sizes, scale);
    Queries<E> queries(sizes);
    Scratch<float> z(sizes.tall() * channels);
#pragma omp for schedule(static)
    for (Size at = 0; at < sizes.images * strands; at++)
      sizes.in_tiles(at / strands, at % strands, [&](Size from, Size count) {
        y.make(x + from * channels, count);
        queries.make(by_q, y.ready.rows(), count);
        by_m.times(at / strands, queries.ready.rows(), count, z.at);
        for (Size c = 0; c < count * channels; c += channels)
          normalized_row<float, T, float>(z.at + c, bias, out_scale, x + from * channels + c,
                                          result + from * channels + c, channels, sizes.eps, y.room.at);
      });
  }
}

// From the gradient of `attended` by way of queries: that of y, and of M, W_q, b and the scale.
template <class T>
void queries_slope(const T* gradient, const T* x, const float* scale, const float* to_q, const float* matrix,
                   const float* bias, const float* out_scale, T* of_y, float* of_matrix, float* of_to_q, float* of_bias,
                   float* of_out_scale, const Sizes& sizes, int threads) {
  using E = Multiplied<T>;
  const Size features = sizes.features, channels = sizes.channels, strands = sizes.strands();
  const Size all = sizes.images * strands, size = sizes.matrix();
  const Panels<E> by_q(1, channels, features, numbers(to_q, 0, 1, channels)),
      back_by_q(1, features, channels, numbers(to_q, 0, channels, 1));
  const Panels<E> by_m(sizes.images, features, channels, numbers(matrix, sizes.matrix(), channels, 1));
  const Panels<E> back_by_m(sizes.images, channels, features, numbers(matrix, size, 1, channels));
  std::vector<float> of_matrices(all * size), of_to_qs(all * size);
  std::vector<double> of_biases(all * channels), of_scales(all * channels);
#pragma omp parallel num_threads(threads) if (threads > 1 && sizes.threads_pay())
  {
    const MatrixUnit<E> unit;
    Normalized<T> y(sizes, scale);
    Queries<E> queries(sizes);
    Scratch<float> z(sizes.tall() * channels), of_a(sizes.tall() * features), slopes(channels + LANES);
    Ready<E> of_z(sizes.tall(), channels);
    Ready<E, true> of_queries(sizes.tall(), features);
    Sums first(channels), second(channels);
#pragma omp for schedule(static)
    for (Size at = 0; at < all; at++)
      sizes.in_tiles(at / strands, at % strands, [&](Size from, Size count) {
        y.make(x + from * channels, count);
        queries.make(by_q, y.ready.rows(), count);
        by_m.times(at / strands, queries.ready.rows(), count, z.at);
        for (Size c = 0; c < count * channels; c += channels)
          normalized_row_slope<T, float, float, float>(gradient + from * channels + c, z.at + c, bias, out_scale,
                                                       nullptr, z.at + c, first.here.data(), second.here.data(),
                                                       channels, sizes.eps, y.room.at, slopes.at);
        first.into(of_biases.data() + at * channels, channels);
        second.into(of_scales.data() + at * channels, channels);
        of_z.take(z.at, count, channels);
        add_over(queries.ready, features, of_z, channels, count, of_matrices.data() + at * size);
        back_by_m.times(at / strands, of_z.rows(), count, of_a.at);
        for (Size f = 0; f < count * features; f += sizes.head)
          softmax_row_slope(queries.q.at + f, of_a.at + f, sizes.head);
        of_queries.take(of_a.at, count, features);
        add_over(of_queries, features, y.ready, channels, count, of_to_qs.data() + at * size);
        back_by_q.times(0, of_queries.rows(), count, z.at);
        for (Size c = 0; c < count * channels; c += LANES) store(of_y + from * channels + c, load(z.at + c));
      });
  }
  const auto add_up = [](const auto* parts, Size count, Size apart, float* to) {
    for (Size i = 0; i < apart; i++) {
      auto sum = parts[i];
      for (Size part = 1; part < count; part++) sum += parts[part * apart + i];
      to[i] = float(sum);
    }
  };
  for (Size image = 0; image < sizes.images; image++)
    add_up(of_matrices.data() + image * strands * size, strands, size, of_matrix + image * size);
  add_up(of_to_qs.data(), all, size, of_to_q);
  add_up(of_biases.data(), all, channels, of_bias);
  add_up(of_scales.data(), all, channels, of_out_scale);
}

// That of x in place of y's, by way of keys and the norm, with the gradient itself; and of W_k and the scale.
// of_context is the derivative of sums e y, and `same` what it comes to in a softmax over pixels.
template <class T>
void keys_slope(const T* gradient, const T* x, const float* scale, const float* to_k, const float* most,
                const float* of_context, const float* same, T* of_y, float* of_to_k, float* of_scale,
                const Sizes& sizes, int threads) {
  using E = Multiplied<T>;
  const Size features = sizes.features, channels = sizes.channels, strands = sizes.strands();
  const Size all = sizes.images * strands, size = sizes.matrix();
  const Panels<E> by_k(1, channels, features, numbers(to_k, 0, 1, channels)),
      back_by_k(1, features, channels, numbers(to_k, 0, channels, 1));
  const Panels<E> by_t(sizes.images, channels, features, numbers(of_context, size, 1, channels));
  const Panels<E> back_by_t(sizes.images, features, channels, numbers(of_context, size, channels, 1));
  std::vector<float> of_to_ks(all * size);
  std::vector<double> of_scales(all * channels);
#pragma omp parallel num_threads(threads) if (threads > 1 && sizes.threads_pay())
  {
    const MatrixUnit<E> unit;
    Normalized<T> y(sizes, scale);
    Scratch<float> e(sizes.tall() * features), of_k(sizes.tall() * features), slope(sizes.tall() * channels),
        slopes(channels + LANES);
    Ready<E> exponentials(sizes.tall(), features);
    Ready<E, true> of_keys(sizes.tall(), features);
    Sums first(channels), second(channels);
#pragma omp for schedule(static)
    for (Size at = 0; at < all; at++) {
      const Size image = at / strands;
      sizes.in_tiles(image, at % strands, [&](Size from, Size count) {
        y.make(x + from * channels, count);
        by_k.times(0, y.ready.rows(), count, e.at);
        by_t.times(image, y.ready.rows(), count, of_k.at);
        for (Size f = 0; f < features; f += LANES) {
          const Vector highest = load(most + image * features + f), mean = load(same + image * features + f);
          for (Size at = f; at < count * features; at += features) {
            const Vector value = exponential(load(e.at + at) - highest);
            store(e.at + at, value);
            store(of_k.at + at, value * (load(of_k.at + at) - mean));
          }
        }
        exponentials.take(e.at, count, features);
        of_keys.take(of_k.at, count, features);
        for (Size c = 0; c < count * channels; c += LANES) store(slope.at + c, load(of_y + from * channels + c));
        back_by_t.template times<true>(image, exponentials.rows(), count, slope.at);
        back_by_k.template times<true>(0, of_keys.rows(), count, slope.at);
        add_over(of_keys, features, y.ready, channels, count, of_to_ks.data() + at * size);
        for (Size c = 0; c < count * channels; c += channels) {
          const Size here = from * channels + c;
          normalized_row_slope<float, T, T, float>(slope.at + c, x + here, nullptr, scale, gradient + here, of_y + here,
                                                   first.here.data(), second.here.data(), channels, sizes.eps,
                                                   y.room.at, slopes.at);
        }
        second.into(of_scales.data() + at * channels, channels);
      });
    }
  }
  for (Size i = 0; i < size; i++) {
    float sum = 0;
    for (Size at = 0; at < all; at++) sum += of_to_ks[at * size + i];
    of_to_k[i] = sum;
  }
  for (Size c = 0; c < channels; c++) {
    double sum = 0;
    for (Size at = 0; at < all; at++) sum += of_scales[at * channels + c];
    of_scale[c] = float(sum);
  }
}

}  // namespace

#define OF_MAPS(NAME, T)                                                                                               \
  extern "C" void keys_##NAME(const T* x, const float* scale, const float* to_k, float* most, float* total,            \
                              float* context, Size b, Size n, Size c, Size f, double eps, int threads) {               \
    keys(x, scale, to_k, most, total, context, {b, n, c, f, 1, eps}, threads);                                         \
  }                                                                                                                    \
  extern "C" void attended_##NAME(const T* x, const float* scale, const float* to_q, const float* matrix,              \
                                  const float* bias, const float* out_scale, T* result, Size b, Size n, Size c,        \
                                  Size f, Size head, double eps, int threads) {                                        \
    attended(x, scale, to_q, matrix, bias, out_scale, result, {b, n, c, f, head, eps}, threads);                       \
  }                                                                                                                    \
  extern "C" void queries_slope_##NAME(const T* g, const T* x, const float* scale, const float* to_q,                  \
                                       const float* matrix, const float* bias, const float* out_scale, T* of_y,        \
                                       float* of_matrix, float* of_to_q, float* of_bias, float* of_out_scale, Size b,  \
                                       Size n, Size c, Size f, Size head, double eps, int threads) {                   \
    queries_slope(g, x, scale, to_q, matrix, bias, out_scale, of_y, of_matrix, of_to_q, of_bias, of_out_scale,         \
                  {b, n, c, f, head, eps}, threads);                                                                   \
  }                                                                                                                    \
  extern "C" void keys_slope_##NAME(const T* g, const T* x, const float* scale, const float* to_k, const float* most,  \
                                    const float* of_context, const float* same, T* of_y, float* of_to_k,               \
                                    float* of_scale, Size b, Size n, Size c, Size f, double eps, int threads) {        \
    keys_slope(g, x, scale, to_k, most, of_context, same, of_y, of_to_k, of_scale, {b, n, c, f, 1, eps}, threads);     \
  }

OF_MAPS(float, float)
OF_MAPS(bfloat16, Bfloat16)
