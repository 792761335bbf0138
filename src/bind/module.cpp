// _core: the table of contents. Each bind_* lives in the file of its name.
#include <pybind11/pybind11.h>

namespace ragtune {
namespace py = pybind11;

void bind_adapter(py::module_&);
void bind_answers(py::module_&);
void bind_artifact(py::module_&);
void bind_bm25(py::module_&);
void bind_bootstrap(py::module_&);
void bind_contrastive(py::module_&);
void bind_features(py::module_&);
void bind_fusion(py::module_&);
void bind_index(py::module_&);
void bind_isotonic(py::module_&);
void bind_jsonl(py::module_&);
void bind_metrics(py::module_&);
void bind_mixture(py::module_&);
void bind_nudge(py::module_&);
void bind_parallel(py::module_&);
void bind_parts(py::module_&);
void bind_pointwise(py::module_&);
void bind_question_memory(py::module_&);
void bind_ranks(py::module_&);
void bind_ridge(py::module_&);
void bind_simd(py::module_&);
void bind_tiles(py::module_&);
void bind_topk(py::module_&);

}  // namespace ragtune

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  m.doc() = "C++ core. Private: import from ragtune instead.";
  ragtune::bind_adapter(m);
  ragtune::bind_answers(m);
  ragtune::bind_artifact(m);
  ragtune::bind_bm25(m);
  ragtune::bind_bootstrap(m);
  ragtune::bind_contrastive(m);
  ragtune::bind_features(m);
  ragtune::bind_fusion(m);
  ragtune::bind_index(m);
  ragtune::bind_isotonic(m);
  ragtune::bind_jsonl(m);
  ragtune::bind_metrics(m);
  ragtune::bind_mixture(m);
  ragtune::bind_nudge(m);
  ragtune::bind_parallel(m);
  ragtune::bind_parts(m);
  ragtune::bind_pointwise(m);
  ragtune::bind_question_memory(m);
  ragtune::bind_ranks(m);
  ragtune::bind_ridge(m);
  ragtune::bind_simd(m);
  ragtune::bind_tiles(m);
  ragtune::bind_topk(m);
}
