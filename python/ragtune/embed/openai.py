"""Embeddings from any server that speaks OpenAI's API."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune.embed.checks import check_texts, openai_server, require, unit_rows


class OpenAIEmbedder:
    """An embedder behind OpenAI's `/embeddings`, wherever it runs.

    Answers 429 and 5xx are retried, after the time that `retry-after` asks for. The key is
    never part of a message or of `repr`.

    Args:
        model: Name of the model, as the server knows it.
        base_url: The server; by default OpenAI's, or the environment's OPENAI_BASE_URL.
        api_key: By default the environment's OPENAI_API_KEY; a server given by `base_url` may
            need none.
        dimensions: Ask for vectors of this length (models that can shorten them).
        batch_size: Most texts in one request.
        timeout_s: Longest wait for one answer.
        max_retries: How often a request is repeated.

    Raises:
        ImportError: The package openai is missing.
        ValueError: A number is out of range, or there is no key.
    """

    def __init__(
        self,
        model: str = "text-embedding-3-small",
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        batch_size: int = 256,
        timeout_s: float = 60,
        max_retries: int = 5,
    ) -> None:
        if dimensions is not None and dimensions < 1:
            raise ValueError(f"dimensions: expected >= 1, got {dimensions}")
        if batch_size < 1:
            raise ValueError(f"batch_size: expected >= 1, got {batch_size}")
        url, key = openai_server(base_url, api_key)
        self._openai = require("openai", "llm")
        self._client: Any = self._openai.OpenAI(
            api_key=key, base_url=url, timeout=timeout_s, max_retries=max_retries
        )
        self.name = f"openai:{model}"
        self._model = model
        self._requested = dimensions
        self._dimension = dimensions
        self._batch_size = batch_size

    def __repr__(self) -> str:
        return f"OpenAIEmbedder(model={self._model!r}, base_url={str(self._client.base_url)!r})"

    @property
    def dimension(self) -> int:
        """Length d of a vector; asks the server once if nothing was embedded yet."""
        if self._dimension is None:
            self.embed_documents(["dimension"])
        assert self._dimension is not None
        return self._dimension

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts, `batch_size` in a request.

        Returns:
            Array of shape (n, d), rows of length 1, in the order of the texts.

        Raises:
            TypeError: A text is not a string.
            ValueError: The server answered with a wrong count or dimension.
            ConnectionError: The server was not reached or did not answer in time.
            RuntimeError: The server refused; the message has its status and reason.
        """
        checked = check_texts(texts)
        if not checked:
            return np.zeros((0, self.dimension), dtype=np.float32)
        size = self._batch_size
        starts = range(0, len(checked), size)
        return np.concatenate([self._embed(checked[start : start + size]) for start in starts])

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n queries; the API does not tell them from documents."""
        return self.embed_documents(texts)

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        rows = sorted(self._request(texts), key=lambda row: row.index)
        if [row.index for row in rows] != list(range(len(texts))):
            raise ValueError(
                f"{self.name}: expected {len(texts)} vectors with indexes from 0, "
                f"got {len(rows)} vectors"
            )
        source = self.name
        vectors = unit_rows([row.embedding for row in rows], len(texts), self._dimension, source)
        self._dimension = vectors.shape[1]
        return vectors

    def _request(self, texts: list[str]) -> list[Any]:
        optional = {} if self._requested is None else {"dimensions": self._requested}
        try:
            answer = self._client.embeddings.create(
                model=self._model,
                # The API refuses an empty text.
                input=[text or " " for text in texts],
                encoding_format="float",
                **optional,
            )
        except self._openai.APIConnectionError as error:
            raise ConnectionError(
                f"{self.name}: no answer from {self._client.base_url}: {error}"
            ) from None
        except self._openai.OpenAIError as error:
            # A server may repeat the key in its answer; the chained error would show it.
            reason = str(error).replace(self._client.api_key, "***")
            raise RuntimeError(f"{self.name}: the server refused: {reason}") from None
        return list(answer.data or [])
