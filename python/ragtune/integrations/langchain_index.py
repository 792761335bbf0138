"""A memory as LangChain's document index, whose interface is still beta there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.indexing import DeleteResponse, UpsertResponse
from langchain_core.indexing.base import DocumentIndex

from ragtune.integrations.langchain import RagtuneVectorStore, add_documents, document_of


class RagtuneDocumentIndex(DocumentIndex):
    """Upsert, get, delete and retrieve; a write is all or nothing, so none of it fails alone."""

    memory: Any
    k: int = 4
    deep_memory: bool = False

    def upsert(self, items: Sequence[Document], /, **kwargs: Any) -> UpsertResponse:
        """Add or replace documents; those without an id get one."""
        texts, metadatas = [item.page_content for item in items], [item.metadata for item in items]
        ids = add_documents(self.memory, texts, metadatas, [item.id for item in items])
        return UpsertResponse(succeeded=ids, failed=[])

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> DeleteResponse:
        """Delete by id, unknown ones in silence.

        Raises:
            ValueError: No ids were given.
        """
        if ids is None:
            raise ValueError("ids: expected a list, got None; see Memory.delete")
        known = {chunk.id for chunk in self.memory.get(ids)}
        self.memory.delete(ids)
        gone = [id_ for id_ in dict.fromkeys(ids) if id_ in known]
        return DeleteResponse(succeeded=gone, num_deleted=len(gone), failed=[], num_failed=0)

    def get(self, ids: Sequence[str], /, **kwargs: Any) -> list[Document]:
        """Documents with these ids; unknown ids are passed over."""
        return [document_of(chunk) for chunk in self.memory.get(ids)]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        given = {"k": self.k, "deep_memory": self.deep_memory} | kwargs
        return RagtuneVectorStore(self.memory).similarity_search(query, **given)
