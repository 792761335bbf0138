import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core
from ragtune.legs import Legs, Lexical, Matrix, Questions, Sources, gather, propose, union

TEXTS = [
    "a red kettle boils",
    "",
    "grüne Äpfel schmecken",
    "日本語の文章",
    "red red wine",
    "kettle",
]


def unit(n, d=8, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return oracle.unit(rows).astype(np.float32)


def sources(n=6, texts=True, parts=None):
    lexical = None
    if texts:
        lexical = Lexical()
        lexical.add(np.arange(n), [TEXTS[i % len(TEXTS)] for i in range(n)])
    vectors = None
    if parts is not None:
        vectors = _core.Parts(8)
        vectors.add(*parts)
    return Sources(Matrix(unit(n)), lexical, vectors)


@given(
    nq=st.integers(0, 5),
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    n=st.integers(1, 12),
    seed=st.integers(0, 99),
)
@settings(max_examples=100, deadline=None)
def test_union_holds_each_proposal_once(nq, widths, n, seed):
    rng = np.random.default_rng(seed)
    proposals = [rng.integers(-1, n, size=(nq, width)) for width in widths]
    found = union(proposals)
    if nq:
        np.testing.assert_array_equal(found, oracle.union(proposals))
    assert found.dtype == np.int64
    assert found.flags.c_contiguous


def test_union_of_nothing_is_one_column_of_padding():
    np.testing.assert_array_equal(union([np.full((2, 3), -1)]), [[-1], [-1]])


def test_mask_tells_candidates_from_padding():
    legs = Legs(np.array([[0, 3], [2, -1]]), {})
    np.testing.assert_array_equal(legs.mask, [[True, True], [True, False]])


def test_matrix_scores_are_cosines_and_nothing_for_padding():
    corpus, queries = unit(9), unit(3, seed=1)
    candidates = np.array([[0, 8, -1], [4, 4, 2], [-1, -1, -1]])
    expected = (queries.astype(np.float64) @ corpus.T)[np.arange(3)[:, None], candidates]
    expected[candidates < 0] = 0
    np.testing.assert_allclose(Matrix(corpus).score(queries, candidates), expected, atol=1e-6)


def test_each_searching_leg_proposes_and_phrases_only_score():
    asked = Questions(unit(2, seed=1), unit(2, seed=2), ["red kettle", "Äpfel"])
    found = propose(sources(), asked, depth=3)
    assert len(found) == 4  # dense, adapted, words, characters
    corpus = unit(6)
    for own, queries in zip(found, (asked.frozen, asked.adapted), strict=False):
        np.testing.assert_array_equal(own, oracle.exact_search(corpus, queries, 3)[1])
    for name, own in zip(("words", "characters"), found[2:], strict=True):
        index = sources().lexical.indexes[name]
        np.testing.assert_array_equal(own, index.search(asked.texts, 3)[1])


@pytest.mark.parametrize(
    ("texts", "adapted", "count"), [(None, None, 1), (None, 1, 2), (["red"], None, 3)]
)
def test_legs_that_are_missing_propose_nothing(texts, adapted, count):
    asked = Questions(unit(1), None if adapted is None else unit(1), texts)
    assert len(propose(sources(), asked)) == count
    assert len(propose(sources(texts=False), asked)) == (2 if adapted else 1)


def test_a_corpus_smaller_than_the_depth_is_proposed_whole():
    found = union(propose(sources(3), Questions(unit(2, seed=1))))
    np.testing.assert_array_equal(found, [[0, 1, 2]] * 2)


def test_a_question_alone_gets_what_it_gets_among_others(monkeypatch):
    """Alone, its legs run side by side."""
    monkeypatch.setattr("ragtune._core.thread_count", lambda: 2)
    own = sources(parts=(unit(5, seed=3), np.array([0, 0, 2, 4, 4])))
    memory = _core.QuestionMemory(unit(2, seed=4), np.array([1, 2]), None, None)
    frozen, adapted, texts = unit(2, seed=1), unit(2, seed=2), ["red kettle", "Äpfel"]
    together = Questions(frozen, adapted, texts)
    rows = union(propose(own, together, memory))
    legs = gather(own, together, rows, memory)
    for q in range(2):
        alone = Questions(frozen[q : q + 1], adapted[q : q + 1], texts[q : q + 1])
        np.testing.assert_array_equal(union(propose(own, alone, memory))[0], rows[q])
        for name, scores in gather(own, alone, rows[q : q + 1], memory).scores.items():
            np.testing.assert_array_equal(scores[0], legs.scores[name][q])


def test_every_leg_scores_every_candidate():
    parts = unit(5, seed=3), np.array([0, 0, 2, 4, 4])
    own = sources(parts=parts)
    memory = _core.QuestionMemory(unit(2, seed=4), np.array([1, 2]), None, None)
    asked = Questions(unit(2, seed=1), unit(2, seed=2), ["red kettle", "日本語"])
    rows = np.array([[0, 1, 2, 3], [2, 4, 5, -1]])
    legs = gather(own, asked, rows, memory)
    assert set(legs.scores) == {
        *("dense", "adapted", "words", "coordination", "phrases", "characters"),
        *("part", "adapted_part", "adapted_part_mean", "memory"),
    }
    for name, index in own.lexical.indexes.items():
        np.testing.assert_array_equal(legs.scores[name], index.score(asked.texts, rows))
    both = own.lexical.indexes["words"].score_and_coordination(asked.texts, rows)
    np.testing.assert_array_equal(legs.scores["coordination"], both[1])
    assert legs.scores["words"][1].max() == 0 or legs.scores["words"][1].argmax() == 3
    np.testing.assert_array_equal(
        legs.scores["memory"], memory.likeness(asked.frozen, asked.texts, rows)
    )


def test_nearest_sentences_speak_for_a_chunk_and_one_without_any_is_its_own():
    vectors, owners = unit(9, seed=3), np.array([0, 0, 2, 4, 4, 4, 4, 4, 2])
    asked = Questions(unit(2, seed=1), unit(2, seed=2))
    rows = np.array([[0, 1, 2, 3, 4]] * 2)
    legs = gather(sources(texts=False, parts=(vectors, owners)), asked, rows)
    for name, whole, queries, count in (
        ("part", "dense", asked.frozen, 1),
        ("adapted_part", "adapted", asked.adapted, 1),
        ("adapted_part_mean", "adapted", asked.adapted, 3),
    ):
        cosines = queries.astype(np.float64) @ vectors.T
        for row in range(5):
            mine = np.sort(cosines[:, owners == row], axis=1)[:, -count:]
            expected = mine.mean(axis=1) if mine.size else legs.scores[whole][:, row]
            np.testing.assert_allclose(legs.scores[name][:, row], expected, atol=0.01)
        np.testing.assert_array_equal(legs.scores[name][:, [1, 3]], legs.scores[whole][:, [1, 3]])
        assert np.isfinite(legs.scores[name]).all()


def test_legs_that_cannot_speak_are_absent():
    rows = np.array([[0, 1]])
    asked = Questions(unit(1))
    assert list(gather(sources(), asked, rows).scores) == ["dense"]  # no query text
    asked = Questions(unit(1), None, ["red"])
    assert list(gather(sources(texts=False), asked, rows).scores) == ["dense"]  # no chunk text


def test_words_are_replaced_and_forgotten():
    lexical = Lexical()
    lexical.add(np.arange(3), ["red kettle", "green kettle", "blue"])
    lexical.add(np.array([0]), ["yellow lamp"])
    lexical.remove(np.array([1, 77]))
    assert lexical.indexes["words"].search(["kettle"], 3)[1].tolist() == [[-1, -1, -1]]
    for name in ("words", "phrases", "characters"):
        assert lexical.indexes[name].search(["yellow lamp"], 3)[1][0, 0] == 0
        assert len(lexical.indexes[name]) == 2


def test_duplicated_documents_score_alike():
    lexical = Lexical()
    lexical.add(np.arange(4), ["red kettle", "blue cup", "red kettle", "red kettle"])
    own = Sources(Matrix(np.repeat(unit(1), 4, axis=0)), lexical)
    legs = gather(own, Questions(unit(1, seed=1), None, ["red"]), np.array([[0, 2, 3]]))
    for scores in legs.scores.values():
        assert (scores == scores[:, :1]).all()


@pytest.mark.parametrize("language", ["klingon", "pairs"])
def test_unknown_language_is_told(language):
    with pytest.raises(ValueError, match=f"language: expected one of .*english.*, got {language}"):
        Lexical(language)
