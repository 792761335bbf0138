"""What `memory.questions` offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragtune.chunk_index import ChunkIndex
from ragtune.chunk_words import ChunkWords
from ragtune.events import Listener
from ragtune.questions.generation import CHARACTERS_PER_TOKEN, Asking, Generation
from ragtune.space import EmbeddingSpace
from ragtune.store import Store
from ragtune.types import Cancel, Chat

ROUND_TRIP = 100  # a question must find its chunk among so many
TOKENS_PER_QUESTION = 30  # about, of an answer


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would take; tokens are guesses, and money is None without prices."""

    chunks: int
    calls: int
    input_tokens: int
    output_tokens: int
    money: float | None
    seconds: float | None


class MemoryQuestions:
    """Questions for the chunks of a memory."""

    def __init__(
        self, store: Store, space: EmbeddingSpace, index: ChunkIndex, words: ChunkWords
    ) -> None:
        self._store, self._space, self._index, self._words = store, space, index, words

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
        """
        generation = Generation(self._store, chat, asking or Asking(), self._found)
        run = self._store.runs.get(generation.run(listener, cancel))
        assert run is not None
        return run

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
        sent = [asking.prompt.messages(text, "0" * 32) for text in texts]
        characters = sum(len(message["content"]) for own in sent for message in own)
        tokens = characters // CHARACTERS_PER_TOKEN
        answered = len(texts) * asking.prompt.target * TOKENS_PER_QUESTION
        money = prices and (tokens * prices["input"] + answered * prices["output"]) / 1e6
        rate = asking.requests_per_second
        seconds = len(texts) / rate if rate else None
        return Estimate(len(unasked), len(texts), tokens, answered, money or None, seconds)

    def _found(self, questions: Sequence[str], rows: Sequence[int]) -> list[bool]:
        """Whether each row is among the first of its question, by frozen vectors or by words."""
        vectors = self._space.questions(list(questions), None)
        state = self._index.fresh(vectors.shape[1])
        words = self._words.fresh(state.counters).indexes["words"]
        near = state.index.search(vectors, k=ROUND_TRIP, recall=1.0)[1]
        said = words.search(list(questions), ROUND_TRIP)[1]
        return [row in near[i] or row in said[i] for i, row in enumerate(rows)]
