import json
import sqlite3
import tempfile
import threading
import uuid
import warnings
from functools import partial

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import HashEmbedder, planted
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

import ragtune
from ragtune import Pair
from ragtune.store import Store

TEXTS = ["refunds go to billing", "the cat sat on the mat", "python is a language"]


def ids(hits):
    return [hit.id for hit in hits]


def test_added_chunks_are_found(memory):
    assert memory.add(TEXTS, ids=["a", "b", "c"]) == ["a", "b", "c"]
    hits = memory.search("cat on the mat", k=2)
    assert ids(hits)[0] == "b"
    assert hits[0].text == TEXTS[1]
    assert hits[0].score > hits[1].score
    assert len(memory) == 3


def test_empty_memory_finds_nothing(memory):
    assert memory.search("anything") == []
    assert memory.add([]) == []
    assert memory.search("anything", deep_memory=True) == []


def test_same_id_replaces(memory):
    memory.add(TEXTS, ids=["a", "b", "c"])
    memory.add(["a dog barks"], ids=["b"], metadatas=[{"n": 1}])
    assert len(memory) == 3
    assert memory.get(["b"])[0].metadata == {"n": 1}
    assert ids(memory.search("dog barks", k=1)) == ["b"]


def test_made_ids_are_the_same_each_time(memory):
    first = memory.add(TEXTS)
    assert memory.add(TEXTS) == first
    assert len(memory) == 3


def test_unchanged_texts_are_not_embedded_again(memory, embedder):
    memory.add(TEXTS, ids=["a", "b", "c"])
    calls = embedder.calls
    memory.add([*TEXTS[:2], "new text"], ids=["a", "b", "c"])
    assert embedder.calls == calls + 1


def test_deleted_chunks_are_gone_at_once_and_come_back_when_added(memory):
    memory.add(TEXTS, ids=["a", "b", "c"])
    memory.search("cat")
    assert memory.delete(["b", "nobody"]) == 1
    assert memory.delete(["b"]) == 0
    assert memory.get(["b"]) == []
    assert "b" not in ids(memory.search("cat on the mat"))
    memory.add([TEXTS[1]], ids=["b"])
    assert ids(memory.search("cat on the mat", k=1)) == ["b"]


def test_purge_erases_texts_and_pairs(memory):
    memory.add(TEXTS, ids=["a", "b", "c"])
    memory.add_pairs([Pair("where is the cat", "b"), Pair("which language", "c")])
    memory.delete(["b"])
    assert memory.purge() == 1
    assert len(memory.search("cat", k=5)) == 2
    url = memory.store.url
    memory.close()
    engine = sa.create_engine(url)
    with engine.connect() as database:
        assert database.exec_driver_sql("select count(*) from chunks").all() == [(2,)]
        assert database.exec_driver_sql("select question from pairs").all() == [("which language",)]
        if engine.dialect.name == "sqlite":
            assert database.exec_driver_sql("pragma integrity_check").all() == [("ok",)]
    engine.dispose()


def test_reopened_memory_holds_the_same(tmp_path, embedder, open_memory):
    with open_memory(tmp_path / "m", embedder=embedder) as memory:
        memory.add(TEXTS, ids=["a", "b", "c"], metadatas=[{"k": [1, "ä"]}, {}, {}])
        found = memory.search("cat")
    with open_memory(tmp_path / "m", embedder=HashEmbedder()) as again:
        assert again.search("cat") == found
        assert again.get(["a"])[0].metadata == {"k": [1, "ä"]}


def test_several_may_make_one_store_at_once(tmp_path):
    """SQLite does not wait for who turns a new file to its log: one said it had waited 30 s."""
    together, failed = threading.Barrier(6), []

    def open_each():
        for i in range(30):
            together.wait()
            try:
                Store.in_file(tmp_path / f"{i}.sqlite").close()
            except ragtune.StoreLockedError as error:
                failed.append(error)

    threads = [threading.Thread(target=open_each) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_another_process_is_seen_at_the_next_search(tmp_path, embedder, open_memory):
    with (
        open_memory(tmp_path / "m", embedder=embedder) as one,
        open_memory(tmp_path / "m", embedder=embedder) as two,
    ):
        one.add(TEXTS, ids=["a", "b", "c"])
        assert ids(two.search("cat on the mat", k=1)) == ["b"]
        one.delete(["b"])
        one.purge()
        assert "b" not in ids(two.search("cat on the mat", k=3))


def test_owners_never_see_each_other(tmp_path, embedder, open_memory):
    with (
        open_memory(tmp_path / "m", embedder=embedder, owner="one") as one,
        open_memory(tmp_path / "m", embedder=embedder, owner="two") as two,
    ):
        one.add(TEXTS, ids=["a", "b", "c"])
        one.add_pairs([Pair("cat", "b")])
        two.add(["something else"], ids=["a"])
        assert two.get(["a"])[0].text == "something else"
        assert one.get(["a"])[0].text == TEXTS[0]
        assert two.get(["b"]) == []
        assert two.delete(["b"]) == 0
        assert ids(two.search("cat on the mat")) == ["a"]
        assert len(one) == 3
        assert two.store.pairs.living() == []
        with pytest.raises(ValueError, match="expected the id of a chunk, got 'b'"):
            two.add_pairs([Pair("cat", "b")])
        two.delete(["a"])
        assert two.purge() == 1
        assert len(one.search("cat", k=5)) == 3


def test_given_vectors_need_no_embedder(tmp_path, open_memory):
    x = np.random.default_rng(0).normal(size=(5, 8))
    with open_memory(tmp_path / "m") as memory:
        memory.add(list("abcde"), ids=list("abcde"), embeddings=x)
        assert ids(memory.search(embedding=x[3], k=1)) == ["d"]
        with pytest.raises(ValueError, match="embedder: expected one, because this memory's"):
            memory.search("text")
        with pytest.raises(ragtune.EmbedderMismatchError, match="expected 8 dimensions, got 4"):
            memory.add(["f"], embeddings=x[:1, :4])
        with pytest.raises(ValueError, match="embedding: expected 8 dimensions, got 9"):
            memory.search(embedding=np.ones(9))


class Turned(HashEmbedder):
    name = "turned"

    def embed_documents(self, texts):
        return np.ascontiguousarray(super().embed_documents(texts)[:, ::-1])

    embed_queries = embed_documents


@pytest.mark.parametrize("foreign", [Turned(), HashEmbedder(64)])
def test_foreign_embedding_space_is_refused(tmp_path, embedder, foreign, open_memory):
    with open_memory(tmp_path / "m", embedder=embedder) as memory:
        memory.add(TEXTS)
    with open_memory(tmp_path / "m", embedder=foreign) as again:
        for call in (lambda: again.search("cat"), lambda: again.add(["x"])):
            with pytest.raises(ragtune.EmbedderMismatchError, match="expected the one that made"):
                call()
        assert len(again) == 3


def test_sqlite_file_of_a_newer_version_is_refused(tmp_path, embedder):
    ragtune.Memory(tmp_path / "m", embedder=embedder).close()
    database = sqlite3.connect(tmp_path / "m/store.sqlite")
    database.execute("update meta set value = 99 where key = 'schema_version'")
    database.commit()
    database.close()
    with pytest.raises(
        ragtune.StoreVersionError, match="expected schema version 3 or older, got 99"
    ):
        ragtune.Memory(tmp_path / "m")


def test_second_writer_of_a_sqlite_file_gets_a_lock_error(tmp_path, embedder, monkeypatch):
    monkeypatch.setattr("ragtune.store.database.LOCK_TIMEOUT_S", 0.1)
    with ragtune.Memory(tmp_path / "m", embedder=embedder) as memory:
        memory.add(TEXTS)
        other = sqlite3.connect(tmp_path / "m/store.sqlite", isolation_level=None)
        other.execute("begin immediate")
        with pytest.raises(ragtune.StoreLockedError, match="another process"):
            memory.add(["more"])
        other.execute("rollback")
        other.close()
        memory.add(["more"])
        assert len(memory) == 4


def test_interrupted_add_goes_on_where_it_was(tmp_path, open_memory):
    class Breaking(HashEmbedder):
        def embed_documents(self, texts):
            if self.calls > 600:
                raise ConnectionError("gone")
            return super().embed_documents(texts)

    texts = [f"text number {i}" for i in range(1000)]
    with open_memory(tmp_path / "m", embedder=Breaking()) as memory:
        with pytest.raises(ConnectionError):
            memory.add(texts)
        assert len(memory) == 0
    second = HashEmbedder()
    with open_memory(tmp_path / "m", embedder=second) as memory:
        memory.add(texts)
        assert len(memory) == 1000
        assert second.calls < 1000 - 500


@pytest.fixture
def taught(tmp_path, open_memory):
    """A memory whose questions a linear adapter can learn, and pairs."""
    corpus, queries, qrels = planted(nq=400)
    vectors = {f"chunk {i}": v for i, v in enumerate(corpus)}
    vectors |= {f"question {i}": v for i, v in enumerate(queries)}

    class Planted:
        name, dimension = "planted", 16

        def embed_documents(self, texts):
            rows = np.array([vectors.get(text, np.ones(16)) for text in texts], dtype=np.float32)
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)

        embed_queries = embed_documents

    names = [f"chunk {i}" for i in range(len(corpus))]
    pairs = [Pair(f"question {q}", f"chunk {row}") for q, g in enumerate(qrels) for row in g]
    with open_memory(tmp_path / "m", embedder=Planted()) as opened:
        opened.add(names, ids=names)
        yield opened, pairs


def test_proven_model_serves_only_when_asked(taught):
    memory, pairs = taught[0], taught[1][:300]
    run = memory.tune(pairs)
    assert (run.status, run.promoted, run.version) == ("completed", True, 1)
    assert "promote" in run._repr_html_()
    plain, deep = (
        memory.search("question 0", k=5),
        memory.search("question 0", k=5, deep_memory=True),
    )
    assert ids(plain) != ids(deep) or [h.score for h in plain] != [h.score for h in deep]
    stored = memory.store.runs.list()[0]
    assert (stored["status"], stored["pair_count"]) == ("completed", 300)
    assert ragtune.Report.from_json(stored["report"]) == run.report


def test_unproven_model_is_kept_but_does_not_serve(taught):
    memory, pairs = taught[0], taught[1][:300]
    wrong = [
        Pair(p.question, q.chunk_id) for p, q in zip(pairs, pairs[7:] + pairs[:7], strict=True)
    ]
    run = memory.tune(wrong)
    assert not run.promoted
    assert memory.search("question 0", deep_memory=True) == memory.search("question 0")


def test_failed_run_is_kept_with_its_reason(memory):
    memory.add(TEXTS, ids=["a", "b", "c"])
    with pytest.raises(ValueError, match="pairs: expected at least one, got none"):
        memory.tune()
    with pytest.raises(ValueError, match="strategy: expected one of"):
        memory.tune([Pair("cat", "b")], strategy="magic")
    runs = memory.store.runs.list()
    assert [run["status"] for run in runs] == ["failed", "failed"]
    assert "strategy: expected" in runs[0]["error"]


def test_cancelled_run_leaves_what_served(taught):
    memory, pairs = taught[0], taught[1][:300]
    memory.tune(pairs)
    before = memory.search("question 1", deep_memory=True)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memory.tune(seed=5, progress=stop)
    assert memory.store.runs.list()[0]["status"] == "cancelled"
    assert memory.search("question 1", deep_memory=True) == before


def test_model_that_serves_is_not_read_again_after_each_write(taught):
    memory, pairs = taught[0], taught[1][:300]
    memory.tune(pairs)
    before = memory.search("question 1", deep_memory=True)
    for path in (memory.path / "models").iterdir():
        path.unlink()
    memory.add(["chunk 0"], ids=["another"])
    after = memory.search("question 1", k=11, deep_memory=True)
    assert [hit for hit in after if hit.id != "another"][:10] == before


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_damaged_model_falls_back_to_the_one_before_then_to_none(taught, open_memory, damage):
    memory, pairs = taught[0], taught[1][:300]
    memory.tune(pairs, hyperparameters={"alpha": 1.0})
    first = memory.search("question 1", deep_memory=True)
    memory.tune(hyperparameters={"alpha": 0.5})
    assert memory.search("question 1", deep_memory=True) != first
    rows = memory.store.models.promoted()
    assert [row["version"] for row in rows] == [2, 1]
    for row, expected in zip(rows, [first, memory.search("question 1")], strict=True):
        path = memory.path / "models" / row["file"]
        if damage == "missing":
            path.unlink()
        else:
            whole = bytearray(path.read_bytes())
            whole[200] ^= 1
            path.write_bytes(whole[:-9] if damage == "cut" else whole)
        reopened = open_memory(memory.path, embedder=memory.space.embedder())
        with reopened, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert reopened.search("question 1", deep_memory=True) == expected
        assert any(f"model {row['version']} cannot serve" in str(w.message) for w in caught)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert memory.search("question 1", deep_memory=True)


def test_evaluate_compares_frozen_and_promoted(taught):
    memory, pairs = taught
    memory.tune(pairs[:300])
    report = memory.evaluate(
        [p.question for p in pairs[300:]], [{p.chunk_id: 1.0} for p in pairs[300:]]
    )
    assert report.overall["ndcg@10"].difference > 0.05
    assert report.seen.queries + report.unseen.queries == 100
    assert report.verdict.reason == "the promoted model serves"
    assert json.loads(report.to_json())


def test_evaluate_without_a_model_shows_no_difference(memory):
    memory.add(TEXTS, ids=["a", "b", "c"])
    report = memory.evaluate(["cat", "language"], [{"b": 1.0}, {"c": 2.0}])
    assert report.overall["ndcg@10"].difference == 0
    assert report.verdict.reason == "no model serves"


def test_pair_is_kept_once_and_takes_the_new_relevance(memory):
    memory.add(TEXTS, ids=["a", "b", "c"])
    assert memory.add_pairs([Pair("cat", "b"), Pair("cat", "b")]) == 1
    assert memory.add_pairs([Pair("cat", "b", relevance=0.5), Pair("cat", "a")]) == 1
    assert [p.relevance for p in memory.store.pairs.living()] == [0.5, 1.0]


def test_pairs_of_deleted_chunks_are_left_out(memory):
    memory.add(TEXTS, ids=["a", "b", "c"])
    memory.add_pairs([Pair("cat", "b"), Pair("language", "c")])
    memory.delete(["b"])
    assert [p.question for p in memory.store.pairs.living()] == ["language"]


class Meddling:
    """A reader before whose every look at the chunks somebody writes."""

    def __init__(self, reader, writes):
        self.counters, self.close = reader.counters, reader.close
        self._reader, self._writes = reader, iter(writes)

    def chunks(self, rows):
        next(self._writes, lambda: None)()
        return self._reader.chunks(rows)


def test_write_during_a_search_is_seen_whole(tmp_path, open_memory):
    def vectors(*angles):
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def found(hits):
        return [(hit.text, round(float(np.arccos(hit.score)), 3)) for hit in hits]

    with open_memory(tmp_path / "m") as memory, open_memory(tmp_path / "m") as other:
        memory.add(["a1", "b1", "c1"], ids=["a", "b", "c"], embeddings=vectors(0.1, 0.2, 0.3))
        memory.store.reader = Meddling(
            memory.store.reader,
            [
                lambda: other.add(["a2"], ids=["a"], embeddings=vectors(0.4)),
                lambda: other.delete(["b"]) and other.purge(),
            ],
        )
        hits = memory.search(embedding=[1.0, 0.0], k=2)
        assert found(hits) == [("c1", 0.3), ("a2", 0.4)]


def test_search_ends_while_another_replaces_what_it_finds(tmp_path, open_memory):
    with open_memory(tmp_path / "m") as memory, open_memory(tmp_path / "m") as other:
        memory.add(["0", "gone"], ids=["a", "b"], embeddings=np.eye(2))
        writes = [
            lambda i=i: other.add([str(i)], ids=["a"], embeddings=np.eye(2)[:1])
            for i in range(1, 1000)
        ]
        memory.store.reader = Meddling(memory.store.reader, [lambda: other.delete(["b"]), *writes])
        (hit,) = memory.search(embedding=[1.0, 0.0], k=2)
        assert 1 <= int(hit.text) < 100


class MemoryAgainstDict(RuleBasedStateMachine):
    """add, replace, delete, purge and reopen in any order, against a dict."""

    def __init__(self, open_memory):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        own = {"owner": uuid.uuid4().hex, "embedder": HashEmbedder(8)}
        self.open = lambda: open_memory(self.folder.name, **own)
        self.memory = self.open()
        self.model = {}

    @rule(
        chunks=st.dictionaries(
            st.sampled_from("abcdefgh"),
            st.sampled_from(["one two", "two three", "four"]),
            max_size=4,
        )
    )
    def add(self, chunks):
        self.memory.add(list(chunks.values()), ids=list(chunks))
        self.model |= chunks

    @rule(gone=st.lists(st.sampled_from("abcdefgh"), max_size=4, unique=True))
    def delete(self, gone):
        assert self.memory.delete(gone) == len(set(gone) & self.model.keys())
        self.model = {i: t for i, t in self.model.items() if i not in gone}

    @rule()
    def purge(self):
        self.memory.purge()

    @rule()
    def reopen(self):
        self.memory.close()
        self.memory = self.open()

    @rule(k=st.integers(1, 9))
    def search(self, k):
        hits = self.memory.search("two", k=k)
        assert len(hits) == min(k, len(self.model))
        assert all(self.model[hit.id] == hit.text for hit in hits)
        assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)

    @invariant()
    def holds_the_same(self):
        assert {c.id: c.text for c in self.memory.get(list("abcdefgh"))} == self.model

    def teardown(self):
        self.memory.close()
        self.folder.cleanup()


def test_memory_holds_what_a_dict_holds(open_memory):
    machine = partial(MemoryAgainstDict, open_memory)
    limits = settings(max_examples=15, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(machine, settings=limits)
