"""Which embedder made a memory's vectors, and whether the one at hand is the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragtune.arrays import as_matrix, as_queries, unit_rows
from ragtune.embed import Fingerprint, as_embedder, fingerprint
from ragtune.sentences import sentences_of
from ragtune.store import Store, content_key
from ragtune.types import Embedder, EmbedderMismatchError, Progress

GIVEN = "given"  # name of a space whose vectors came from the caller, without an embedder
BATCH = 256  # texts between two commits of the cache

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


class EmbeddingSpace:
    """The embedder of a memory, checked once against the vectors that are stored."""

    def __init__(self, store: Store, embedder: object | None) -> None:
        """Keep the embedder; it is loaded when a text is first embedded."""
        self._store = store
        self._given = embedder
        self._checked: Embedder | None = None
        self._dimension: int | None = None

    def dimension(self) -> int | None:
        """Dimension of the stored vectors, None while there are none."""
        if self._dimension is None:  # the first space to be stored stays, also after a purge
            stored = self._store.vectors.space()
            self._dimension = Fingerprint.from_bytes(stored).dimension if stored else None
        return self._dimension

    def embedder(self) -> Embedder:
        """The embedder, after its probe vectors were held against the stored ones.

        Raises:
            EmbedderMismatchError: The vectors are of another space.
            ValueError: The vectors were given and so was no embedder.
        """
        if self._checked is None:
            stored = self._store.vectors.space()
            known = Fingerprint.from_bytes(stored) if stored else None
            if known and known.name == GIVEN and self._given is None:
                raise ValueError(
                    "embedder: expected one, because this memory's vectors were given; "
                    "pass Memory(..., embedder=) or embedding="
                )
            embedder = as_embedder(self._given)
            mine = fingerprint(embedder)
            self._hold_against(known, mine)
            if stored is None:
                self._store.vectors.set_space(mine.to_bytes())
            self._checked = embedder
        return self._checked

    def _hold_against(self, known: Fingerprint | None, mine: Fingerprint) -> None:
        if known is None:
            return
        same = known.dimension == mine.dimension if known.name == GIVEN else known.matches(mine)
        if not same:
            raise EmbedderMismatchError(
                f"embedder: expected the one that made this memory's vectors; {known.explain(mine)}"
            )

    def accept(self, vectors: object, count: int) -> NDArray[np.float32]:
        """Vectors that the caller embedded, as unit rows (count, d); claims the space for them.

        Raises:
            EmbedderMismatchError: The dimension is not that of the stored vectors.
            TypeError, ValueError: They are not a finite (count, d) matrix.
        """
        matrix = as_matrix(vectors, "embeddings")  # type: ignore[arg-type]
        if len(matrix) != count:
            raise ValueError(f"embeddings: expected {count} rows, got {len(matrix)}")
        expected = self.dimension()
        if expected is None and self._given is not None:
            expected = self.embedder().dimension
        if expected not in (None, matrix.shape[1]):
            raise EmbedderMismatchError(
                f"embeddings: expected {expected} dimensions, got {matrix.shape[1]}"
            )
        if expected is None:
            probes = np.zeros((0, matrix.shape[1]), dtype=np.float32)
            self._store.vectors.set_space(Fingerprint(GIVEN, matrix.shape[1], probes).to_bytes())
        return unit_rows(matrix)

    def chunks(
        self, ids: Sequence[str], texts: Sequence[str], progress: Progress | None
    ) -> list[bytes]:
        """Vectors of the texts of chunks; a stored chunk with the same text keeps its own."""
        hashes = self._store.chunks.text_hashes(ids)
        named = list(zip(ids, texts, strict=True))
        known = self._store.chunks.vectors_of(
            [id_ for id_, text in named if hashes.get(id_) == content_key(text)]
        )
        fresh = [text for id_, text in named if id_ not in known]
        embedded = iter(self.documents(fresh, progress) if fresh else ())
        return [known[id_] if id_ in known else next(embedded) for id_ in ids]

    def documents(self, texts: Sequence[str], progress: Progress | None) -> list[bytes]:
        """Vectors of passages as float32 bytes; what is known by content is not embedded again."""
        embedder = self.embedder()
        return self._cached(
            texts, [content_key(t) for t in texts], embedder.embed_documents, progress
        )

    def questions(self, texts: Sequence[str], progress: Progress | None) -> NDArray[np.float32]:
        """Vectors of questions, (n, d); kept by content: known ones need no embedder."""
        keys = [content_key(f"question\0{text}") for text in texts]

        def embed(part: Sequence[str]) -> NDArray[np.float32]:
            return self.embedder().embed_queries(part)

        vectors = self._cached(texts, keys, embed, progress)
        return np.frombuffer(b"".join(vectors), dtype=np.float32).reshape(len(texts), -1)

    @property
    def is_given(self) -> bool:
        """Whether the embedder is the caller's, which another process does not have."""
        return self._given is not None

    @property
    def can_embed(self) -> bool:
        """Whether texts can be embedded: not if all vectors were given and no embedder."""
        stored = self._store.vectors.space()
        return (
            self._given is not None
            or stored is None
            or Fingerprint.from_bytes(stored).name != GIVEN
        )

    def make_sentences(self, progress: Progress | None) -> int:
        """Embed the sentences of chunks that lack them, a batch at a time; returns how many."""
        missing = self._store.sentences.missing()
        texts = [(row, hash_, sentences_of(text)) for row, (hash_, text) in missing.items()]
        total, done = sum(len(own) for _, _, own in texts), 0
        dimension = self.dimension() or 0
        while texts:
            part, size = [], 0
            while texts and size < BATCH:
                part.append(texts.pop())
                size += len(part[-1][2])
            said = [sentence for _, _, own in part for sentence in own]
            vectors = self.embedder().embed_documents(said) if said else np.empty((0, dimension))
            unit = unit_rows(np.ascontiguousarray(vectors, dtype=np.float32))
            ends = np.cumsum([len(own) for _, _, own in part])[:-1]
            split = np.split(unit, ends)
            self._store.sentences.put(
                {row: (hash_, own) for (row, hash_, _), own in zip(part, split, strict=True)}
            )
            done += size
            if progress and total:
                progress(done, total)
        return total

    def asked(self, query: str | None, embedding: ArrayLike | None) -> NDArray[np.float32] | None:
        """Vector (1, d) of a question, which is given as text or as a vector; None if no chunk is.

        Raises:
            TypeError: The query is not a string.
            ValueError: Both are given or neither, or the vector is of another dimension or not
                finite.
        """
        if (query is None) == (embedding is None):
            raise ValueError("query: expected either a query or embedding=, got both or neither")
        if query is not None and not isinstance(query, str):
            raise TypeError(f"query: expected str, got {type(query).__name__}")
        dimension = self.dimension()
        if dimension is None:  # nothing was added yet
            return None
        if embedding is not None:
            return as_queries(embedding, "embedding", dimension=dimension)
        assert query is not None
        return self.query(query)

    def query(self, text: str) -> NDArray[np.float32]:
        """Vector of one question, (1, d)."""
        return self.embedder().embed_queries([text])

    def _cached(
        self, texts: Sequence[str], keys: list[bytes], embed: Embed, progress: Progress | None
    ) -> list[bytes]:
        """Embed what is missing, a batch at a time, each batch committed."""
        known = self._store.vectors.get(dict.fromkeys(keys))
        text_of = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        missing = list(text_of)
        # Batches of like length pad less; the long ones first, so that the end is quick.
        missing.sort(key=lambda key: -len(text_of[key]))
        for first in range(0, len(missing), BATCH):
            part = missing[first : first + BATCH]
            vectors = embed([text_of[key] for key in part])
            fresh = {key: vector.tobytes() for key, vector in zip(part, vectors, strict=True)}
            self._store.vectors.put(fresh)
            known |= fresh
            if progress:
                progress(first + len(part), len(missing))
        return [known[key] for key in keys]
