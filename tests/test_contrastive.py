import threading
import time

import contrast
import numpy as np
import oracle
import pytest

import ragtune
from ragtune import _core
from ragtune.evaluation import read_beir

N, NQ, D = 260, 40, 12
WIDTHS = {"linear": D, "low_rank": 3, "mlp": 5}
KINDS = list(WIDTHS)


def unit(seed, *shape):
    return oracle.unit(np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def csr(relevant):
    offsets = np.cumsum([0, *map(len, relevant)]).astype(np.int64)
    rows = np.array([r for grades in relevant for r in grades], dtype=np.int64)
    grades = np.array([g for grades in relevant for g in grades.values()], dtype=np.float32)
    return offsets, rows, grades


def planted(n=N, nq=NQ, d=D, seed=0, noise=0.6):
    """Queries are their documents, turned and disturbed; some have two relevant documents."""
    rng = np.random.default_rng(seed)
    corpus = unit(seed, n, d)
    turn = np.linalg.qr(np.eye(d) + 0.35 * rng.normal(size=(d, d)))[0]
    rows = rng.integers(0, n, size=nq)
    queries = oracle.unit(corpus[rows] @ turn + noise / np.sqrt(d) * rng.normal(size=(nq, d)))
    relevant = [{int(row): 1.0} for row in rows]
    for i in range(0, nq, 5):
        relevant[i][(int(rows[i]) + 1) % n] = 2.0
    return corpus, queries.astype(np.float32), relevant


def matrices(kind, seed=3, scale=0.3, d=D):
    width = WIDTHS[kind]
    shapes = {"m": (d, d)} if kind == "linear" else {"a": (d, width), "b": (width, d)}
    if kind == "mlp":
        shapes["bias"] = (1, width)
    rng = np.random.default_rng(seed)
    return {k: (scale * rng.normal(size=s)).astype(np.float32) for k, s in shapes.items()}


def core_loss(kind, given, data, **options):
    corpus, queries, relevant = data
    return _core.contrastive_loss(corpus, queries, *csr(relevant), given, kind=kind, **options)


def train(data, **options):
    corpus, queries, relevant = data
    return _core.train_contrastive(corpus, queries, *csr(relevant), **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shortlist", [1, 8, 400])
def test_loss_agrees_with_numpy(kind, shortlist):
    data, given = planted(), matrices(kind)
    expected = contrast.loss(kind, given, *data, 0.05, 0.01)
    loss, _ = core_loss(kind, given, data, penalty=0.01, shortlist=shortlist)
    assert loss == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shortlist", [4, 400])
@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_gradient_agrees_with_finite_differences(kind, shortlist, penalty):
    data, given = planted(), matrices(kind)
    _, found = core_loss(kind, given, data, penalty=penalty, shortlist=shortlist)
    rng = np.random.default_rng(0)
    for name, gradient in found["gradient"].items():
        for flat in rng.choice(gradient.size, size=min(12, gradient.size), replace=False):
            at = np.unravel_index(flat, gradient.shape)
            expected = contrast.slope(
                lambda moved: contrast.loss(kind, moved, *data, 0.05, penalty), given, name, at
            )
            assert gradient[at] == pytest.approx(expected, abs=2e-4), (name, at)


def test_gradient_written_by_hand_agrees_with_finite_differences():
    corpus, queries, relevant = planted(n=30, nq=5, d=6)
    m = 0.2 * np.random.default_rng(1).normal(size=(6, 6))
    gradient = contrast.linear_gradient(m, corpus, queries, relevant, 0.05)
    for at in np.ndindex(6, 6):
        expected = contrast.slope(
            lambda moved: contrast.loss("linear", moved, corpus, queries, relevant, 0.05),
            {"m": m},
            "m",
            at,
        )
        assert gradient[at] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("step", [0.003, 0.01, 0.03, 0.1])
def test_estimate_is_low_by_no_more_than_promised(step):
    """0 <= loss - estimate <= |q' - q0|^2 / (2 t^2), here for a tail that holds all negatives."""
    data, anchor = planted(), matrices("linear")
    moved = {"m": anchor["m"] + step * matrices("linear", seed=9, scale=1.0)["m"]}
    estimate, found = core_loss("linear", moved, data, anchor=anchor, shortlist=1)
    truth = contrast.loss("linear", moved, *data, 0.05)
    assert -2e-5 <= truth - estimate <= found["mean_squared_drift"] / (2 * 0.05**2) + 2e-5
    assert found["mean_squared_drift"] > 0


def test_gradient_of_the_estimate_is_near_within_the_drift_that_is_allowed():
    """A drift of 2 temperatures: the gradient is off by a few percent at most."""
    data, anchor = planted(n=3000, d=D), matrices("linear", scale=0.1)
    direction = matrices("linear", seed=9, scale=1.0)["m"]
    moved = {"m": anchor["m"] + 0.02 * direction}
    _, estimate = core_loss("linear", moved, data, anchor=anchor)
    _, exact = core_loss("linear", moved, data)
    assert estimate["mean_squared_drift"] <= (2 * 0.05) ** 2
    gap = np.linalg.norm(estimate["gradient"]["m"] - exact["gradient"]["m"])
    assert gap <= 0.05 * np.linalg.norm(exact["gradient"]["m"])


def test_other_relevant_documents_are_no_negatives():
    """Two equal relevant documents: as negatives of each other they would cost log 2."""
    corpus = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    queries = np.eye(4, dtype=np.float32)[:1]
    zero = {"m": np.zeros((4, 4), np.float32)}
    loss, _ = core_loss("linear", zero, (corpus, queries, [{0: 1.0, 1: 1.0}]))
    assert loss == pytest.approx(2 * np.exp(-20), abs=1e-8)


def test_grades_of_zero_and_below_are_negatives():
    corpus, queries, relevant = planted()
    zero = {"m": np.zeros((D, D), np.float32)}
    plain, _ = core_loss("linear", zero, (corpus, queries, relevant))
    graded = [dict(r) | {(max(r) + 7) % N: -1.0} for r in relevant]
    assert core_loss("linear", zero, (corpus, queries, graded))[0] == pytest.approx(plain)


def test_training_agrees_with_numpy():
    """One batch an epoch, so that the order of the queries does not count."""
    corpus, queries, relevant = planted(n=120, nq=30, d=8)
    options = {"epochs": 20, "temperature": 0.05}
    found = train(
        (corpus, queries, relevant), learning_rate=3e-3, penalty=0.01, drift=0.0, **options
    )
    expected = contrast.train_linear(corpus, queries, relevant, rate=3e-3, weight=0.01, **options)
    np.testing.assert_allclose(found["matrices"]["m"], expected, atol=2e-4)
    assert found["steps"] == 20


@pytest.mark.parametrize("drift", [1.0, 2.0])
def test_estimates_lead_where_exact_losses_lead(drift):
    data = planted(n=3000, nq=400, d=16, seed=2)
    options = {"epochs": 15, "learning_rate": 3e-3, "batch": 64}
    exact, estimated = (train(data, drift=x, **options) for x in (0.0, drift))
    losses = [
        contrast.loss("linear", found["matrices"], *data, 0.05) for found in (exact, estimated)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert estimated["measured"] < 0.7 * exact["measured"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("negatives", ["corpus", "mined"])
def test_learns_what_was_planted(kind, negatives):
    corpus, queries, relevant = planted(n=600, nq=500, d=D, noise=0.3)
    held_out = (queries[400:].copy(), *csr(relevant[400:]))
    found = train(
        (corpus, queries[:400].copy(), relevant[:400]),
        kind=kind,
        width=2 * D,
        epochs=40,
        batch=64,
        learning_rate=1e-2,
        penalty=1e-4,
        negatives=negatives,
        validation=held_out,
        patience=0,
    )
    assert found["validation"].max() > found["validation"][0] + 0.1
    assert found["loss"][-1] < 0.8 * found["loss"][0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("negatives", ["corpus", "mined"])
def test_the_bytes_do_not_depend_on_the_number_of_threads(kind, negatives):
    data = planted(n=2500, nq=150, d=20)
    options = {"kind": kind, "negatives": negatives, "epochs": 6, "batch": 32, "seed": 5}
    one, three = (train(data, num_threads=t, **options) for t in (1, 3))
    for name in one["matrices"]:
        assert one["matrices"][name].tobytes() == three["matrices"][name].tobytes()
    assert one["loss"].tobytes() == three["loss"].tobytes()


def test_seeds_give_different_orders():
    one, two = (train(planted(), epochs=2, batch=8, seed=s) for s in (0, 1))
    assert one["matrices"]["m"].tobytes() != two["matrices"]["m"].tobytes()


def test_weights_of_the_best_epoch_come_back():
    """A validation set of opposite questions: whatever is learned harms, nothing is kept."""
    corpus, queries, relevant = planted(n=300, nq=200)
    other = [{(max(r) + 137) % 300: 1.0} for r in relevant]
    adverse = (corpus[[max(r) for r in other]].copy(), *csr(other))
    found = train(
        (corpus, queries, relevant), epochs=50, learning_rate=0.02, validation=adverse, patience=3
    )
    assert found["best_epoch"] == 0
    assert not found["matrices"]["m"].any()
    assert len(found["loss"]) == 3
    assert found["validation"][0] == 1.0


def test_a_warm_start_goes_on_from_its_weights():
    data = planted()
    start = {"m": (0.1 * np.random.default_rng(0).normal(size=(D, D))).astype(np.float32)}
    found = train(data, initial=start, epochs=1, learning_rate=1e-9)
    np.testing.assert_allclose(found["matrices"]["m"], start["m"], atol=1e-6)


def test_starts_at_the_identity_for_every_kind():
    for kind in KINDS:
        found = train(planted(), kind=kind, width=4, epochs=1, learning_rate=1e-12)
        last = found["matrices"]["m" if kind == "linear" else "b"]
        np.testing.assert_allclose(last, 0, atol=1e-9)


def test_a_large_penalty_keeps_the_identity():
    found = train(planted(), penalty=1e4, epochs=30)
    assert np.abs(found["matrices"]["m"]).max() < 2e-3


def test_progress_counts_to_the_end():
    seen = []
    train(planted(), epochs=3, batch=16, progress=lambda *args: seen.append(args) and False)
    assert [step for step, _, _ in seen] == list(range(1, 10))
    assert {total for _, total, _ in seen} == {9}
    assert all(np.isfinite(loss) for _, _, loss in seen)


def test_progress_that_returns_true_stops():
    found = train(planted(), epochs=50, batch=16, progress=lambda step, *_: step == 5)
    assert found["cancelled"]
    assert found["steps"] == 5


def test_an_exception_in_progress_reaches_the_caller():
    def fail(step, total, loss):
        raise KeyError("stop here")

    with pytest.raises(KeyError, match="stop here"):
        train(planted(), progress=fail)


def test_other_threads_run_while_it_trains():
    done = threading.Event()
    worker = threading.Thread(
        target=lambda: (train(planted(n=4000, nq=300, d=64), epochs=30), done.set())
    )
    begin, turns = time.perf_counter(), 0
    worker.start()
    while not done.is_set() and time.perf_counter() - begin < 60:
        time.sleep(0.001)
        turns += 1
    worker.join()
    assert turns > 5


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_applies_what_was_learned(kind):
    queries, given = unit(0, 7, D), matrices(kind)
    adapter = _core.Adapter.residual(kind, given)
    expected = oracle.unit(queries + contrast.residual(kind, given, queries))
    np.testing.assert_allclose(adapter.apply(queries), expected, atol=2e-6)
    np.testing.assert_allclose(adapter.apply(queries[2:3].copy()), expected[2:3], atol=2e-6)
    assert adapter.kind == kind
    for name, matrix in adapter.matrices().items():
        np.testing.assert_allclose(matrix, given[name], atol=1e-7)


def test_a_low_rank_adapter_has_a_matrix_and_an_mlp_has_none():
    given = matrices("low_rank")
    found = _core.Adapter.residual("low_rank", given).matrix()
    np.testing.assert_allclose(found, np.eye(D) + given["a"] @ given["b"], atol=1e-6)
    with pytest.raises(ValueError, match="matrix: expected a linear or low_rank adapter, got mlp"):
        _core.Adapter.residual("mlp", matrices("mlp")).matrix()


def hard_oracle(corpus, adapted, relevant):
    out = np.full((len(adapted), 4), -1)
    _, ranked = oracle.exact_search(corpus, adapted, 10)
    for i, grades in enumerate(relevant):
        limit = 0.95 * max(corpus[row] @ adapted[i] for row in grades)
        kept = [r for r in ranked[i] if r not in grades and corpus[r] @ adapted[i] <= limit]
        out[i, : len(kept[:4])] = kept[:4]
    return out


def test_hard_negatives_are_near_but_not_too_near():
    corpus, _, relevant = planted(n=500, nq=60)
    near = 0.6 * corpus[[max(r) for r in relevant]]
    adapted = oracle.unit(near + unit(5, 60, D)).astype(np.float32)
    found = _core.hard_negatives(corpus, adapted, *csr(relevant))
    np.testing.assert_array_equal(found, hard_oracle(corpus, adapted, relevant))
    assert (found >= 0).any()
    assert (found < 0).any()


def test_loss_and_gradient_of_a_sample_agree_with_numpy():
    corpus, queries, relevant = planted(nq=9)
    rng = np.random.default_rng(4)
    shared = np.unique([*rng.integers(0, N, size=20), *(r for g in relevant for r in g)])
    hard = rng.integers(0, N, size=(9, 4))
    hard[:, 3] = -1
    for i, grades in enumerate(relevant):
        while set(hard[i, :3]) & set(grades) or len(set(hard[i, :3])) < 3:
            hard[i, :3] = rng.integers(0, N, size=3)
    hard[2, 0] = next(int(r) for r in shared if r not in relevant[2])
    negatives = [{*shared.tolist(), *h[h >= 0].tolist()} for h in hard]
    loss, gradient = _core.sampled_loss(
        corpus, queries, *csr(relevant), hard, shared.astype(np.int64), temperature=0.1
    )

    def total(moved):
        return contrast.info_nce(corpus, moved["q"], relevant, 0.1, negatives).sum()

    given = {"q": queries.astype(np.float64)}
    assert loss == pytest.approx(total(given), abs=1e-4)
    for at in [(0, 0), (2, 5), (5, 11), (8, 3)]:
        assert gradient[at] == pytest.approx(contrast.slope(total, given, "q", at), abs=1e-4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "cubic"}, "kind: expected linear, low_rank or mlp, got cubic"),
        ({"kind": "mlp", "width": 0}, "width: expected >= 1, got 0"),
        ({"temperature": 0.0}, "temperature: expected > 0, got 0"),
        ({"penalty": -1.0}, "penalty: expected >= 0, got -1"),
        ({"learning_rate": float("nan")}, "learning_rate: expected > 0, got nan"),
        ({"epochs": 0}, "epochs: expected >= 1, got 0"),
        ({"batch": 0}, "batch: expected >= 1, got 0"),
        ({"patience": -1}, "patience: expected >= 0, got -1"),
        ({"negatives": "all"}, "negatives: expected corpus or mined, got all"),
        ({"num_threads": -1}, "num_threads: expected >= 0, got -1"),
        ({"initial": {"a": unit(0, D, 2)}}, "m: expected a matrix, got none"),
        ({"initial": {"m": unit(0, D, 2)}}, r"m: expected shape \(2, 2\), got \(12, 2\)"),
        ({"initial": {"m": unit(0, 3, 3)}}, "initial: expected 12 dimensions, got 3"),
    ],
)
def test_rejects_options(changed, message):
    with pytest.raises(ValueError, match=message):
        train(planted(), **changed)


def test_rejects_data():
    corpus, queries, relevant = planted()
    with pytest.raises(ValueError, match=r"queries: expected 12 dimensions .* got 5"):
        train((corpus, unit(0, NQ, 5), relevant))
    with pytest.raises(ValueError, match=r"qrels: expected rows in \[0, 260\), got 260"):
        train((corpus, queries, [{N: 1.0}] * NQ))
    with pytest.raises(ValueError, match="expected a query with a relevant document, got none"):
        train((corpus, queries, [{0: 0.0}] * NQ))
    with pytest.raises(ValueError, match="qrels: expected 40 queries, got 39"):
        train((corpus, queries, relevant[1:]))
    with pytest.raises(TypeError, match="incompatible function arguments"):
        train((corpus.astype(np.float64), queries, relevant))


@pytest.mark.parametrize("name", ["scifact", "tatqa", "covidqa"])
def test_gains_on_real_questions(data_dir, name):
    beir = read_beir(data_dir / name)
    corpus, queries = (
        oracle.unit(np.load(data_dir / name / f"{part}.minilm.f16.npy")).astype(np.float32)
        for part in ("corpus", "queries")
    )
    asked = [q for q, grades in enumerate(beir.train.grades) if grades]
    data = corpus, queries[asked], [beir.train.grades[q] for q in asked]
    found = train(data, penalty=3e-2, epochs=20)
    tested = [q for q, grades in enumerate(beir.test.grades) if grades]
    qrels = ragtune.Qrels([beir.test.grades[q] for q in tested])
    scores = []
    for adapter in (
        _core.Adapter.identity(384),
        _core.Adapter.residual("linear", found["matrices"]),
    ):
        rows = _core.exact_search(corpus, adapter.apply(queries[tested]), k=10)[1]
        scores.append(ragtune.evaluate(ragtune.Run(rows), qrels, ["ndcg@10"])["ndcg@10"].mean())
    assert scores[1] > scores[0] + 0.01
