import numpy as np
import oracle
import pytest
from conftest import remembered
from hypothesis import given, settings
from hypothesis import strategies as st

import ragtune
from ragtune import _core, learners
from ragtune.learners import learners_of
from ragtune.strategies import kernel_ridge
from ragtune.strategies.kernel_ridge import LINEAR, KernelRidge
from ragtune.strategies.ridge import Ridge
from ragtune.training_data import training_data

JITTER = 1e-3


def problem(n, d, m, asked=6, seed=0):
    """Queries, targets, centres and questions of unit length, in double precision."""
    rng = np.random.default_rng(seed)
    queries, targets = (oracle.unit(rng.normal(size=(n, d))) for _ in range(2))
    return (
        queries,
        targets,
        queries[rng.permutation(n)[:m]],
        oracle.unit(rng.normal(size=(asked, d))),
    )


def kernel(x, y, sharpness, linear=0.0):
    return np.exp(sharpness * (x @ y.T - 1)) + linear * x @ y.T


def shifts(queries, targets, centres, sharpness, penalty, linear=0.0):
    own, among = (kernel(x, centres, sharpness, linear) for x in (queries, centres))
    among += JITTER * np.eye(len(among))
    return np.linalg.solve(own.T @ own + penalty * among, own.T @ (targets - queries))


def single(*arrays):
    return [np.ascontiguousarray(a, dtype=np.float32) for a in arrays]


@given(
    n=st.integers(1, 40),
    d=st.integers(2, 24),
    share=st.sampled_from([0.2, 1.0]),
    sharpness=st.sampled_from([0.5, 3.0]),
    penalty=st.sampled_from([0.3, 10.0]),
    linear=st.sampled_from([0.0, 0.1, 2.0]),
)
@settings(max_examples=90, deadline=None)
def test_agrees_with_numpy(n, d, share, sharpness, penalty, linear):
    given = problem(n, d, max(int(share * n), 1))
    shape = {"sharpness": sharpness, "linear": linear}
    expected = shifts(*given[:3], penalty=penalty, **shape)
    found = _core.kernel_ridge(*single(*given[:3]), penalty=penalty, **shape)
    # What it does to questions: where two centres are near, either may have the shift of both.
    asked = kernel(given[3], given[2], **shape)
    np.testing.assert_allclose(asked @ found, asked @ expected, atol=1e-4)
    penalties = np.array([penalty, 2 * penalty])
    adapted = _core.kernel_ridge_adapted(*single(*given), penalties=penalties, **shape)
    for block, own in zip(adapted.reshape(2, -1, d), penalties, strict=True):
        moved = asked @ shifts(*given[:3], penalty=own, **shape)
        np.testing.assert_allclose(block, given[3] + moved, atol=1e-4)


@pytest.mark.parametrize(("n", "m"), [(97, 97), (400, 250)])
def test_more_centres_than_a_block_of_the_factor(n, m):
    given = problem(n, 20, m)
    expected = kernel(given[3], given[2], 3.0) @ shifts(*given[:3], 3.0, 1.0)
    found = _core.kernel_ridge(*single(*given[:3]), sharpness=3.0, penalty=1.0)
    np.testing.assert_allclose(kernel(given[3], given[2], 3.0) @ found, expected, atol=1e-4)
    for threads in (1, 2):
        again = _core.kernel_ridge(
            *single(*given[:3]), sharpness=3.0, penalty=1.0, num_threads=threads
        )
        np.testing.assert_array_equal(again, found)


def test_is_a_minimum_of_the_penalised_loss():
    """The gradient of the loss vanishes: finite differences in every direction."""
    queries, targets, centres, _ = problem(12, 4, 6)
    found = _core.kernel_ridge(*single(queries, targets, centres), sharpness=2.0, penalty=1.0)
    own, among = kernel(queries, centres, 2.0), kernel(centres, centres, 2.0)

    def loss(b):
        error = queries + own @ b - targets
        return (error**2).sum() + np.trace(b.T @ (among + JITTER * np.eye(6)) @ b)

    for i, j in np.ndindex(6, 4):
        step = np.zeros((6, 4))
        step[i, j] = 1e-4
        assert abs(loss(found + step) - loss(found - step)) / 2e-4 < 1e-3


def test_equal_questions_share_what_they_learn():
    queries, targets, _, asked = problem(5, 8, 5)
    twice = np.concatenate([queries, queries]), np.concatenate([targets, targets])
    found = _core.kernel_ridge(*single(*twice, twice[0]), sharpness=2.0, penalty=1.0)
    moved = kernel(asked, twice[0], 2.0) @ found
    expected = kernel(asked, twice[0], 2.0) @ shifts(*twice, twice[0], 2.0, 1.0)
    np.testing.assert_allclose(moved, expected, atol=1e-4)
    np.testing.assert_allclose(found[:5], found[5:], atol=1e-3)  # float32 over a tiny jitter


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": np.zeros((4, 3), np.float32)}, r"got \(5, 3\), \(4, 3\) and \(2, 3\)"),
        ({"centres": np.zeros((2, 4), np.float32)}, r"expected queries \(n, d\)"),
        ({"centres": np.zeros((0, 3), np.float32)}, r"centres \(m, d\), got .* and \(0, 3\)"),
        ({"sharpness": 0.0}, "sharpness: expected > 0, got 0"),
        ({"sharpness": float("inf")}, "sharpness: expected > 0, got inf"),
        ({"linear": -0.5}, "linear: expected >= 0, got -0.5"),
        ({"linear": float("nan")}, "linear: expected >= 0, got nan"),
        ({"penalty": 0.0}, "lambda: expected > 0, got 0"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    queries, targets, centres = single(*problem(5, 3, 2)[:3])
    given = {"queries": queries, "targets": targets, "centres": centres}
    with pytest.raises(ValueError, match=message):
        _core.kernel_ridge(**(given | {"sharpness": 1.0, "penalty": 1.0} | change))


def test_questions_asked_must_have_the_dimension():
    queries, targets, centres = single(*problem(5, 3, 2)[:3])
    with pytest.raises(ValueError, match="asked: expected 3 dimensions, got 4"):
        _core.kernel_ridge_adapted(
            queries, targets, centres, np.zeros((1, 4), np.float32),
            sharpness=1.0, penalties=np.ones(1),
        )  # fmt: skip


# -- the strategy -------------------------------------------------------------------------------


def test_it_finds_what_no_linear_adapter_can():
    """Questions about a chunk are like each other, and only somewhat like the chunk."""
    given = remembered(d=16, near=1.0)
    linear, own = (ragtune.fit(*given, strategy=s).report for s in ("ridge", "kernel_ridge"))
    assert own.verdict.decision == "promote"
    assert own.seen["ndcg@10"].after > linear.seen["ndcg@10"].after + 0.1
    assert own.unseen["ndcg@10"].after > own.unseen["ndcg@10"].before - 0.005


@pytest.mark.parametrize("linear", [0.0, 0.3])
def test_more_questions_than_centres(monkeypatch, linear):
    data = training_data(*remembered(n=60, nq=120, d=8))
    setting = {"contrast": 0.6, "linear": linear, "sharpness": 3.0, "penalty": 1.0}
    assert len(KernelRidge().train(data, setting).matrices()["centres"]) == 120
    monkeypatch.setattr(kernel_ridge, "CENTRES", 50)
    adapter = KernelRidge().train(data, setting)
    centres = adapter.matrices()["centres"]
    assert len(centres) == 50
    assert len(np.unique(centres, axis=0)) == 50
    assert (centres[:, None] == data.queries).all(axis=2).any(axis=1).all()
    grid = {name: (value,) for name, value in setting.items()}
    found = KernelRidge().adapted(data, data.queries, grid)
    np.testing.assert_allclose(found[0], adapter.moved(data.queries), atol=1e-4)


def test_sharpness_is_told_in_mean_distances():
    """A model whose vectors all lie in one corner gives the same adapter as another."""
    corpus, queries, qrels = remembered(n=60, nq=120, d=8)
    setting = {"contrast": 0.6, "sharpness": 3.0, "penalty": 1.0}
    falls = []
    for offset in (0.0, 3.0):
        shifted = np.hstack([queries, np.full((len(queries), 1), offset, np.float32)])
        data = training_data(np.hstack([corpus, np.zeros((len(corpus), 1))]), shifted, qrels)
        cosines = data.queries @ data.queries.T
        sharpness = KernelRidge().train(data, setting).matrices()["sharpness"][0, 0]
        falls.append(sharpness * (1 - cosines).mean())
    np.testing.assert_allclose(falls, 3.0, rtol=1e-3)


def test_questions_that_are_all_the_same_teach_without_failing():
    corpus = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    queries = np.tile(corpus[:1], (8, 1))
    data = training_data(corpus, queries, [{3: 1.0}] * 8)
    adapter = KernelRidge().train(data, {"contrast": 0.6, "sharpness": 4.0, "penalty": 1.0})
    assert np.isfinite(adapter.apply(data.queries)).all()


def test_auto_asks_no_kernel_of_very_many_questions(monkeypatch):
    data = training_data(*remembered(n=60, nq=120, d=8))
    names = [learner.strategy.name for learner in learners_of("auto", data, {})]
    assert names == ["ridge", "kernel_ridge"]
    monkeypatch.setattr(learners, "MOST_FOR_A_KERNEL", 100)
    assert [learner.strategy.name for learner in learners_of("auto", data, {})] == ["ridge"]


def test_under_a_linear_part_alone_it_is_ridge():
    """A kernel that falls at once knows no question but its own."""
    data = training_data(*remembered(n=60, nq=120, d=8))
    setting = {"contrast": 0.6, "linear": 50.0, "sharpness": 200.0, "penalty": 500.0}
    asked = oracle.unit(np.random.default_rng(1).normal(size=(6, 8))).astype(np.float32)
    found = KernelRidge().train(data, setting).moved(asked)
    ridge = Ridge().train(data, {"contrast": 0.6, "penalty": 10.0}).moved(asked)
    np.testing.assert_allclose(found, ridge, atol=5e-3)


@pytest.mark.parametrize(
    ("given", "expected"), [({}, (LINEAR,)), ({"linear": 0.7}, (0.7,)), ({"linear": 0}, (0,))]
)
def test_beside_legs_a_kernel_has_a_linear_part(given, expected):
    data = training_data(*remembered(n=60, nq=120, d=8))
    _, own = learners_of("auto", data, given)
    assert own.grid["linear"] == (given.get("linear", 0.0),)
    assert own.beside_legs().grid["linear"] == expected


def test_auto_gives_hyperparameters_to_ridge_with_a_kernel_too():
    data = training_data(*remembered(n=60, nq=120, d=8))
    given = {"penalty": 7.0, "contrast": [0.3], "alpha": [0.5, 1.0]}
    for learner in learners_of("auto", data, given):
        assert (learner.grid["penalty"], learner.grid["contrast"]) == ((7.0,), (0.3,))
        assert learner.alphas == (0.5, 1.0)
