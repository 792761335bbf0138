"""The nouns of the package. Imports nothing of ours.

The exceptions, drawn:

    RagtuneError
    +-- CorruptFileError        a file is not what was written
    +-- EmbedderMismatchError   vectors of another embedding space
    +-- LostClaimError          a worker no longer has its job
    +-- StoreLockedError        another process is writing
    +-- StoreVersionError       the store was written by a newer ragtune

Wrong arguments are `ValueError` and `TypeError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class RagtuneError(Exception):
    """Base of what a caller may want to catch."""


class CorruptFileError(RagtuneError):
    """A file was cut off, changed, or is of another format."""


class EmbedderMismatchError(RagtuneError):
    """The embedder at hand is not the one that made the stored vectors."""


class LostClaimError(RagtuneError):
    """The job was taken over by another worker, or cancelled; nothing of it was written."""


class StoreLockedError(RagtuneError):
    """Another process holds the store's write lock."""


class StoreVersionError(RagtuneError):
    """The store was written by a newer version of ragtune."""


Progress = Callable[[int, int], None]
"""Called with (done, total) now and then; what it raises stops the work."""


Cancel = Callable[[], bool]
"""Asked now and then during long work: true ends it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage that can be retrieved; `source` is the document that it comes from."""

    id: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved chunk; a larger score is closer.

    `relevance` is the chance in [0, 1] that it answers the question, where a model serves that
    was calibrated on held-out questions.
    """

    chunk: Chunk
    score: float
    relevance: float | None = None

    @property
    def id(self) -> str:
        """Id of the chunk."""
        return self.chunk.id

    @property
    def text(self) -> str:
        """Text of the chunk."""
        return self.chunk.text


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and a chunk that answers it; a relevance of 0 or below is a negative.

    `style` is how a generated question asks. A pair with a `reason` is set aside for it: kept to
    be looked at, never trained on.
    """

    question: str
    chunk_id: str
    relevance: float = 1.0
    source: str = "imported"
    style: str | None = None
    reason: str | None = None


class Embedder(Protocol):
    """Turns texts into rows of unit length, shape (n, dimension)."""

    @property
    def name(self) -> str:
        """Which model this is, for people."""
        ...

    @property
    def dimension(self) -> int:
        """Columns of what it returns; may ask a server the first time."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed passages."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed questions; the same as passages for symmetric models."""
        ...


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What a language model answered, and what it counted; 0 where it did not tell."""

    text: str
    input_tokens: int = 0
    output_tokens: int = 0


class Chat(Protocol):
    """A language model that answers messages."""

    @property
    def name(self) -> str:
        """Which model this is: part of the key under which answers are kept."""
        ...

    def ask(
        self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any], max_tokens: int
    ) -> ChatAnswer:
        """Answer the messages, as JSON of the schema if it can; may be called by many threads."""
        ...


class Strategy(Protocol):
    """A way of learning a query adapter; `data` is a `ragtune.training_data.TrainingData`."""

    @property
    def name(self) -> str:
        """What `fit(strategy=...)` calls it."""
        ...

    def validate(self, data: Any) -> None:
        """Raise ValueError, saying what would suit, if the data does not."""
        ...

    def default_hyperparameters(self, data: Any) -> Mapping[str, tuple[Any, ...]]:
        """Values to choose from, by name; with "alpha" those of the shrinkage to the identity."""
        ...

    def train(
        self,
        data: Any,
        hyperparameters: Mapping[str, Any],
        progress: Progress | None,
        cancel: Cancel | None,
    ) -> Any:
        """An object with `apply(queries)` (m, d) -> (m, d), and `matrix()` if it is linear."""
        ...
