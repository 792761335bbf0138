#include "../question_memory.hpp"

#include "arrays.hpp"
#include "texts.hpp"

namespace ragtune {
namespace {

using TextList = py::typing::List<py::str>;
using Texts = QuestionMemory::Texts;

}  // namespace

void bind_question_memory(py::module_& m) {
  py::class_<QuestionMemory>(m, "QuestionMemory")
      .def(py::init([](const Array<float>& vectors, const Array<std::int64_t>& owners,
                       const std::optional<TextList>& texts,
                       const std::optional<std::string>& language) {
             std::optional<BorrowedTexts> borrowed;
             if (texts) borrowed.emplace(*texts, "texts");
             const py::gil_scoped_release release;
             return std::make_unique<QuestionMemory>(
                 rows(vectors, "vectors"), flat(owners, "rows"),
                 borrowed ? std::optional<Texts>(borrowed->views()) : std::nullopt,
                 language.value_or(""));
           }),
           py::arg("vectors").noconvert(), py::arg("rows").noconvert(), py::arg("texts"),
           py::arg("language"))
      .def("__len__", &QuestionMemory::size)
      .def(
          "propose",
          [](const QuestionMemory& self, const Array<float>& queries, std::int64_t k,
             int num_threads) { return self.propose(rows(queries, "queries"), k, num_threads); },
          py::arg("queries").noconvert(), py::arg("k"), py::kw_only(), py::arg("num_threads") = 0,
          NoGil())
      .def(
          "likeness",
          [](const QuestionMemory& self, const Array<float>& queries,
             const std::optional<TextList>& texts, const Array<std::int64_t>& candidates,
             int num_threads) {
            std::optional<BorrowedTexts> borrowed;
            if (texts) borrowed.emplace(*texts, "texts");
            const py::gil_scoped_release release;
            return self.likeness(rows(queries, "queries"),
                                 borrowed ? std::optional<Texts>(borrowed->views()) : std::nullopt,
                                 ids(candidates, "candidates"), num_threads);
          },
          py::arg("queries").noconvert(), py::arg("texts"), py::arg("candidates").noconvert(),
          py::kw_only(), py::arg("num_threads") = 0);
}

}  // namespace ragtune
