"""Two owners of one database: no call of the store or of the memory shows what is the other's.

Every public method has a case here; a new one without a case fails the last test.
"""

import inspect
from pathlib import Path

import numpy as np
import pytest
from conftest import HashEmbedder, fill, postgres_schema

import ragtune
from ragtune.store import Claim, Item, Outcome, Store
from ragtune.types import ChatAnswer, LostClaimError

TABLES = ("chunks", "vectors", "pairs", "runs", "models", "saves", "answers", "settings", "jobs",
          "datasets", "reader", "metadata", "sentences")  # fmt: skip
PARTS = ("runs", "models", "jobs", "datasets", "deep_memory", "questions")
KEY = b"k" * 32
RIDGE = {"strategy": "ridge", "hyperparameters": {"penalty": 30.0, "contrast": 0.3}}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request, tmp_path_factory):
    """A folder, and the store's URL."""
    folder = tmp_path_factory.mktemp("owners")
    if request.param == "sqlite":
        yield folder, None
        return
    with postgres_schema() as url:
        yield folder, url


def opened(place, owner):
    return ragtune.Memory(place[0] / "m", embedder=HashEmbedder(), owner=owner, store=place[1])


@pytest.fixture(scope="module")
def alice(place):
    """She has something of everything."""
    alice = opened(place, "alice")
    alice.run_id = fill(alice, 30)
    alice.runs.train(alice.run_id, **RIDGE)
    alice.models.promote(1)
    alice.runs.enable()
    alice.job_id = alice.store.jobs.add("train", {"run_id": alice.run_id})
    alice.store.jobs.log(alice.job_id, [("info", "secret")])
    alice.dataset_id = alice.datasets.import_("hers", [Item("q", "c1")])["id"]
    alice.store.answers.put({KEY: {"text": "secret"}})
    alice.store.vectors.put({KEY: b"secret"})
    alice.token = alice.store.saves.add(alice.store.counters())
    alice.generating = alice.store.runs.start(1, {})
    alice.store.runs.note(alice.generating, lease_until=None)
    yield alice
    alice.close()


@pytest.fixture
def owners(place, alice, request):
    """Alice, and Bob, who has one chunk; he is another one in each test."""
    bob = opened(place, f"bob of {request.node.name}"[:128])
    bob.add(["his own chunk"], ids=["b"])
    yield alice, bob
    bob.close()


def state(memory):
    """All that an owner has, so that a change of it shows."""
    store = memory.store
    return (
        [chunk.id for chunk in store.chunks.get([f"c{i}" for i in range(30)])],
        store.pairs.living(),
        store.runs.list(),
        store.models.list(),
        store.settings.get(),
        store.jobs.list(),
        store.jobs.logs(memory.job_id),
        store.datasets.list(),
        store.datasets.items(memory.dataset_id),
        store.answers.get([KEY]),
        store.vectors.get([KEY]),
        store.saves.counters(memory.token),
        store.runs.accounts(memory.generating),
        store.sentences.since(0, 32)[1].tolist(),
        sorted(store.sentences.missing()),
    )


def refused(call, *kinds):
    with pytest.raises(kinds or ValueError) as told:
        call()
    assert "secret" not in str(told.value)


# What Bob does with Alice's ids, rows and names; each must find nothing, or be refused.
STORE = {
    "chunks.add": lambda s, a: s.chunks.add([]),
    "chunks.get": lambda s, a: empty(s.chunks.get(["c1"])),
    "chunks.by_row": lambda s, a: empty(s.chunks.by_row(rows(a))),
    "chunks.found": lambda s, a: empty(s.chunks.found(rows(a)).chunks),
    "chunks.changed_since": lambda s, a: none_of(s.chunks.changed_since(0).rows, a),
    "chunks.texts_since": lambda s, a: none_of(s.chunks.texts_since(0).rows, a),
    "chunks.text_hashes": lambda s, a: empty(s.chunks.text_hashes(["c1"])),
    "chunks.vectors_of": lambda s, a: empty(s.chunks.vectors_of(["c1"])),
    "chunks.rows_and_sources": lambda s, a: empty(s.chunks.rows_and_sources(["c1"])),
    "chunks.delete": lambda s, a: same(s.chunks.delete(["c1", "c2"]), 0),
    "chunks.purge": lambda s, a: same(s.chunks.purge(), 0),
    "chunks.count": lambda s, a: same(s.chunks.count(), 1),
    "chunks.living": lambda s, a: none_of([row[0] for row in s.chunks.living()], a),
    "chunks.to_ask": lambda s, a: same([c.id for c in s.chunks.to_ask(a.generating)], ["b"]),
    "chunks.new_since_training": lambda s, a: same(s.chunks.new_since_training(), 1),
    "vectors.space": lambda s, a: s.vectors.space(),
    "vectors.set_space": lambda s, a: s.vectors.set_space(b"mine"),
    "vectors.get": lambda s, a: empty(s.vectors.get([KEY])),
    "vectors.put": lambda s, a: s.vectors.put({KEY: b"mine"}),
    "vectors.of_rows": lambda s, a: empty(s.vectors.of_rows(rows(a))),
    "metadata.since": lambda s, a: none_of(list(s.metadata.since(0).living), a),
    "metadata.ids": lambda s, a: same(s.metadata.ids(), ["b"]),
    "sentences.missing": lambda s, a: none_of(list(s.sentences.missing()), a),
    "sentences.put": lambda s, a: s.sentences.put(
        {rows(a)[0]: (KEY, np.ones((1, 32), np.float32))}
    ),
    "sentences.since": lambda s, a: none_of(s.sentences.since(0, 32)[1], a),
    "pairs.add": lambda s, a: refused(lambda: s.pairs.add([ragtune.Pair("q", "c1")], a.run_id)),
    "pairs.living": lambda s, a: empty(s.pairs.living(a.run_id)),
    "pairs.asked": lambda s, a: empty(s.pairs.asked(a.run_id)),
    "pairs.sample": lambda s, a: empty(s.pairs.sample(a.run_id)),
    "pairs.counts": lambda s, a: empty(s.pairs.counts(a.run_id).per_chunk),
    "runs.add": lambda s, a: s.runs.add(status="generated"),
    "runs.start": lambda s, a: s.runs.start(1, {}),
    "runs.progress": lambda s, a: s.runs.progress(a.generating, processed_chunks=99),
    "runs.note": lambda s, a: s.runs.note(a.generating, error="his"),
    "runs.account": lambda s, a: (
        refused(lambda: s.runs.account(a.generating, [])),
        empty(own_account(s, a)),
    ),
    "runs.accounts": lambda s, a: empty(s.runs.accounts(a.generating)),
    "runs.get": lambda s, a: same(s.runs.get(a.run_id), None),
    "runs.list": lambda s, a: empty(s.runs.list()),
    "runs.move": lambda s, a: refused(lambda: s.runs.move(a.generating, "generating", "generated")),
    "runs.end": lambda s, a: s.runs.end(a.generating, "failed"),
    "runs.left_behind": lambda s, a: empty(s.runs.left_behind()),
    "models.add": lambda s, a: same(s.models.add(**model(s)), 1),
    "models.publish": lambda s, a: (
        refused(lambda: s.models.publish(model(s) | {"run_id": a.generating}, {})),
        refused(lambda: s.models.publish(model(s), {}, Claim(a.job_id, "w", 1)), LostClaimError),
    ),
    "models.promoted": lambda s, a: empty(s.models.promoted()),
    "models.list": lambda s, a: empty(s.models.list()),
    "models.get": lambda s, a: refused(lambda: s.models.get(1)),
    "models.files": lambda s, a: empty(s.models.files()),
    "models.promote": lambda s, a: refused(lambda: s.models.promote(1)),
    "models.take_back": lambda s, a: refused(lambda: s.models.take_back(1)),
    "models.delete": lambda s, a: refused(lambda: s.models.delete(1)),
    "saves.add": lambda s, a: s.saves.add(s.counters()),
    "saves.counters": lambda s, a: same(s.saves.counters(a.token), None),
    "answers.get": lambda s, a: empty(s.answers.get([KEY])),
    "answers.put": lambda s, a: s.answers.put({KEY: {"text": "his"}}),
    "settings.get": lambda s, a: same(s.settings.get().enabled, False),
    "settings.set": lambda s, a: s.settings.set(enabled=False),
    "settings.is_enabled": lambda s, a: same(s.settings.is_enabled(s.counters()[0]), False),
    "jobs.add": lambda s, a: s.jobs.add("train", {}),
    "jobs.add_training": lambda s, a: refused(
        lambda: s.jobs.add_training({"run_id": a.run_id}, max_attempts=1, time_limit_s=None)
    ),
    "jobs.claim": lambda s, a: same(s.jobs.claim("bob", 60), None),
    "jobs.beat": lambda s, a: same(s.jobs.beat(Claim(a.job_id, "", 0), 60, {}), False),
    "jobs.end_attempt": lambda s, a: refused(
        lambda: s.jobs.end_attempt(Claim(a.job_id, "", 0), "failed")
    ),
    "jobs.give_back": lambda s, a: same(s.jobs.give_back(Claim(a.job_id, "", 0)), False),
    "jobs.cancel": lambda s, a: refused(lambda: s.jobs.cancel(a.job_id)),
    "jobs.get": lambda s, a: refused(lambda: s.jobs.get(a.job_id)),
    "jobs.list": lambda s, a: empty(s.jobs.list()),
    "jobs.delete": lambda s, a: refused(lambda: s.jobs.delete(a.job_id)),
    "jobs.log": lambda s, a: refused(lambda: s.jobs.log(a.job_id, [("info", "his")])),
    "jobs.logs": lambda s, a: empty(s.jobs.logs(a.job_id)),
    "datasets.add": lambda s, a: s.datasets.add("hers", []),
    "datasets.mark": lambda s, a: refused(lambda: s.datasets.mark(a.dataset_id, "error")),
    "datasets.get": lambda s, a: refused(lambda: s.datasets.get(a.dataset_id)),
    "datasets.items": lambda s, a: empty(s.datasets.items(a.dataset_id)),
    "datasets.list": lambda s, a: empty(s.datasets.list()),
    "datasets.delete": lambda s, a: refused(lambda: s.datasets.delete(a.dataset_id)),
    "reader.counters": lambda s, a: s.reader.counters(),
    "reader.chunks": lambda s, a: empty(s.reader.chunks(rows(a)).chunks),
    "reader.close": lambda s, a: s.reader.close(),
}
SQLITE_ONLY = {"reader.before_fork", "reader.after_fork"}  # hooks of the process, no rows

MEMORY = {
    "add": lambda m, a: m.add(["his"], ids=["c1"]),
    "add_pairs": lambda m, a: refused(lambda: m.add_pairs([ragtune.Pair("q", "c1")])),
    "delete": lambda m, a: same(m.delete(["c1"]), 0),
    "get": lambda m, a: empty(m.get(["c1"])),
    "purge": lambda m, a: same(m.purge(), 0),
    "search": lambda m, a: same([hit.id for hit in m.search("item1 guide", k=50)], ["b"]),
    "evaluate": lambda m, a: refused(lambda: m.evaluate(["q"], [{"c1": 1.0}])),
    "ids": lambda m, a: same(m.ids(), ["b"]),
    "explain": lambda m, a: refused(lambda: m.explain("item1 guide")),
    "questions.add": lambda m, a: refused(lambda: m.questions.add(written("q.csv"))),
    "questions.close": lambda m, a: m.questions.close(),
    "questions.extract": lambda m, a: m.questions.extract(),
    "questions.estimate": lambda m, a: same(m.questions.estimate(Silent()).chunks, 1),
    "questions.preview": lambda m, a: same(
        {row.chunk_id for row in m.questions.preview(Silent()).rows}, {"b"}
    ),
    "questions.generate": lambda m, a: same(m.questions.generate(Silent())["total_chunks"], 1),
    "rankings": lambda m, a: none_of(m.rankings(["item1"], 50)[1], a),
    "tune": lambda m, a: refused(m.tune),
    "close": lambda m, a: None,
    "runs.list": lambda m, a: empty(m.runs.list()),
    "runs.get": lambda m, a: refused(lambda: m.runs.get(a.run_id)),
    "runs.detail": lambda m, a: refused(lambda: m.runs.detail(a.run_id)),
    "runs.start": lambda m, a: refused(m.runs.start),
    "runs.train": lambda m, a: refused(lambda: m.runs.train(a.run_id)),
    "runs.result": lambda m, a: refused(lambda: m.runs.result(a.run_id)),
    "runs.work": lambda m, a: refused(
        lambda: m.runs.work(a.jobs.get(a.job_id)), ValueError, KeyError
    ),
    "runs.evaluate": lambda m, a: refused(lambda: m.runs.evaluate(a.run_id)),
    "runs.can_enable": lambda m, a: same(m.runs.can_enable()[0], False),
    "runs.enable": lambda m, a: refused(m.runs.enable),
    "runs.disable": lambda m, a: m.runs.disable(),
    "runs.is_enabled": lambda m, a: same(m.runs.is_enabled(), False),
    "runs.new_chunks": lambda m, a: same(m.runs.new_chunks(), 1),
    "runs.recover": lambda m, a: empty(m.runs.recover()),
    "runs.resume": lambda m, a: refused(lambda: m.runs.resume(a.run_id)),
    "models.list": lambda m, a: empty(m.models.list()),
    "models.get": lambda m, a: refused(lambda: m.models.get(1)),
    "models.serving": lambda m, a: same(m.models.serving(), None),
    "models.check": lambda m, a: refused(lambda: m.models.check(1)),
    "models.promote": lambda m, a: refused(lambda: m.models.promote(1)),
    "models.roll_back": lambda m, a: refused(m.models.roll_back),
    "models.delete": lambda m, a: refused(lambda: m.models.delete(1)),
    "models.export": lambda m, a: refused(lambda: m.models.export(1, "never")),
    "models.import_": lambda m, a: refused(lambda: m.models.import_("x"), FileNotFoundError),
    "jobs.train": lambda m, a: refused(lambda: m.jobs.train(a.run_id)),
    "jobs.list": lambda m, a: empty(m.jobs.list()),
    "jobs.get": lambda m, a: refused(lambda: m.jobs.get(a.job_id)),
    "jobs.cancel": lambda m, a: refused(lambda: m.jobs.cancel(a.job_id)),
    "jobs.delete": lambda m, a: refused(lambda: m.jobs.delete(a.job_id)),
    "jobs.wait": lambda m, a: refused(lambda: m.jobs.wait(a.job_id)),
    "jobs.logs": lambda m, a: refused(lambda: m.jobs.logs(a.job_id)),
    "jobs.worker": lambda m, a: same(m.jobs.worker().run(until_idle=True), 0),
    "jobs.start_worker": lambda m, a: m.jobs.start_worker(),
    "jobs.stop_worker": lambda m, a: m.jobs.stop_worker(),
    "datasets.import_": lambda m, a: same(
        m.datasets.import_("hers", [Item("q", "c1")])["problems"][0]["kind"], "dangling ids"
    ),
    "datasets.validate": lambda m, a: refused(lambda: m.datasets.validate(a.dataset_id)),
    "datasets.get": lambda m, a: refused(lambda: m.datasets.get(a.dataset_id)),
    "datasets.items": lambda m, a: empty(m.datasets.items(a.dataset_id)),
    "datasets.pairs": lambda m, a: refused(lambda: m.datasets.pairs(a.dataset_id)),
    "datasets.delete": lambda m, a: refused(lambda: m.datasets.delete(a.dataset_id)),
    "datasets.list": lambda m, a: empty(m.datasets.list()),
    "deep_memory.train": lambda m, a: refused(lambda: m.deep_memory.train(["q"], [[("c1", 1)]])),
    "deep_memory.status": lambda m, a: refused(lambda: m.deep_memory.status(a.job_id)),
    "deep_memory.cancel": lambda m, a: refused(lambda: m.deep_memory.cancel(a.job_id)),
    "deep_memory.list_jobs": lambda m, a: empty(m.deep_memory.list_jobs()),
    "deep_memory.delete": lambda m, a: refused(lambda: m.deep_memory.delete(a.job_id)),
    "deep_memory.evaluate": lambda m, a: refused(
        lambda: m.deep_memory.evaluate(["q"], [[("c1", 1)]])
    ),
    "deep_memory.set_model": lambda m, a: refused(lambda: m.deep_memory.set_model(1)),
    "deep_memory.get_model": lambda m, a: same(m.deep_memory.get_model(), None),
}


def empty(found):
    assert len(found) == 0, found


def same(found, expected):
    assert found == expected


class Silent:
    """A model that finds nothing to ask."""

    name = "silent"

    def ask(self, messages, schema, max_tokens):
        assert "his own chunk" in messages[1]["content"]
        return ChatAnswer("{}", 0, 0)


def written(name):
    Path(name).write_text("question,chunk_id\nq,c1\n")
    return name


def rows(alice):
    return [row[0] for row in alice.store.chunks.living()]


def none_of(found, alice):
    assert not set(map(int, getattr(found, "ravel", lambda: found)())) & set(rows(alice))


def own_account(store, alice):
    """Bob accounts for Alice's chunk in a run of his own."""
    own = store.runs.start(1, {})
    pairs = [ragtune.Pair("his", "c1", source="generated")]
    store.runs.account(own, [Outcome(rows(alice)[0], KEY, pairs)])
    return store.runs.accounts(own)


def model(store):
    run_id = store.runs.add(status="training")
    return {"id": run_id, "run_id": run_id, "file": "x", "sha256": "x", "verdict": "hold",
            "promoted": False}  # fmt: skip


@pytest.mark.parametrize("name", STORE)
def test_a_table_shows_nothing_of_another_owner(owners, name):
    alice, bob = owners
    before = state(alice)
    STORE[name](bob.store, alice)
    assert state(alice) == before


@pytest.mark.parametrize("name", MEMORY)
def test_a_memory_shows_nothing_of_another_owner(owners, name, monkeypatch, tmp_path):
    alice, bob = owners
    monkeypatch.chdir(tmp_path)
    before = state(alice)
    MEMORY[name](bob, alice)
    assert state(alice) == before
    assert not Path("never").exists()


def methods(thing):
    return {
        name
        for name, value in inspect.getmembers(type(thing), callable)
        if not name.startswith("_")
    }


def test_chunks_by_row_are_the_owner_s_alone(owners):
    alice, bob = owners
    with bob.store.holding():
        assert bob.store.found(rows(alice)).chunks == {}
    assert bob.store.found(rows(alice)).chunks == {}
    assert len(alice.store.found(rows(alice)).chunks) > 20


def test_one_owner_s_task_does_not_keep_the_other_from_it(owners):
    alice, bob = owners[0].store, owners[1].store
    with alice.alone("task") as hers, alice.alone("task") as again, bob.alone("task") as his:
        assert (hers, again, his) == (True, False, True)
    with alice.alone("task") as hers:
        assert hers


def test_every_public_method_has_a_case(tmp_path):
    with ragtune.Memory(tmp_path / "m", embedder=HashEmbedder()) as memory:
        tables = {
            f"{table}.{name}" for table in TABLES for name in methods(getattr(memory.store, table))
        }
        assert tables - SQLITE_ONLY == set(STORE)
        known = {*vars(memory.store)} - {"owner", "_database"}
        assert known == set(TABLES)
        parts = {f"{part}.{name}" for part in PARTS for name in methods(getattr(memory, part))}
        assert parts | methods(memory) == set(MEMORY)
        public = {name for name in vars(memory) if not name.startswith("_")}
        assert public == {*PARTS, "path", "store", "space", "registry"}
    assert methods(Store("sqlite://")) == {
        "in_file",
        "counters",
        "close",
        "alone",
        "found",
        "holding",
    }
