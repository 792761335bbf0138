"""Keep the built ONNX graph in a file: sha256 of the graph (32 bytes), then the graph."""

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragtune.embed.checks import require
from ragtune.embed.model_folder import ModelFolder
from ragtune.embed.onnx_bert import GRAPH_VERSION, build_graph

_DIGEST_BYTES = 32
_logger = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """Return RAGTUNE_CACHE, else ragtune in XDG_CACHE_HOME, else ~/.cache/ragtune."""
    if os.environ.get("RAGTUNE_CACHE"):
        return Path(os.environ["RAGTUNE_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ragtune"


def load_graph(folder: ModelFolder, cache_dir: Path | None = None) -> bytes:
    """Return the ONNX graph of a model, built once and then read from the cache.

    A damaged cache file is built again; a cache that cannot be written is only logged.

    Raises:
        ValueError: The weights are not those of the architecture.
        ImportError: A package that builds the graph is missing.
    """
    path = (cache_dir or default_cache_dir()) / f"{_key(folder)}.graph"
    graph = _read(path)
    if graph is None:
        graph = build_graph(_weights(folder), folder.config, folder.pooling)
        try:
            _write(path, graph)
        except OSError as error:
            _logger.warning("graph cache %s cannot be written: %s", path, error)
    return graph


def _key(folder: ModelFolder) -> str:
    described = [GRAPH_VERSION, folder.pooling, folder.config]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    with (folder.path / "model.safetensors").open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _weights(folder: ModelFolder) -> dict[str, NDArray[np.float32]]:
    safetensors = require("safetensors", "local")
    numpy_loader = require("safetensors.numpy", "local")
    file = folder.path / "model.safetensors"
    try:
        tensors: dict[str, NDArray[np.float32]] = numpy_loader.load_file(file)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{file}: expected safetensors, got {error}") from error
    return tensors


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    graph = content[_DIGEST_BYTES:]
    if hashlib.sha256(graph).digest() != content[:_DIGEST_BYTES]:
        _logger.warning("graph cache %s is damaged and is built again", path)
        return None
    return graph


def _write(path: Path, graph: bytes) -> None:
    """Write under a temporary name, sync, rename: a reader sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(graph).digest())
            file.write(graph)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
