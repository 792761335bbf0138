"""Retrieval that learns from its own questions, proves the gain, and only then serves it.

Importing does no work: each name below loads its module when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragtune.embed import CallableEmbedder, LocalEmbedder, OpenAIEmbedder
    from ragtune.evaluation import Qrels, Run, evaluate
    from ragtune.index import Index
    from ragtune.memory import Memory
    from ragtune.model import Model, load
    from ragtune.questions import LiteLLMChat, OpenAIChat
    from ragtune.report import Report
    from ragtune.tuning import fit
    from ragtune.types import (
        Chunk,
        CorruptFileError,
        EmbedderMismatchError,
        Hit,
        Pair,
        RagtuneError,
        StoreLockedError,
        StoreVersionError,
    )

    __version__: str

_HOME = {
    "CallableEmbedder": "embed",
    "Chunk": "types",
    "CorruptFileError": "types",
    "EmbedderMismatchError": "types",
    "Hit": "types",
    "Index": "index",
    "LiteLLMChat": "questions",
    "LocalEmbedder": "embed",
    "Memory": "memory",
    "Model": "model",
    "OpenAIChat": "questions",
    "OpenAIEmbedder": "embed",
    "Pair": "types",
    "Qrels": "evaluation",
    "RagtuneError": "types",
    "Report": "report",
    "Run": "evaluation",
    "StoreLockedError": "types",
    "StoreVersionError": "types",
    "evaluate": "evaluation",
    "fit": "tuning",
    "load": "model",
}

__all__ = [
    "CallableEmbedder",
    "Chunk",
    "CorruptFileError",
    "EmbedderMismatchError",
    "Hit",
    "Index",
    "LiteLLMChat",
    "LocalEmbedder",
    "Memory",
    "Model",
    "OpenAIChat",
    "OpenAIEmbedder",
    "Pair",
    "Qrels",
    "RagtuneError",
    "Report",
    "Run",
    "StoreLockedError",
    "StoreVersionError",
    "__version__",
    "evaluate",
    "fit",
    "load",
]


if not TYPE_CHECKING:  # or every misspelt name would pass for Any

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            value: Any = version("ragtune")
        elif name in _HOME:
            value = getattr(import_module(f"ragtune.{_HOME[name]}"), name)
        else:
            raise AttributeError(f"module 'ragtune' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
