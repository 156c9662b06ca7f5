// Of training/fused_adam.py: a step of Adam over many arrays of weights.
//
// Each weight is read with its gradient and both moments, for some ten operations: what counts is that the next ones
// are asked for early enough.

#include "numbers.h"

namespace {

constexpr Size TOGETHER = 64;    // numbers that are moved, and asked for, at once
constexpr Size LINE = 16;        // of these, as memory brings them
constexpr Size AHEAD = 512;      // numbers from what is moved to what is asked for
constexpr Size SHARE = 1 << 16;  // numbers of an array that a thread moves

// Weights, their gradients, and both moments, as addresses; and how many they are.
struct Arrays {
  int64_t weight, gradient, mean, square, count;
};

// A step's length, and what the second moment's root is divided by.
struct Corrections {
  double step, root;
};

// What a moment keeps of itself, and what it takes of what is new: rounded one by one, for 1 - 0.999f is no 0.001f.
struct Beta {
  explicit Beta(double beta) : kept(float(beta)), taken(float(1 - beta)) {}
  float kept, taken;
};

// What remains of a weight, and what of it and of its gradient is the gradient that is followed.
struct Decay {
  float kept, weight, gradient;
};

inline void moved(float* weight, const float* gradient, float* mean, float* square, Size count, Beta beta1, Beta beta2,
                  Decay decay, float step, float root, float eps) {
#pragma omp simd
  for (Size i = 0; i < count; i++) {
    const float g = decay.gradient * gradient[i] + decay.weight * weight[i];
    mean[i] = beta1.kept * mean[i] + beta1.taken * g;
    square[i] = beta2.kept * square[i] + beta2.taken * g * g;
    weight[i] = decay.kept * weight[i] - step * mean[i] / (std::sqrt(square[i]) / root + eps);
  }
}

void moved_piece_by_piece(const Arrays& of, Corrections by, Size from, Size to, Beta beta1, Beta beta2, Decay decay,
                          float eps) {
  float *weight = reinterpret_cast<float*>(of.weight), *mean = reinterpret_cast<float*>(of.mean),
        *square = reinterpret_cast<float*>(of.square);
  const float *gradient = reinterpret_cast<const float*>(of.gradient), step = float(by.step), root = float(by.root);
  Size at = from;
  for (; at + TOGETHER <= to; at += TOGETHER) {
    for (Size next = at + AHEAD; next < at + AHEAD + TOGETHER; next += LINE)
      for (const float* array : {static_cast<const float*>(weight), gradient, static_cast<const float*>(mean),
                                 static_cast<const float*>(square)})
        __builtin_prefetch(array + next);
    moved(weight + at, gradient + at, mean + at, square + at, TOGETHER, beta1, beta2, decay, step, root, eps);
  }
  moved(weight + at, gradient + at, mean + at, square + at, to - at, beta1, beta2, decay, step, root, eps);
}

}  // namespace

extern "C" void adam(const Arrays* arrays, const Corrections* corrections, Size count, double beta1, double beta2,
                     double kept, double of_weight, double of_gradient, double eps, int threads) {
  const Decay decay{float(kept), float(of_weight), float(of_gradient)};
  std::vector<Size> first(count + 1);  // share of each array
  for (Size k = 0; k < count; k++) first[k + 1] = first[k] + (arrays[k].count + SHARE - 1) / SHARE;
#pragma omp parallel for num_threads(threads) if (threads > 1 && first[count] > 1) schedule(static)
  for (Size share = 0; share < first[count]; share++) {
    const Size k = std::upper_bound(first.begin(), first.end(), share) - first.begin() - 1;
    const Size from = (share - first[k]) * SHARE, to = std::min(arrays[k].count, from + SHARE);
    moved_piece_by_piece(arrays[k], corrections[k], from, to, Beta(beta1), Beta(beta2), decay, float(eps));
  }
}
