import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core


def unit(seed, *shape):
    return oracle.unit(np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def questions(corpus, nq, seed=0, noise=1.0, among=None):
    """Queries near documents; every third has two of them. -> queries, lists of rows"""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, among or len(corpus), size=nq)
    noise = noise * rng.normal(size=(nq, corpus.shape[1])) / np.sqrt(corpus.shape[1])
    relevant = [[int(r)] for r in rows]
    for i in range(0, nq, 3):
        relevant[i] = sorted({int(rows[i]), int(rng.integers(0, len(corpus)))})
    return oracle.unit(corpus[rows] + noise).astype(np.float32), relevant


def csr(relevant):
    offsets = np.cumsum([0, *map(len, relevant)]).astype(np.int64)
    return offsets, np.array([r for rows in relevant for r in rows], dtype=np.int64)


def run(corpus, training, validation, **options):
    (queries, relevant), (asked, answers) = training, validation
    return _core.nudge(corpus, queries, *csr(relevant), asked, *csr(answers), **options)


def moved(corpus, overlay):
    out = corpus.astype(np.float64)
    out[overlay[0]] += overlay[1]
    return out


def sums(corpus, queries, relevant):
    g = np.zeros(corpus.shape)
    for query, rows in zip(queries, relevant, strict=True):
        for row in rows:
            g[row] += query
    return g


def turned(corpus, g, gamma):
    """NUDGE-N: each document turns towards g, by an angle and never past it."""
    corpus, out = corpus.astype(np.float64), corpus.astype(np.float64)
    for j in np.flatnonzero(np.linalg.norm(g, axis=1)):
        across = g[j] - (g[j] @ corpus[j]) * corpus[j]
        if g[j] @ corpus[j] < 0 or np.linalg.norm(across) < 1e-7:
            continue
        far = np.arctan2(np.linalg.norm(across), g[j] @ corpus[j])
        angle = min(far, np.arccos(1 - gamma / 2))
        out[j] = np.cos(angle) * corpus[j] + np.sin(angle) * oracle.unit(across)
    return out


def accuracy(documents, queries, relevant):
    first = (queries.astype(np.float64) @ documents.T).argmax(axis=1)
    asked = [(f, rows) for f, rows in zip(first, relevant, strict=True) if rows]
    return sum(f in rows for f, rows in asked) / len(asked)


def hits_of_pairs(documents, queries, relevant):
    scores = queries.astype(np.float64) @ documents.T
    return sum(s[r] >= s.max() for s, rows in zip(scores, relevant, strict=True) for r in rows)


def data(n=120, d=8, nq=60, seed=0):
    """Questions that are turned against their documents all in the same way: moving helps."""
    corpus = unit(seed, n, d)
    training, validation = questions(corpus, nq, seed + 1), questions(corpus, 40, seed + 2)
    shift = 0.8 * unit(seed + 3, d)
    turned_away = (oracle.unit(q + shift).astype(np.float32) for q, _ in (training, validation))
    return corpus, *zip(turned_away, (training[1], validation[1]), strict=True)


@given(n=st.integers(2, 150), nq=st.integers(0, 80), d=st.integers(2, 20), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_normalized_agrees_with_numpy(n, nq, d, seed):
    corpus = unit(seed, n, d)
    training, validation = questions(corpus, nq, seed + 1), questions(corpus, 30, seed + 2)
    overlay = run(corpus, training, validation)
    g = sums(corpus, *training)
    scores = [accuracy(turned(corpus, g, 0.02 * s), *validation) for s in range(25)]
    assert overlay[3] == pytest.approx(max(scores), abs=1e-12)
    assert overlay[2] == pytest.approx(0.02 * int(np.argmax(scores)), abs=1e-12)
    np.testing.assert_allclose(moved(corpus, overlay), turned(corpus, g, overlay[2]), atol=3e-6)


@given(n=st.integers(2, 80), nq=st.integers(0, 60), d=st.integers(2, 20), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_magnitude_is_the_best_of_a_fine_grid(n, nq, d, seed):
    corpus = unit(seed, n, d)
    training, validation = questions(corpus, nq, seed + 1), questions(corpus, 25, seed + 2)
    overlay = run(corpus, training, validation, kind="m")
    g = oracle.unit(sums(corpus, *training))
    pairs = sum(map(len, validation[1]))
    grid = [hits_of_pairs(corpus + gamma * g, *validation) for gamma in np.linspace(0, 4, 400)]
    assert overlay[3] * pairs >= max(grid) - 1e-9
    # The start of an interval is a tie: a little further on, all that was promised is there.
    after = corpus + (overlay[2] + 1e-5) * g
    assert hits_of_pairs(after, *validation) >= overlay[3] * pairs - 1.5
    np.testing.assert_allclose(moved(corpus, overlay), corpus + overlay[2] * g, atol=3e-6)


@pytest.mark.parametrize("kind", ["n", "m"])
def test_many_blocks_agree_with_few(kind):
    """More documents and questions than one block holds; threads change nothing."""
    corpus = unit(0, 3000, 16)
    training, validation = questions(corpus, 2500, 1), questions(corpus, 700, 2)
    one = run(corpus, training, validation, kind=kind, num_threads=1)
    three = run(corpus, training, validation, kind=kind, num_threads=3)
    assert one[0].tobytes() == three[0].tobytes()
    assert one[1].tobytes() == three[1].tobytes()
    assert one[2:] == three[2:]
    g = sums(corpus, *training)
    if kind == "n":
        documents = turned(corpus, g, one[2])
        assert one[3] == pytest.approx(accuracy(documents, *validation), abs=1e-12)
    else:
        documents = corpus + (one[2] + 1e-6) * oracle.unit(g)
        pairs = sum(map(len, validation[1]))
        assert one[3] * pairs == pytest.approx(hits_of_pairs(documents, *validation), abs=1.5)


def test_moved_documents_keep_unit_length():
    corpus, training, validation = data()
    overlay = run(corpus, training, validation)
    assert overlay[2] > 0
    np.testing.assert_allclose(np.linalg.norm(moved(corpus, overlay), axis=1), 1, atol=1e-6)


def test_only_documents_with_questions_move():
    corpus, training, validation = data()
    for kind in "nm":
        overlay = run(corpus, training, validation, kind=kind)
        assert set(overlay[0]) <= {row for rows in training[1] for row in rows}
        assert (np.diff(overlay[0]) > 0).all()


def test_no_step_is_longer_than_gamma():
    corpus, training, validation = data()
    rows, deltas, gamma, _ = run(corpus, training, validation)
    assert len(rows)
    assert (np.linalg.norm(deltas, axis=1) ** 2 <= gamma + 1e-6).all()


def test_documents_never_turn_past_their_questions():
    corpus = np.eye(2, dtype=np.float32)
    near = oracle.unit(np.array([[1.0, 0.1]])).astype(np.float32)
    wish = oracle.unit(np.array([[0.5, 0.52]])).astype(np.float32)
    overlay = run(corpus, (near, [[0]]), (wish, [[0]]))
    assert overlay[2] > 0
    np.testing.assert_allclose(np.linalg.norm(moved(corpus, overlay)[0]), 1, atol=1e-6)
    assert moved(corpus, overlay)[0] @ near[0] <= 1 + 1e-6
    np.testing.assert_allclose(moved(corpus, overlay)[1], corpus[1])


@pytest.mark.parametrize("kind", ["n", "m"])
def test_nothing_moves_where_validation_prefers_that(kind):
    """The validation questions find their documents, until other documents come in between."""
    corpus = unit(0, 50, 6)
    training = corpus[:25].copy(), [[i + 25] for i in range(25)]
    validation = corpus[:25].copy(), [[i] for i in range(25)]
    overlay = run(corpus, training, validation, kind=kind)
    assert overlay[2] == 0
    assert overlay[3] == 1
    assert overlay[0].shape == (0,)
    assert overlay[1].shape == (0, 6)


def test_documents_opposite_to_their_questions_stay():
    corpus = np.eye(3, dtype=np.float32)
    overlay = run(corpus, (-corpus[:1], [[0]]), (corpus[1:2].copy(), [[2]]))
    assert len(overlay[0]) == 0


def test_max_gamma_of_zero_moves_nothing():
    corpus, training, validation = data()
    assert len(run(corpus, training, validation, max_gamma=0.0)[0]) == 0


def test_progress_counts_and_cancels():
    corpus, training, validation = data()
    seen = []
    run(corpus, training, validation, progress=lambda *args: seen.append(args))
    assert seen == [(40, 40)]
    assert len(run(corpus, training, validation, progress=lambda *_: True)[0]) == 0

    def fail(done, total):
        raise KeyError("stop here")

    with pytest.raises(KeyError, match="stop here"):
        run(corpus, training, validation, progress=fail)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "x"}, "kind: expected n or m, got x"),
        ({"max_gamma": 4.0}, "max_gamma: expected 0 to 4, got 4"),
        ({"max_gamma": float("nan")}, "max_gamma: expected 0 to 4, got nan"),
        ({"steps": 0}, "steps: expected >= 1, got 0"),
        ({"num_threads": -1}, "num_threads: expected >= 0, got -1"),
    ],
)
def test_rejects_options(changed, message):
    with pytest.raises(ValueError, match=message):
        run(*data(), **changed)


def test_rejects_data():
    corpus, training, validation = data()
    with pytest.raises(ValueError, match="queries: expected 8 dimensions, got 3"):
        run(corpus, (unit(0, 60, 3), training[1]), validation)
    with pytest.raises(ValueError, match="validation offsets: expected 41, got 40"):
        run(corpus, training, (validation[0], validation[1][1:]))
    with pytest.raises(ValueError, match=r"queries rows: expected rows in \[0, 120\), got -1"):
        run(corpus, (training[0], [[-1]] * 60), validation)
    with pytest.raises(ValueError, match="expected a query with a relevant document, got none"):
        run(corpus, training, (validation[0], [[]] * 40))
