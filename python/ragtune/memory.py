"""The front door: a collection of chunks that learns from questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragtune.arrays import as_count, as_recall
from ragtune.chunk_index import ChunkIndex
from ragtune.datasets import Datasets
from ragtune.deep_memory import DeepMemory
from ragtune.evaluation import METRICS
from ragtune.explanation import Explanation
from ragtune.filters import condition
from ragtune.inputs import ids_of, metadata_of, pairs_of, storable
from ragtune.jobs import Home, Jobs
from ragtune.learning import Learning, Options, TuningRun
from ragtune.measuring import Measuring
from ragtune.memory_questions import MemoryQuestions
from ragtune.models import Models
from ragtune.questions.generation import Asking
from ragtune.registry import Registry
from ragtune.report import Report
from ragtune.retrieval import Asked, Filter, Retrieval
from ragtune.runs import Runs
from ragtune.space import EmbeddingSpace
from ragtune.store import NewChunk, Store, content_key
from ragtune.types import Chat, Chunk, Hit, Pair, Progress


class Memory:
    """Chunks, their vectors, pairs and models, in one directory.

    Every method that writes is all or nothing, and what it returned from survives a killed
    process. Several processes may open one directory: each sees what the others wrote at
    its next search.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        embedder: object | None = None,
        owner: str = "default",
        store: str | None = None,
    ) -> None:
        """Open the memory at `path`, or create it.

        Args:
            path: A directory.
            embedder: An `Embedder`, a callable from texts to vectors, or an object with
                LangChain's embed_documents and embed_query; None is `LocalEmbedder()`, loaded
                when a text is first embedded.
            owner: Whose chunks these are; owners never see each other's.
            store: URL of a PostgreSQL database, postgresql+psycopg://user@host/name, that holds
                all but index and models; None is an SQLite file in the directory.

        Raises:
            ImportError: The database's driver is not installed.
            NotADirectoryError: There is a file at `path`.
            StoreLockedError: Another process is writing and does not end.
            StoreVersionError: The store was written by a newer version.
        """
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"{self.path}: expected a directory")
        self.path.mkdir(parents=True, exist_ok=True)
        self.store = (
            Store.in_file(self.path / "store.sqlite", owner)
            if store is None
            else Store(store, owner)
        )
        self.space = EmbeddingSpace(self.store, embedder)
        self.registry = Registry(self.store, self.path / "models")
        self._learning = Learning(self.store, self.space, self.registry)
        self._index = ChunkIndex(self.store, self.path)
        self._retrieval = Retrieval(self.store, self.registry, self._index)
        self._measuring = Measuring(self.store, self.space, self._index, self._retrieval)
        self.jobs = Jobs(self.store, self.space, Home(self.path, store, owner))
        self.models = Models(self.store, self.registry)
        self.datasets = Datasets(self.store)
        self.questions = MemoryQuestions(self.store, self.space, self._index, self._retrieval.words)
        self.runs = Runs(self.store, self._learning)
        self.deep_memory = DeepMemory(self)

    def __repr__(self) -> str:
        return f"<ragtune.Memory {str(self.path)!r}: {len(self):,} chunks>"

    def __len__(self) -> int:
        """Chunks that can be found."""
        return self._index.count()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Keep the index in its file, and give back the database connections.

        A job that this memory's worker was at goes back into the queue.
        """
        self.jobs.stop_worker()
        self.questions.close()
        self._index.close()
        self.store.close()

    # -- chunks ---------------------------------------------------------------------------

    def add(
        self,
        texts: Sequence[str],
        *,
        ids: Sequence[str] | None = None,
        metadatas: Sequence[Mapping[str, Any]] | None = None,
        sources: Sequence[str] | None = None,
        embeddings: ArrayLike | None = None,
        progress: Progress | None = None,
    ) -> list[str]:
        """Add chunks, all or none, and return their ids; an id that is there is replaced.

        A chunk whose text has not changed is not embedded again, and an `add` that was
        interrupted goes on where it was.

        Args:
            texts: The passages.
            ids: Their names; without them a name is made from source and text.
            metadatas: JSON-able mappings.
            sources: The document of each chunk: folds and intervals group by it. Without
                them metadata["source"], else the chunk's id.
            embeddings: (n, d) vectors of the texts, if you have them already.
            progress: Called with (embedded, to embed).

        Raises:
            TypeError: A text, id or source is not a string, a metadata not a mapping.
            ValueError: Lengths differ, an id is empty or repeated, a vector is not finite, or half
                of a surrogate pair is in a text.
            EmbedderMismatchError: The vectors are of another space than the stored ones.
        """
        count = len(storable(texts, "texts"))
        metadata = metadata_of(metadatas, count)
        named = storable(sources, "sources", count) if sources is not None else None
        given_ids = ids_of(ids, count) if ids is not None else None
        groups = named or [str(m.get("source", "")) for m in metadata]
        names = list(given_ids or ()) or [
            content_key(f"{g}\0{t}").hex()[:24] for g, t in zip(groups, texts, strict=True)
        ]
        if count == 0:
            return []
        vectors = (
            self.space.chunks(names, texts, progress)
            if embeddings is None
            else [row.tobytes() for row in self.space.accept(embeddings, count)]
        )
        parts = zip(names, texts, metadata, groups, vectors, strict=True)
        chunks = {id_: NewChunk(id_, t, m, g or id_, v) for id_, t, m, g, v in parts}
        self.store.chunks.add(list(chunks.values()))
        if self.registry.needs_sentences(len(vectors[0]) // 4):
            self.space.make_sentences(progress)
        return names

    def get(self, ids: Sequence[str]) -> list[Chunk]:
        """Chunks in the order of ids; unknown and deleted ones are left out."""
        return self.store.chunks.get(storable(ids, "ids"))

    def ids(self) -> list[str]:
        """Names of all chunks that can be found, oldest first."""
        return self.store.metadata.ids()

    def delete(self, ids: Sequence[str]) -> int:
        """Hide chunks from search at once; unknown ids are passed over. Returns how many."""
        return self.store.chunks.delete(storable(ids, "ids"))

    def purge(self) -> int:
        """Erase deleted chunks and their pairs for good; returns how many chunks."""
        count = self.store.chunks.purge()
        self._index.forget()
        return count

    # -- search ---------------------------------------------------------------------------

    def search(
        self,
        query: str | None = None,
        *,
        k: int = 10,
        deep_memory: bool | None = None,
        embedding: ArrayLike | None = None,
        recall: float | None = None,
        filter: Filter | None = None,
    ) -> list[Hit]:
        """Find the k nearest chunks, best first.

        Args:
            query: The question.
            k: How many.
            deep_memory: Use the promoted model. If there is none, or its file is damaged, the
                one before serves, then the frozen embeddings: a search never fails because
                of training. None follows `runs.enable` and `runs.disable`.
            embedding: Vector (d,) of the question in place of `query`.
            recall: Share of the true k nearest that should be found, in (0, 1]: a smaller
                one is faster, 1 looks at every chunk. None is 0.99; below 10,000 chunks
                every search is exact.
            filter: Which chunks may be found: a condition on their metadata as
                `ragtune.filters` tells, or a function of a `Chunk`, which is asked of every chunk.
                There are k hits if so many pass.

        Raises:
            TypeError: The query is not a string, or the filter neither mapping nor callable.
            ValueError: k < 1, recall is out of range, an operator of the filter is unknown, neither
                or both of query and embedding are given, or the embedding has another dimension
                or is not finite.
            EmbedderMismatchError: The embedder is not the one that made the vectors.
        """
        wanted = as_count(k, "k")
        recall = None if recall is None else as_recall(recall, "recall")
        if filter is not None and not callable(filter):
            condition(filter)  # throws, also where there is nothing to search
        vector = self.space.asked(query, embedding)
        if vector is None:
            return []
        asked = Asked(vector, query, wanted, recall, deep_memory, filter)
        return self._retrieval.search(asked)

    def explain(self, query: str, *, k: int = 10, filter: Filter | None = None) -> Explanation:
        """Why the k best chunks under what was learned stand where they stand.

        Tells rank before and after of each hit, what every leg adds, the training pairs that
        moved it, and the stored question that is nearest.

        Raises:
            TypeError: The query is not a string.
            ValueError: k < 1, an operator of the filter is unknown, or no full model serves.
        """
        vector = self.space.asked(query, None)
        if vector is None:
            raise ValueError("query: expected a memory with chunks, this one is empty")
        return self._retrieval.explain(Asked(vector, query, as_count(k, "k"), None, True, filter))

    # -- learning -------------------------------------------------------------------------

    def add_pairs(self, pairs: Iterable[Pair]) -> int:
        """Keep training pairs, all or none; returns how many are new.

        Raises:
            TypeError: An item is not a `Pair`.
            ValueError: A question is empty, a chunk id unknown, or a relevance not finite.
        """
        return self.store.pairs.add(pairs_of(pairs))

    def tune(
        self,
        pairs: Iterable[Pair] = (),
        *,
        chat: Chat | None = None,
        asking: Asking | None = None,
        strategy: str = "auto",
        hyperparameters: Mapping[str, Any] | None = None,
        coverage: float = 0.5,
        seed: int = 0,
        sentences: bool = True,
        learning_curve: bool = False,
        progress: Progress | None = None,
    ) -> TuningRun:
        """Learn from all pairs, prove the gain, and serve the model only if it is proven.

        Args:
            pairs: Further pairs, kept first.
            chat: Asked first for questions about new and changed chunks.
            asking: How `chat` is asked; see `questions.generate`.
            strategy: See `ragtune.fit`, also for the arguments that follow.
            hyperparameters: Overrides of the strategy's own.
            coverage: Share of traffic that falls on documents with questions.
            seed: Decides folds and resamples.
            sentences: Look at the sentences of the chunks, too: they are embedded once, now and
                whenever chunks are added while a model serves that looks at them.
            learning_curve: See `ragtune.fit`.
            progress: Called with (done, total), first for embedding, then for learning.

        Raises:
            ValueError: There are no pairs, or an argument is wrong. The run is kept as failed
                and what served before still serves.
        """
        self.add_pairs(pairs)
        given = dict(hyperparameters or {})
        options = Options(strategy, given, coverage, seed, sentences, learning_curve)
        if chat is not None:
            run = self.questions.generate(chat, asking)
            return self._learning.train(run["id"], options, progress)
        return self._learning.tune(options, progress)

    def evaluate(
        self,
        queries: Sequence[str],
        relevance: Sequence[Mapping[str, float]],
        *,
        metrics: Sequence[str] = METRICS,
        coverage: float = 0.5,
        progress: Progress | None = None,
    ) -> Report:
        """Compare the frozen embeddings with the promoted model on questions of your own.

        `seen` are the queries with a relevant chunk that has training pairs. The verdict says
        only what is served: nothing is promoted or taken back here.

        Args:
            queries: Questions that were not learned from.
            relevance: One mapping {chunk id: grade} per query.
            metrics: Names such as "ndcg@10".
            coverage: Weight of the seen queries in `overall`.
            progress: Called with (embedded, to embed).

        Raises:
            ValueError: Lengths differ, a chunk id is unknown, or no query has a relevant chunk.
        """
        questions = self._measuring.questions(queries, relevance, progress)
        return self._measuring.evaluate(questions, metrics, coverage)

    def rankings(
        self, queries: Sequence[str], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Store rows (nq, k) that the frozen embeddings and what serves find, -1 padded."""
        return self._measuring.rankings(queries, k)
