"""The lexical index beside its slow twin: scores, removals, filters, arrays."""

import os
import threading

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core

METHODS = "lucene", "robertson", "atire", "bm25l", "bm25+"
WORDS = [f"w{i}" for i in range(60)]


def rows_of(rows):
    return np.asarray(rows, dtype=np.int64)


def corpus(n, seed=0, words=WORDS, longest=30):
    """Texts of words that are as unevenly frequent as those of a language."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, len(words) + 1)
    return [
        " ".join(rng.choice(words, size=rng.integers(0, longest), p=share / share.sum()))
        for _ in range(n)
    ]


def built(texts, rows=None, language=None, **options):
    index = _core.Bm25(language, **options)
    index.add(rows_of(range(len(texts)) if rows is None else rows), texts, num_threads=1)
    return index


def check(index, documents, queries, k=10, **options):
    """Search and score agree with the twin; the order may differ where scores nearly tie."""
    scores, rows = index.search(queries, k, num_threads=1)
    candidates = np.tile(rows_of(sorted(documents)), (len(queries), 1))
    given_scores = index.score(queries, candidates, num_threads=1)
    for q, query in enumerate(queries):
        tokens = {row: _core.tokens(text, None) for row, text in documents.items()}
        truth = oracle.bm25(tokens, _core.tokens(query, None), **options)
        truth = {row: s for row, s in truth.items() if s > 0}
        found = rows[q][rows[q] >= 0]
        assert len(found) == min(k, len(truth))
        assert len(set(found)) == len(found)
        best = sorted(truth.values(), reverse=True)[:k]
        np.testing.assert_allclose(scores[q][: len(found)], best, rtol=1e-5)
        np.testing.assert_allclose([truth[r] for r in found], scores[q][: len(found)], rtol=1e-5)
        assert (rows[q][len(found) :] == -1).all()
        assert (scores[q][len(found) :] == 0).all()
        wanted = [truth.get(row, 0) for row in sorted(documents)]
        np.testing.assert_allclose(given_scores[q], wanted, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@given(
    n=st.integers(0, 60),
    k=st.integers(1, 70),
    seed=st.integers(0, 10),
    b=st.sampled_from([0, 0.75, 1]),
)
@settings(max_examples=25, deadline=None)
def test_agrees_with_the_formula(method, n, k, seed, b):
    texts = corpus(n, seed)
    options = {"method": method, "k1": 1.2, "b": b}
    check(built(texts, **options), dict(enumerate(texts)), corpus(5, seed + 99), k, **options)


@pytest.mark.parametrize("method", METHODS)
@given(n=st.integers(0, 60), seed=st.integers(0, 10), removed=st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_coordination_is_the_share_of_idf_that_a_document_has(method, n, seed, removed):
    texts, asked = corpus(n, seed), [*corpus(5, seed + 99), "w1 w1 w40", "unknown", ""]
    index = built(texts, method=method)
    index.remove(rows_of(range(removed)))
    living = {row: _core.tokens(texts[row], None) for row in range(removed, n)}
    candidates = np.tile(rows_of([-1, *range(n)]), (len(asked), 1))
    scores, shares = index.score_and_coordination(asked, candidates)
    np.testing.assert_array_equal(scores, index.score(asked, candidates))
    for own, question in zip(shares, asked, strict=True):
        truth = oracle.coordination(living, _core.tokens(question, None), method)
        wanted = [0.0, *(truth.get(row, 0.0) for row in range(n))]
        np.testing.assert_allclose(own, wanted, rtol=1e-6, atol=1e-9)


def test_coordination_knows_no_counts_and_no_lengths():
    index = built(["apple", "apple apple apple", "apple pear", "pear " * 40 + "plum", "plum"])
    (own,) = index.score_and_coordination(["apple plum fig"], rows_of([range(5)]))[1]
    assert own[0] == own[1] == own[2] > 0
    assert own[3] == own[4] > 0
    assert own[0] + own[3] == pytest.approx(1)  # nobody has figs


@pytest.mark.parametrize("method", METHODS)
def test_agrees_with_the_formula_over_many_windows(method):
    """More documents than a window has, so that lists are skipped."""
    texts = corpus(9000, longest=12, words=[f"w{i}" for i in range(500)])
    index = built(texts, method=method)
    check(
        index,
        dict(enumerate(texts)),
        ["w0 w3 w40 w400", "w450 w499", "w0", "w1 w1 w7"],
        5,
        method=method,
    )


@pytest.mark.parametrize("method", ["lucene", "bm25l"])
def test_agrees_with_the_formula_where_lists_are_long(method):
    """More postings than are read in one pass, so that what the short lists bring comes first."""
    texts = corpus(26_000, longest=12, words=[f"w{i}" for i in range(500)])
    asked = ["w0 w1 w2 w3 w40 w400", "w0 w1 w2 w450 w499 w498", "w0 w1 w2 w4 w0"]
    for question in asked:
        words = set(question.split())
        assert sum(len(words & set(text.split())) for text in texts) > 2 * 8192
    check(built(texts, method=method), dict(enumerate(texts)), asked, 5, method=method)


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "remove"]), st.lists(st.integers(0, 30), unique=True)),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_order_of_adds_and_removals_leaves_what_a_new_index_has(steps):
    index, documents = _core.Bm25(None), {}
    for number, (verb, rows) in enumerate(steps):
        if verb == "add":
            texts = corpus(len(rows), seed=number)
            index.add(rows_of(rows), texts)
            documents |= dict(zip(rows, texts, strict=True))
        else:
            there = len(set(rows) & set(documents))
            assert index.remove(rows_of(rows)) == there
            documents = {row: text for row, text in documents.items() if row not in rows}
    assert len(index) == len(documents)
    check(index, documents, ["w0 w1 w9", "w30", "w2 w2 w2"], 40)


def test_one_by_one_and_all_at_once_are_the_same_bits():
    texts = corpus(700)
    at_once, one_by_one = built(texts), _core.Bm25(None)
    for row, text in enumerate(texts):
        one_by_one.add(rows_of([row]), [text])
    queries = corpus(30, seed=5)
    for a, b in zip(at_once.search(queries, 20), one_by_one.search(queries, 20), strict=True):
        np.testing.assert_array_equal(a, b)


def test_any_number_of_threads_gives_the_same_bits():
    texts, queries = corpus(5000), corpus(64, seed=5)
    index, again = _core.Bm25("english"), _core.Bm25("english")
    index.add(rows_of(range(5000)), texts, num_threads=1)
    again.add(rows_of(range(5000)), texts, num_threads=2)
    for one, other in zip(
        index.search(queries, 10, num_threads=1),
        again.search(queries, 10, num_threads=2),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    assert all((index.arrays()[k] == v).all() for k, v in again.arrays().items())


def test_score_and_search_give_the_same_bits():
    texts, queries = corpus(6000), corpus(40, seed=5)
    index = built(texts, rows=np.arange(6000) * 7 + 3)
    scores, rows = index.search(queries, 50)
    np.testing.assert_array_equal(index.score(queries, rows), scores)


def test_scores_do_not_depend_on_how_many_candidates_are_asked_for():
    n = 70_000  # more than a segment has documents
    index = _core.Bm25("english")
    index.add(np.arange(n), [f"apple w{i % 7}x" for i in range(n)])
    rows = np.arange(n)[None]
    whole = index.score(["apple w3x"], rows)
    few = [index.score(["apple w3x"], rows[:, i : i + 5]) for i in (0, 65_533, n - 5)]
    for first, part in zip((0, 65_533, n - 5), few, strict=True):
        np.testing.assert_array_equal(part, whole[:, first : first + 5])
    twice = index.score(["apple w3x"], np.array([[3, 3, 4, 3]]))
    assert twice[0, 0] == twice[0, 1] == twice[0, 3] > twice[0, 2]


def test_equal_scores_come_in_the_order_of_rows():
    rows = np.random.default_rng(0).permutation(5000)
    index = built(["same text"] * 5000, rows=rows)
    assert index.search(["text"], 7)[1].tolist() == [[0, 1, 2, 3, 4, 5, 6]]


def test_a_document_that_does_not_match_is_not_found():
    index = built(["apples", "pears", "apples pears"])
    scores, rows = index.search(["apples", "plums", ""], 3)
    assert rows.tolist() == [[0, 2, -1], [-1, -1, -1], [-1, -1, -1]]
    assert (scores > 0).tolist() == [[True, True, False], [False] * 3, [False] * 3]


def test_candidates_that_are_not_there_score_zero():
    index = built(["apples", "pears", "plums"])
    index.remove(rows_of([2]))
    scores = index.score(["apples plums"], rows_of([[-1, 0, 1, 2, 99, 0]]))
    assert (scores > 0).tolist() == [[False, True, False, False, False, True]]
    assert scores[0, 1] == scores[0, 5]


def test_a_row_added_again_has_its_new_text_alone():
    index = built(["apples", "pears"])
    index.add(rows_of([0]), ["plums"])
    assert len(index) == 2
    assert index.search(["apples", "plums"], 2)[1].tolist() == [[-1, -1], [0, -1]]


def test_filters_come_before_the_best_k():
    texts = corpus(3000)
    index = built(texts)
    queries = corpus(20, seed=3)
    all_scores, all_rows = index.search(queries, 3000)
    for share in (0.5, 0.01, 0.001):
        allowed = np.random.default_rng(1).random(3000) < share
        by_mask = index.search(queries, 5, mask=allowed.view(np.uint8))
        by_ids = index.search(queries, 5, ids=np.flatnonzero(allowed))
        for a, b in zip(by_mask, by_ids, strict=True):
            np.testing.assert_array_equal(a, b)
        for q in range(len(queries)):
            kept = [i for i, row in enumerate(all_rows[q]) if row >= 0 and allowed[row]][:5]
            found = by_mask[1][q][by_mask[1][q] >= 0]
            np.testing.assert_array_equal(found, all_rows[q][kept])
            np.testing.assert_array_equal(by_mask[0][q][: len(found)], all_scores[q][kept])


def test_arrays_bring_the_index_back(tmp_path):
    texts = corpus(500)
    index = built(texts, rows=np.arange(500) * 3, language="english", method="bm25+", k1=0.9, b=0.4)
    index.remove(rows_of(range(0, 300, 9)))
    path = str(tmp_path / "lexical")
    _core.write_artifact(path, index.arrays())
    again = _core.Bm25.from_arrays(_core.read_artifact(path))
    assert (again.language, again.method, again.k1, again.b) == ("english", "bm25+", 0.9, 0.4)
    assert len(again) == len(index)
    queries = corpus(30, seed=5)
    for a, b in zip(index.search(queries, 9), again.search(queries, 9), strict=True):
        np.testing.assert_array_equal(a, b)
    again.add(rows_of([1]), ["w0 entirely new"])
    assert again.search(["entirely"], 1)[1].tolist() == [[1]]


def test_an_empty_index_finds_nothing_and_can_be_kept():
    index = _core.Bm25.from_arrays(_core.Bm25(None).arrays())
    assert index.search(["a question"], 2)[1].tolist() == [[-1, -1]]
    assert index.score(["a question"], rows_of([[0]])).tolist() == [[0]]
    assert len(index) == 0
    assert index.language is None


ARRAYS = (
    *("names", "parameters", "analysis", "segments", "rows"),
    *("lengths", "terms", "sizes", "documents", "counts"),
)
SOUND = ("parameters", 0), ("lengths", 255)  # other indexes, but indexes


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_do_not_fit_are_refused(name):
    good = built(corpus(40)).arrays()
    assert sorted(good) == sorted(ARRAYS)
    damaged = [
        good[name][:-1],
        np.concatenate([good[name], good[name][-1:]]),
        good[name].astype(np.float32),
        good[name].ravel(),
        *(np.full_like(good[name], x) for x in (0, 255) if (name, x) not in SOUND),
    ]
    for arrays in [good | {name: array} for array in damaged]:
        with pytest.raises(ValueError, match=f"{name}|expected"):
            _core.Bm25.from_arrays(arrays)
    del good[name]
    with pytest.raises(ValueError, match=f"arrays: expected one named {name}"):
        _core.Bm25.from_arrays(good)


@given(
    name=st.sampled_from(ARRAYS[3:]),
    place=st.integers(0, 10_000),
    value=st.integers(-(2**63), 2**63 - 1),
)
@settings(max_examples=300, deadline=None)
def test_a_changed_number_is_refused_or_harmless(name, place, value):
    arrays = built(corpus(25)).arrays()
    changed = arrays[name].copy()
    changed[place % len(changed)] = np.array([value]).astype(changed.dtype)[0]
    try:
        index = _core.Bm25.from_arrays(arrays | {name: changed})
    except ValueError:
        return
    index.search(["w0 w1 w2 w50"], 30)
    index.remove(rows_of([0, 1, 2]))
    index.add(rows_of([7, 8]), ["w0", "w1"])


def test_a_stemmer_that_makes_other_terms_is_noticed():
    arrays = built(["running"], language="english").arrays()
    arrays["analysis"][1] += 1
    with pytest.raises(ValueError, match="analysis: expected the terms of this program's stemmer"):
        _core.Bm25.from_arrays(arrays)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i: _core.Bm25("klingon"), "language: expected one of"),
        (lambda i: _core.Bm25(None, method="bm26"), "method: expected one of .*, got bm26"),
        (lambda i: _core.Bm25(None, k1=-1), r"k1: expected in \[0, 1000\], got -1"),
        (lambda i: _core.Bm25(None, k1=float("nan")), "k1: expected"),
        (lambda i: _core.Bm25(None, "bm25l", 0), r"k1: expected in \(0, 1000\], got 0"),
        (lambda i: _core.Bm25(None, b=1.1), r"b: expected in \[0, 1\], got 1.1"),
        (lambda i: i.add(rows_of([1]), []), "rows: expected 0, got 1"),
        (lambda i: i.add(rows_of([-1]), ["a"]), "rows: expected >= 0, got -1"),
        (lambda i: i.add(rows_of([3, 3]), ["a", "b"]), "rows: expected distinct rows, got 3 twice"),
        (lambda i: i.search(["a"], 0), "k: expected >= 1, got 0"),
        (lambda i: i.search(["a"], 1, num_threads=-1), "num_threads: expected >= 0, got -1"),
        (lambda i: i.score(["a"], rows_of([[1], [2]])), "candidates: expected 1 rows, got 2"),
        (
            lambda i: i.score_and_coordination([], rows_of([[1]])),
            "candidates: expected 0 rows, got 1",
        ),
    ],
)
def test_wrong_arguments_are_refused_and_change_nothing(call, message):
    index = built(["apples"])
    with pytest.raises(ValueError, match=message):
        call(index)
    assert index.search(["apples"], 1)[1].tolist() == [[0]]


def test_texts_must_be_strings():
    index = _core.Bm25(None)
    with pytest.raises(TypeError, match="texts: expected str, got int at 1"):
        index.add(rows_of([0, 1]), ["a", 1])
    with pytest.raises(TypeError):
        index.search("one string", 1)


def test_half_of_a_surrogate_pair_only_ends_a_word():
    index = built(["left\ud800right", "plain"])
    assert index.search(["left", "right", "\udfffplain"], 1)[1].ravel().tolist() == [0, 0, 1]


def test_counts_beyond_sixteen_bits_are_capped():
    index = built(["again " * 70_000, "other"])
    assert index.search(["again"], 2)[1].tolist() == [[0, -1]]


def test_readers_see_all_of_an_add_or_nothing():
    """Each generation writes one word into all rows; a reader must never meet two of them."""
    rows, done, torn = rows_of(range(300)), threading.Event(), []
    index = _core.Bm25(None)
    index.add(rows, ["common g0"] * 300)

    def read():
        while not done.is_set():
            found = index.search(["common", *(f"g{g}" for g in range(30))], 300, num_threads=1)[1]
            counts = (found >= 0).sum(axis=1)
            if counts[0] != 300:
                torn.append(counts)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for generation in range(1, 30):
        index.add(rows, [f"common g{generation}"] * 300, num_threads=1)
    done.set()
    for reader in readers:
        reader.join()
    assert not torn


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_reads_and_writes():
    index = built(corpus(200))
    index.search(corpus(50), 5, num_threads=2)
    child = os.fork()
    if child == 0:
        index.add(rows_of([999]), ["entirely new"])
        found = index.search(["entirely"], 1)[1]
        os._exit(0 if found[0, 0] == 999 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(index) == 200


def test_real_texts_agree_with_the_formula(data_dir):
    columns = _core.read_jsonl(str(data_dir / "pubmedqa/corpus.jsonl"), required=["text"])
    texts = columns[0]
    queries = _core.read_jsonl(str(data_dir / "pubmedqa/queries.jsonl"), required=["text"])[0][:20]
    assert [_core.tokens(t, None) for t in texts[:300]] == [oracle.words(t) for t in texts[:300]]
    check(built(texts), dict(enumerate(texts)), queries, 10)
