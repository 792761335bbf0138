"""Phrases and runs of characters, beside the same made from words in Python."""

from itertools import pairwise

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core

ALPHABET = "abc dEF ÄßñЖ 日本ab12_-."
TEXT = st.text(ALPHABET, max_size=40)
RUN = 5


def runs(text):
    """Overlapping runs of a word between marks of its ends; Chinese pairs stay as they are."""
    out = []
    for word in _core.tokens(text, None):
        marked = f"#{word}#"
        if any(c > "\u2e80" for c in word) or len(marked) <= RUN:
            out.append(word if any(c > "\u2e80" for c in word) else marked)
        else:
            out += [marked[i : i + RUN] for i in range(len(marked) - RUN + 1)]
    return out


def phrases(text, language):
    words = _core.tokens(text, language)
    return [f"{a} {b}" for a, b in pairwise(words)]


@given(text=TEXT)
@settings(max_examples=300, deadline=None)
def test_runs_of_characters_agree_with_their_definition(text):
    assert _core.tokens(text, "characters") == runs(text)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a", []),
        ("ab", ["#ab#"]),
        ("abc", ["#abc#"]),
        ("abcd", ["#abcd", "abcd#"]),
        ("Ärzte", ["#ärzt", "ärzte", "rzte#"]),
        ("ab-cd", ["#ab#", "#cd#"]),
        ("日本語", ["日本", "本語"]),
        ("", []),
    ],
)
def test_runs_of_single_words(word, expected):
    assert _core.tokens(word, "characters") == expected


@given(
    texts=st.lists(TEXT, min_size=1, max_size=8),
    asked=TEXT,
    unit=st.sampled_from(["characters", "english pairs", "german pairs", " pairs"]),
)
@settings(max_examples=200, deadline=None)
def test_scores_are_those_of_bm25_over_such_terms(texts, asked, unit):
    def terms(text):
        return runs(text) if unit == "characters" else phrases(text, unit[:-6] or None)

    index = _core.Bm25(unit)
    index.add(np.arange(len(texts)), texts)
    expected = oracle.bm25({row: terms(t) for row, t in enumerate(texts)}, terms(asked))
    candidates = np.arange(-1, len(texts))[None]
    found = index.score([asked], candidates)[0]
    assert found[0] == 0
    np.testing.assert_allclose(
        found[1:], [expected.get(row, 0) for row in range(len(texts))], rtol=1e-4, atol=1e-6
    )
    scores, rows = index.search([asked], len(texts))
    matching = rows[0] >= 0
    assert set(rows[0, matching].tolist()) == set(expected)
    np.testing.assert_array_equal(found[1 + rows[0, matching]], scores[0, matching])


def test_order_of_words_decides_for_phrases_alone():
    texts = ["dog bites man", "man bites dog"]
    words, pairs = _core.Bm25("english"), _core.Bm25("english pairs")
    for index in (words, pairs):
        index.add(np.arange(2), texts)
    same, different = (i.score(["man bites"], np.array([[0, 1]]))[0] for i in (words, pairs))
    assert same[0] == same[1]
    assert different[0] == 0 < different[1]


def test_words_of_phrases_are_stemmed_and_stop_words_bridged():
    index = _core.Bm25("english pairs")
    index.add(np.arange(2), ["the runner of marathons", "runners marathon"])
    assert (index.score(["runner marathon"], np.array([[0, 1]])) > 0).all()


@pytest.mark.parametrize("asked", ["kettle", "", "the"])
def test_fewer_than_two_words_are_no_phrase(asked):
    index = _core.Bm25("english pairs")
    index.add(np.arange(2), ["kettle", "the kettle boils"])
    assert index.search([asked], 2)[1].tolist() == [[-1, -1]]


def test_parts_of_compounds_and_misspelt_names_are_found_by_characters_alone():
    texts = ["Donaudampfschifffahrt", "Straßenbahn", "acetylsalicylic"]
    for asked, row in (("Dampfschiff", 0), ("Bahnstraße", 1), ("acetilsalicylic", 2)):
        words, characters = _core.Bm25("german"), _core.Bm25("characters")
        for index in (words, characters):
            index.add(np.arange(3), texts)
        assert words.search([asked], 1)[1].tolist() == [[-1]]
        assert characters.search([asked], 1)[1].tolist() == [[row]]


@pytest.mark.parametrize("unit", ["characters", "english pairs"])
def test_kept_as_arrays_the_unit_is_kept(unit):
    index = _core.Bm25(unit)
    index.add(np.arange(3), ["red kettle boils", "boils red", "日本語 kettles"])
    again = _core.Bm25.from_arrays(index.arrays())
    for a, b in zip(index.search(["red kettle"], 3), again.search(["red kettle"], 3), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("unit", ["klingon pairs", "pairs", "characters pairs", "english  pairs"])
def test_unknown_units_are_refused(unit):
    with pytest.raises(ValueError, match=r"language: expected one of .*, got "):
        _core.Bm25(unit)


def test_unknown_unit_is_told_as_given():
    with pytest.raises(ValueError, match="got klingon pairs"):
        _core.Bm25("klingon pairs")
