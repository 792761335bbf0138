"""What `memory.questions` offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ragtune.arrays import as_count
from ragtune.chunk_index import ChunkIndex
from ragtune.chunk_words import ChunkWords
from ragtune.events import Listener
from ragtune.questions.extractive import extract
from ragtune.questions.files import read_file
from ragtune.questions.generation import Asking, Generation, spread
from ragtune.questions.prompt import about_tokens
from ragtune.report_details import html_table, markdown_table
from ragtune.space import EmbeddingSpace
from ragtune.store import NewChunk, Store
from ragtune.types import Cancel, Chat, Pair, StoreLockedError

_HEADINGS = "chunk", "question", "style", "set aside", "text"
PREVIEW = 80  # characters of a chunk that are shown
ROUND_TRIP = 100  # a question must find its chunk among so many
NEARLY_THE_SAME = 0.97  # cosine of two questions of one chunk
TOKENS_PER_QUESTION = 30  # about, of an answer


class PreviewRow(NamedTuple):
    """One question that was written; with a reason it would be set aside, or there is none."""

    chunk_id: str
    chunk: str
    question: str
    style: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a model writes for a few chunks."""

    rows: tuple[PreviewRow, ...]

    def __str__(self) -> str:
        return markdown_table(_HEADINGS, self._cells())

    def _repr_html_(self) -> str:
        return html_table(_HEADINGS, self._cells())

    def _cells(self) -> list[list[str]]:
        return [[row.chunk_id, row.question, row.style or "", row.reason or "", row.chunk]
                for row in self.rows]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would take; tokens are guesses, and money is None without prices."""

    chunks: int
    calls: int
    input_tokens: int
    output_tokens: int
    money: float | None
    seconds: float | None


class Added(NamedTuple):
    """What came of a file: pairs that are new, chunks that were added, ids that are unknown."""

    pairs: int
    chunks: int
    unknown: int


class MemoryQuestions:
    """Questions for the chunks of a memory."""

    def __init__(
        self, store: Store, space: EmbeddingSpace, index: ChunkIndex, words: ChunkWords
    ) -> None:
        self._store, self._space, self._index, self._words = store, space, index, words
        self._begun: list[Generation] = []

    def generate(
        self,
        chat: Chat,
        asking: Asking | None = None,
        *,
        listener: Listener | None = None,
        cancel: Cancel | None = None,
    ) -> Mapping[str, Any]:
        """Ask a model for questions about new and changed chunks; returns the run, `generated`.

        Raises:
            InterruptedError: It was cancelled.
            StoreLockedError: Another process is asking for this memory.
        """
        generation = self._generation(chat, asking)
        with self._store.alone("generating") as own:
            if not own:
                raise StoreLockedError(
                    "questions: another process is writing questions for this memory"
                )
            run = self._store.runs.get(generation.run(listener, cancel))
        assert run is not None
        return run

    def preview(self, chat: Chat, asking: Asking | None = None, *, count: int = 10) -> Preview:
        """Ask about a few chunks of different sources, and show what would become of it.

        Their answers are stored: `generate` does not ask for them again.

        Raises:
            ValueError: count < 1.
        """
        generation = self._generation(chat, asking)
        rows = [
            PreviewRow(chunk.id, chunk.text[:PREVIEW], pair.question, pair.style, pair.reason)
            for chunk, pairs, failed in generation.preview(as_count(count, "count"))
            for pair in pairs or [Pair("", chunk.id, reason=failed)]
        ]
        return Preview(tuple(rows))

    def add(
        self, path: str | Path, *, with_chunks: bool = False, skip_unknown: bool = False
    ) -> Added:
        """Keep the questions of a file as pairs, all or none: see `questions.files`.

        Args:
            path: .jsonl, .csv, .json as LlamaIndex saves it, or a BEIR folder (its train split).
            with_chunks: Add the chunks that the file has, and the memory lacks, first.
            skip_unknown: Leave out chunk ids that the memory lacks.

        Raises:
            FileNotFoundError: There is nothing at the path.
            ValueError: A line is bad, or a chunk id is unknown.
        """
        questions, texts = read_file(path)
        wanted = list(dict.fromkeys(id_ for q in questions for id_ in q.grades))
        lacking = [*texts] if with_chunks else wanted
        known = set(self._store.chunks.rows_and_sources(lacking))
        fresh = [id_ for id_ in lacking if id_ not in known]
        unknown = [] if with_chunks else fresh
        if unknown and not skip_unknown:
            raise ValueError(
                f"{path}: {len(unknown):,} of {len(wanted):,} chunk ids are not in the memory, "
                f"such as {unknown[0]!r}"
            )
        if with_chunks and fresh:
            vectors = self._space.documents([texts[id_] for id_ in fresh], None)
            self._store.chunks.add(
                [NewChunk(i, texts[i], {}, i, v) for i, v in zip(fresh, vectors, strict=True)]
            )
        left_out = set(unknown)
        pairs = [
            Pair(question.text, id_, grade)
            for question in questions
            for id_, grade in question.grades.items()
            if id_ not in left_out
        ]
        return Added(self._store.pairs.add(pairs), len(fresh) if with_chunks else 0, len(unknown))

    def estimate(
        self, chat: Chat, asking: Asking | None = None, prices: Mapping[str, float] | None = None
    ) -> Estimate:
        """Tell what `generate` would take; nothing is sent.

        Args:
            chat: The model.
            asking: How it would be asked.
            prices: Money per million tokens, {"input": ..., "output": ...}.
        """
        asking = asking or Asking()
        unasked = self._store.chunks.to_ask()
        key_of = {asking.prompt.key(chunk.text, chat.name): chunk.text for chunk in unasked}
        known = self._store.answers.get(key_of)
        texts = [text for key, text in key_of.items() if key not in known]
        tokens = sum(about_tokens(asking.prompt.messages(text, "0" * 32)) for text in texts)
        answered = len(texts) * asking.prompt.target * TOKENS_PER_QUESTION
        money = prices and (tokens * prices["input"] + answered * prices["output"]) / 1e6
        rate = asking.requests_per_second
        seconds = len(texts) / rate if rate else None
        return Estimate(len(unasked), len(texts), tokens, answered, money or None, seconds)

    def extract(self, count: int = 1_000, *, styles: Sequence[str] = ("keywords",)) -> int:
        """Keep pseudo-questions of chunks that have no pair, spread over their sources.

        They are taken out of the chunks themselves: docs/extractive.md tells what that is worth,
        and why sentences are not among the styles unless they are asked for.

        Args:
            count: Chunks at most.
            styles: Among "keywords" and "sentence".

        Returns:
            How many pairs are new.

        Raises:
            ValueError: count < 1, or a style is unknown.
        """
        asked = {pair.chunk_row for pair in self._store.pairs.living()}
        plan = spread([chunk for chunk in self._store.chunks.to_ask() if chunk.row not in asked])
        chosen = plan[: as_count(count, "count")]
        found = extract([chunk.text for chunk in chosen], styles)
        pairs = [
            Pair(question, chunk.id, source="extractive", style=style)
            for chunk, own in zip(chosen, found, strict=True)
            for question, style in own
        ]
        return self._store.pairs.add(pairs)

    def close(self) -> None:
        """Wait for answers that were asked for when a run was cancelled; they are stored."""
        while self._begun:
            self._begun.pop().settle()

    def _generation(self, chat: Chat, asking: Asking | None) -> Generation:
        generation = Generation(self._store, chat, asking or Asking(), self._judge)
        self._begun.append(generation)
        return generation

    def _judge(self, questions: Sequence[str], rows: Sequence[int]) -> list[str | None]:
        """Set aside what does not find its chunk, by frozen vectors or words, or says the same.

        The same is what is nearly another kept question of the chunk.
        """
        vectors = self._space.questions(list(questions), None)
        state = self._index.fresh(vectors.shape[1])
        words = self._words.fresh(state.counters).indexes["words"]
        near = state.index.search(vectors, k=ROUND_TRIP, recall=1.0)[1]
        said = words.search(list(questions), ROUND_TRIP)[1]
        reasons: list[str | None] = []
        for i, row in enumerate(rows):
            others = [j for j in range(i) if rows[j] == row and reasons[j] is None]
            if row not in near[i] and row not in said[i]:
                reasons.append("not found")
            elif others and (vectors[others] @ vectors[i]).max() >= NEARLY_THE_SAME:
                reasons.append("duplicate")
            else:
                reasons.append(None)
        return reasons
