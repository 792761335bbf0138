#include "../artifact.hpp"

#include <algorithm>
#include <map>

#include "arrays.hpp"

namespace ragtune {
namespace {

constexpr std::pair<Dtype, const char*> NUMPY[] = {
    {Dtype::u8, "uint8"},    {Dtype::i32, "int32"},   {Dtype::i64, "int64"},
    {Dtype::f32, "float32"}, {Dtype::f64, "float64"}, {Dtype::u16, "uint16"},
};

Dtype dtype_of(const std::string& name, const py::array& array) {
  for (const auto& [dtype, numpy] : NUMPY)
    if (array.dtype().is(py::dtype(numpy)) || array.dtype().equal(py::dtype(numpy))) return dtype;
  throw std::invalid_argument("section " + name +
                              ": expected uint8, int32, int64, float32 or float64, got " +
                              std::string(py::str(array.dtype())));
}

Section section_of(const std::string& name, const py::array& array) {
  if (array.ndim() != 2 || !(array.flags() & py::array::c_style))
    throw std::invalid_argument("section " + name +
                                ": expected a C-contiguous (rows, columns) "
                                "array, got " +
                                std::to_string(array.ndim()) + " dimensions");
  return {name,
          dtype_of(name, array),
          {std::uint64_t(array.shape(0)), std::uint64_t(array.shape(1))},
          {static_cast<const std::byte*>(array.data()), std::size_t(array.nbytes())}};
}

py::array copy_of(const Section& section) {
  const auto* name = std::ranges::find(NUMPY, section.dtype, &std::pair<Dtype, const char*>::first);
  return py::array(py::dtype(name->second), {section.shape[0], section.shape[1]},
                   section.bytes.data());
}

}  // namespace

void bind_artifact(py::module_& m) {
  // The exception tree is drawn in ragtune.types; the core only throws.
  py::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const CorruptFile& error) {
      py::set_error(py::module_::import("ragtune.types").attr("CorruptFileError"), error.what());
    }
  });

  m.def(
      "write_artifact",
      [](const std::string& path, const std::map<std::string, py::array>& arrays) {
        std::vector<Section> sections;
        for (const auto& [name, array] : arrays) sections.push_back(section_of(name, array));
        const py::gil_scoped_release release;
        write_artifact(path, sections);
      },
      py::arg("path"), py::arg("arrays"),
      "Writes named (rows, columns) arrays to path, atomically.");

  m.def(
      "read_artifact",
      [](const std::string& path) {
        const auto artifact = [&] {
          const py::gil_scoped_release release;
          return std::make_unique<Artifact>(path);
        }();
        std::map<std::string, py::array> arrays;
        for (const Section& section : artifact->sections()) arrays[section.name] = copy_of(section);
        return arrays;
      },
      py::arg("path"), "The named arrays of an artifact, each checked against its checksum.");
}

}  // namespace ragtune
