import _thread
import json
import threading
import time

import numpy as np
import pytest
from conftest import HashEmbedder
from typer.testing import CliRunner

from ragtune.cli import app, options
from ragtune.demo import run as demo_run
from ragtune.demo import stdlib
from ragtune.demo.examples import KINDS, choose_examples
from ragtune.demo.run import Question, run_demo
from ragtune.memory import Memory


class TurnedEmbedder(HashEmbedder):
    """Questions are in other words and turned by one fixed rotation, which an adapter can learn."""

    def embed_queries(self, texts):
        texts = [text.replace("about", "topic").replace("with", "thing") for text in texts]
        rng = np.random.default_rng(0)
        turn = np.linalg.qr(np.eye(self.dimension) + 0.3 * rng.normal(size=(self.dimension,) * 2))
        return (self.embed_documents(texts) @ turn[0]).astype(np.float32)


def chunk(i):
    return stdlib.DocChunk(
        f"mod{i % 40}.f{i}", f"mod{i % 40} topic{i} does thing{i}", f"mod{i % 40}", "function"
    )


def question(i):
    return f"about{i} with{i}", ("keyword", "question", "symptom")[i % 3], [f"mod{i % 40}.f{i}"]


@pytest.fixture(autouse=True)
def small_demo(tmp_path, monkeypatch):
    monkeypatch.setenv("RAGTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(options, "embedder", TurnedEmbedder)
    monkeypatch.setattr(stdlib, "chunks", lambda: [chunk(i) for i in range(300)])
    monkeypatch.setattr(demo_run, "packaged_questions", lambda: map(question, range(200)))


@pytest.fixture
def beir(tmp_path):
    folder = tmp_path / "small"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{i}", "text": f"topic{i} does thing{i}"} for i in range(150)]
    queries = [{"_id": f"q{i}", "text": f"about{i} with{i}"} for i in range(150)]
    for name, lines in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for name, rows in (("train", range(100)), ("test", range(100, 150))):
        text = "".join(f"q{i}\td{i}\t1\n" for i in rows)
        (folder / f"qrels/{name}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{text}")
    return folder


def test_demo_learns_and_keeps_a_memory_that_searches(tmp_path):
    result = run_demo(embedder=TurnedEmbedder())
    assert result.path.parent == tmp_path / "cache" / "demo"
    assert result.embedded == 300
    assert result.run.pair_count == 200
    assert result.run.promoted
    with Memory(result.path, embedder=TurnedEmbedder()) as memory:
        assert memory.search("about7 with7", k=1, deep_memory=True)[0].id == "mod7.f7"
        assert memory.get(["mod7.f7"])[0].source == "mod7"


def test_second_run_embeds_nothing_and_reports_the_same():
    first, second = (run_demo(embedder=TurnedEmbedder()) for _ in range(2))
    assert second.embedded == 0
    assert second.run.report == first.run.report
    assert second.examples == first.examples


def test_questions_are_imported_and_trained_on_as_a_job():
    result = run_demo(embedder=TurnedEmbedder())
    with Memory(result.path) as memory:
        (job,) = memory.jobs.list()
        assert (job.status, job.run_id, job.attempts) == ("ready", result.run.id, 1)
        assert job.result["promoted"]
        assert memory.runs.get(job.run_id)["status"] == "completed"
        assert {pair.source for pair in memory.store.pairs.living()} == {"imported"}


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_cancels_the_job(tmp_path):
    def interrupt():
        with Memory(tmp_path / "m") as memory:
            while not memory.jobs.list("training"):
                time.sleep(0.02)
            _thread.interrupt_main()

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_demo(at=tmp_path / "m", embedder=TurnedEmbedder())
    thread.join()
    with Memory(tmp_path / "m") as memory:
        assert [job.status for job in memory.jobs.list()] == ["cancelled"]
        assert [run["status"] for run in memory.runs.list()] == ["cancelled"]
        assert memory.models.list() == []


def test_a_training_that_fails_is_told_with_its_error(monkeypatch):
    monkeypatch.setattr(demo_run, "packaged_questions", lambda: map(question, range(1)))
    with pytest.raises(RuntimeError, match="expected it ready, got failed: ValueError: "):
        run_demo(embedder=TurnedEmbedder())


def test_answers_that_this_python_lacks_are_left_out_and_counted(monkeypatch):
    lines = [*map(question, range(30)), ("gone", "symptom", ["no.such"]),
             ("half", "keyword", ["mod1.f1", "no.other"])]  # fmt: skip
    monkeypatch.setattr(demo_run, "packaged_questions", lambda: iter(lines))
    result = run_demo(embedder=TurnedEmbedder())
    assert result.task.unknown_ids == 2
    assert len(result.task.train) == 31
    assert dict(result.task.train[-1].grades) == {"mod1.f1": 1.0}


def test_limit_takes_the_same_questions_each_time_into_a_memory_of_its_own():
    first, second = (run_demo(limit=50, embedder=TurnedEmbedder()) for _ in range(2))
    assert len(first.task.train) == first.run.pair_count == second.run.pair_count == 50
    assert first.task.train == second.task.train
    assert first.path.name.endswith("-50-questions.ragtune")


def test_limit_below_one_is_refused():
    with pytest.raises(ValueError, match="limit: expected at least 1"):
        run_demo(limit=0, embedder=TurnedEmbedder())


def test_phases_are_told_in_order_with_counts():
    told = []
    run_demo(embedder=TurnedEmbedder(), progress=lambda *step: told.append(step))
    phases = list(dict.fromkeys(phase for phase, _, _ in told))
    assert phases == ["reading the corpus", "embedding the corpus", "importing the questions",
                      "learning", "choosing examples"]  # fmt: skip
    assert ("embedding the corpus", 256, 300) in told


def test_beir_folder_is_learned_on_train_and_reported_on_test(beir, tmp_path):
    result = run_demo(data=beir, at=tmp_path / "mine", embedder=TurnedEmbedder())
    assert result.path == tmp_path / "mine"
    assert result.run.pair_count == 100
    assert result.test.overall.queries == 50
    assert result.test.seen is None
    tested = {question.text for question in result.task.test}
    assert {example.question for example in result.examples} <= tested


def test_beir_folder_without_train_judgments_is_refused(beir):
    (beir / "qrels/train.tsv").unlink()
    with pytest.raises(ValueError, match=r"train\.tsv: expected judgments to learn from"):
        run_demo(data=beir, embedder=TurnedEmbedder())


# -- examples ---------------------------------------------------------------------------------


def test_examples_show_where_the_right_chunk_stood_before_and_after():
    result = run_demo(embedder=TurnedEmbedder())
    right = {question.text: question.grades for question in result.task.train}
    assert [example.kind for example in result.examples[:3]] == list(KINDS[:3])
    assert len({example.style for example in result.examples[:3]}) == 3
    for example in result.examples:
        rank = {"better": -1, "same": 0, "worse": 1}[example.kind]
        assert np.sign((example.rank_after or 101) - (example.rank_before or 101)) == rank
        assert all(hit.is_right == (hit.id in right[example.question]) for hit in example.after)
        if example.rank_after and example.rank_after <= 3:
            assert example.after[example.rank_after - 1].is_right


def test_without_a_promoted_model_every_example_stays(memory):
    memory.add([f"topic{i}" for i in range(5)], ids=[f"c{i}" for i in range(5)])
    questions = [Question(f"topic{i}", "", {f"c{i}": 1.0}) for i in range(5)]
    examples = choose_examples(memory, questions)
    assert [(e.kind, e.rank_before, e.rank_after) for e in examples] == [("same", 1, 1)]


# -- the command ------------------------------------------------------------------------------


def shown(*arguments):
    result = CliRunner().invoke(app, ["demo", *map(str, arguments)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_command_prints_all_within_80_columns_except_what_is_to_be_copied():
    text = shown()
    for part in ("300 of 40 modules", "200 (67 keyword, 67 question, 66 symptom)", "recall@1",
                 "ndcg@10", "PROMOTE", "rank ", "The model has learned from these",
                 "300 chunks in", "s in all: "):  # fmt: skip
        assert part in text
    (command,) = [line for line in text.splitlines() if line.startswith("  ragtune search ")]
    assert " --deep-memory -m " in command
    assert all(len(line) <= 80 for line in text.splitlines() if "cache" not in line)
    assert "nothing: all from cache" in shown()


def test_command_prints_both_reports_for_a_beir_folder(beir):
    text = shown("--data", beir)
    assert "Before and after, on the test questions" in text
    assert "test questions  50" in text


def test_command_prints_one_json_document(beir):
    document = json.loads(shown("--json"))
    assert document["chunks"] == 300
    assert document["report"]["verdict"]["decision"] == "promote"
    assert document["test"] is None
    assert len(document["examples"]) >= 3
    assert json.loads(shown("--json", "--data", beir))["test"]["overall"]["queries"] == 50


def test_demo_in_the_command_line_sees_the_whole_standard_library():
    """Typer replaces sys.excepthook, and the demo once lost that chunk and a question."""
    import subprocess
    import sys

    code = (
        "import sys; before = sys.excepthook\n"
        "from ragtune.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert sys.excepthook is before"
    )
    subprocess.run([sys.executable, "-c", code, "--version"], check=True, capture_output=True)
