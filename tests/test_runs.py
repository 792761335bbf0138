import os
from datetime import timedelta

import pytest
from conftest import HashEmbedder, fill

from ragtune.store import Outcome, content_key
from ragtune.store.database import now
from ragtune.types import Pair

RIDGE = {"strategy": "ridge", "hyperparameters": {"penalty": 30.0, "contrast": 0.3}}


def asked(memory, options=None):
    """A generating run over all that is to be asked, with a question for each chunk."""
    chunks = memory.store.chunks.to_ask()
    run_id = memory.store.runs.start(len(chunks), options or {})
    memory.store.runs.account(
        run_id,
        [
            Outcome(c.row, c.text_hash, [Pair(f"what of {c.text}", c.id, source="generated")])
            for c in chunks
        ],
    )
    memory.store.runs.move(run_id, "generating", "generated")
    return run_id, chunks


def test_a_run_is_accounted_for_chunk_by_chunk(memory):
    memory.add(["one", "two", "three"], ids=["a", "b", "c"])
    rows = {c.id: c for c in memory.store.chunks.to_ask()}
    run_id = memory.store.runs.start(3, {"model": "m"})
    outcomes = [
        Outcome(
            rows["a"].row,
            rows["a"].text_hash,
            [
                Pair("q1", "a", source="generated", style="plain"),
                Pair("see http://x", "a", source="generated", reason="has a URL"),
            ],
        ),
        Outcome(rows["b"].row, rows["b"].text_hash, reason="no answer in 60 s"),
    ]
    memory.store.runs.account(run_id, outcomes)
    run = memory.runs.get(run_id)
    assert (run["processed_chunks"], run["pair_count"], run["quarantined_count"]) == (2, 1, 1)
    assert [c.id for c in memory.store.chunks.to_ask(run_id)] == ["c"]
    accounts = memory.store.runs.accounts(run_id)
    assert [(a["chunk_id"], a["status"], a["reason"]) for a in accounts] == [
        ("a", "answered", None),
        ("b", "failed", "no answer in 60 s"),
    ]
    memory.store.runs.account(run_id, outcomes)  # a second time changes nothing
    assert memory.runs.get(run_id)["pair_count"] == 1
    memory.store.runs.move(run_id, "generating", "generated")
    assert [c.id for c in memory.store.chunks.to_ask()] == ["b", "c"]  # what failed is asked again
    assert [p.question for p in memory.store.pairs.living(run_id)] == ["q1"]
    assert memory.store.pairs.living() == []  # its run is not completed


def test_detail_shows_a_sample_questions_per_chunk_and_coverage(memory):
    memory.add([f"text {i}" for i in range(40)])
    run_id, _ = asked(memory)
    memory.add([f"more {i}" for i in range(10)])
    detail = memory.runs.detail(run_id)
    assert len(detail["sample"]) == 10
    assert detail["sample"][0]["question"] == "what of text 0"
    assert detail["sample"][-1]["question"] == "what of text 36"
    assert detail["sample"][0]["preview"] == "text 0"
    assert (detail["questions_per_chunk"], detail["coverage"]) == (1.0, 80.0)


def test_only_new_and_changed_chunks_are_asked_about(tmp_path, open_memory):
    """1,000 chunks trained, 100 added, 50 changed, 50 deleted: 150 to ask, the living to learn."""
    with open_memory(tmp_path / "m", embedder=HashEmbedder(8)) as memory:
        ids = [f"c{i}" for i in range(1000)]
        memory.add([f"text {i}" for i in range(1000)], ids=ids)
        assert memory.runs.new_chunks() == 1000
        run_id, chunks = asked(memory)
        assert len(chunks) == 1000
        assert memory.store.chunks.to_ask() == []
        memory.runs.train(run_id, **RIDGE)
        assert memory.runs.new_chunks() == 0
        memory.add([f"new {i}" for i in range(100)], ids=[f"n{i}" for i in range(100)])
        memory.add([f"changed {i}" for i in range(50)], ids=ids[:50])
        memory.delete(ids[50:100])
        assert memory.runs.new_chunks() == 150
        wanted = {f"n{i}" for i in range(100)} | set(ids[:50])
        assert {c.id for c in memory.store.chunks.to_ask()} == wanted
        second, chunks = asked(memory)
        assert len(chunks) == 150
        # 900 of the old run are still true; those of 50 changed texts and 50 deleted are not.
        pairs = memory.store.pairs.living(second)
        assert len(pairs) == 900 + 150
        run = memory.runs.train(second, **RIDGE)
        assert run.pair_count == 1050
        assert memory.runs.new_chunks() == 0
        assert memory.store.chunks.to_ask() == []


def test_a_run_that_is_not_generated_is_not_trained(memory):
    memory.add(["a", "b"], ids=["a", "b"])
    run_id = memory.store.runs.start(2, {})
    with pytest.raises(ValueError, match="expected it generated, got generating"):
        memory.runs.train(run_id)
    assert memory.runs.get(run_id)["status"] == "generating"
    with pytest.raises(ValueError, match="expected the id of a run, got 'nothing'"):
        memory.runs.train("nothing")


def test_a_run_is_started_on_the_pairs_that_are_there(memory):
    with pytest.raises(ValueError, match="pairs: expected at least one, got none"):
        memory.runs.start()
    fill(memory, run=False)
    run = memory.runs.get(memory.runs.start())
    assert (run["status"], run["pair_count"]) == ("generated", 60)


def test_the_result_of_a_completed_run_is_what_its_training_returned(memory):
    run_id = fill(memory)
    with pytest.raises(ValueError, match="expected it completed, got generated"):
        memory.runs.result(run_id)
    trained = memory.runs.train(run_id, **RIDGE)
    assert memory.runs.result(run_id) == trained
    if trained.promoted:
        memory.models.roll_back()
    memory.models.delete(trained.version)
    with pytest.raises(ValueError, match="expected it to have a model, which was deleted"):
        memory.runs.result(run_id)


def test_a_completed_run_is_not_trained_again(memory):
    run_id = fill(memory)
    memory.runs.train(run_id, **RIDGE)
    with pytest.raises(ValueError, match="expected it generated, got completed"):
        memory.runs.train(run_id)


def test_learning_is_enabled_only_after_a_completed_run(memory):
    run_id = fill(memory)
    assert memory.runs.can_enable() == (False, "no run is completed yet; train one first")
    with pytest.raises(ValueError, match="no run is completed yet"):
        memory.runs.enable()
    memory.runs.train(run_id, **RIDGE)
    assert memory.runs.can_enable() == (True, "")
    assert not memory.runs.is_enabled()
    memory.runs.enable()
    assert memory.runs.is_enabled()
    memory.runs.disable()
    assert not memory.runs.is_enabled()


def test_search_follows_the_setting_unless_it_is_told(memory):
    memory.runs.train(fill(memory), **RIDGE)
    memory.models.promote(1)
    query = "where is item3 of billing"

    def scores(deep_memory):
        return [(hit.id, hit.score) for hit in memory.search(query, deep_memory=deep_memory)]

    frozen, learned = scores(False), scores(True)
    assert frozen != learned
    assert scores(None) == frozen
    memory.runs.enable()
    assert scores(None) == learned
    assert scores(False) == frozen
    memory.runs.disable()
    assert scores(None) == frozen


def test_evaluate_holds_out_a_tenth_and_measures_at_four_depths(memory):
    run_id = fill(memory)
    with pytest.raises(ValueError, match="expected it completed, got generated"):
        memory.runs.evaluate(run_id)
    memory.runs.train(run_id, **RIDGE)
    found = memory.runs.evaluate(run_id)
    assert found["questions"] + found["held_out"] == 60
    assert found["held_out"] >= 6
    assert set(found["after"]) == {f"{m}@{k}" for m in ("recall", "ndcg") for k in (1, 3, 5, 10)}
    assert all(0 <= value <= 1 for value in found["before"].values())
    assert found["before"]["recall@1"] <= found["before"]["recall@10"]
    assert memory.runs.get(run_id)["metrics"]["hold_out"] == found


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"share": 0.05}, "share: expected 0.1 to 0.5, got 0.05"), ({"k": ()}, "k: expected"),
     ({"k": (0,)}, "k: expected whole numbers above 0")],
)  # fmt: skip
def test_evaluate_checks_its_arguments(memory, wrong, message):
    run_id = fill(memory)
    memory.runs.train(run_id, **RIDGE)
    with pytest.raises(ValueError, match=message):
        memory.runs.evaluate(run_id, **wrong)


def test_runs_that_a_killed_process_left_are_found(memory):
    generating = memory.store.runs.start(3, {})
    training = fill(memory)
    memory.store.runs.move(training, "generated", "training")
    alive = memory.store.runs.start(3, {})
    assert memory.runs.recover() == []
    for run_id in (generating, training):
        memory.store.runs.note(run_id, lease_until=now() - timedelta(seconds=1))
    found = {run["id"]: (run["status"], run["error"]) for run in memory.runs.recover()}
    assert found == {
        generating: ("failed", "its process ended while it was generating"),
        training: ("generated", "its process ended while it was training"),
    }
    assert memory.runs.get(alive)["status"] == "generating"
    assert memory.runs.resume(generating) == "generating"
    assert memory.runs.get(generating)["error"] is None
    memory.runs.train(training, **RIDGE)
    assert memory.runs.get(training)["status"] == "completed"


def test_a_training_that_was_killed_is_found(tmp_path, open_memory):
    with open_memory(tmp_path / "m", embedder=HashEmbedder()) as memory:
        run_id = fill(memory)
        child = os.fork()
        if child == 0:
            memory.store.runs.move(run_id, "generated", "training")
            os._exit(9)
        os.waitpid(child, 0)
        memory.store.runs.note(run_id, lease_until=now())
        assert [run["status"] for run in memory.runs.recover()] == ["generated"]


def test_what_a_person_gave_is_not_replaced_by_what_was_generated(memory):
    memory.add(["one"], ids=["a"])
    memory.add_pairs([Pair("q", "a", 2.0)])
    run_id = memory.store.runs.add(status="generated")
    new = [Pair("q", "a", 1.0, source="generated", reason="copied")]
    assert memory.store.pairs.add(new, run_id) == 0
    (pair,) = memory.store.pairs.living()
    assert pair.relevance == 2.0


def test_answers_are_kept_by_content(memory):
    keys = [content_key(f"prompt {i}") for i in range(3)]
    memory.store.answers.put({key: {"text": str(i)} for i, key in enumerate(keys)})
    memory.store.answers.put({keys[0]: {"text": "newer"}})
    found = memory.store.answers.get([*keys, content_key("unknown")])
    assert found == {keys[0]: {"text": "newer"}, keys[1]: {"text": "1"}, keys[2]: {"text": "2"}}


def test_a_run_whose_training_was_cancelled_can_be_trained_again(memory):
    run_id = fill(memory)
    with pytest.raises(ValueError, match="expected it failed or cancelled, got generated"):
        memory.runs.resume(run_id)
    memory.jobs.cancel(memory.jobs.train(run_id))
    assert memory.runs.get(run_id)["status"] == "cancelled"
    assert memory.runs.resume(run_id) == "generated"
    memory.runs.train(run_id, **RIDGE)
    assert memory.runs.get(run_id)["status"] == "completed"
