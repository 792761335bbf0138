"""A memory as LangChain's vector store, retriever and document index, and its adapter.

    store = RagtuneVectorStore(memory)
    retriever = store.as_retriever(search_kwargs={"k": 5, "deep_memory": True})

Ids are kept verbatim, an id that is there is replaced, unknown ids are deleted in silence, and
filters are applied before the search. Needs `pip install "ragtune[langchain]"`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.vectorstores import VectorStore
    from langchain_core.vectorstores.utils import maximal_marginal_relevance
except ImportError as error:
    raise ImportError('this needs LangChain: pip install "ragtune[langchain]"') from error

from ragtune.memory import Memory
from ragtune.model import Model
from ragtune.types import Chunk, Hit

Condition = Mapping[str, Any] | Callable[[Document], bool]


def document_of(chunk: Chunk) -> Document:
    """The chunk as LangChain knows it, with the metadata that it was added with."""
    return Document(id=chunk.id, page_content=chunk.text, metadata=dict(chunk.metadata))


def relevance_of(hit: Hit, *, deep_memory: bool) -> float:
    """The hit's calibrated chance, else its score brought into [0, 1]; a larger one is nearer."""
    if hit.relevance is not None:
        return hit.relevance
    share = hit.score if deep_memory else (hit.score + 1) / 2
    return float(min(max(share, 0.0), 1.0))


def add_documents(
    memory: Memory,
    texts: Sequence[str],
    metadatas: Sequence[Mapping[str, Any]] | None,
    ids: Sequence[str | None] | None,
) -> list[str]:
    """Add or replace chunks; the last of those with one id counts. Returns the id of each text."""
    if ids is not None and len(ids) != len(texts):
        raise ValueError(f"ids: expected {len(texts)}, got {len(ids)}")
    if metadatas is not None and len(metadatas) != len(texts):
        raise ValueError(f"metadatas: expected {len(texts)}, got {len(metadatas)}")
    names = [id_ or str(uuid.uuid4()) for id_ in ids or [None] * len(texts)]
    last = {name: number for number, name in enumerate(names)}
    kept = list(last.values())
    memory.add(
        [texts[i] for i in kept],
        ids=[names[i] for i in kept],
        metadatas=None if metadatas is None else [dict(metadatas[i] or {}) for i in kept],
    )
    return names


class RagtuneVectorStore(VectorStore):
    """A memory behind LangChain's interface; `memory` is the way to everything else.

    Searches take `deep_memory=True` (what was learned), `filter` (a mapping as `ragtune.filters`
    tells, or a function of a Document) and `recall`. Their asynchronous twins run in a thread.
    """

    def __init__(self, memory: Memory | str | Path, embedding: Embeddings | None = None) -> None:
        """Stand in front of a memory.

        Args:
            memory: A memory, or the path of one.
            embedding: What embeds texts, if `memory` is a path; None is the local default.
        """
        if not isinstance(memory, Memory):
            memory = Memory(memory, embedder=embedding)
        elif embedding is not None:
            raise ValueError("embedding: expected None, because the memory has its embedder")
        self.memory = memory
        self._embedding = embedding

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: str | Path | None = None,
        **kwargs: Any,
    ) -> RagtuneVectorStore:
        """A store at `path`, which must be given, with these texts added."""
        if path is None:
            raise ValueError('path: expected the folder of a memory, e.g. path="support.ragtune"')
        store = cls(path, embedding)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @property
    def embeddings(self) -> Embeddings | None:
        """What was given to embed texts."""
        return self._embedding

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add or replace texts, all or none; without ids (or with some) ids are made."""
        return add_documents(self.memory, list(texts), metadatas, ids)

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete by id, unknown ones in silence; None deletes all. `memory.purge()` erases."""
        self.memory.delete(self.memory.ids() if ids is None else ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Documents with these ids, in their order; unknown ids are passed over."""
        return [document_of(chunk) for chunk in self.memory.get(ids)]

    def hits(
        self,
        query: str | None = None,
        k: int = 4,
        *,
        filter: Condition | None = None,
        deep_memory: bool = False,
        embedding: list[float] | None = None,
        recall: float | None = None,
        **kwargs: Any,
    ) -> list[Hit]:
        """What every search below is made of."""
        if kwargs:
            raise TypeError(f"search: unexpected arguments {sorted(kwargs)}")
        return self.memory.search(
            query, k=k, deep_memory=deep_memory, embedding=embedding, recall=recall,
            filter=_of_chunks(filter),
        )  # fmt: skip

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The k nearest documents, best first."""
        return [document_of(hit.chunk) for hit in self.hits(query, k, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The same with scores, of which a larger one is nearer: cosines in [-1, 1].

        With deep memory they are the model's probabilities among its candidates.
        """
        return [(document_of(hit.chunk), hit.score) for hit in self.hits(query, k, **kwargs)]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """The k documents nearest to a vector."""
        return [document_of(hit.chunk) for hit in self.hits(None, k, embedding=embedding, **kwargs)]

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        deep = bool(kwargs.get("deep_memory", False))
        hits = self.hits(query, k, **kwargs)
        return [(document_of(hit.chunk), relevance_of(hit, deep_memory=deep)) for hit in hits]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: min(max((cosine + 1) / 2, 0.0), 1.0)

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """The k of the `fetch_k` best that are near to the query and far from each other."""
        vector = self.memory.space.query(query)[0]
        return self._diverse(self.hits(query, fetch_k, **kwargs), vector, k, lambda_mult)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """The same for a vector."""
        hits = self.hits(None, fetch_k, embedding=embedding, **kwargs)
        return self._diverse(hits, np.asarray(embedding, dtype=np.float32), k, lambda_mult)

    def _diverse(self, hits: list[Hit], query: Any, k: int, lambda_mult: float) -> list[Document]:
        kept = self.memory.store.chunks.vectors_of([hit.id for hit in hits])
        hits = [hit for hit in hits if hit.id in kept]
        vectors: list[Any] = [np.frombuffer(kept[hit.id], dtype=np.float32) for hit in hits]
        chosen = maximal_marginal_relevance(query, vectors, lambda_mult=lambda_mult, k=k)
        return [document_of(hits[i].chunk) for i in chosen]


def _of_chunks(condition: Condition | None) -> Any:
    """A condition on documents as one on chunks."""
    if condition is None or not callable(condition):
        return condition
    passes = condition
    return lambda chunk: bool(passes(document_of(chunk)))


class RagtuneRetriever(BaseRetriever):
    """A memory as a retriever: the k best documents of a question.

    `k`, `deep_memory` and `filter` are given here, or with a call: `invoke(question, k=3)`.
    """

    memory: Any
    k: int = 4
    deep_memory: bool = False
    filter: Any = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        given = {"k": self.k, "deep_memory": self.deep_memory, "filter": self.filter} | kwargs
        return RagtuneVectorStore(self.memory).similarity_search(query, **given)


class RagtuneEmbeddings(Embeddings):
    """Another embedding model whose questions go through a query-only adapter.

    For vectors that live in another store: documents are embedded as they were, and a model that
    was not promoted changes nothing.
    """

    def __init__(self, embeddings: Embeddings, model: Model) -> None:
        """Put `model.transform` behind `embeddings.embed_query`."""
        self.inner = embeddings
        self.model = model

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The inner model's vectors, as they are."""
        return self.inner.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        """The adapted vector of a question, of unit length if the model was promoted."""
        return self._adapted(self.inner.embed_query(text))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """The inner model's own way."""
        return await self.inner.aembed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        """The inner model's own way, then the adapter, which takes microseconds."""
        return self._adapted(await self.inner.aembed_query(text))

    def _adapted(self, vector: list[float]) -> list[float]:
        if self.model.adapter.is_identity:
            return vector
        return [float(x) for x in self.model.transform(vector)]
