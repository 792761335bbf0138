"""What a model answered -> its questions."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sanitizers import UNDER_ASAN

from ragtune._core import parse_answer

ANSWERS = [
    json.loads(line)
    for line in (Path(__file__).parent / "answers/answers.jsonl").read_text("utf-8").splitlines()
]


def test_answers_are_read_as_a_person_would():
    read = [[list(pair) for pair in parse_answer(own["answer"])] for own in ANSWERS]
    wrong = [own for own, got in zip(ANSWERS, read, strict=True) if got != own["expected"]]
    assert len(ANSWERS) == 100
    assert len(wrong) <= 3, wrong


@given(st.text(alphabet=st.sampled_from("[]{}\",:'\n?.1-aZ `“”\\u<|>#*/é؟"), max_size=200))
def test_any_text_is_read_without_harm(text):
    for question, style in parse_answer(text):
        assert question.strip() == question != ""
        assert len(style.encode()) <= 32


@given(st.lists(st.text(st.characters(whitelist_categories=["Lu", "Ll"]), min_size=1), max_size=9))
def test_a_valid_list_comes_back_whole(words):
    questions = [f"is {number} {word} so?" for number, word in enumerate(words)]
    assert [q for q, _ in parse_answer(json.dumps({"questions": questions}))] == questions


@pytest.mark.parametrize(
    "part",
    ["[", "{", '["', '{"', "[[1", "'", "\\", "1. ", "- a?\n", "a\n", "<|", "# ", "| a", '""', "“"],
)
def test_the_time_is_linear(part):
    def seconds(size):
        text = part * (size // len(part))
        begin = time.perf_counter()
        parse_answer(text)
        return time.perf_counter() - begin

    seconds(1 << 14)
    most = 15 if UNDER_ASAN else 1.5  # a square would take minutes
    assert min(seconds(1 << 19) for _ in range(2)) < most


def test_a_long_answer_is_cut_and_questions_are_capped():
    assert len(parse_answer(json.dumps([f"is it {i}?" for i in range(1000)]))) == 256


def test_half_a_surrogate_pair_does_no_harm():
    assert parse_answer('["a \ud800 b?"]') == [("a b?", "")]


def test_bytes_are_refused():
    with pytest.raises(TypeError):
        parse_answer(b"[]")
