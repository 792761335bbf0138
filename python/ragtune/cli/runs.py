"""`ragtune runs`: tunings, from their questions to a model."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from ragtune.cli import options, output
from ragtune.cli.groups import full_id, group, plain, show_facts, show_rows
from ragtune.cli.learning import Strategy
from ragtune.cli.options import AsJson, MemoryPath, examples

RunId: TypeAlias = Annotated[str, typer.Argument(help="Id of a run; see ragtune runs list.")]
NEXT = {
    "generating": "its questions are being written; see it again with: ragtune runs show {id}{m}",
    "generated": "ragtune runs train {id}{m}",
    "training": "ragtune jobs list{m}",
    "completed": "ragtune runs enable{m}",
    "failed": "ragtune runs list{m}",
    "cancelled": "ragtune runs list{m}",
}


def register(app: typer.Typer) -> None:
    """Add the group."""
    runs = group(app, "runs", "Tunings: their questions, training, and use.",
                 "ragtune runs list", "ragtune runs show 5f0c", "ragtune runs train 5f0c",
                 "ragtune runs enable", "ragtune runs new")  # fmt: skip
    for verb, short, *lines in (
        (list_, "All runs, newest first.", "ragtune runs list --json"),
        (show, "One run: a sample of its pairs, coverage, metrics.", "ragtune runs show 5f0c"),
        (train, "Learn from a run's pairs and prove the gain.",
         "ragtune runs train 5f0c", "ragtune runs train 5f0c --background"),
        (enable, "Let searches use what was learned.", "ragtune runs enable"),
        (disable, "Let searches use the frozen embeddings.", "ragtune runs disable"),
        (new, "How many chunks are new since the last training.", "ragtune runs new"),
    ):  # fmt: skip
        name = verb.__name__.rstrip("_")
        runs.command(name, short_help=short, epilog=examples(*lines))(verb)


def list_(memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False) -> None:
    """Show all runs, newest first; those that a killed process left are found here."""
    m = options.option_for(memory)
    with options.open_memory(memory) as opened:
        opened.runs.recover()
        rows = opened.runs.list()
        enabled = opened.runs.is_enabled()
    if as_json:
        output.print_json({"runs": plain(rows), "enabled": enabled})
    elif not rows:
        output.show("There are no runs yet; begin one with:", f"ragtune tune --pairs FILE{m}")
    else:
        columns = "id", "status", "strategy", "pair_count", "created_at"
        show_rows(rows, columns, f"\nragtune runs show {rows[0]['id']}{m}")


def show(
    run_id: RunId, memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False
) -> None:
    """Show a run: a sample of its pairs, questions per chunk, what it covers, its metrics."""
    with options.open_memory(memory) as opened:
        run = opened.runs.detail(full_id((run["id"] for run in opened.runs.list()), run_id))
    if as_json:
        output.print_json(plain(run))
        return
    names = ("id", "status", "strategy", "seed", "total_chunks", "processed_chunks", "kept",
             "questions_per_chunk", "coverage", "error", "created_at", "completed_at")  # fmt: skip
    show_facts({name: run[name] for name in names})
    if run["sample"]:
        show_rows(run["sample"], ("chunk_id", "question", "relevance", "reason"))
    m = options.option_for(memory)
    output.show("\n" + NEXT[run["status"]].format(id=run["id"], m=m))


def train(
    run_id: RunId,
    strategy: Strategy = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Decides folds and resamples.")] = 0,
    background: Annotated[
        bool, typer.Option("--background", help="Queue it for a ragtune worker.")
    ] = False,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Learn from a run that is generated, with the pairs of all completed runs."""
    m = options.option_for(memory)
    with options.open_memory(memory) as opened, output.progress(as_json=as_json) as seen:
        full = full_id((run["id"] for run in opened.runs.list()), run_id)
        if background:
            job_id = opened.jobs.train(full, strategy=strategy, seed=seed)
            if as_json:
                output.print_json({"job": job_id, "run": full, "status": "queued"})
            else:
                output.show(f"Job {job_id} is queued.", f"ragtune worker{m}",
                            f"ragtune jobs logs {job_id} --follow{m}")  # fmt: skip
            return
        run = opened.runs.train(
            full,
            strategy=strategy,
            seed=seed,
            progress=lambda done, total: seen("learning", done, total),
        )
    verdict = run.report.verdict
    if as_json:
        output.print_json({"run": run.id, "version": run.version, "promoted": run.promoted,
                           "verdict": verdict.decision, "reason": verdict.reason})  # fmt: skip
        return
    served = "serves" if run.promoted else "does not serve"
    output.show(
        f"Model {run.version}, from {run.pair_count:,} pairs, {served}: "
        f"{verdict.decision}, {verdict.reason}.",
        f"ragtune runs enable{m}" if run.promoted else f"ragtune models show {run.version}{m}",
    )


def enable(memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False) -> None:
    """Let searches use what was learned; refused while no run is completed."""
    with options.open_memory(memory) as opened:
        opened.runs.enable()
    _tell(True, 'ragtune search "a question"' + options.option_for(memory), as_json)


def disable(memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False) -> None:
    """Let searches use the frozen embeddings."""
    with options.open_memory(memory) as opened:
        opened.runs.disable()
    _tell(False, "ragtune runs enable" + options.option_for(memory), as_json)


def new(memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False) -> None:
    """Tell how many chunks were added or changed since the last training."""
    with options.open_memory(memory) as opened:
        count = opened.runs.new_chunks()
    m = options.option_for(memory)
    if as_json:
        output.print_json({"new_chunks": count})
    else:
        output.show(
            f"{count:,} new chunks since the last training",
            f"ragtune tune --pairs FILE{m}" if count else f"ragtune runs list{m}",
        )


def _tell(enabled: bool, then: str, as_json: bool) -> None:
    if as_json:
        output.print_json({"enabled": enabled})
    else:
        used = "what was learned" if enabled else "the frozen embeddings"
        output.show(f"Searches use {used}.", then)
