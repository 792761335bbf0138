import pytest

from ragtune.questions import checks
from ragtune.questions.extractive import STYLES, WORDS, extract
from ragtune.types import Pair

TEXTS = [
    "The refund goes back to the card. Ask for the refund within thirty days of the order.",
    "The parcel goes to the door. Ask the courier for the parcel with the tracking number.",
    "The password is kept as a salted hash. Ask for a new password on the login page.",
]


def test_keywords_are_the_words_that_tell_a_text_from_the_others():
    (asked, style), *_ = extract(TEXTS, ["keywords"])[0]
    assert style == "keywords"
    words = asked.split()
    assert "refund" in words
    assert "the" not in words
    assert "ask" not in words
    assert len(words) == WORDS


def test_keywords_stand_in_the_order_of_the_text():
    text = TEXTS[0].lower()
    places = [text.index(word) for word in extract(TEXTS, ["keywords"])[0][0][0].split()]
    assert places == sorted(places)


def test_the_sentence_is_the_one_that_tells_most():
    texts = ["Everybody knows this well. Zebras eat savanna grass.", "Everybody knows this well."]
    assert extract(texts, ["sentence"])[0] == [("Zebras eat savanna grass.", "sentence")]


def test_a_text_of_one_sentence_is_its_own_question():
    assert extract(["red apples and green pears"], ["sentence"]) == [
        [("red apples and green pears", "sentence")]
    ]


@pytest.mark.parametrize("text", ["", "   ", "one two", "12 34 56 78", "?!"])
def test_a_text_with_too_few_words_has_nothing_to_ask(text):
    assert extract([text, *TEXTS])[0] == []


@pytest.mark.parametrize("text", ["word " * 5000 + "a b c d.", "x" * 5000 + " b c d", "长" * 900])
def test_no_question_is_longer_than_one_may_be(text):
    for asked, _ in extract([text, *TEXTS])[0]:
        assert checks.SHORTEST <= len(asked) <= checks.LONGEST


def test_every_style_is_taken_of_each_text_and_again_the_same():
    found = extract(TEXTS)
    assert [[style for _, style in own] for own in found] == [list(STYLES)] * len(TEXTS)
    assert extract(TEXTS) == found
    assert extract([]) == []


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="styles: expected some of keywords, sentence, got 'poem'"):
        extract(TEXTS, ["poem"])


def test_a_memory_keeps_them_once_and_says_what_they_are(memory):
    memory.add(TEXTS, ids=["a", "b", "c"])
    assert memory.questions.extract(2) == 2
    assert memory.questions.extract(styles=["keywords", "sentence"]) == 2  # of the third chunk
    assert memory.questions.extract() == 0
    with pytest.raises(ValueError, match="styles: expected"):
        memory.questions.extract(styles=["poem"])


def test_they_prove_nothing_and_a_changed_text_ends_them(memory):
    texts = [f"key{i} word{i} lamp{i} shade{i} here" for i in range(120)]
    memory.add(texts, ids=[f"c{i}" for i in range(120)])
    memory.questions.extract()
    run = memory.tune()
    assert (run.report.verdict.decision, run.promoted) == ("hold", False)
    assert "pseudo-questions prove nothing" in run.report.verdict.reason
    before = [hit.score for hit in memory.search("key3 word3", k=3, deep_memory=False)]
    assert [hit.score for hit in memory.search("key3 word3", k=3, deep_memory=True)] == before
    memory.add(["now it says something else entirely"], ids=["c0"])
    assert len(memory.store.pairs.living()) == 119
    memory.add_pairs([Pair("what is key1?", "c1")])
    assert "pseudo-questions" not in memory.tune().report.verdict.reason
