#include "../answers.hpp"

#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <utility>

#include "texts.hpp"

namespace ragtune {

void bind_answers(py::module_& m) {
  m.def(
      "parse_answer",
      [](const py::str& answer) {
        const BorrowedText text(answer, "answer");
        std::vector<AskedQuestion> found;
        {
          const py::gil_scoped_release release;
          found = parse_answer(text.view());
        }
        py::typing::List<std::pair<std::string, std::string>> out;
        for (const AskedQuestion& asked : found)
          out.append(py::make_tuple(asked.question, asked.style));
        return out;
      },
      py::arg("answer"), "(question, style) of each question in what a model answered, in order.");
}

}  // namespace ragtune
