"""A model kept and read again: the same to the bit, or an error."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import remembered

import ragtune
from ragtune import _core

ASKED = {"k": 7}


@pytest.fixture(scope="module")
def case():
    """Stored questions decide: the full model has all that a model can have."""
    corpus, vectors, qrels = remembered()
    texts = [f"chunk w{i} w{i * 7 % 300}" for i in range(len(corpus))]
    queries = [f"ask w{next(iter(grades))}" for grades in qrels]
    return SimpleNamespace(
        corpus=corpus, vectors=vectors, qrels=qrels, texts=texts, queries=queries
    )


@pytest.fixture(scope="module", params=["texts and parts", "texts", "neither"])
def model(request, case):
    given = {}
    if request.param != "neither":
        given |= {"texts": case.texts, "queries": case.queries}
    if request.param == "texts and parts":
        given["parts"] = (case.corpus, np.arange(len(case.corpus)))
    return ragtune.fit(case.corpus, case.vectors, case.qrels, **given)


def test_loaded_model_ranks_and_transforms_the_same(model, case, tmp_path):
    model.save(tmp_path / "m")
    loaded = ragtune.load(tmp_path / "m")
    assert (loaded.report, loaded.adapter_report) == (model.report, model.adapter_report)
    np.testing.assert_array_equal(loaded.transform(case.vectors), model.transform(case.vectors))
    for texts in (None, case.queries):
        for one, other in zip(
            loaded.rank(case.vectors, texts, **ASKED),
            model.rank(case.vectors, texts, **ASKED),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


def test_same_model_is_the_same_file(model, tmp_path):
    model.save(tmp_path / "a")
    ragtune.load(tmp_path / "a").save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_given_corpus_takes_the_place_of_the_stored_one(case, tmp_path):
    model = ragtune.fit(case.corpus, case.vectors, case.qrels, strategy="ridge")
    model.save(tmp_path / "m")
    turned = ragtune.load(tmp_path / "m", case.corpus[::-1])
    rows = model.rank(case.vectors[:5])[1]
    np.testing.assert_array_equal(turned.rank(case.vectors[:5])[1], len(case.corpus) - 1 - rows)
    with pytest.raises(ValueError, match="corpus_embeddings: expected 32 dimensions, got 3"):
        ragtune.load(tmp_path / "m", np.ones((4, 3)))


def test_missing_and_foreign_files_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a model file"):
        ragtune.load(tmp_path / "none")
    _core.write_artifact(str(tmp_path / "x"), {"x": np.zeros((1, 1))})
    with pytest.raises(ragtune.CorruptFileError, match="not a model"):
        ragtune.load(tmp_path / "x")


def changed(arrays, name, value):
    return arrays | {name: value}


def about(arrays, **change):
    told = json.loads(arrays["about"].tobytes()) | change
    told = {name: value for name, value in told.items() if value is not None}
    return arrays | {"about": np.frombuffer(json.dumps(told).encode(), np.uint8).reshape(-1, 1)}


HOSTILE = {
    "format of tomorrow": lambda a: about(a, format=99),
    "no dimension": lambda a: about(a, dimension=None),
    "another dimension": lambda a: about(a, dimension=17),
    "unknown adapter": lambda a: about(a, adapter="pickle"),
    "unknown leg": lambda a: about(a, full={"names": ["dense", "os.system"]}),
    "too few weights": lambda a: changed(a, "fusion", a["fusion"][:-1]),
    "weights that are no numbers": lambda a: changed(a, "fusion", a["fusion"] * np.nan),
    "no report": lambda a: {n: v for n, v in a.items() if n != "report"},
    "report of nothing": lambda a: changed(a, "report", a["report"][:3]),
    "corpus that is not finite": lambda a: changed(a, "corpus", a["corpus"] * np.float32(np.inf)),
    "words cut off": lambda a: changed(a, "words.counts", a["words.counts"][:-1]),
    "parts of row -1": lambda a: changed(a, "parts.rows", a["parts.rows"] * 0 - 1),
    "codes of another width": lambda a: changed(a, "parts.codes", a["parts.codes"][:, :-1].copy()),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_contents_that_make_no_sense_are_refused(how, case, tmp_path):
    """Right checksums prove nothing: whoever writes a file can compute them."""
    parts = (case.corpus, np.arange(len(case.corpus)))
    model = ragtune.fit(
        case.corpus, case.vectors, case.qrels, texts=case.texts, queries=case.queries, parts=parts
    )
    model.save(tmp_path / "m")
    arrays = HOSTILE[how](_core.read_artifact(str(tmp_path / "m")))
    _core.write_artifact(str(tmp_path / "m"), arrays)
    with pytest.raises(ragtune.CorruptFileError):
        ragtune.load(tmp_path / "m")
