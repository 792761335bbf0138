#include "contrastive.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>

#include "corpus_loss.hpp"
#include "metrics.hpp"
#include "mined_loss.hpp"
#include "optimizer.hpp"
#include "parallel.hpp"
#include "random.hpp"
#include "simd.hpp"
#include "topk.hpp"

namespace ragtune {
namespace {

constexpr int VALIDATION_DEPTH = 10;
constexpr int FEW_ROWS = 1024;  // one thread is done with them before another has woken up

struct Cancelled {};

void check(bool right, const char* name, const char* expected, double got) {
  if (!right)
    throw std::invalid_argument(std::string(name) + ": expected " + expected + ", got " +
                                std::to_string(got));
}

bool positive(double x) { return x > 0 && std::isfinite(x); }

void check(const ContrastiveOptions& o) {
  check(positive(o.temperature), "temperature", "> 0", o.temperature);
  check(o.penalty >= 0 && std::isfinite(o.penalty), "penalty", ">= 0", o.penalty);
  check(positive(o.learning_rate), "learning_rate", "> 0", o.learning_rate);
  check(o.epochs >= 1, "epochs", ">= 1", double(o.epochs));
  check(o.batch >= 1, "batch", ">= 1", double(o.batch));
  check(o.patience >= 0, "patience", ">= 0", double(o.patience));
  check(o.warm_up >= 0 && o.warm_up <= 1, "warm_up", "0 to 1", o.warm_up);
  check(positive(o.clip), "clip", "> 0", o.clip);
  check(o.drift >= 0, "drift", ">= 0", o.drift);
  check(o.shortlist >= 1, "shortlist", ">= 1", double(o.shortlist));
  check(o.remine >= 1, "remine", ">= 1", double(o.remine));
}

void check_dimensions(MatrixView corpus, MatrixView queries, const char* name) {
  if (corpus.cols() != queries.cols() || corpus.rows() < 1)
    throw std::invalid_argument(std::string(name) + ": expected " + std::to_string(corpus.cols()) +
                                " dimensions and a corpus with rows, got " +
                                std::to_string(queries.cols()) + " and " +
                                std::to_string(corpus.rows()));
}

// Some queries on their way through a residual, and the gradient on its way back. One that is used
// again keeps its memory.
struct Batch {
  RowMajor<float> queries, adapted;  // (b, d)
  Residual::Pass pass;
  std::vector<double> length;  // (b,) |u|
  RowMajor<float> du;          // (b, d)

  void take(MatrixView from, std::span<const std::int64_t> rows) {
    queries.resize(std::ssize(rows), from.cols());
    for (std::size_t i = 0; i < rows.size(); ++i)
      queries.row(std::ptrdiff_t(i)) = from.row(rows[i]);
  }

  void forward(const Residual& residual, int num_threads) {
    residual.forward(view(queries), pass, num_threads);
    adapted.resize(queries.rows(), queries.cols());
    length.resize(std::size_t(adapted.rows()));
    parallel_for(
        adapted.rows(),
        [&](std::ptrdiff_t i) {
          const float* u = pass.u.row(i).data();
          const double own = std::sqrt(kernels().wide_dot(u, u, std::size_t(pass.u.cols())));
          length[std::size_t(i)] = own;
          adapted.row(i) = pass.u.row(i) * (own > 0 ? float(1.0 / own) : 1.0f);
        },
        num_threads, FEW_ROWS);
  }

  // The gradient of the parameters, given `scale` times that of the adapted queries. What is along
  // an adapted query changes nothing: d/du of u / |u|.
  void backward(const RowMajor<float>& gradient, double scale, const Residual& residual,
                std::span<float> parameters, int num_threads) {
    du.resize(gradient.rows(), gradient.cols());
    parallel_for(
        gradient.rows(),
        [&](std::ptrdiff_t i) {
          const auto own = adapted.row(i);
          const double along =
              kernels().wide_dot(own.data(), gradient.row(i).data(), std::size_t(du.cols()));
          const double factor = length[std::size_t(i)] > 0 ? scale / length[std::size_t(i)] : 0.0;
          du.row(i) = float(factor) * (gradient.row(i) - float(along) * own);
        },
        num_threads, FEW_ROWS);
    residual.backward(view(queries), pass, du, parameters, num_threads);
  }
};

RowMajor<float> adapted(MatrixView queries, const Residual& residual, int num_threads) {
  Batch all;
  all.queries = queries;
  all.forward(residual, num_threads);
  return std::move(all.adapted);
}

CorpusLossOptions corpus_options(const ContrastiveOptions& o) {
  return {o.temperature, std::size_t(o.shortlist), o.drift, o.num_threads, {}};
}

class Trainer {
 public:
  Trainer(MatrixView corpus, const TrainingSet& training,
          const std::optional<TrainingSet>& validation, const ContrastiveOptions& options)
      : corpus_(corpus),
        training_(training),
        validation_(validation),
        options_(options),
        positives_(training.qrels, corpus.rows(), training.queries.rows()),
        order_(positives_.queries()),
        residual_(options.initial
                      ? Residual(options.kind, *options.initial)
                      : Residual(options.kind, corpus.cols(), options.width, options.seed)),
        optimizer_(residual_.parameters().size(), schedule(), options.clip),
        gradient_(residual_.parameters().size()) {
    if (order_.empty())
      throw std::invalid_argument("qrels: expected a query with a relevant document, got none");
    if (residual_.dimensions() != corpus.cols())
      throw std::invalid_argument("initial: expected " + std::to_string(corpus.cols()) +
                                  " dimensions, got " + std::to_string(residual_.dimensions()));
    make_loss();
  }

  ContrastiveResult run() {
    remember(0);
    try {
      for (std::int64_t epoch = 1; epoch <= options_.epochs; ++epoch) {
        train_epoch(epoch);
        if (!validation_)
          result_.best_epoch = epoch;
        else if (!remember(epoch) && given_up(epoch))
          break;
      }
    } catch (const Cancelled&) {
      result_.cancelled = true;
    }
    result_.matrices = validation_ ? residual_.matrices(best_) : residual_.matrices();
    result_.steps = std::int64_t(optimizer_.steps());
    if (corpus_loss_) result_.measured = corpus_loss_->measured();
    return std::move(result_);
  }

 private:
  std::int64_t steps_in_epoch() const {
    return (std::ssize(order_) + options_.batch - 1) / options_.batch;
  }
  std::int64_t all_steps() const { return steps_in_epoch() * options_.epochs; }

  Schedule schedule() const {
    const auto steps = std::size_t(all_steps());
    return {options_.learning_rate, std::size_t(std::ceil(options_.warm_up * double(steps))),
            steps};
  }

  void make_loss() {
    if (options_.negatives == NegativeKind::corpus) {
      CorpusLossOptions o = corpus_options(options_);
      o.checkpoint = [this] { report(); };
      corpus_loss_ =
          std::make_unique<CorpusLoss>(corpus_, positives_, training_.queries.rows(), std::move(o));
      loss_ = corpus_loss_.get();
    } else {
      mined_loss_ =
          std::make_unique<MinedLoss>(corpus_, positives_,
                                      MinedLossOptions{.temperature = options_.temperature,
                                                       .seed = options_.seed,
                                                       .num_threads = options_.num_threads});
      loss_ = mined_loss_.get();
    }
  }

  void report() {
    if (options_.progress &&
        options_.progress(std::int64_t(optimizer_.steps()), all_steps(), last_loss_))
      throw Cancelled();
  }

  void train_epoch(std::int64_t epoch) {
    if (mined_loss_ && (epoch - 1) % options_.remine == 0) {
      const RowMajor<float> all = adapted(training_.queries, residual_, options_.num_threads);
      mined_loss_->set_hard(hard_negatives(corpus_, view(all), positives_, options_.num_threads,
                                           [this] { report(); }));
    }
    Stream(options_.seed, std::uint64_t(epoch)).shuffle(std::span<std::int64_t>(order_));
    double sum = 0;
    for (std::size_t first = 0; first < order_.size(); first += std::size_t(options_.batch)) {
      const auto rest = std::span<const std::int64_t>(order_).subspan(first);
      sum += step(rest.first(std::min(rest.size(), std::size_t(options_.batch))));
      report();
    }
    result_.loss.push_back(sum / double(order_.size()));
  }

  // -> the sum of the losses of the batch
  double step(std::span<const std::int64_t> queries) {
    const int threads = options_.num_threads;
    batch_.take(training_.queries, queries);
    batch_.forward(residual_, threads);
    const double sum = loss_->evaluate(batch_.adapted, queries, pull_);
    last_loss_ = sum / double(queries.size());
    if (!std::isfinite(last_loss_))
      throw std::invalid_argument("learning_rate: the training diverged, expected less than " +
                                  std::to_string(options_.learning_rate));
    batch_.backward(pull_, 1.0 / double(queries.size()), residual_, gradient_, threads);
    residual_.add_penalty(options_.penalty, gradient_, threads);
    optimizer_.step(residual_.parameters(), gradient_, threads);
    return sum;
  }

  // Measures the validation set; true if nothing was better before.
  bool remember(std::int64_t epoch) {
    if (!validation_) return true;
    const RowMajor<float> all = adapted(validation_->queries, residual_, options_.num_threads);
    const Ranking found =
        exact_search(corpus_, view(all), VALIDATION_DEPTH, {.num_threads = options_.num_threads});
    const IdsView ids(found.rows.data(), found.rows.rows(), found.rows.cols());
    const double score =
        evaluate_rankings(ids, validation_->qrels, {{RankingMetric::ndcg, VALIDATION_DEPTH}},
                          options_.num_threads)
            .mean();
    const bool better =
        result_.validation.empty() || score > result_.validation[std::size_t(result_.best_epoch)];
    result_.validation.push_back(score);
    if (!better) return false;
    result_.best_epoch = epoch;
    best_.assign(residual_.parameters().begin(), residual_.parameters().end());
    return true;
  }

  bool given_up(std::int64_t epoch) const {
    return options_.patience > 0 && epoch - result_.best_epoch >= options_.patience;
  }

  MatrixView corpus_;
  const TrainingSet& training_;
  const std::optional<TrainingSet>& validation_;
  const ContrastiveOptions& options_;
  Positives positives_;
  std::vector<std::int64_t> order_;  // queries that teach something
  Residual residual_;
  Adam optimizer_;
  Batch batch_;
  RowMajor<float> pull_;         // (b, d): of the loss, on the adapted queries
  std::vector<float> gradient_;  // of the parameters
  std::unique_ptr<CorpusLoss> corpus_loss_;
  std::unique_ptr<MinedLoss> mined_loss_;
  Loss* loss_ = nullptr;
  double last_loss_ = std::numeric_limits<double>::quiet_NaN();
  std::vector<float> best_;
  ContrastiveResult result_;
};

}  // namespace

NegativeKind negative_kind(const std::string& name) {
  if (name == "corpus") return NegativeKind::corpus;
  if (name == "mined") return NegativeKind::mined;
  throw std::invalid_argument("negatives: expected corpus or mined, got " + name);
}

ContrastiveResult train_contrastive(MatrixView corpus, const TrainingSet& training,
                                    const std::optional<TrainingSet>& validation,
                                    const ContrastiveOptions& options) {
  check(options);
  check_dimensions(corpus, training.queries, "queries");
  if (validation) {
    check_dimensions(corpus, validation->queries, "validation queries");
    const Positives checked(validation->qrels, corpus.rows(), validation->queries.rows());
    if (checked.queries().empty())
      throw std::invalid_argument(
          "validation: expected a query with a relevant document, got none");
  }
  return Trainer(corpus, training, validation, options).run();
}

LossAndGradient contrastive_loss(MatrixView corpus, const TrainingSet& training,
                                 const Residual& residual, const std::optional<Residual>& anchor,
                                 const ContrastiveOptions& options) {
  check(options);
  check_dimensions(corpus, training.queries, "queries");
  check_dimensions(corpus, {nullptr, 0, residual.dimensions()}, "residual");
  const Positives positives(training.qrels, corpus.rows(), training.queries.rows());
  const std::vector<std::int64_t> queries = positives.queries();
  const double share = 1.0 / double(std::max<std::size_t>(queries.size(), 1));
  CorpusLossOptions o = corpus_options(options);
  if (anchor) o.drift = std::numeric_limits<double>::infinity();
  CorpusLoss loss(corpus, positives, training.queries.rows(), o);
  Batch batch;
  batch.take(training.queries, queries);
  batch.forward(residual, options.num_threads);
  RowMajor<float> pull;
  LossAndGradient out{};
  if (anchor) {
    const RowMajor<float> start = adapted(view(batch.queries), *anchor, options.num_threads);
    loss.evaluate(start, queries, pull);
    out.mean_squared_drift = (start - batch.adapted).cast<double>().squaredNorm() * share;
  }
  out.loss = loss.evaluate(batch.adapted, queries, pull) * share;
  std::vector<float> gradient(residual.parameters().size());
  batch.backward(pull, share, residual, gradient, options.num_threads);
  residual.add_penalty(options.penalty, gradient, options.num_threads);
  out.loss += residual.penalty(options.penalty, options.num_threads);
  out.gradient = residual.matrices(gradient);
  return out;
}

}  // namespace ragtune
