import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core

ERROR = 0.01  # of a cosine from 8-bit codes
WORDS = ["kettle", "boils", "running", "runs", "the", "grüne", "Äpfel", "日本語", "x", "42"]


def unit(n, d=16, seed=0):
    return oracle.unit(np.random.default_rng(seed).normal(size=(n, d))).astype(np.float32)


def some_texts(n, seed):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(0, 6))) for _ in range(n)]


def slow_likeness(vectors, rows, texts, queries, asked, candidates, language):
    """By the definition in question_memory.hpp: of the stored questions of a row the likest."""
    like = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    if texts is not None and asked is not None:
        tokens = ([_core.tokens(t, language) for t in side] for side in (asked, texts))
        like = (like + oracle.shared_words(*tokens)) / 2
    out = np.full(candidates.shape, np.nan)
    for q, own in enumerate(candidates):
        for c, row in enumerate(own):
            if row >= 0 and (rows == row).any():
                out[q, c] = like[q, rows == row].max()
    return out


@given(
    m=st.integers(1, 12),
    nq=st.integers(1, 4),
    language=st.sampled_from([None, "english", "german"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_likeness_to_one_question_per_chunk_agrees_with_its_definition(m, nq, language, seed):
    rng = np.random.default_rng(seed)
    vectors, queries = unit(m, seed=seed), unit(nq, seed=seed + 100)
    rows = rng.permutation(2 * m)[:m]
    texts, asked = some_texts(m, seed), some_texts(nq, seed + 100)
    candidates = rng.integers(-1, 2 * m + 2, size=(nq, 7))
    memory = _core.QuestionMemory(vectors, rows, texts, language)
    np.testing.assert_allclose(
        memory.likeness(queries, asked, candidates),
        slow_likeness(vectors, rows, texts, queries, asked, candidates, language),
        atol=ERROR,
    )


@given(m=st.integers(1, 20), seed=st.integers(0, 99), stored=st.booleans(), asked=st.booleans())
@settings(max_examples=60, deadline=None)
def test_unless_both_have_texts_the_nearest_vector_counts(m, seed, stored, asked):
    if stored and asked:
        return
    vectors, queries = unit(m, seed=seed), unit(3, seed=seed + 100)
    rows = np.random.default_rng(seed).integers(0, 6, size=m)
    candidates = np.tile(np.arange(-1, 8), (3, 1))
    memory = _core.QuestionMemory(vectors, rows, ["the kettle"] * m if stored else None, "english")
    np.testing.assert_allclose(
        memory.likeness(queries, ["kettle"] * 3 if asked else None, candidates),
        slow_likeness(vectors, rows, None, queries, None, candidates, None),
        atol=ERROR,
    )


def test_vector_and_words_are_those_of_the_same_stored_question():
    vectors = np.eye(2, dtype=np.float32)
    memory = _core.QuestionMemory(
        vectors, np.zeros(2, np.int64), ["kettle boils", "lamp glows"], "english"
    )
    found = memory.likeness(vectors[:1], ["lamp glows"], np.zeros((1, 1), np.int64))
    assert found[0, 0] == pytest.approx(0.5, abs=ERROR)


def test_the_same_question_is_wholly_alike_and_rare_words_count_most():
    texts = ["the kettle boils", "the kettle leaks", "the kettle rusts", "zeppelin"]
    vectors = np.tile(unit(1), (4, 1))
    memory = _core.QuestionMemory(vectors, np.arange(4), texts, "english")
    found = memory.likeness(vectors[:2], ["kettle boils", "kettle"], np.tile(np.arange(4), (2, 1)))
    assert found[0, 0] == pytest.approx(1, abs=ERROR)
    assert found[0, 3] == pytest.approx(0.5, abs=ERROR)
    assert found[0, 1] < 0.5 + (found[0, 0] - 0.5) / 2  # the word that they share is common


@pytest.mark.parametrize("text", ["", "the of and", "?!", "\x00"])
def test_empty_texts_share_nothing(text):
    vectors = unit(2)
    memory = _core.QuestionMemory(vectors, np.arange(2), [text, "kettle"], "english")
    found = memory.likeness(vectors, [text, text], np.array([[0, 1], [0, 1]]))
    np.testing.assert_allclose(np.diag(found), 0.5, atol=ERROR)


@given(m=st.integers(1, 25), k=st.integers(1, 8), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_proposed_are_the_rows_of_the_nearest_questions_each_once(m, k, seed):
    vectors, queries = unit(m, seed=seed), unit(3, seed=seed + 100)
    rows = np.random.default_rng(seed).integers(0, 9, size=m)
    found = _core.QuestionMemory(vectors, rows, None, None).propose(queries, k)
    assert found.shape == (3, k)
    cosines = queries.astype(np.float64) @ vectors.T
    for q in range(3):
        best = {row: cosines[q, rows == row].max() for row in set(rows.tolist())}
        count = min(k, len(best))
        own = found[q, :count].tolist()
        assert (found[q, count:] == -1).all()
        assert len(set(own)) == count
        expected = sorted(best.values(), reverse=True)[:count]
        np.testing.assert_allclose([best[row] for row in own], expected, atol=2 * ERROR)


def test_equal_questions_are_proposed_in_the_order_of_their_rows():
    vectors = np.tile(unit(1), (5, 1))
    memory = _core.QuestionMemory(vectors, np.array([7, 3, 9, 3, 1]), None, None)
    assert memory.propose(vectors[:1], 6).tolist() == [[1, 3, 7, 9, -1, -1]]


def test_memory_of_nothing_knows_nothing():
    memory = _core.QuestionMemory(unit(0), np.empty(0, np.int64), [], "english")
    assert len(memory) == 0
    assert memory.propose(unit(2), 3).tolist() == [[-1] * 3] * 2
    assert np.isnan(memory.likeness(unit(2), ["a b", ""], np.array([[0, -1]] * 2))).all()


def test_result_is_the_same_at_any_number_of_threads():
    vectors, queries = unit(200), unit(50, seed=1)
    rows = np.arange(200) % 70
    memory = _core.QuestionMemory(vectors, rows, some_texts(200, 0), "english")
    asked, candidates = some_texts(50, 1), np.tile(np.arange(80), (50, 1))
    first, *others = (
        (
            memory.propose(queries, 9, num_threads=n).tobytes(),
            memory.likeness(queries, asked, candidates, num_threads=n).tobytes(),
        )
        for n in (1, 2, 3)
    )
    assert all(other == first for other in others)


@pytest.mark.parametrize(
    ("rows", "texts", "language", "message"),
    [
        ([0, 1], None, None, r"vectors: expected shape \(2, 16\), got \(3, 16\)"),
        ([0, 1, 2], ["a"], None, "texts: expected 3, got 1"),
        ([0, 1, -1], None, None, "rows: expected >= 0, got -1"),
        ([0, 1, 2], ["a"] * 3, "klingon", "language: expected one of .* got klingon"),
    ],
)
def test_wrong_questions_are_refused(rows, texts, language, message):
    with pytest.raises(ValueError, match=message):
        _core.QuestionMemory(unit(3), np.array(rows), texts, language)


def test_wrong_candidates_and_texts_are_refused():
    memory = _core.QuestionMemory(unit(3), np.arange(3), ["a"] * 3, "english")
    with pytest.raises(ValueError, match="texts: expected 2, got 1"):
        memory.likeness(unit(2), ["a"], np.zeros((2, 1), np.int64))
    with pytest.raises(ValueError, match="expected shape"):
        memory.likeness(unit(2), None, np.zeros((1, 1), np.int64))
    with pytest.raises(ValueError, match="k: expected >= 1, got 0"):
        memory.propose(unit(2), 0)
    with pytest.raises(ValueError, match="expected shape"):
        memory.likeness(unit(2, d=4), None, np.zeros((2, 1), np.int64))


def test_queries_of_another_dimension_are_refused_when_proposing():
    """Longer ones here, so that nothing is read that is not there while this fails."""
    memory = _core.QuestionMemory(unit(3), np.arange(3), None, None)
    with pytest.raises(ValueError, match="queries: expected"):
        memory.propose(unit(2, d=32), 1)
