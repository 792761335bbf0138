// Kernel ridge regression of what a query lacks: an adapter that also remembers.
//
//   n queries, d dimensions, m centres C out of the queries; all rows of unit length.
//
//   u(q) = q + k(q) B,    k(q) = exp(sharpness (q C' - 1)) + linear q C'  (1, m),    B (m, d)
//   B = argmin |Q + K B - T|^2 + lambda tr(B' K_CC B)
//
// The first term is the Gaussian kernel, since |q - c|^2 = 2 - 2 q c': a question is moved as those
// near it were, and one that is near none stays where it is. Where the linear adapter learns the
// common shift alone, this knows single documents, too. The second term is that of the linear
// adapter, and their sum learns both at once (Rasmussen & Williams 2006, section 4.2.4). With all
// queries as centres this is kernel ridge regression (Saunders et al. 1998, ICML), with fewer its
// subset of regressors (Rasmussen & Williams 2006, section 8.3.1).
#pragma once

#include "exponential.hpp"
#include "views.hpp"

namespace ragtune {

// The kernel of two vectors of unit length, by their cosine.
inline float gaussian(float cosine, float sharpness) {
  return exponential(sharpness * (cosine - 1.0f));
}

struct KernelShape {
  float sharpness;
  float linear = 0;
};

// B (m, d) for queries (n, d) that should move to targets (n, d).
// Throws std::invalid_argument if shapes differ or unless sharpness and lambda > 0, linear >= 0,
// and all are finite.
RowMajor<float> kernel_ridge(MatrixView queries, MatrixView targets, MatrixView centres,
                             KernelShape kernel, double lambda, int num_threads = 0);

// u of `asked` (a, d) for every lambda -> (lambdas a, d). Throws as kernel_ridge does.
RowMajor<float> kernel_ridge_adapted(MatrixView queries, MatrixView targets, MatrixView centres,
                                     MatrixView asked, KernelShape kernel,
                                     std::span<const double> lambdas, int num_threads = 0);

}  // namespace ragtune
