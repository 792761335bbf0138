#include "fusion.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr std::ptrdiff_t BLOCK = 64;  // queries whose sums are added up together
constexpr int MAX_STEPS = 50;
constexpr double NEGLIGIBLE = 1e-9;  // share of a negative that the sums may leave out
constexpr double CONVERGED = 1e-10;  // squared Newton decrement

using Features = Eigen::Map<const RowMajor<float>>;

void check(const FusionExamples& examples, std::ptrdiff_t f, double penalty) {
  const auto nq = examples.grades.rows(), c = examples.grades.cols();
  if (examples.features.rows() != nq * c || examples.features.cols() != f)
    throw std::invalid_argument("features: expected shape (" + std::to_string(nq * c) + ", " +
                                std::to_string(f) + "), got (" +
                                std::to_string(examples.features.rows()) + ", " +
                                std::to_string(examples.features.cols()) + ")");
  if (std::ssize(examples.weights) != nq)
    throw std::invalid_argument("weights: expected " + std::to_string(nq) + ", got " +
                                std::to_string(examples.weights.size()));
  for (const float weight : examples.weights)
    if (!(weight >= 0) || !std::isfinite(weight))
      throw std::invalid_argument("weights: expected finite and >= 0, got " +
                                  std::to_string(weight));
  if (!examples.features.allFinite() || !examples.grades.allFinite())
    throw std::invalid_argument("features and grades: expected finite values");
  if (!(penalty > 0) || !std::isfinite(penalty))
    throw std::invalid_argument("penalty: expected > 0, got " + std::to_string(penalty));
}

FusionLoss zero(std::ptrdiff_t f) {
  return {0, Eigen::VectorXd::Zero(f), Eigen::MatrixXd::Zero(f, f)};
}

void add(FusionLoss& sum, const FusionLoss& part, double weight) {
  sum.value += weight * part.value;
  sum.gradient += weight * part.gradient;
  sum.hessian += weight * part.hessian;
}

// Mean and covariance of the negatives under their softmax, and its log-sum-exp.
struct Negatives {
  Eigen::VectorXd mean;
  Eigen::MatrixXd covariance;
  double log_sum;
};

Negatives negatives_of(const Features& x, const float* grades, const Eigen::VectorXd& scores) {
  const auto c = x.rows(), f = x.cols();
  double most = -std::numeric_limits<double>::infinity(), total = 0;
  for (std::ptrdiff_t j = 0; j < c; ++j)
    if (grades[j] == 0) most = std::max(most, scores[j]);
  Negatives out{Eigen::VectorXd::Zero(f), Eigen::MatrixXd::Zero(f, f), 0};
  for (std::ptrdiff_t j = 0; j < c; ++j) {
    if (grades[j] != 0) continue;
    const double share = std::exp(scores[j] - most);
    total += share;
    if (share < NEGLIGIBLE) continue;
    const Eigen::VectorXd row = x.row(j).cast<double>().transpose();
    out.mean += share * row;
    out.covariance.selfadjointView<Eigen::Lower>().rankUpdate(row, share);
  }
  out.mean /= total;
  out.covariance = out.covariance.selfadjointView<Eigen::Lower>();
  out.covariance /= total;
  out.covariance -= out.mean * out.mean.transpose();
  out.log_sum = most + std::log(total);
  return out;
}

// One query's share of the loss; false if it teaches nothing.
bool loss_of(const Features& x, const float* grades, const Eigen::VectorXd& w, FusionLoss& out) {
  const auto c = x.rows();
  double total = 0;
  bool has_negative = false;
  for (std::ptrdiff_t j = 0; j < c; ++j) {
    total += std::max(grades[j], 0.0f);
    has_negative |= grades[j] == 0;
  }
  if (total == 0 || !has_negative) return false;
  const Eigen::VectorXd scores = x.cast<double>() * w;
  const Negatives negatives = negatives_of(x, grades, scores);
  out = zero(x.cols());
  for (std::ptrdiff_t j = 0; j < c; ++j) {
    if (grades[j] <= 0) continue;
    const double weight = grades[j] / total, margin = negatives.log_sum - scores[j];
    const double lost = 1 / (1 + std::exp(-margin));  // probability that a negative stands first
    const Eigen::VectorXd apart = negatives.mean - x.row(j).cast<double>().transpose();
    out.value += weight * (margin > 0 ? margin + std::log1p(std::exp(-margin))
                                      : std::log1p(std::exp(margin)));
    out.gradient += weight * lost * apart;
    out.hessian += weight * lost * (negatives.covariance + (1 - lost) * apart * apart.transpose());
  }
  return true;
}

}  // namespace

FusionLoss fusion_loss(const FusionExamples& examples, const Eigen::VectorXd& w, int num_threads) {
  const auto nq = examples.grades.rows(), c = examples.grades.cols(), f = w.size();
  const auto blocks = (nq + BLOCK - 1) / BLOCK;
  std::vector<FusionLoss> parts(std::size_t(blocks), zero(f));
  std::vector<double> totals(std::size_t(blocks), 0.0);
  parallel_for(
      blocks,
      [&](std::ptrdiff_t b) {
        FusionLoss own;
        for (std::ptrdiff_t q = b * BLOCK; q < std::min(nq, (b + 1) * BLOCK); ++q) {
          const double weight = examples.weights[std::size_t(q)];
          const Features x(examples.features.data() + q * c * f, c, f);
          if (weight == 0 || !loss_of(x, examples.grades.data() + q * c, w, own)) continue;
          add(parts[std::size_t(b)], own, weight);
          totals[std::size_t(b)] += weight;
        }
      },
      num_threads, 1);
  FusionLoss sum = zero(f);
  double total = 0;
  for (std::size_t b = 0; b < parts.size(); ++b) {
    add(sum, parts[b], 1);
    total += totals[b];
  }
  FusionLoss mean = zero(f);
  if (total > 0) add(mean, sum, 1 / total);
  return mean;
}

FusionFit fit_fusion(const FusionExamples& examples, const Eigen::VectorXd& prior, double penalty,
                     const Eigen::VectorXd& initial, int num_threads) {
  check(examples, prior.size(), penalty);
  if (initial.size() && initial.size() != prior.size())
    throw std::invalid_argument("initial: expected " + std::to_string(prior.size()) +
                                " weights, got " + std::to_string(initial.size()));
  const auto at = [&](const Eigen::VectorXd& w) {
    FusionLoss loss = fusion_loss(examples, w, num_threads);
    loss.value += penalty * (w - prior).squaredNorm();
    loss.gradient += 2 * penalty * (w - prior);
    loss.hessian.diagonal().array() += 2 * penalty;
    return loss;
  };
  FusionFit fit{initial.size() ? initial : prior, 0, 0};
  FusionLoss here = at(fit.weights);
  for (; fit.steps < MAX_STEPS; ++fit.steps) {
    const Eigen::VectorXd step = here.hessian.ldlt().solve(-here.gradient);
    const double slope = here.gradient.dot(step);
    if (!(-slope > CONVERGED)) break;
    double length = 1;
    FusionLoss next = at(fit.weights + step);
    while (next.value > here.value + 1e-4 * length * slope && length > 1e-6) {
      length /= 2;
      next = at(fit.weights + length * step);
    }
    if (!(next.value < here.value)) break;
    fit.weights += length * step;
    here = std::move(next);
  }
  fit.loss = here.value;
  return fit;
}

}  // namespace ragtune
