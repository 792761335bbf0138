#include "../nudge.hpp"

#include "arrays.hpp"
#include "progress.hpp"

namespace ragtune {
namespace {

Questions questions(const Array<float>& embeddings, const Array<std::int64_t>& offsets,
                    const Array<std::int64_t>& relevant, const char* name) {
  return {rows(embeddings, name), flat(offsets, "offsets"), flat(relevant, "rows")};
}

}  // namespace

void bind_nudge(py::module_& m) {
  m.def(
      "nudge",
      [](const Array<float>& corpus, const Array<float>& queries,
         const Array<std::int64_t>& offsets, const Array<std::int64_t>& relevant,
         const Array<float>& validation_queries, const Array<std::int64_t>& validation_offsets,
         const Array<std::int64_t>& validation_rows, const std::string& kind, double max_gamma,
         std::int64_t steps, int num_threads, const py::object& progress) {
        const NudgeOptions options{nudge_kind(kind), max_gamma, steps, num_threads,
                                   reporter<std::int64_t, std::int64_t>(progress)};
        Overlay found = [&] {
          const py::gil_scoped_release release;
          return nudge(rows(corpus, "corpus"), questions(queries, offsets, relevant, "queries"),
                       questions(validation_queries, validation_offsets, validation_rows,
                                 "validation_queries"),
                       options);
        }();
        const py::array_t<std::int64_t> moved(py::ssize_t(found.rows.size()), found.rows.data());
        return std::tuple(moved, std::move(found.deltas), found.gamma, found.score);
      },
      py::arg("corpus").noconvert(), py::arg("queries").noconvert(), py::arg("offsets").noconvert(),
      py::arg("rows").noconvert(), py::arg("validation_queries").noconvert(),
      py::arg("validation_offsets").noconvert(), py::arg("validation_rows").noconvert(),
      py::kw_only(), py::arg("kind") = "n", py::arg("max_gamma") = 0.48, py::arg("steps") = 24,
      py::arg("num_threads") = 0, py::arg("progress") = py::none(),
      "Move documents towards their questions. -> rows (m,), deltas (m, d), gamma, score");
}

}  // namespace ragtune
