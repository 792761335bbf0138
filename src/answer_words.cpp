// The words of answer_text.hpp: names of styles, and how answers announce questions.
#include <array>
#include <utility>

#include "answer_text.hpp"

namespace ragtune {
namespace {

constexpr std::size_t LONGEST_STYLE = 32;

// What a model says when it is done, and when it begins.
constexpr auto OFFERS = std::to_array<std::string_view>(
    {"would you like me", "do you want me", "want me to", "shall i ", "is there anything else",
     "let me know", "should i generate", "do these questions", "are these questions"});
constexpr auto OPENINGS = std::to_array<std::string_view>({"here are",
                                                           "here is",
                                                           "here's",
                                                           "here’s",
                                                           "sure",
                                                           "certainly",
                                                           "of course",
                                                           "below are",
                                                           "the following",
                                                           "based on the",
                                                           "i've ",
                                                           "i’ve ",
                                                           "i have generated",
                                                           "i'm sorry",
                                                           "i’m sorry",
                                                           "i am sorry",
                                                           "i cannot help",
                                                           "i cannot assist",
                                                           "i cannot generate",
                                                           "i can't help",
                                                           "i can't assist",
                                                           "i can’t help",
                                                           "i can’t assist",
                                                           "sorry",
                                                           "as an ai",
                                                           "these questions",
                                                           "note:",
                                                           "absolutely",
                                                           "okay",
                                                           "ok,",
                                                           "i hope",
                                                           "feel free",
                                                           "hope this",
                                                           "unfortunately",
                                                           "the text",
                                                           "the passage"});

}  // namespace

std::string_view style_named(std::string_view text) {
  if (text.empty() || text.size() > 40) return {};
  std::string name = cleaned(text);
  for (char& c : name) c = c == '_' || c == '-' ? ' ' : c >= 'A' && c <= 'Z' ? char(c + 32) : c;
  if (name.empty() || std::string_view("kfnqprs").find(name[0]) == std::string_view::npos)
    return {};  // of no name that is known
  for (const std::string_view tail :
       {" style", " questions", " question", " queries", " query", " search"})
    if (name.ends_with(tail) && name.size() > tail.size() && name != "full question" &&
        name != "full questions")
      name.resize(name.size() - tail.size());
  constexpr std::array<std::pair<std::string_view, std::string_view>, 14> KNOWN = {{
      {"keyword", "keyword"},
      {"keywords", "keyword"},
      {"key word", "keyword"},
      {"full question", "question"},
      {"full questions", "question"},
      {"full", "question"},
      {"natural", "question"},
      {"natural language", "question"},
      {"question", "question"},
      {"paraphrase", "paraphrase"},
      {"paraphrased", "paraphrase"},
      {"rephrased", "paraphrase"},
      {"symptom", "symptom"},
      {"symptoms", "symptom"},
  }};
  for (const auto& [known, style] : KNOWN)
    if (name == known) return style;
  return {};
}

std::string style_of(std::string_view text) {
  if (text.empty()) return {};
  if (const std::string_view known = style_named(text); !known.empty()) return std::string(known);
  std::string style = lower(cleaned(text.substr(0, 4 * LONGEST_STYLE)));
  if (style.size() > LONGEST_STYLE) style = cleaned(style.substr(0, LONGEST_STYLE));
  return style;
}

bool is_preamble(std::string_view text) {
  text = trimmed(text);
  while (text.ends_with('*')) text.remove_suffix(1);
  if (text.ends_with(':') || text.ends_with("：")) return true;
  if (begins_any(text, OFFERS)) return true;
  if (asks(text)) return false;
  return begins_any(text, OPENINGS);
}

}  // namespace ragtune
