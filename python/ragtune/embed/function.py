"""Any callable as an embedder."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ragtune.embed.checks import check_texts, unit_rows
from ragtune.embed.local import LocalEmbedder
from ragtune.types import Embedder

_Function = Callable[[list[str]], object]

_EMBEDDER_MEMBERS = ("name", "dimension", "embed_documents", "embed_queries")
_LANGCHAIN_MEMBERS = ("embed_documents", "embed_query")


class CallableEmbedder:
    """An embedder from a function, or from an object with LangChain's two methods.

    Args:
        function: Takes a list of n strings and returns an array-like of shape (n, d); or has
            `embed_documents(texts)` and `embed_query(text)`.
        name: What the embedding space is called; by default the function's own name.
        dimension: d; by default learned from the first answer.

    Raises:
        TypeError: `function` is neither.
        ValueError: `dimension` is below 1.
    """

    def __init__(
        self, function: object, *, name: str | None = None, dimension: int | None = None
    ) -> None:
        if dimension is not None and dimension < 1:
            raise ValueError(f"dimension: expected >= 1, got {dimension}")
        self._documents, self._queries = _functions(function)
        self.name = name or _name_of(function)
        self._dimension = dimension

    def __repr__(self) -> str:
        return f"CallableEmbedder(name={self.name!r}, dimension={self._dimension})"

    @property
    def dimension(self) -> int:
        """Length d of a vector; asks the function once if nothing was embedded yet."""
        if self._dimension is None:
            self.embed_documents(["dimension"])
        assert self._dimension is not None
        return self._dimension

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n documents.

        Returns:
            Array of shape (n, d), rows of length 1; a zero vector stays zero.

        Raises:
            TypeError: A text is not a string.
            ValueError: The function answered with a wrong count or dimension, or with a number
                that is NaN or infinite.
        """
        return self._embed(self._documents, texts)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n queries; shapes and errors as in `embed_documents`."""
        return self._embed(self._queries, texts)

    def _embed(self, function: _Function, texts: Sequence[str]) -> NDArray[np.float32]:
        checked = check_texts(texts)
        if not checked:
            return np.zeros((0, self.dimension), dtype=np.float32)
        rows = unit_rows(function(checked), len(checked), self._dimension, self.name)
        self._dimension = rows.shape[1]
        return rows


def as_embedder(thing: object) -> Embedder:
    """Make an embedder of what a user passed.

    Args:
        thing: None (the local model), an Embedder (returned as it is), a callable, or an object
            with LangChain's `embed_documents` and `embed_query`.

    Raises:
        TypeError: It is none of these.
    """
    if thing is None:
        return LocalEmbedder()
    if not isinstance(thing, type):
        if _has(thing, _EMBEDDER_MEMBERS):
            return cast("Embedder", thing)
        if callable(thing) or _has(thing, _LANGCHAIN_MEMBERS):
            return cast("Embedder", CallableEmbedder(thing))
    got = f"the class {thing.__name__}" if isinstance(thing, type) else type(thing).__name__
    raise TypeError(
        "embedder: expected None, an Embedder (name, dimension, embed_documents, embed_queries), "
        f"a callable or a LangChain Embeddings object, got {got}"
    )


def _has(thing: object, members: tuple[str, ...]) -> bool:
    # Static, because reading `dimension` may call an API.
    return all(inspect.getattr_static(thing, member, None) is not None for member in members)


def _functions(function: Any) -> tuple[_Function, _Function]:
    """Return what embeds documents and what embeds queries."""
    if _has(function, _LANGCHAIN_MEMBERS):
        return function.embed_documents, lambda texts: [function.embed_query(t) for t in texts]
    if callable(function):
        return function, function
    raise TypeError(f"function: expected a callable, got {type(function).__name__}")


def _name_of(function: object) -> str:
    named: Any = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"
