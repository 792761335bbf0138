"""OpenAIEmbedder against a server with real sockets that speaks OpenAI's API."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from ragtune.embed import OpenAIEmbedder, as_embedder

pytest.importorskip("openai", reason='needs the extra: pip install "ragtune[llm]"')

KEY = "sk-very-secret-123456"


class EmbeddingServer(ThreadingHTTPServer):
    """Answers with (length of text, position of the first letter, 1) and keeps the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EmbeddingHandler)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.failures: list[tuple[int, dict[str, str], str]] = []  # served first
        self.dropped = 0
        self.dimensions = [3]  # the last one holds on
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class EmbeddingHandler(BaseHTTPRequestHandler):
    server: EmbeddingServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append({"path": self.path, **body})
        self.server.keys.append(self.headers["Authorization"])
        if self.server.failures:
            status, headers, message = self.server.failures.pop(0)
            self.answer(status, {"error": {"message": message}}, headers)
            return
        dimension = self.server.dimensions[0]
        if len(self.server.dimensions) > 1:
            self.server.dimensions.pop(0)
        texts = body["input"][: len(body["input"]) - self.server.dropped]
        data = [
            {"object": "embedding", "index": i, "embedding": self.embed(text, dimension)}
            for i, text in enumerate(texts)
        ]
        self.answer(200, {"object": "list", "model": "m", "data": data[::-1]}, {})

    def embed(self, text: str, dimension: int) -> list[float]:
        return [float(len(text)), float(ord(text[0])), *[1.0] * (dimension - 2)]

    def answer(self, status: int, content: dict[str, Any], headers: dict[str, str]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def embedder_for(server: EmbeddingServer, **options: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder("m", **{"base_url": server.url, "api_key": KEY, **options})


def expected_rows(texts: list[str]) -> np.ndarray:
    rows = np.array([[len(text), ord(text[0]), 1.0] for text in texts])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_vectors_come_back_in_the_order_of_the_texts_and_of_unit_length(server):
    texts = ["b", "aaaa", "zz"]
    rows = embedder_for(server).embed_documents(texts)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, expected_rows(texts), rtol=1e-6)


def test_texts_are_sent_in_batches(server):
    texts = [chr(97 + i) * (i + 1) for i in range(5)]
    rows = embedder_for(server, batch_size=2).embed_queries(texts)
    assert [request["input"] for request in server.requests] == [texts[:2], texts[2:4], texts[4:]]
    np.testing.assert_allclose(rows, expected_rows(texts), rtol=1e-6)


def test_the_request_names_model_key_and_path(server):
    embedder_for(server).embed_documents(["a"])
    assert server.requests[0]["path"] == "/v1/embeddings"
    assert server.requests[0]["model"] == "m"
    assert server.requests[0]["encoding_format"] == "float"
    assert "dimensions" not in server.requests[0]
    assert server.keys == [f"Bearer {KEY}"]


def test_a_server_of_ones_own_needs_no_key(server):
    assert OpenAIEmbedder("m", base_url=server.url).embed_documents(["a"]).shape == (1, 3)


def test_the_servers_address_may_be_in_the_environment(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert OpenAIEmbedder("m").embed_documents(["a"]).shape == (1, 3)


def test_a_missing_key_is_told_with_the_name_of_its_variable():
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        OpenAIEmbedder()


def test_an_empty_text_is_sent_as_a_space(server):
    embedder_for(server).embed_documents([""])
    assert server.requests[0]["input"] == [" "]


def test_no_texts_make_no_rows(server):
    embedder = embedder_for(server, dimensions=3)
    assert embedder.embed_documents([]).shape == (0, 3)
    assert server.requests == []


def test_the_dimension_is_learned_by_asking_once(server):
    embedder = embedder_for(server)
    assert embedder.dimension == 3
    assert embedder.dimension == 3
    assert len(server.requests) == 1


def test_asked_dimensions_are_sent_and_checked(server):
    embedder = embedder_for(server, dimensions=2)
    assert embedder.dimension == 2
    with pytest.raises(ValueError, match="expected dimension 2, got 3"):
        embedder.embed_documents(["a"])
    assert server.requests[0]["dimensions"] == 2


def test_a_dimension_that_changes_is_an_error(server):
    server.dimensions = [3, 4]
    with pytest.raises(ValueError, match="expected dimension 3, got 4"):
        embedder_for(server, batch_size=1).embed_documents(["a", "b"])


def test_a_wrong_count_of_vectors_is_an_error(server):
    server.dropped = 1
    with pytest.raises(ValueError, match="expected 2 vectors with indexes from 0, got 1 vectors"):
        embedder_for(server).embed_documents(["a", "b"])


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server, status):
    server.failures = [(status, {"Retry-After": "0.01"}, "busy")]
    assert embedder_for(server).embed_documents(["a"]).shape == (1, 3)
    assert len(server.requests) == 2


def test_a_server_that_stays_busy_is_given_up(server):
    server.failures = [(429, {"Retry-After": "0.01"}, "slow down")] * 3
    with pytest.raises(RuntimeError, match=r"429.*slow down"):
        embedder_for(server, max_retries=2).embed_documents(["a"])
    assert len(server.requests) == 3


def test_a_refused_key_is_not_retried_and_not_repeated(server):
    server.failures = [(401, {}, f"Incorrect API key provided: {KEY}")]
    with pytest.raises(RuntimeError, match=r"401.*Incorrect API key provided: \*\*\*") as caught:
        embedder_for(server).embed_documents(["a"])
    assert len(server.requests) == 1
    assert KEY not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_key_is_in_neither_repr_nor_logs(server, caplog):
    caplog.set_level(logging.DEBUG)
    embedder = embedder_for(server)
    embedder.embed_documents(["a"])
    assert KEY not in repr(embedder)
    assert KEY not in caplog.text


def test_a_server_that_is_not_there_is_a_connection_error():
    embedder = OpenAIEmbedder("m", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(ConnectionError, match="no answer from"):
        embedder.embed_documents(["a"])


def test_a_text_that_is_no_string_is_named_before_anything_is_sent(server):
    with pytest.raises(TypeError, match=r"texts\[1\]: expected str, got int"):
        embedder_for(server).embed_documents(["a", 1])
    assert server.requests == []


@pytest.mark.parametrize("option", [{"dimensions": 0}, {"batch_size": 0}])
def test_numbers_out_of_range_are_refused(option):
    with pytest.raises(ValueError, match="expected >= 1, got 0"):
        OpenAIEmbedder(api_key=KEY, **option)


def test_as_embedder_asks_the_server_nothing(server):
    embedder = embedder_for(server)
    assert as_embedder(embedder) is embedder
    assert server.requests == []
