"""Turn texts into unit vectors: locally, through an API, or with any callable.

Importing this package imports nothing beyond the standard library and numpy;
what an embedder needs is imported when one is made.
"""

from ragtune.embed.fingerprint import Fingerprint, fingerprint
from ragtune.embed.function import CallableEmbedder, as_embedder
from ragtune.embed.local import LocalEmbedder
from ragtune.embed.openai import OpenAIEmbedder

__all__ = [
    "CallableEmbedder",
    "Fingerprint",
    "LocalEmbedder",
    "OpenAIEmbedder",
    "as_embedder",
    "fingerprint",
]
