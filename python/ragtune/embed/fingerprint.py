"""Recognise an embedding space by where it puts a few fixed texts."""

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune.types import CorruptFileError, Embedder

PROBE_TEXTS = (
    "How do I get my money back?",
    "The mitochondrion is the powerhouse of the cell.",
    "Der Zug nach München fährt um 7:45 Uhr ab.",
    "def add(a, b): return a + b",
)
# Two CPUs differ in the last bits, and APIs by a little more; two models differ by far more.
MIN_COSINE = 0.999

_MAGIC = b"RTFP"
_PREFIX = struct.Struct("<4sI")  # magic, length of the JSON header
_MAX_HEADER_BYTES = 65_536


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Name and dimension of an embedding space, and probe vectors of shape (p, d)."""

    name: str
    dimension: int
    probes: NDArray[np.float32]

    def __post_init__(self) -> None:
        probes = np.array(self.probes, dtype=np.float32, order="C")
        if probes.ndim != 2 or probes.shape[1] != self.dimension:
            raise ValueError(f"probes: expected shape (p, {self.dimension}), got {probes.shape}")
        if not np.isfinite(probes).all():
            raise ValueError("probes: expected finite numbers, got NaN or infinity")
        probes.setflags(write=False)
        object.__setattr__(self, "probes", probes)

    def matches(self, other: "Fingerprint") -> bool:
        """Tell whether both are of one space: same dimension, each cosine at least 0.999."""
        return self.probes.shape == other.probes.shape and self._lowest_cosine(other) >= MIN_COSINE

    def explain(self, other: "Fingerprint") -> str:
        """Say what differs: the name, the dimension, the lowest cosine of a probe."""
        parts = []
        if self.name != other.name:
            parts.append(f"name {self.name!r} is not {other.name!r}")
        if self.dimension != other.dimension:
            parts.append(f"dimension {self.dimension} is not {other.dimension}")
        elif self.probes.shape != other.probes.shape:
            parts.append(f"{len(self.probes)} probes are not {len(other.probes)}")
        else:
            sign = ">=" if self.matches(other) else "<"
            parts.append(
                f"lowest cosine of a probe {self._lowest_cosine(other):.4f} {sign} {MIN_COSINE}"
            )
        return "; ".join(parts)

    def to_bytes(self) -> bytes:
        """Return a length-prefixed JSON header followed by the probes as little-endian float32."""
        header = {"name": self.name, "dimension": self.dimension, "probes": len(self.probes)}
        encoded = json.dumps(header).encode()
        return _PREFIX.pack(_MAGIC, len(encoded)) + encoded + self.probes.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Fingerprint":
        """Read what `to_bytes` wrote.

        Raises:
            CorruptFileError: The bytes are not one whole fingerprint.
        """
        header, body = _split(data)
        name, dimension, count = header["name"], header["dimension"], header["probes"]
        if len(body) != 4 * dimension * count:
            raise CorruptFileError(
                f"fingerprint: expected {4 * dimension * count} bytes of probes, got {len(body)}"
            )
        probes = np.frombuffer(body, dtype="<f4").reshape(count, dimension)
        if not np.isfinite(probes).all():
            raise CorruptFileError("fingerprint: expected finite probes, got NaN or infinity")
        return cls(name, dimension, probes)

    def _lowest_cosine(self, other: "Fingerprint") -> float:
        # For unit rows 1 - |a - b|^2 / 2 is the cosine, and two zero rows agree.
        squared = np.square(self.probes.astype(np.float64) - other.probes).sum(axis=1)
        return float(1.0 - squared.max(initial=0.0) / 2.0)


def fingerprint(embedder: Embedder) -> Fingerprint:
    """Embed the fixed probe texts as documents.

    Raises:
        ValueError: The embedder's vectors do not have the shape (p, d).
    """
    probes = embedder.embed_documents(list(PROBE_TEXTS))
    return Fingerprint(embedder.name, int(embedder.dimension), probes)


def _split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the checked header and the bytes after it."""
    if len(data) < _PREFIX.size:
        raise CorruptFileError(
            f"fingerprint: expected at least {_PREFIX.size} bytes, got {len(data)}"
        )
    magic, length = _PREFIX.unpack_from(data)
    if magic != _MAGIC:
        raise CorruptFileError(f"fingerprint: expected to start with {_MAGIC!r}, got {magic!r}")
    if length > min(_MAX_HEADER_BYTES, len(data) - _PREFIX.size):
        raise CorruptFileError(f"fingerprint: expected a header of {length} bytes, got fewer")
    try:
        header = json.loads(data[_PREFIX.size : _PREFIX.size + length])
    except ValueError as error:
        raise CorruptFileError(f"fingerprint: expected a JSON header, got {error}") from error
    if not isinstance(header, dict) or not isinstance(header.get("name"), str):
        raise CorruptFileError("fingerprint: expected a header with a name, got none")
    for key, least in (("dimension", 1), ("probes", 0)):
        if type(header.get(key)) is not int or header[key] < least:
            raise CorruptFileError(
                f"fingerprint: {key}: expected int >= {least}, got {header.get(key)!r}"
            )
    return header, data[_PREFIX.size + length :]
