// Questions in an answer that is no JSON: lists, tables, prose.
#pragma once

#include <functional>
#include <string_view>

namespace ragtune {

// Takes a question and its style, perhaps empty; neither is cleaned yet.
using AnswerSink = std::function<void(std::string_view question, std::string_view style)>;

// Hands over what a reader would take for questions, in order. Where there is a list, what
// stands around it is none; without one, sentences that ask are.
void read_answer_lines(std::string_view text, const AnswerSink& sink);

}  // namespace ragtune
