// The vectors of an index and their codes, in blocks that snapshots share.
//
//   n rows, d dimensions. Vectors are kept as float32 or bfloat16; what is stored is what
//   exact scores are computed from.
#pragma once

#include "blocks.hpp"
#include "codes.hpp"
#include "touch.hpp"

namespace ragtune {

enum class Store { f32, bf16 };

// Nearest bfloat16, ties to even.
std::uint16_t to_bf16(float x);

struct Rows {
  Rows() = default;
  // with_errors keeps the length of each row's coarse error: exact search prunes by it.
  Rows(Metric metric, std::size_t d, Store store, bool with_errors);

  std::size_t size() const { return store == Store::f32 ? f32.size() : bf16.size(); }
  std::size_t dimensions() const { return encoder.dimensions(); }

  void begin_edit(std::uint64_t edit);
  void append(MatrixView vectors);

  // Codes what was appended; all rows anew, around their mean, if most came after it was taken:
  // the first rows may have been like no others.
  void code_new(int num_threads);

  // Fetch, see touch(), the planes of row i that an estimate and an 8-bit score read; its vector.
  void touch_upper(std::size_t i) const { touch(high.row(i), high.width()); }
  void touch_lower(std::size_t i) const { touch(low.row(i), low.width()); }
  void touch_vector(std::size_t i) const;

  // Row i in the role of a query, from its codes alone.
  void row_as_query(std::size_t i, QueryCode& out) const {
    encoder.row_as_query(high.row(i), low.row(i), terms[i], out);
  }

  // Standard deviation of the difference of two 8-bit scores if the errors of codes have random
  // directions; the query's are given.
  double usual_error(double query_length, double query_residual) const;

  // 8-bit scores of `count` rows.
  void score_codes(const QueryCode& query, const std::uint32_t* which, std::size_t count,
                   float* out) const;

  // What orders results: q.x, or -|q - x|^2 for l2. In float32, and in float64.
  float score(const float* query, std::size_t i) const;
  double exact_score(const float* query, std::size_t i) const;
  void copy_vector(std::size_t i, float* out) const;

  Metric metric = Metric::inner_product;
  Store store = Store::f32;
  Encoder encoder;
  Blocks<float> f32;               // (n, d) if store is f32
  Blocks<std::uint16_t> bf16;      // (n, d) if store is bf16
  Blocks<std::uint8_t> high, low;  // (n, plane_bytes)
  Blocks<Terms> terms;             // (n,)
  Blocks<float> coarse;            // (n,) if with_errors: |x' - 4-bit codes|, rounded up
  bool with_errors = false;
  std::size_t centred_on = 0;   // how many rows the mean was taken from
  double longest_centred = 0;   // an upper bound of |x'|
  double largest_residual = 0;  // and of |x' - 8-bit codes|

 private:
  void recenter();
  void code(std::size_t first, std::size_t count, int num_threads);
};

}  // namespace ragtune
