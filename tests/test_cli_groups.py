"""The groups of verbs: a person finds the next step from each output."""

import json
import re
import subprocess
import sys
import threading

import pytest
from conftest import HashEmbedder, fill
from typer.testing import CliRunner

import ragtune
from ragtune.cli import app, options
from ragtune.cli.questions import chat_of
from ragtune.types import ChatAnswer

GROUPS = {
    "questions": ("estimate", "preview", "generate", "import", "extract", "list"),
    "runs": ("list", "show", "train", "enable", "disable", "new"),
    "models": ("list", "show", "promote", "rollback", "delete", "export", "import"),
    "jobs": ("list", "show", "logs", "cancel"),
    "datasets": ("import", "list", "validate", "delete"),
}
VERBS = [(group, verb) for group, verbs in GROUPS.items() for verb in verbs]
NEXT = re.compile(r"^ragtune [a-z]+( [a-z]+)?( |$)", re.M)


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RAGTUNE_MEMORY", "RAGTUNE_DEBUG", "RAGTUNE_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(options, "embedder", HashEmbedder)


@pytest.fixture
def run_id(tmp_path):
    with ragtune.Memory("memory.ragtune", embedder=HashEmbedder()) as memory:
        return fill(memory)


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def shown(*arguments, code=0):
    """What a command prints, which names the next one."""
    out = run(*arguments, code=code).stdout
    assert NEXT.search(out), out
    return out


def run_json(*arguments, code=0):
    return json.loads(run(*arguments, "--json", code=code).stdout)


@pytest.mark.parametrize(("group", "verb"), [*VERBS, ("worker", None)])
def test_help_has_an_example(group, verb):
    arguments = [group, verb] if verb else [group]
    out = run(*arguments, "--help").stdout
    assert "Examples:" in out
    assert f"  ragtune {' '.join(arguments)}" in out
    assert "--json" in out


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_shows_its_verbs(group):
    out = run(group, "--help").stdout
    for verb in GROUPS[group]:
        assert re.search(rf"^  {verb} ", out, re.M), verb


@pytest.mark.parametrize("group", GROUPS)
def test_an_empty_list_tells_how_to_begin(group, tmp_path):
    ragtune.Memory("memory.ragtune", embedder=HashEmbedder()).close()
    assert "There are no" in shown(group, "list")
    assert run_json(group, "list")[group] == []


def test_the_way_from_a_run_to_a_model_that_serves(run_id):
    assert run_id in shown("runs", "list")
    assert f"ragtune runs train {run_id}" in shown("runs", "show", run_id)
    assert run_json("runs", "new") == {"new_chunks": 60}
    assert "no run is completed yet" in run("runs", "enable", code=1).stderr
    assert "Model 1, from 60 pairs" in shown("runs", "train", run_id[:6], "--strategy", "ridge")
    assert "expected it generated, got completed" in run("runs", "train", run_id, code=1).stderr
    assert "0 new chunks" in shown("runs", "new")
    assert "ragtune models promote 1" in shown("models", "show", 1)
    assert "Model 1 serves" in shown("models", "promote", 1)
    assert "what was learned" in shown("runs", "enable")
    assert run_json("search", "item3")["deep_memory"] is True
    assert run_json("search", "item3", "--no-deep-memory")["deep_memory"] is False
    assert "frozen embeddings" in shown("runs", "disable")
    assert run_json("search", "item3")["deep_memory"] is False
    assert run_json("models", "list")["models"][0]["serves"] is True
    assert "No model serves" in shown("models", "rollback")
    run_detail = run_json("runs", "show", run_id)
    assert (run_detail["status"], len(run_detail["sample"])) == ("completed", 10)


def test_models_go_out_and_come_in(run_id, tmp_path):
    run("runs", "train", run_id, "--strategy", "ridge")
    assert "ragtune models import my.adapter" in shown("models", "export", 1, "my.adapter")
    assert "my.adapter" in run("models", "export", 1, "my.adapter", code=1).stderr
    assert "ragtune models promote 2" in shown("models", "import", "my.adapter")
    assert run_json("models", "show", 2)["options"] == {"imported": "my.adapter"}
    assert run_json("models", "delete", 2) == {"serving": None}
    assert "expected that of a model, got 2" in run("models", "show", 2, code=1).stderr


def test_jobs_are_queued_worked_on_and_read(run_id):
    job = run_json("runs", "train", run_id, "--strategy", "ridge", "--background")["job"]
    assert "ragtune worker" in shown("jobs", "list")
    assert run_json("worker", "--until-idle") == {"jobs": 1}
    assert run_json("jobs", "show", job)["status"] == "ready"
    assert "attempt 1 of 3" in shown("jobs", "logs", job[:8], "--follow")
    assert "ready" in shown("jobs", "show", job)
    assert run_json("jobs", "cancel", job) == {"job": job, "status": "ready"}
    assert "expected the id of a job" in run("jobs", "show", "nothing", code=1).stderr


def test_a_queued_job_is_cancelled(run_id):
    job = run_json("runs", "train", run_id, "--background")["job"]
    assert "cancelled" in shown("jobs", "cancel", job)
    assert run_json("runs", "show", run_id)["status"] == "cancelled"


def test_a_worker_ends_when_it_is_told(run_id):
    command = [sys.executable, "-c", "from ragtune.cli import main; main()", "worker"]
    worker = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert "waiting for jobs" in worker.stderr.readline()
    threading.Timer(0.3, worker.terminate).start()
    out, _ = worker.communicate(timeout=20)
    assert worker.returncode == 0
    assert out.startswith("0 jobs")


def test_data_sets_are_kept_and_their_problems_told(run_id, tmp_path):
    lines = [{"question": f"ask {i}", "chunk_id": f"c{i}"} for i in range(5)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert "ready" in shown("datasets", "import", "faq", "--train", "train.jsonl")
    assert run_json("datasets", "list")["datasets"][0]["counts"]["items"] == 5
    shown("datasets", "list")
    shown("datasets", "validate", "faq")
    leaky = ("datasets", "import", "bad", "--train", "train.jsonl", "--test", "train.jsonl")
    assert "leakage: 5" in shown(*leaky, code=1)
    (tmp_path / "blank.jsonl").write_text('{"question": " ", "chunk_id": "nowhere"}')
    found = run_json("datasets", "import", "blank", "--train", "blank.jsonl", code=1)
    assert {p["kind"] for p in found["problems"]} == {"empty questions", "dangling ids"}
    shown("datasets", "delete", "bad")
    run("datasets", "import", "nothing", code=2)
    (tmp_path / "broken.jsonl").write_text("{")
    told = run("datasets", "import", "x", "--train", "broken.jsonl", code=1).stderr
    assert "broken.jsonl:1" in told


def test_a_memory_on_postgresql_is_named_by_the_environment(tmp_path, monkeypatch):
    from conftest import postgres_schema

    with postgres_schema() as url:
        monkeypatch.setenv("RAGTUNE_STORE", url)
        (tmp_path / "docs.txt").write_text("the cat sat on the mat")
        run("add", "docs.txt")
        assert not list((tmp_path / "memory.ragtune").glob("*.sqlite"))
        assert run_json("search", "cat")["hits"][0]["text"] == "the cat sat on the mat"


# -- questions --------------------------------------------------------------------------------


class Scripted:
    name = "scripted"

    def __init__(self, model, base_url):
        pass

    def ask(self, messages, schema, max_tokens):
        word = re.search(r"\w+\d+", messages[1]["content"].split("\n", 1)[1])[0]
        return ChatAnswer(json.dumps([f"where is {word}?", "see http://x.example"]), 1, 1)


@pytest.fixture
def asked(monkeypatch):
    monkeypatch.setattr("ragtune.cli.questions.chat_of", Scripted)
    with ragtune.Memory("memory.ragtune", embedder=HashEmbedder()) as memory:
        memory.add(
            [f"thing{i} part{i} is kept safe" for i in range(30)], ids=[f"c{i}" for i in range(30)]
        )


def test_from_estimate_to_training_each_output_names_the_next_step(asked):
    told = run_json(
        "questions", "estimate", "--model", "m", "--input-price", 1, "--output-price", 2
    )
    assert (told["chunks"], told["calls"], told["seconds"]) == (30, 30, 30.0)
    assert told["money"] > 0
    assert "questions preview --model m" in shown("questions", "estimate", "--model", "m")
    seen = run_json("questions", "preview", "--model", "m", "--count", 3)["questions"]
    assert [row["reason"] for row in seen] == [None, "link"] * 3
    assert "questions generate --model m" in shown("questions", "preview", "--model", "m")
    done = run_json("questions", "generate", "--model", "m", "--rate", 0)
    assert (done["status"], done["chunks"], done["failed"], done["kept"]) == (
        "generated",
        30,
        0,
        30,
    )
    assert done["set_aside"] == {"link": 30}
    again = shown("questions", "generate", "--model", "m", "--rate", 0)
    assert "ragtune runs train" in again
    assert run_json("runs", "train", done["run"])["verdict"] in ("promote", "hold", "refuse")
    assert run_json("questions", "list")["count"] == 30
    assert "learn from them: ragtune tune" in run("questions", "list").stdout


def test_questions_are_imported_from_files(asked, tmp_path):
    assert "ragtune questions import FILE" in shown("questions", "list")
    (tmp_path / "q.csv").write_text("question,chunk_id\nwhere?,c1\nwhat?,c2\n")
    assert "ragtune tune" in shown("questions", "import", "q.csv")
    assert run_json("questions", "import", "q.csv") == {"pairs": 0, "chunks": 0, "unknown": 0}
    (tmp_path / "bad.csv").write_text("question,chunk_id\nwhere?,c1\nwhat?,nowhere\n")
    assert "1 of 2 chunk ids" in run("questions", "import", "bad.csv", code=1).stderr
    assert run_json("questions", "import", "bad.csv", "--skip-unknown")["unknown"] == 1


def test_extracted_questions_say_what_they_are(asked):
    told = run_json("questions", "extract", "--count", 10)
    assert told == {"pairs": 10, "source": "extractive"}
    assert "real questions are worth far more" in shown("questions", "extract")


def test_a_key_is_never_an_option():
    for verb in GROUPS["questions"]:
        assert "--api-key" not in run("questions", verb, "--help").stdout


def test_one_price_alone_is_used_wrongly(asked):
    assert "both prices" in run("questions", "estimate", "--model", "m", "--input-price", 1,
                                code=2).stderr  # fmt: skip


def test_a_model_of_litellm_is_asked_through_it(monkeypatch):
    monkeypatch.setattr(
        "ragtune.questions.litellm_chat.LiteLLMChat", lambda model: ("asked", model)
    )
    assert chat_of("litellm:anthropic/claude", "http://localhost:1") == (
        "asked",
        "anthropic/claude",
    )
