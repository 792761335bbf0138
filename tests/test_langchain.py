"""LangChain's own suites, unchanged, and what they do not ask."""

import asyncio
import time

import pytest
from conftest import HashEmbedder, turned
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_tests.integration_tests import (
    EmbeddingsIntegrationTests,
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)
from langchain_tests.integration_tests.indexer import (
    AsyncDocumentIndexTestSuite,
    DocumentIndexerTestSuite,
)

import ragtune
from ragtune.integrations.langchain import RagtuneEmbeddings, RagtuneRetriever, RagtuneVectorStore
from ragtune.integrations.langchain_index import RagtuneDocumentIndex

# LangChain marks document indexes as beta with a warning.
BETA = pytest.mark.filterwarnings("ignore:The class `RagtuneDocumentIndex`:Warning")


class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path, open_memory):
        with open_memory(tmp_path / "memory", embedder=self.get_embeddings()) as memory:
            yield RagtuneVectorStore(memory)


class TestVectorStoreOf384Dimensions(TestVectorStore):
    @staticmethod
    def get_embeddings():
        return DeterministicFakeEmbedding(size=384)


@pytest.fixture
def filled(tmp_path, open_memory):
    memory = open_memory(tmp_path / "memory", embedder=HashEmbedder())
    memory.add(
        ["apples are red", "pears are green", "plums are blue", "the sky is blue", "a red car"],
        ids=["apple", "pear", "plum", "sky", "car"],
        metadatas=[{"fruit": True}] * 3 + [{"fruit": False}] * 2,
    )
    yield memory
    memory.close()


class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _memory(self, filled):
        self.filled = filled

    @property
    def retriever_constructor(self):
        return RagtuneRetriever

    @property
    def retriever_constructor_params(self):
        return {"memory": self.filled}

    @property
    def retriever_query_example(self):
        return "what is red?"


@BETA
class TestDocumentIndex(DocumentIndexerTestSuite):
    @pytest.fixture
    def index(self, memory):
        return RagtuneDocumentIndex(memory=memory)


@BETA
class TestAsyncDocumentIndex(AsyncDocumentIndexTestSuite):
    @pytest.fixture
    def index(self, memory):
        return RagtuneDocumentIndex(memory=memory)


class Adapted(RagtuneEmbeddings):
    """With what a user would hand over."""

    model = ragtune.fit(*turned(), strategy="ridge")

    def __init__(self):
        super().__init__(DeterministicFakeEmbedding(size=16), self.model)


class TestEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self):
        return Adapted


def test_questions_go_through_the_adapter_and_documents_do_not():
    assert Adapted.model.is_promoted
    adapted = Adapted()
    assert adapted.embed_documents(["a"]) == adapted.inner.embed_documents(["a"])
    assert adapted.embed_query("a") != adapted.inner.embed_query("a")


def test_deep_memory_and_filters_come_through_search_kwargs(filled):
    store = RagtuneVectorStore(filled)
    found = store.as_retriever(
        search_kwargs={"k": 2, "deep_memory": True, "filter": {"fruit": False}}
    ).invoke("what is red?")
    assert {document.id for document in found} == {"sky", "car"}
    by_function = store.similarity_search(
        "red", k=5, filter=lambda document: document.page_content.startswith("a")
    )
    assert {document.id for document in by_function} == {"apple", "car"}


def test_an_unknown_filter_or_argument_is_an_error(filled):
    store = RagtuneVectorStore(filled)
    with pytest.raises(ValueError, match="expected one of"):
        store.similarity_search("red", filter={"fruit": {"$like": 1}})
    with pytest.raises(TypeError, match=r"search: unexpected arguments \['fliter'\]"):
        store.similarity_search("red", fliter={"fruit": True})


def test_relevance_is_in_0_to_1_and_a_threshold_cuts(filled):
    store = RagtuneVectorStore(filled)
    found = store.similarity_search_with_relevance_scores("apples are red", k=5)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert scores[0] == pytest.approx(1, abs=1e-5)
    near = store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"k": 5, "score_threshold": 0.99}
    )
    assert [document.id for document in near.invoke("apples are red")] == ["apple"]


def test_diverse_results_repeat_less(filled):
    filled.add(["apples are red"] * 2, ids=["copy1", "copy2"])
    store = RagtuneVectorStore(filled)
    nearest = {d.id for d in store.similarity_search("apples are red", k=3)}
    assert nearest == {"apple", "copy1", "copy2"}
    diverse = store.max_marginal_relevance_search("apples are red", k=3, fetch_k=7, lambda_mult=0.3)
    assert len({document.page_content for document in diverse}) == 3


def test_indexing_adds_skips_and_cleans_up(filled):
    store, records = RagtuneVectorStore(filled), InMemoryRecordManager("test")
    records.create_schema()
    first = [Document(page_content=f"text {i}", metadata={"source": f"s{i}"}) for i in range(4)]

    def run(documents):
        told = index(documents, records, store, cleanup="full", source_id_key="source",
                     key_encoder="sha256")  # fmt: skip
        return {name: count for name, count in told.items() if count}

    assert run(first) == {"num_added": 4}
    assert run(first) == {"num_skipped": 4}
    assert run(first[:3]) == {"num_skipped": 3, "num_deleted": 1}


def test_delete_without_ids_deletes_all(filled):
    assert RagtuneVectorStore(filled).delete()
    assert len(filled) == 0


def test_from_texts_needs_a_path(tmp_path):
    fake = DeterministicFakeEmbedding(size=6)
    with pytest.raises(ValueError, match="path: expected the folder of a memory"):
        RagtuneVectorStore.from_texts(["a"], fake)
    store = RagtuneVectorStore.from_texts(["a", "b"], fake, path=tmp_path / "m", ids=["1", "2"])
    assert [document.id for document in store.similarity_search("a", k=1)] == ["1"]
    store.memory.close()


class SlowEmbedder(HashEmbedder):
    def embed_documents(self, texts):
        time.sleep(0.3)
        return super().embed_documents(texts)

    embed_queries = embed_documents


async def test_asynchronous_searches_do_not_block_the_loop(tmp_path, open_memory):
    memory = open_memory(tmp_path / "memory", embedder=SlowEmbedder())
    store, longest, running = RagtuneVectorStore(memory), 0.0, True

    async def heartbeat():
        nonlocal longest
        while running:
            begin = time.perf_counter()
            await asyncio.sleep(0.005)
            longest = max(longest, time.perf_counter() - begin)

    beat = asyncio.create_task(heartbeat())
    await store.aadd_texts(["a b", "c d"], ids=["1", "2"])
    await store.asimilarity_search("a", k=1)
    await store.asimilarity_search_with_relevance_scores("a", k=1)
    await store.amax_marginal_relevance_search("a", k=1)
    await store.adelete(["1"])
    assert [d.id for d in await store.aget_by_ids(["1", "2"])] == ["2"]
    running = False
    await beat
    assert longest < 0.2  # the embedder alone sleeps longer
    memory.close()
