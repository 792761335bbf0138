import warnings

import pytest
from conftest import HashEmbedder, fill

import ragtune

RIDGE = {"strategy": "ridge", "hyperparameters": {"penalty": 3.0, "contrast": 0.3}}
QUERY = "where is item3 of billing"


@pytest.fixture
def trained(memory):
    """A memory with three models, all of which a person promoted."""
    fill(memory, run=False)
    for seed, penalty in enumerate((3.0, 30.0, 300.0)):
        run_id = memory.store.runs.add(status="generated")
        memory.store.pairs.add([ragtune.Pair(f"item{seed}", f"c{seed}")], run_id)
        options = {"penalty": penalty, "contrast": 0.3}
        memory.runs.train(run_id, strategy="ridge", hyperparameters=options, seed=seed)
        memory.models.promote(seed + 1)
    return memory


def scores(memory, deep_memory=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # tells of each file that cannot serve
        return [hit.score for hit in memory.search(QUERY, deep_memory=deep_memory)]


def file_of(memory, version):
    return memory.path / "models" / memory.store.models.get(version)["file"]


def test_a_model_tells_where_it_comes_from(trained):
    model = trained.models.get(3)
    assert (model["strategy"], model["seed"], model["parent"]) == ("ridge", 2, 2)
    assert model["options"] == {
        "strategy": "ridge",
        "hyperparameters": {"penalty": 300.0, "contrast": 0.3},
        "coverage": 0.5,
        "seed": 2,
        "sentences": True,
        "learning_curve": False,
    }
    assert model["data_hash"] == trained.runs.get(model["run_id"])["data_hash"]
    assert model["metrics"]["adapter"]["strategy"] == "ridge"
    assert [m["version"] for m in trained.models.list()] == [3, 2, 1]
    assert [m["serves"] for m in trained.models.list()] == [True, False, False]


def test_both_products_have_their_report(memory):
    fill(memory, run=False)
    memory.tune(strategy="auto")
    assert set(memory.models.get(1)["metrics"]) == {"adapter", "full"}


def test_a_person_may_promote_and_roll_back(trained):
    by_version = {3: scores(trained)}
    for version in (2, 1):
        assert trained.models.roll_back() == version
        by_version[version] = scores(trained)
    assert len({tuple(s) for s in by_version.values()}) == 3
    assert trained.models.roll_back() is None
    assert scores(trained) == scores(trained, deep_memory=False)
    with pytest.raises(ValueError, match="expected one that serves, got none"):
        trained.models.roll_back()
    trained.models.promote(2)
    assert trained.models.serving() == 2
    assert scores(trained) == by_version[2]


def test_a_deleted_model_is_gone_and_the_one_before_serves(trained):
    path = file_of(trained, 3)
    trained.models.delete(3)
    assert not path.exists()
    assert trained.models.serving() == 2
    assert [m["version"] for m in trained.models.list()] == [2, 1]
    with pytest.raises(ValueError, match="expected that of a model, got 3"):
        trained.models.get(3)
    assert trained.models.get(2)["parent"] == 1


def damaged(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FAULTS = {
    "missing": lambda path: path.unlink(),
    "damaged": damaged,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "not to be read": lambda path: path.write_bytes(b"\0" * 10_000),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_search_never_fails_for_a_file_that_cannot_serve(trained, fault):
    second = None
    trained.models.roll_back()
    second = scores(trained)
    trained.models.promote(3)
    third = scores(trained)
    assert second != third
    FAULTS[fault](file_of(trained, 3))
    reopened(trained)
    assert scores(trained) == second
    assert trained.models.serving() == 2
    assert trained.models.check(3)
    for version in (2, 1):
        FAULTS[fault](file_of(trained, version))
    reopened(trained)
    assert scores(trained) == scores(trained, deep_memory=False)
    assert trained.models.serving() is None
    with pytest.raises(ValueError, match="expected one that can serve"):
        trained.models.promote(3)


def reopened(memory):
    """What is kept in memory of a model is forgotten, as in a new process."""
    memory.registry._serving = None


def test_search_never_fails_for_a_model_of_another_space(trained):
    before = scores(trained)
    path = file_of(trained, 3)
    model = ragtune.load(path)
    model.space = b"another"
    model.save(path)
    import sqlalchemy as sa

    from ragtune.registry import sha256_of
    from ragtune.store.schema import models

    with trained.store._database.writing() as connection:  # as if it had been published so
        changed = sa.update(models).where(models.c.version == 3)
        connection.execute(changed.values(sha256=sha256_of(path)))
    reopened(trained)
    assert scores(trained) != before
    assert trained.models.serving() == 2
    assert "another embedding space" in trained.models.check(3)


def test_export_and_import_give_the_same_model(trained, tmp_path):
    exported = trained.models.export(3, tmp_path / "support.adapter")
    before = scores(trained)
    assert ragtune.load(exported).dimension == 32
    version = trained.models.import_(exported)
    assert version == 4
    assert trained.models.serving() == 3  # until it is promoted
    trained.models.promote(4)
    assert scores(trained) == before
    assert trained.models.get(4)["options"] == {"imported": "support.adapter"}
    with pytest.raises(FileExistsError, match="expected a new file"):
        trained.models.export(3, exported)


def test_a_model_of_another_space_is_not_imported(trained, tmp_path, open_memory):
    exported = trained.models.export(3, tmp_path / "m.adapter")
    with open_memory(tmp_path / "other", embedder=HashEmbedder(16), owner="other") as other:
        with pytest.raises(ragtune.EmbedderMismatchError, match="embedding space"):
            other.models.import_(exported)
        other.add(["a"])
        with pytest.raises(ragtune.EmbedderMismatchError, match="embedding space"):
            other.models.import_(exported)
        assert other.models.list() == []


def test_a_damaged_file_is_neither_imported_nor_exported(trained, tmp_path):
    exported = trained.models.export(3, tmp_path / "m.adapter")
    damaged(exported)
    with pytest.raises(ragtune.CorruptFileError):
        trained.models.import_(exported)
    damaged(file_of(trained, 3))
    with pytest.raises(ragtune.CorruptFileError):
        trained.models.export(3, tmp_path / "again.adapter")
    with pytest.raises(FileNotFoundError):
        trained.models.import_(tmp_path / "nowhere")
