"""`ragtune questions`: what chunks are asked, by a language model, by people, from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from ragtune.cli import options, output
from ragtune.cli.groups import group, show_facts, show_rows
from ragtune.cli.options import AsJson, MemoryPath, SkipUnknown, examples

if TYPE_CHECKING:
    from ragtune.questions.generation import Asking
    from ragtune.types import Chat

LITELLM = "litellm:"  # before the name of a model

Model: TypeAlias = Annotated[
    str,
    typer.Option(
        help="The language model, as its server knows it; litellm:provider/name asks any that "
        "LiteLLM knows.",
        envvar="RAGTUNE_CHAT",
    ),
]
Server: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        envvar="OPENAI_BASE_URL",
        help="Any OpenAI-compatible server; the key comes from OPENAI_API_KEY alone.",
    ),
]
Target: TypeAlias = Annotated[int, typer.Option(min=3, max=5, help="Questions to a chunk.")]
Domain: TypeAlias = Annotated[str, typer.Option(help="Who asks, as a hint: 'tax advisers'.")]
Rate: TypeAlias = Annotated[
    float, typer.Option(min=0.0, help="Requests a second at most; 0 is no limit.")
]
MostPairs: TypeAlias = Annotated[int, typer.Option(min=1, help="Stop at so many questions.")]
Together: TypeAlias = Annotated[int, typer.Option(min=1, help="Requests at a time.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    questions = group(app, "questions", "What chunks are asked: written, imported, shown.",
                      "ragtune questions estimate --model gpt-5-mini",
                      "ragtune questions preview --model gpt-5-mini",
                      "ragtune questions generate --model gpt-5-mini",
                      "ragtune questions import questions.csv",
                      "ragtune questions list")  # fmt: skip
    local = "--model llama3.2 --base-url http://localhost:11434/v1"
    for name, verb, short, *lines in (
        ("estimate", estimate, "Tell chunks, calls, tokens, time and money; nothing is sent.",
         "ragtune questions estimate --model gpt-5-mini --input-price 0.25 --output-price 2"),
        ("preview", preview, "Ask about ten chunks and show what would become of it.",
         f"ragtune questions preview {local}"),
        ("generate", generate, "Ask about all new and changed chunks; goes on where it was killed.",
         "ragtune questions generate --model gpt-5-mini",
         "ragtune questions generate --model litellm:anthropic/claude-haiku-4-5",
         f"ragtune questions generate {local} --rate 0"),
        ("import", import_, "Keep the questions of a file, all or none.",
         "ragtune questions import questions.csv", "ragtune questions import scifact/",
         "ragtune questions import qa_dataset.json --with-chunks"),
        ("extract", extract, "Cut pseudo-questions out of the chunks: a stopgap, see its help.",
         "ragtune questions extract --count 500"),
        ("list", list_, "Questions with their chunks.", "ragtune questions list --json"),
    ):  # fmt: skip
        questions.command(name, short_help=short, epilog=examples(*lines))(verb)


def chat_of(model: str, base_url: str | None) -> Chat:
    """The client; tests put another here."""
    if model.startswith(LITELLM):
        from ragtune.questions.litellm_chat import LiteLLMChat

        return LiteLLMChat(model.removeprefix(LITELLM))
    from ragtune.questions.openai_chat import OpenAIChat

    return OpenAIChat(model, base_url)


def _asking(
    target: int, domain: str, rate: float = 1.0, most_pairs: int = 5000, together: int = 4
) -> Asking:
    from ragtune.questions.generation import Asking
    from ragtune.questions.prompt import Prompt

    return Asking(Prompt(target, domain), most_pairs, rate or None, concurrency=together)


def estimate(
    model: Model,
    base_url: Server = None,
    target: Target = 4,
    domain: Domain = "",
    rate: Rate = 1.0,
    input_price: Annotated[
        float | None, typer.Option(min=0.0, help="Money for a million tokens sent.")
    ] = None,
    output_price: Annotated[
        float | None, typer.Option(min=0.0, help="Money for a million tokens answered.")
    ] = None,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Tell what generate would take; nothing is sent. Tokens are guesses."""
    if (input_price is None) != (output_price is None):
        raise typer.BadParameter("expected both prices or neither", param_hint="--output-price")
    prices = None
    if input_price is not None and output_price is not None:
        prices = {"input": input_price, "output": output_price}
    with options.open_memory(memory) as opened:
        chat, asking = chat_of(model, base_url), _asking(target, domain, rate)
        found = opened.questions.estimate(chat, asking, prices)
    facts: dict[str, Any] = {name: getattr(found, name) for name in found.__dataclass_fields__}
    if as_json:
        output.print_json(facts)
        return
    show_facts(facts, f"\nragtune questions preview --model {model}{options.option_for(memory)}")


def preview(
    model: Model,
    base_url: Server = None,
    target: Target = 4,
    domain: Domain = "",
    count: Annotated[int, typer.Option(min=1, help="How many chunks.")] = 10,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Ask about a few chunks; what they answer is kept, so generate does not ask them again."""
    with options.open_memory(memory) as opened, output.progress(as_json=as_json):
        shown = opened.questions.preview(
            chat_of(model, base_url), _asking(target, domain), count=count
        )
    if as_json:
        output.print_json({"questions": [row._asdict() for row in shown.rows]})
        return
    rows = [row._asdict() for row in shown.rows]
    then = f"\nragtune questions generate --model {model}{options.option_for(memory)}"
    show_rows(rows, ("chunk_id", "question", "style", "reason"), then)


def generate(
    model: Model,
    base_url: Server = None,
    target: Target = 4,
    domain: Domain = "",
    rate: Rate = 1.0,
    most_pairs: MostPairs = 5000,
    concurrency: Together = 4,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Ask a model for questions about all new and changed chunks.

    A run that was killed goes on where it was, and pays for no answer twice.
    """
    m = options.option_for(memory)
    with options.open_memory(memory) as opened, output.progress(as_json=as_json) as seen:
        run = opened.questions.generate(
            chat_of(model, base_url),
            _asking(target, domain, rate, most_pairs, concurrency),
            listener=lambda event: seen(event.phase, event.done, event.total),
        )
        counts = opened.store.pairs.counts(run["id"])
        failed = sum(a["status"] == "failed" for a in opened.store.runs.accounts(run["id"]))
    facts = {"run": run["id"], "status": run["status"], "chunks": run["processed_chunks"],
             "failed": failed, "kept": counts.kept, "set_aside": counts.quarantined}  # fmt: skip
    if as_json:
        output.print_json(facts)
        return
    aside = ", ".join(f"{reason} {count:,}" for reason, count in counts.quarantined.items())
    then = f"\nragtune runs show {run['id']}{m}", f"ragtune runs train {run['id']}{m}"
    show_facts(facts | {"set_aside": aside or None}, *then)


def import_(
    path: Annotated[
        Path, typer.Argument(exists=True, help=".jsonl, .csv, .json or a BEIR folder.")
    ],
    with_chunks: Annotated[
        bool, typer.Option("--with-chunks", help="Add the chunks of the file first.")
    ] = False,
    skip_unknown: SkipUnknown = False,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Keep the questions of a file as training pairs.

    JSON lines with question and chunk_id; a table with these columns; LlamaIndex's
    EmbeddingQAFinetuneDataset; or the train split of a BEIR folder.
    """
    with options.open_memory(memory) as opened, output.progress(as_json=as_json):
        added = opened.questions.add(path, with_chunks=with_chunks, skip_unknown=skip_unknown)
    if as_json:
        output.print_json(added._asdict())
        return
    chunks = f", {added.chunks:,} new chunks" if with_chunks else ""
    left = f", {added.unknown:,} unknown chunk ids left out" if added.unknown else ""
    m = options.option_for(memory)
    output.show(f"{added.pairs:,} new pairs{chunks}{left}", f"ragtune tune{m}")


def extract(
    count: Annotated[int, typer.Option(min=1, help="Chunks at most.")] = 1000,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Take keywords out of chunks without questions: no model is asked.

    They use the chunks' own words and are worth little; docs/extractive.md has the figures.
    """
    with options.open_memory(memory) as opened:
        pairs = opened.questions.extract(count)
    if as_json:
        output.print_json({"pairs": pairs, "source": "extractive"})
        return
    m = options.option_for(memory)
    output.show(
        f"{pairs:,} new pairs, cut out of the chunks: real questions are worth far more.",
        f"ragtune questions preview --model MODEL{m}",
        f"ragtune tune{m}",
    )


def list_(
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Show questions that would be learned from, the oldest first."""
    with options.open_memory(memory) as opened:
        pairs = opened.store.pairs.living()
        chunks = opened.store.chunks.by_row([pair.chunk_row for pair in pairs[:count]])
    rows = [
        {"question": pair.question, "chunk_id": chunks[pair.chunk_row].id,
         "relevance": pair.relevance}
        for pair in pairs[:count]
    ]  # fmt: skip
    m = options.option_for(memory)
    if as_json:
        output.print_json({"count": len(pairs), "questions": rows})
    elif not rows:
        output.show("There are no questions yet; get some with:",
                    f"ragtune questions import FILE{m}",
                    f"ragtune questions preview --model MODEL{m}")  # fmt: skip
    else:
        show_rows(rows, rows[0], f"\n{len(pairs):,} in all; learn from them: ragtune tune{m}")
