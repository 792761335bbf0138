import pytest
from conftest import fill

OPTIONS = {"strategy": "ridge", "hyperparameters": {"penalty": 30.0, "contrast": 0.3}}


def judged(count=60):
    queries = [f"please tell of item{i}" for i in range(count)]
    return queries, [[(f"c{i}", 1)] for i in range(count)]


def test_code_that_was_written_for_deep_memory_runs(memory):
    fill(memory)
    queries, relevance = judged()
    job_id = memory.deep_memory.train(queries, relevance)
    memory.jobs.wait(job_id, timeout_s=60)
    status = memory.deep_memory.status(job_id)
    assert (status["status"], status["error"]) == ("ready", None)
    version = status["results"]["version"]
    assert [job["id"] for job in memory.deep_memory.list_jobs()] == [job_id]
    memory.deep_memory.set_model(version)
    assert memory.deep_memory.get_model() == version
    recalls = memory.deep_memory.evaluate(queries, relevance, top_k=[1, 3, 5, 10, 50, 100])
    assert set(recalls) == {"without model", "with model"}
    assert list(recalls["with model"]) == [f"recall@{k}" for k in (1, 3, 5, 10, 50, 100)]
    assert recalls["with model"]["recall@100"] == 1.0
    assert memory.search(queries[0], deep_memory=True)[0].id
    memory.deep_memory.delete(job_id)
    assert memory.deep_memory.list_jobs() == []


def test_evaluate_gives_the_mean_over_all_questions(memory):
    fill(memory)
    queries = ["item1", "item2", "zebra"]
    found = memory.deep_memory.evaluate(queries, [[("c1", 1)], [("c2", 1)], [("c3", 1)]], [1])
    hits = [memory.search(q, k=1)[0].id for q in queries]
    right = sum(hit == want for hit, want in zip(hits, ["c1", "c2", "c3"], strict=True))
    assert found["without model"]["recall@1"] == pytest.approx(right / 3)
    assert found["with model"] == found["without model"]


def test_cancel_tells_whether_there_was_something_to_cancel(memory):
    fill(memory)
    job_id = memory.jobs.train(memory.store.runs.add(status="generated"))
    assert memory.deep_memory.cancel(job_id)
    assert memory.deep_memory.status(job_id)["status"] == "cancelled"


@pytest.mark.parametrize(
    ("queries", "relevance", "error", "message"),
    [
        (["q"], [], ValueError, "relevance: expected 1 lists, got 0"),
        (["q"], [["c1"]], TypeError, r"expected \(chunk id, score\), got 'c1'"),
        (["q"], [[("c1", "1")]], TypeError, "expected a number as score, got '1'"),
        (["q"], [[]], ValueError, "expected at least one"),
        (["q"], [[("nowhere", 1)]], ValueError, "expected the id of a chunk, got 'nowhere'"),
    ],
)
def test_wrong_relevance_is_refused_and_nothing_is_queued(
    memory, queries, relevance, error, message
):
    fill(memory)
    with pytest.raises(error, match=message):
        memory.deep_memory.train(queries, relevance)
    assert memory.jobs.list() == []
