#include "views.hpp"

#include <stdexcept>
#include <string>

namespace ragtune {

void check_qrels(const QrelsView& qrels) {
  const auto& offsets = qrels.offsets;
  if (offsets.empty() || offsets.front() != 0)
    throw std::invalid_argument("qrels offsets: expected to start with 0");
  for (std::size_t q = 1; q < offsets.size(); ++q)
    if (offsets[q] < offsets[q - 1])
      throw std::invalid_argument("qrels offsets: expected not to fall, got " +
                                  std::to_string(offsets[q]) + " after " +
                                  std::to_string(offsets[q - 1]));
  if (offsets.back() != std::ssize(qrels.ids) || qrels.ids.size() != qrels.grades.size())
    throw std::invalid_argument("qrels: expected " + std::to_string(offsets.back()) +
                                " ids and grades, got " + std::to_string(qrels.ids.size()) +
                                " and " + std::to_string(qrels.grades.size()));
}

}  // namespace ragtune
