// Any bytes as an answer, under libFuzzer (`make fuzz`).
#include <cstdint>
#include <cstdlib>

#include "answers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto found = ragtune::parse_answer({reinterpret_cast<const char*>(data), size});
  if (found.size() > ragtune::MOST_QUESTIONS) std::abort();
  for (const ragtune::AskedQuestion& asked : found)
    if (asked.question.empty() || asked.style.size() > 32) std::abort();
  return 0;
}
