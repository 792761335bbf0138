import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import turned

import ragtune
from ragtune import strategies
from ragtune.strategies.ridge import Ridge
from ragtune.training_data import training_data

OWN = ["auto", "fusion", "nudge", "identity", "ridge", "kernel_ridge", "contrastive", "low_rank"]
OWN += ["mlp"]
FEW = dict(epochs=4, learning_rate=3e-3)


@pytest.fixture(scope="module")
def data():
    return training_data(*turned(n=80, nq=90, d=8))


def test_names_are_those_that_fit_knows():
    assert strategies.names()[: len(OWN)] == OWN


@pytest.mark.parametrize("name", ["klingon", "", "Ridge"])
def test_unknown_names_are_told_with_those_that_there_are(name):
    with pytest.raises(ValueError, match=r"strategy: expected one of auto, .*mlp.* got"):
        ragtune.fit(*turned(n=20, nq=20), strategy=name)


@pytest.mark.parametrize("name", OWN[4:])
def test_defaults_are_grids_of_known_hyperparameters(name, data):
    strategy = strategies.load(name)
    assert strategy.name == name
    grid, alphas = strategies.grid_of(strategy, data, {})
    assert alphas
    assert all(isinstance(values, tuple) and values for values in grid.values())
    assert len(strategies.settings(grid)) == np.prod([len(v) for v in grid.values()])


def test_settings_are_every_combination_the_last_name_fastest():
    found = strategies.settings({"a": (1, 2), "b": ("x", "y")})
    assert [tuple(s.values()) for s in found] == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    assert strategies.settings({}) == [{}]


@pytest.mark.parametrize("given", [7.0, [7.0], (7.0,), np.array([7.0])])
def test_a_value_or_several_can_be_given(given, data):
    grid, alphas = strategies.grid_of(strategies.load("ridge"), data, {"penalty": given})
    assert grid["penalty"] == (7.0,)
    assert grid["contrast"] == (0.3, 0.6)
    assert alphas == strategies.ALPHAS
    assert strategies.grid_of(strategies.load("ridge"), data, {"alpha": [0.5]})[1] == (0.5,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lambda": 1.0}, r"hyperparameters: expected among .*'penalty'.* got \['lambda'\]"),
        ({"penalty": []}, r"hyperparameters\['penalty'\]: expected a value, got none"),
        ({"penalty": -1}, r"hyperparameters\['penalty'\]: expected numbers above 0, got -1"),
        ({"penalty": [1, np.nan]}, r"hyperparameters\['penalty'\]: expected numbers above 0"),
        ({"penalty": np.inf}, r"hyperparameters\['penalty'\]: expected numbers above 0"),
        ({"alpha": 0}, r"hyperparameters\['alpha'\]: expected numbers above 0, got 0"),
    ],
)
def test_wrong_hyperparameters_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        ragtune.fit(*turned(n=20, nq=20), strategy="ridge", hyperparameters=given)


@pytest.mark.parametrize("name", ["fusion", "identity"])
def test_what_learns_no_adapter_takes_no_hyperparameters(name):
    with pytest.raises(ValueError, match=rf"expected none for {name}, got \['penalty'\]"):
        ragtune.fit(*turned(n=20, nq=20), strategy=name, hyperparameters={"penalty": 1.0})


def test_a_contrast_of_nothing_is_the_plain_regression(data):
    grid = strategies.grid_of(strategies.load("ridge"), data, {"contrast": 0})[0]
    assert grid["contrast"] == (0,)


@pytest.mark.parametrize("name", ["contrastive", "low_rank"])
def test_every_default_can_be_given(name, data):
    strategy = strategies.load(name)
    defaults = dict(strategy.default_hyperparameters(data))
    assert dict(strategies.grid_of(strategy, data, defaults)[0]) == defaults


@pytest.mark.parametrize("value", ["x", None, True])
def test_hyperparameters_that_are_no_numbers_are_told_by_name(value):
    with pytest.raises((ValueError, TypeError), match=r"hyperparameters\['penalty'\]"):
        ragtune.fit(*turned(n=20, nq=20), strategy="ridge", hyperparameters={"penalty": value})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("contrastive", "contrastive expects at least 50 queries .* got 20; ridge suits fewer"),
        ("low_rank", "low_rank expects at least 50 queries .* got 20; ridge suits fewer"),
        ("mlp", "mlp expects at least 5,000 pairs, got 20; ridge and contrastive suit fewer"),
    ],
)
def test_too_few_questions_are_told_with_what_suits(name, message):
    with pytest.raises(ValueError, match=message):
        ragtune.fit(*turned(n=40, nq=20), strategy=name)


@pytest.mark.parametrize("name", ["ridge", "kernel_ridge"])
def test_all_settings_at_once_are_those_of_each(name, data):
    strategy = strategies.load(name)
    grid = {name: values for name, values in strategy.default_hyperparameters(data).items()}
    found = strategies.adapted(strategy, data, data.queries, grid)
    for own, setting in zip(found, strategies.settings(grid), strict=True):
        np.testing.assert_allclose(
            own, strategy.train(data, setting).moved(data.queries), atol=5e-5
        )


def test_ridge_is_the_regression_on_answers_less_negatives(data):
    penalty, contrast = 3.0, 0.6
    aims = (data.answers - contrast * data.negatives) / (1 - contrast / 2)
    q, aims = data.queries.astype(np.float64), aims.astype(np.float64)
    eye = np.eye(q.shape[1])
    expected = np.linalg.solve(q.T @ q + penalty * eye, q.T @ aims + penalty * eye)
    adapter = Ridge().train(data, {"contrast": contrast, "penalty": penalty})
    np.testing.assert_allclose(adapter.matrix(), expected, atol=1e-4)


def test_answers_and_negatives_are_means_of_the_rows_that_the_text_says():
    rng = np.random.default_rng(0)
    qrels = [{0: 1.0, 5: 3.0}, {7: 2.0}, {1: 1.0, 2: -1.0}]
    own = training_data(rng.normal(size=(40, 6)), rng.normal(size=(3, 6)), qrels)
    for q, grades in enumerate(qrels):
        relevant = {row: grade for row, grade in grades.items() if grade > 0}
        mean = sum(g * own.corpus[r] for r, g in relevant.items()) / sum(relevant.values())
        np.testing.assert_allclose(own.answers[q], mean, atol=1e-6)
        order = np.argsort(-(own.corpus @ own.queries[q]), kind="stable")
        wrong = [row for row in order if row not in relevant][:10]
        np.testing.assert_allclose(own.negatives[q], own.corpus[wrong].mean(axis=0), atol=1e-6)


def test_where_everything_is_relevant_there_is_nothing_to_move_away_from():
    rng = np.random.default_rng(0)
    own = training_data(rng.normal(size=(3, 4)), rng.normal(size=(1, 4)), [{0: 1, 1: 1, 2: 1}])
    np.testing.assert_array_equal(own.negatives, own.answers)


@pytest.mark.parametrize("name", ["contrastive", "low_rank"])
def test_contrastive_of_all_settings_at_once_is_that_of_each(name, data):
    strategy = strategies.load(name)
    grid = {"penalty": (0.03, 0.1)} | {key: (value,) for key, value in FEW.items()}
    if name == "low_rank":
        grid["width"] = (4,)
    grid["ridge_share"] = (0.25, 0.5)
    found = strategies.adapted(strategy, data, data.queries, grid)
    own = [strategy.train(data, s).matrix() for s in strategies.settings(grid)]
    for a, matrix in zip(found, own, strict=True):
        np.testing.assert_allclose(a, data.queries @ matrix, atol=1e-5)


def test_training_tells_progress_and_can_be_cancelled(data):
    calls = []
    contrastive = strategies.load("contrastive")
    contrastive.train(data, FEW, lambda done, total: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1]
    few = len(calls)
    calls.clear()
    contrastive.train(data, FEW, lambda done, total: calls.append((done, total)), lambda: True)
    assert 1 <= len(calls) < few


PLUGIN = """
import numpy as np


class Whole:
    name = "{name}"

    def validate(self, data):
        if len(data.queries) < 10:
            raise ValueError("strategy: {name} expects at least 10 queries; ridge suits fewer")

    def default_hyperparameters(self, data):
        return {{"strength": (0.5, 1.0), "alpha": (1.0,)}}

    def train(self, data, hyperparameters, progress, cancel):
        from ragtune import _core

        q, a = data.queries.astype(float), data.answers.astype(float)
        matrix = np.linalg.lstsq(q, a, rcond=None)[0]
        s = hyperparameters["strength"]
        mixed = s * matrix + (1 - s) * np.eye(len(matrix))
        return _core.Adapter.linear(mixed.astype(np.float32))


class Bent(Whole):
    # Only what the Protocol asks for: `apply`, and no matrix.

    def train(self, data, hyperparameters, progress, cancel):
        return Applied(Whole.train(self, data, hyperparameters, progress, cancel))


class Applied:
    def __init__(self, adapter):
        self._adapter = adapter

    def apply(self, queries):
        return self._adapter.apply(queries)
"""


def plugged(tmp_path, code, cls="Whole", name="whole"):
    """Run code in a child whose path holds a distribution that offers a strategy."""
    (tmp_path / "plugin_module.py").write_text(PLUGIN.format(name=name))
    about = tmp_path / "ragtune_plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: ragtune-plugin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[ragtune.strategies]\n{name} = plugin_module:{cls}\n")
    start = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {os.path.dirname(__file__)!r}]\n"
    start += "from conftest import turned\nimport ragtune\nfrom ragtune import strategies\n"
    done = subprocess.run(
        [sys.executable, "-c", start + code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_installed_strategies_are_found_and_used(tmp_path):
    code = """
print(strategies.names()[-1])
model = ragtune.fit(*turned(), strategy="whole")
print(model.report.strategy, model.report.verdict.decision, sorted(model.report.hyperparameters))
model = ragtune.fit(*turned(), strategy="whole", hyperparameters={"strength": 0.75})
print(model.report.hyperparameters["strength"])
for given in ({"nothing": 1}, {}):
    try:
        ragtune.fit(*turned(n=9, nq=9), strategy="whole", hyperparameters=given)
    except ValueError as error:
        print(error)
"""
    first, fitted, strength, *errors = plugged(tmp_path, code)
    assert first == "whole"
    assert fitted == "whole promote ['alpha', 'strength']"
    assert strength == "0.75"
    assert all("whole expects at least 10 queries" in error for error in errors)
    assert len(errors) == 2


def test_names_of_our_own_cannot_be_taken(tmp_path):
    code = """
print(type(strategies.load("ridge")).__module__)
print(strategies.names().count("ridge"))
"""
    assert plugged(tmp_path, code, name="ridge") == ["ragtune.strategies.ridge", "1"]


def test_an_unknown_name_is_told_with_those_installed(tmp_path):
    code = """
try:
    strategies.load("klingon")
except ValueError as error:
    print(error)
"""
    assert plugged(tmp_path, code)[0].endswith("mlp, whole, got 'klingon'")


def test_a_strategy_may_return_what_has_no_matrix(tmp_path):
    code = """
model = ragtune.fit(*turned(), strategy="whole")
print(model.report.strategy, model.transform(turned()[1]).shape)
"""
    assert plugged(tmp_path, code, cls="Bent") == ["whole (400, 16)"]
