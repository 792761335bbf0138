"""Verbs that make a memory, fill it and ask it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ragtune.cli import options, output
from ragtune.cli.options import AsJson, MemoryPath, examples


def _condition(text: str | None) -> str | None:
    if text is not None:
        from ragtune.filters import condition

        try:
            condition(json.loads(text))
        except (TypeError, ValueError) as error:
            raise typer.BadParameter(str(error)) from None
    return text


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command(
        short_help="Make a memory, which is a folder.",
        epilog=examples("ragtune init", "ragtune init support.ragtune"),
    )(init)
    app.command(
        short_help="Put files into a memory.",
        epilog=examples(
            "ragtune add docs/",
            "ragtune add handbook.pdf faq.md -m support.ragtune",
            "ragtune add corpus.jsonl --json",
        ),
    )(add)
    app.command(
        short_help="Find the chunks that answer a question.",
        epilog=examples(
            'ragtune search "how do I get my money back?"',
            'ragtune search "refund" -k 10 --deep-memory -m support.ragtune',
            """ragtune search "refund" --filter '{"lang": "en", "year": {"$gte": 2024}}'""",
        ),
    )(search)


def init(
    path: Annotated[
        Path, typer.Argument(envvar="RAGTUNE_MEMORY", help="A new or empty folder.")
    ] = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Make a memory: a folder with chunks, their vectors, questions and models."""
    is_new = not options.holds_memory(path)
    with options.open_or_create_memory(path, hint="PATH") as memory:
        count = len(memory)
    if as_json:
        output.print_json({"memory": str(path), "created": is_new, "chunks": count})
        return
    m = options.option_for(path)
    state = "made" if is_new else f"was there already, with {count:,} chunks"
    output.show(
        f"{path} {state}. Next:",
        f"  ragtune add docs/{m}",
        f'  ragtune search "a question"{m}',
        f"  ragtune tune --pairs pairs.jsonl{m}",
    )


def add(
    paths: Annotated[
        list[Path],
        typer.Argument(exists=True, help="Files and folders: txt md html rst pdf, jsonl (BEIR)."),
    ],
    chunk_min: Annotated[int, typer.Option(min=1, help="Least characters of a chunk.")] = 400,
    chunk_max: Annotated[int, typer.Option(min=1, help="Most characters of a chunk.")] = 1200,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Cut files into chunks and add them; a file that was added before is brought up to date.

    Chunks that have not changed are not embedded again. Either all files are added or none.
    """
    if chunk_min > chunk_max:
        raise typer.BadParameter(f"{chunk_min} is more than --chunk-max", param_hint="--chunk-min")
    from ragtune.cli.ingestion import add_files

    with options.open_or_create_memory(memory) as opened, output.progress(as_json=as_json) as seen:
        added = add_files(opened, paths, (chunk_min, chunk_max), seen)
    if as_json:
        output.print_json({"memory": str(memory), **added.to_dict()})
        return
    output.show(
        f"{added.chunks:,} chunks of {added.files:,} files in {memory}, "
        f"{added.embedded:,} embedded, {added.removed:,} removed, {added.seconds:.1f} s"
    )
    if added.skipped:
        output.show(f"{len(added.skipped):,} skipped: {added.reasons()}")


def search(
    query: Annotated[str, typer.Argument(help="The question.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many chunks.")] = 5,
    deep_memory: Annotated[
        bool | None,
        typer.Option(
            "--deep-memory/--no-deep-memory",
            help="Use what was learned, or not; else as ragtune runs enable said.",
        ),
    ] = None,
    filter: Annotated[
        str | None,
        typer.Option(help="A condition on the metadata, as JSON.", callback=_condition),
    ] = None,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Find the chunks that answer a question, best first."""
    with options.open_memory(memory) as opened, output.progress(as_json=as_json):
        passing = None if filter is None else json.loads(filter)
        hits = opened.search(query, k=k, deep_memory=deep_memory, filter=passing)
        learned = bool(opened.store.models.promoted())
        used = opened.runs.is_enabled() if deep_memory is None else deep_memory
    if deep_memory and not learned:
        output.note("no model is promoted: the frozen embeddings answered; see ragtune tune")
    if as_json:
        found = [
            {"rank": rank, "id": hit.id, "score": hit.score, "relevance": hit.relevance,
             "text": hit.text, "source": hit.chunk.source, "metadata": dict(hit.chunk.metadata)}
            for rank, hit in enumerate(hits, start=1)
        ]  # fmt: skip
        output.print_json({"query": query, "deep_memory": used and learned, "hits": found})
    elif not hits:
        none = (
            "no chunk passes the filter" if filter else f"{memory} has no chunks; see ragtune add"
        )
        output.show(none)
    else:
        from ragtune.cli.tables import hits_table

        output.show(hits_table(hits))
