#include "answer_lines.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "answer_text.hpp"

namespace ragtune {
namespace {

constexpr std::size_t LONGEST_LABEL = 40;
constexpr std::size_t LONGEST_KEYWORDS = 120;  // bytes of a line without a mark that is a query

struct Line {
  std::string_view text;
  std::string_view style;
  char kind = 0;  // '1' numbered, '-' bulleted, 'l' labelled, 0 neither
  bool asks = false;
  std::string joined{};  // with the lines that continue it
};

// What is said of a question, or of the chunk, and is none itself.
bool is_remark(std::string_view label) {
  static constexpr auto NAMES = std::to_array<std::string_view>(
      {"answer",    "a",       "answers", "explanation", "rationale", "reason",     "reasoning",
       "why",       "note",    "notes",   "source",      "chunk",     "context",    "antwort",
       "respuesta", "réponse", "reponse", "risposta",    "resposta",  "difficulty", "ответ",
       "答",        "答案",    "回答",    "relevance",   "score",     "topic",      "hint"});
  return is_one_of(label, NAMES);
}

bool is_question_label(std::string_view label) {
  static constexpr auto NAMES =
      std::to_array<std::string_view>({"question", "q", "query", "text", "user question", "frage",
                                       "pregunta", "pergunta", "domanda", "问题", "問題", "質問"});
  return is_one_of(label, NAMES);
}

bool is_style_label(std::string_view label) {
  return label == "style" || label == "type" || label == "kind" || label == "category";
}

// "Label: rest", the label in lower case without marks; empty if there is none.
std::string label_of(std::string_view line, std::string_view& rest) {
  std::size_t colon = line.find(':'), size = 1;
  if (const std::size_t wide = line.find("："); wide < colon) colon = wide, size = 3;
  if (colon == std::string_view::npos || colon > LONGEST_LABEL) return {};
  rest = line.substr(colon + size);
  while (rest.starts_with('*')) rest.remove_prefix(1);
  std::string label;
  for (const char c : line.substr(0, colon))
    if (c != '*' && c != '"' && c != '_' && c != '(' && c != ')' && c != '[' && c != ']')
      label += c;
  // "question 1", "keyword 2"
  while (!label.empty() && (label.back() == ' ' || (label.back() >= '0' && label.back() <= '9')))
    label.pop_back();
  return lower(trimmed(label));
}

// "text (keyword)" and "(keyword) text", also with square brackets.
void take_bracketed_style(Line& line) {
  std::string_view& text = line.text;
  for (const auto& [open, close] : {std::pair{'(', ')'}, std::pair{'[', ']'}}) {
    if (text.starts_with(open)) {
      const std::size_t end = text.find(close);
      if (end > LONGEST_LABEL) continue;
      const std::string_view style = style_named(text.substr(1, end - 1));
      if (style.empty()) continue;
      line.style = style;
      text = trimmed(text.substr(end + 1));
    } else if (text.ends_with(close)) {
      const std::size_t begin = text.rfind(open);
      if (begin == std::string_view::npos || text.size() - begin > LONGEST_LABEL) continue;
      const std::string_view style = style_named(text.substr(begin + 1, text.size() - begin - 2));
      if (style.empty()) continue;
      line.style = style;
      text = trimmed(text.substr(0, begin));
    }
  }
}

// `<question>What?</question>`: what stands between the tags of one line.
std::string_view without_tags(std::string_view text) {
  text = trimmed(text);
  while (text.starts_with('<')) {
    const std::size_t end = text.find('>');
    if (end > LONGEST_LABEL) break;
    text = trimmed(text.substr(end + 1));
  }
  while (text.ends_with('>')) {
    const std::size_t begin = text.rfind('<');
    if (begin == std::string_view::npos || text.size() - begin > LONGEST_LABEL) break;
    text = trimmed(text.substr(0, begin));
  }
  return text;
}

std::vector<std::string_view> cells_of(std::string_view row) {
  std::vector<std::string_view> cells;
  row = trimmed(row);
  row.remove_prefix(1);
  while (!row.empty()) {
    const std::size_t end = std::min(row.find('|'), row.size());
    cells.push_back(trimmed(row.substr(0, end)));
    row.remove_prefix(std::min(end + 1, row.size()));
  }
  return cells;
}

class Reader {
 public:
  void read(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      take(text.substr(0, end), end == text.size());
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  void hand_over(const AnswerSink& sink) const {
    bool any_list = false, any_asks = false, cut_is_asked = false;
    std::size_t phrases = 0;         // lines that are no statement
    std::array<bool, 256> asking{};  // kinds of which a line asks
    for (const Line& line : lines_) {
      const bool states = is_statement(line.text);
      phrases += !states;
      any_list |= line.kind && (line.asks || !states);
      any_asks |= line.asks;
      asking[static_cast<unsigned char>(line.kind)] |= line.asks;
      cut_is_asked |= line.asks && line.kind;
    }
    for (const Line& line : lines_) {
      if (any_list && !line.kind) continue;
      if (!line.kind) {
        unlisted(line, any_asks, phrases > 1, sink);
      } else if (line.kind == 'l' || line.asks ||
                 ((asking[static_cast<unsigned char>(line.kind)] || !any_asks) &&
                  !is_statement(line.text))) {
        // The last line of a list whose others ask was cut off if it does not.
        const bool cut = &line == &lines_.back() && ends_open_ && cut_is_asked && !line.asks;
        if (!cut || !line.style.empty()) sink(text_of(line), line.style);
      }
    }
  }

 private:
  static std::string_view text_of(const Line& line) {
    return line.joined.empty() ? line.text : std::string_view(line.joined);
  }

  // A sentence that says something, unless it begins as a question or a command does.
  static bool is_statement(std::string_view text) {
    if (is_preamble(text)) return true;
    if (!text.ends_with('.') && !text.ends_with("。")) return false;
    for (const std::string_view word :
         {"how ", "what ", "why ", "when ", "where ", "which ", "who ", "explain ", "describe ",
          "tell me ", "my ", "i ", "can "})
      if (begins(text, word)) return false;
    return true;
  }

  // Sentences of prose that ask; without any, lines that are short enough for keywords.
  static void unlisted(const Line& line, bool any_asks, bool several, const AnswerSink& sink) {
    std::string_view rest = text_of(line);
    if (!any_asks) {
      if (several && rest.size() <= LONGEST_KEYWORDS && !is_statement(rest)) sink(rest, line.style);
      return;
    }
    for (std::size_t end; (end = end_of_question(rest)) != std::string_view::npos;) {
      std::string_view sentence = trimmed(rest.substr(0, end));
      // What was said before the first question: up to a colon of a preamble, or a full stop.
      if (const std::size_t colon = sentence.find(": "); colon != std::string_view::npos)
        if (is_preamble(sentence.substr(0, colon + 1)) && begins_as_preamble(sentence))
          sentence.remove_prefix(colon + 2);
      if (!is_preamble(sentence)) sink(sentence, line.style);
      rest.remove_prefix(end);
    }
  }

  static bool begins_as_preamble(std::string_view text) {
    for (const std::string_view start : {"here", "sure", "certainly", "of course", "below", "okay",
                                         "ok", "question", "the question", "absolutely"})
      if (begins(text, start)) return true;
    return false;
  }

  void take(std::string_view raw, bool last) {
    const bool indented = raw.starts_with("  ") || raw.starts_with('\t');
    std::string_view text = without_tags(raw);
    if (text.empty() || text.starts_with("```") || text.starts_with("~~~")) {
      can_continue_ = false;
      return;
    }
    ends_open_ = last;
    if (text.starts_with('|')) return row(text);
    if (text.starts_with('#')) return heading(text);
    const Marked marked = unmarked(text);
    if (!marked.kind && indented && can_continue_ && !lines_.back().asks) return join(text);
    Line line{marked.text, section_, marked.kind};
    if (line.text.empty()) return;
    if (!labelled(line)) return;
    take_bracketed_style(line);
    line.asks = asks(line.text) || end_of_question(line.text) != std::string_view::npos;
    if (line.style.empty()) line.style = std::exchange(pending_, {});
    can_continue_ = line.kind;
    lines_.push_back(std::move(line));
  }

  void join(std::string_view text) {
    Line& line = lines_.back();
    if (line.joined.empty()) line.joined = line.text;
    line.joined.append(" ").append(text);
    line.asks = asks(text);
  }

  // Takes off "Style:" and the like; false if the line holds no question.
  bool labelled(Line& line) {
    std::string_view rest;
    if (const std::string_view style = style_named(line.text); !style.empty()) {
      section_ = style;
      return false;
    }
    const std::string label = label_of(line.text, rest);
    if (label.empty()) return true;
    rest = trimmed(rest);
    if (is_remark(label)) return false;
    if (is_style_label(label)) {
      restyle(rest);
      return false;
    }
    const std::string_view style = is_question_label(label) ? "" : style_named(label);
    if (style.empty() && !is_question_label(label)) return true;
    if (rest.empty()) {
      section_ = style;
      return false;
    }
    line.text = rest;
    if (!style.empty()) line.style = style;
    line.kind = 'l';
    return true;
  }

  // The style stands on a line of its own, after its question or before it.
  void restyle(std::string_view style) {
    if (!lines_.empty() && lines_.back().style.empty())
      lines_.back().style = style;
    else
      pending_ = style;
  }

  void heading(std::string_view text) {
    while (text.starts_with('#')) text.remove_prefix(1);
    text = unmarked(text).text;
    can_continue_ = false;
    if (asks(text)) {
      lines_.push_back({text, section_, '1', true});
      return;
    }
    std::string_view rest;
    section_ = style_named(text);
    if (section_.empty() && !label_of(text, rest).empty())
      section_ = style_named(text.substr(0, text.find(':')));
  }

  // A row of a table; the first one names the columns.
  void row(std::string_view text) {
    const std::vector<std::string_view> cells = cells_of(text);
    can_continue_ = false;
    if (text.find_first_not_of("|-: \t") == std::string_view::npos) return;
    if (columns_ == 0) {
      for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string name = lower(cleaned(cells[i]));
        if (is_question_label(name)) columns_ = i + 1;
        if (is_style_label(name)) style_column_ = i + 1;
      }
      if (columns_) return;
      columns_ =
          1 + std::size_t(std::max_element(cells.begin(), cells.end(),
                                           [](auto a, auto b) { return a.size() < b.size(); }) -
                          cells.begin());
      if (!asks(cells[columns_ - 1])) return;
    }
    if (columns_ > cells.size() || cells[columns_ - 1].empty()) return;
    const bool styled = style_column_ && style_column_ <= cells.size();
    const std::string_view question = cells[columns_ - 1];
    lines_.push_back({question, styled ? cells[style_column_ - 1] : section_, 'l', asks(question)});
  }

  std::vector<Line> lines_;
  std::string_view section_, pending_;
  std::size_t columns_ = 0, style_column_ = 0;  // of a table, from 1
  bool can_continue_ = false, ends_open_ = false;
};

}  // namespace

void read_answer_lines(std::string_view text, const AnswerSink& sink) {
  Reader reader;
  reader.read(text);
  reader.hand_over(sink);
}

}  // namespace ragtune
