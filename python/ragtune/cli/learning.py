"""Verbs that learn from questions, and measure what it is worth."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from ragtune.cli import options, output
from ragtune.cli.options import AsJson, Coverage, MemoryPath, SkipUnknown, examples

if TYPE_CHECKING:
    from ragtune.report import Report


def _known_strategy(name: str) -> str:
    if name != "auto":  # the default needs no slow import
        from ragtune import strategies

        known = strategies.names()
        if name not in known:
            raise typer.BadParameter(f"expected one of {', '.join(known)}, got {name}")
    return name


Numbers: TypeAlias = list[float] | None
QuestionFile = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="Questions with their chunks, a JSON object a line."
    ),
]
Strategy = Annotated[
    str,
    typer.Option(
        callback=_known_strategy,
        help="How to learn: auto, fusion, ridge, kernel_ridge, contrastive, low_rank, mlp, "
        "identity, a plug-in.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command(
        short_help="Learn, prove the gain, serve it if it is proven.",
        epilog=examples(
            "ragtune tune --pairs pairs.jsonl",
            "ragtune tune --penalty 30 --penalty 100 --seed 7 -m support.ragtune",
            "",
            'A line of the file: {"question": "...", "chunk_id": "faq.md#3"}',
            'or {"question": "...", "answers": ["faq.md#3", "faq.md#4"], "relevance": 2}',
        ),
    )(tune)
    app.command(
        short_help="Measure on questions that were not learned from.",
        epilog=examples(
            "ragtune evaluate --queries new.jsonl",
            "ragtune evaluate --beir scifact/ -m scifact.ragtune --json",
        ),
    )(evaluate)


def tune(
    pairs: QuestionFile = None,
    strategy: Strategy = "auto",
    penalty: Annotated[Numbers, typer.Option(help="Ridge penalty; several to choose from.")] = None,
    alpha: Annotated[Numbers, typer.Option(help="How far to go; several to choose from.")] = None,
    coverage: Coverage = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="Decides folds and resamples.")] = 0,
    skip_unknown: SkipUnknown = False,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Learn from all pairs of the memory, prove the gain, serve it only if it is proven.

    Pairs of --pairs are kept in the memory first, all or, if a line is bad, none.
    """
    chosen = {"penalty": penalty, "alpha": alpha}
    start = time.perf_counter()
    with options.open_memory(memory) as opened, output.progress(as_json=as_json) as progress:
        from ragtune.cli.question_file import read_pairs

        new, unknown = read_pairs(opened, pairs, skip_unknown=skip_unknown)
        run = opened.tune(
            new,
            strategy=strategy,
            hyperparameters={name: value for name, value in chosen.items() if value},
            coverage=coverage,
            seed=seed,
            progress=lambda done, total: progress("learning", done, total),
        )
    facts = {"run": run.id, "pairs": run.pair_count, "unknown_ids": unknown,
             "version": run.version, "promoted": run.promoted,
             "seconds": time.perf_counter() - start}  # fmt: skip
    _print_report(run.report, facts, as_json, decides=True)
    if not as_json:
        m, served = options.option_for(memory), "serves" if run.promoted else "does not serve"
        output.show(
            f"Model {run.version}, from {run.pair_count:,} pairs, {served}; "
            f"{facts['seconds']:.1f} s.",
            *([f'ragtune search "a question" --deep-memory{m}'] if run.promoted else []),
        )


def evaluate(
    queries: QuestionFile = None,
    beir: Annotated[
        Path | None,
        typer.Option(callback=options.beir_folder, help="A BEIR folder: its qrels/test.tsv."),
    ] = None,
    coverage: Coverage = 0.5,
    skip_unknown: SkipUnknown = False,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Compare the frozen embeddings with the promoted model on questions not learned from.

    Nothing is promoted or taken back here.
    """
    origin = queries or beir
    if origin is None or (queries and beir):
        raise typer.BadParameter("expected one of them", param_hint="--queries or --beir")
    with options.open_memory(memory) as opened, output.progress(as_json=as_json) as progress:
        from ragtune.cli.question_file import keep_known
        from ragtune.questions.files import read_beir_split, read_questions

        questions = read_questions(origin) if queries else read_beir_split(origin, "test").questions
        kept, unknown = keep_known(opened, questions, origin, skip_unknown=skip_unknown)
        report = opened.evaluate(
            [question.text for question in kept],
            [question.grades for question in kept],
            coverage=coverage,
            progress=lambda done, total: progress("embedding", done, total),
        )
    facts = {"questions": len(kept), "unknown_ids": unknown}
    _print_report(report, facts, as_json, decides=False)


def _print_report(report: Report, facts: dict[str, Any], as_json: bool, *, decides: bool) -> None:
    if as_json:
        output.print_json({**facts, "report": json.loads(report.to_json())})
        return
    from ragtune.cli.tables import report_parts

    if facts["unknown_ids"]:
        output.note(f"{facts['unknown_ids']:,} unknown chunk ids left out")
    output.show(*report_parts(report, decides=decides))
