#include "answers.hpp"

#include <algorithm>
#include <array>

#include "answer_json.hpp"
#include "answer_lines.hpp"
#include "answer_text.hpp"

namespace ragtune {
namespace {

constexpr std::string_view BOM = "\xEF\xBB\xBF";
constexpr int ANEW = 2;  // an answer may be a JSON string that holds the answer

// A key without what models add to it: "Question_1" is question.
std::string plain_key(std::string_view key) {
  std::string name = lower(cleaned(key));
  while (!name.empty() &&
         std::string_view("0123456789_- #").find(name.back()) != std::string_view::npos)
    name.pop_back();
  for (char& c : name)
    if (c == '-' || c == ' ') c = '_';
  return name;
}

bool is_question_key(std::string_view key) {
  static constexpr auto NAMES = std::to_array<std::string_view>(
      {"question", "q",        "query",    "text",          "question_text", "questiontext",
       "title",    "content",  "value",    "user_question", "user_query",    "search_query",
       "frage",    "pregunta", "pergunta", "domanda",       "вопрос",        "问题",
       "問題",     "質問",     "질문",     "prompt",        "input",         "generated_question"});
  return is_one_of(key, NAMES);
}

bool is_style_key(std::string_view key) {
  static constexpr auto NAMES = std::to_array<std::string_view>(
      {"style", "type", "kind", "category", "question_type", "question_style", "format"});
  return is_one_of(key, NAMES);
}

bool is_container_key(std::string_view key) {
  static constexpr auto NAMES = std::to_array<std::string_view>({"questions",
                                                                 "queries",
                                                                 "items",
                                                                 "results",
                                                                 "result",
                                                                 "data",
                                                                 "output",
                                                                 "response",
                                                                 "list",
                                                                 "generated_questions",
                                                                 "question_list",
                                                                 "answer",
                                                                 "answers",
                                                                 "pairs",
                                                                 "qa_pairs",
                                                                 "faq",
                                                                 "faqs",
                                                                 "arguments",
                                                                 "parameters",
                                                                 "properties",
                                                                 "fragen",
                                                                 "preguntas",
                                                                 "domande",
                                                                 "вопросы",
                                                                 "json",
                                                                 "final",
                                                                 "search_queries",
                                                                 "user_questions",
                                                                 "examples",
                                                                 "array",
                                                                 ""});
  return is_one_of(key, NAMES);
}

class Collector {
 public:
  explicit Collector(std::vector<AskedQuestion>& out) : out_(out) {}

  void add(std::string_view question, std::string_view style) {
    if (out_.size() >= MOST_QUESTIONS) return;
    const Marked marked = unmarked(question);
    // "2. Weltkrieg" begins with no mark unless it is the second of a list.
    const bool counted = marked.kind == '1' && marked.number != 0;
    const bool is_mark = marked.kind && (!counted || marked.number == int(out_.size()) + 1);
    std::string text = cleaned(is_mark ? marked.text : question);
    std::string likeness = likeness_of(text);
    if (likeness.empty() || (is_preamble(text) && text != "Note:")) return;
    if (std::find(known_.begin(), known_.end(), likeness) != known_.end()) return;
    known_.push_back(std::move(likeness));
    out_.push_back({std::move(text), style_of(style)});
  }

  void lines(std::string_view text) {
    read_answer_lines(text, [&](std::string_view q, std::string_view s) { add(q, s); });
  }

 private:
  std::vector<AskedQuestion>& out_;
  std::vector<std::string> known_;  // MOST_QUESTIONS at most: looked through faster than hashed
};

// Walks the tokens of one JSON value.
class Walk {
 public:
  Walk(const std::vector<AnswerToken>& tokens, Collector& out, int anew)
      : tokens_(tokens), out_(out), anew_(anew) {}

  void run() {
    while (at_ < tokens_.size()) value({}, true);
  }

 private:
  using Kind = AnswerToken::Kind;

  // One value; texts in it are questions if `wanted`.
  void value(std::string_view style, bool wanted) {
    const AnswerToken& token = tokens_[at_];
    if (token.kind == Kind::array) {
      for (++at_; !at_end();) value(style, wanted);
      ++at_;
    } else if (token.kind == Kind::object) {
      object(style, wanted);
    } else {
      ++at_;
      if (wanted) text(token, style);
    }
  }

  bool at_end() const { return at_ >= tokens_.size() || tokens_[at_].kind == Kind::end; }

  void text(const AnswerToken& token, std::string_view style);

  void object(std::string_view outer, bool wanted) {
    std::string_view style = outer;
    for (std::size_t i = at_ + 1, depth = 0; i + 1 < tokens_.size(); ++i) {
      const Kind kind = tokens_[i].kind;
      if (kind == Kind::end && depth-- == 0) break;
      if (kind == Kind::object || kind == Kind::array) ++depth;
      if (++looked_ > 4 * tokens_.size()) break;  // nested objects: once each is enough
      if (depth || kind != Kind::key || !is_style_key(plain_key(tokens_[i].text))) continue;
      if (const AnswerToken& own = tokens_[i + 1]; own.kind == Kind::text || own.kind == Kind::word)
        style = own.text;
    }
    for (++at_; !at_end();) {
      if (tokens_[at_].kind != Kind::key) {
        value(style, wanted);
        continue;
      }
      const std::string_view key = tokens_[at_++].text;
      if (!at_end()) field(key, style, wanted);
    }
    ++at_;
  }

  void field(std::string_view key, std::string_view style, bool wanted) {
    const std::string name = plain_key(key);
    const Kind kind = tokens_[at_].kind;
    const bool nested = kind == Kind::array || kind == Kind::object;
    // {"answer": "..."} is no question, {"answers": [...]} may hold some.
    const bool is_remark =
        !nested && (name == "answer" || name == "answers" || name == "response" ||
                    name == "result" || name == "output" || name == "final");
    if (is_question_key(name) || (is_container_key(name) && !is_remark))
      value(style, wanted);
    else if (const std::string_view named = style_named(key); !named.empty() && !is_style_key(name))
      value(named, wanted);
    else if (asks(key) && kind != Kind::object)
      out_.add(key, kind == Kind::text ? style_named(tokens_[at_].text) : std::string_view()),
          value(style, false);
    else
      value(style, wanted && nested && !is_style_key(name) && kind == Kind::object);
  }

  const std::vector<AnswerToken>& tokens_;
  Collector& out_;
  int anew_;
  std::size_t at_ = 0, looked_ = 0;
};

// Where the next brace or bracket opens, from `at`; the size of the text without one.
std::size_t opening(std::string_view text, std::size_t at) {
  while (at < text.size() && text[at] != '[' && text[at] != '{') ++at;
  return at;
}

// JSON at each brace or bracket of a text; false if no question was found.
bool find_json(std::string_view text, Collector& out, std::vector<AskedQuestion>& found, int anew) {
  AnswerJson json;
  const std::size_t before = found.size();
  std::size_t budget = 4 * text.size() + 64;  // so that brackets without JSON stay linear
  for (std::size_t at = 0; (at = opening(text, at)) < text.size();) {
    json.clear();
    const std::size_t end = json.take_broken(text, at);
    const std::size_t count = found.size();
    Walk(json.tokens(), out, anew).run();
    if (budget < end - at) break;
    budget -= end - at;
    at = found.size() > count ? end : at + 1;
  }
  return found.size() > before;
}

void read(std::string_view text, Collector& out, std::vector<AskedQuestion>& found, int anew) {
  AnswerJson json;
  text = trimmed(text);
  if (text.starts_with('{') || text.starts_with('[') || text.starts_with('"'))
    if (json.take_valid(text)) return Walk(json.tokens(), out, anew).run();
  if (!find_json(text, out, found, anew)) out.lines(text);
}

void Walk::text(const AnswerToken& token, std::string_view style) {
  const std::string_view said = trimmed(token.text);
  if (token.kind == Kind::other || (token.kind == Kind::word && !asks(said))) return;
  const bool holds_json = said.starts_with('{') || (said.starts_with('[') && said.ends_with(']'));
  if (anew_ > 0 &&
      (holds_json || (said.find('\n') != std::string_view::npos && unmarked(said).kind != 0))) {
    AnswerJson inner;
    // simdjson's buffers hold `said`: the copy outlives them.
    const std::string copy(said);
    if (holds_json) {
      inner.take_broken(copy, 0);
      return Walk(inner.tokens(), out_, anew_ - 1).run();
    }
    return out_.lines(copy);
  }
  out_.add(said, style);
}

// Without thoughts: a model's answer begins after them. One that ends within them has none.
std::string_view without_thoughts(std::string_view text) {
  if (text.find('<') == std::string_view::npos) return text;
  for (const std::string_view name : {"think", "thinking", "thought", "reasoning", "reflection"}) {
    const std::string open = "<" + std::string(name) + ">", close = "</" + std::string(name) + ">";
    if (const std::size_t end = text.rfind(close); end != std::string_view::npos)
      return text.substr(end + close.size());
    if (begins(trimmed(text), open)) return {};
  }
  return text;
}

// Without <|im_end|> and the like.
std::string without_template_tokens(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t begin = std::min(text.find("<|"), text.size());
    out += text.substr(0, begin);
    text.remove_prefix(begin);
    if (text.empty()) break;
    const std::size_t end = text.substr(0, 48).find("|>");
    out += end == std::string_view::npos ? "<|" : "\n";
    text.remove_prefix(end == std::string_view::npos ? 2 : end + 2);
  }
  return out;
}

}  // namespace

std::vector<AskedQuestion> parse_answer(std::string_view text) {
  text = text.substr(0, LONGEST_ANSWER);
  if (text.starts_with(BOM)) text.remove_prefix(BOM.size());
  text = trimmed(text);
  std::vector<AskedQuestion> found;
  Collector out(found);
  AnswerJson json;
  if (!text.empty() && std::string_view("{[\"").find(text[0]) != std::string_view::npos &&
      json.take_valid(text)) {
    Walk(json.tokens(), out, ANEW).run();
    return found;
  }
  text = without_thoughts(text);
  if (text.find("<|") == std::string_view::npos) {
    read(text, out, found, ANEW);
  } else {
    const std::string bare = without_template_tokens(text);
    read(bare, out, found, ANEW);
  }
  return found;
}

}  // namespace ragtune
