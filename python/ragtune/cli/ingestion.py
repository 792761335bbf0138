"""Bring files into a memory, and take out what they no longer say."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ragtune.cli.output import PhaseProgress
from ragtune.files import FileChunk, Selection, find_files, source_name
from ragtune.memory import Memory

_PROBED = 256  # numbers that are looked for at a time behind the last chunk of a file


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the files; `removed` chunks are those that a file has no longer."""

    files: int
    chunks: int
    embedded: int
    removed: int
    skipped: tuple[tuple[Path, str], ...]
    seconds: float

    def reasons(self) -> str:
        """Why files were skipped, most frequent first."""
        counts = Counter(reason for _, reason in self.skipped).most_common()
        return ", ".join(f"{count:,} {reason}" for reason, count in counts)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        skipped = [{"path": str(path), "reason": reason} for path, reason in self.skipped]
        return {**asdict(self), "skipped": skipped}


def add_files(
    memory: Memory, paths: Sequence[Path], chunk_chars: tuple[int, int], progress: PhaseProgress
) -> Added:
    """Add the chunks of all files or, if one cannot be read, none.

    Raises:
        ValueError: A file cannot be read, or none is of a known kind.
    """
    start, embedded = time.perf_counter(), 0

    def count(done: int, total: int) -> None:
        nonlocal embedded
        embedded = total
        progress("embedding", done, total)

    found = find_files(paths)
    if not found.files:
        raise ValueError(
            f"{', '.join(map(str, paths))}: no file of a known kind; see ragtune add --help"
        )
    progress("reading", 0, 0)
    chunks = list(found.chunks(chunk_chars=chunk_chars))
    memory.add(
        [chunk.text for chunk in chunks],
        ids=[chunk.id for chunk in chunks],
        metadatas=[chunk.metadata for chunk in chunks],
        sources=[chunk.source for chunk in chunks],
        progress=count,
    )
    stale = _stale_ids(memory, found, chunks)
    removed = memory.delete(stale) if stale else 0
    seconds = time.perf_counter() - start
    return Added(len(found.files), len(chunks), embedded, removed, found.skipped, seconds)


def _stale_ids(memory: Memory, found: Selection, chunks: Sequence[FileChunk]) -> list[str]:
    """Ids that follow the last chunk of each file: it was longer when it was added before."""
    counts = Counter(chunk.source for chunk in chunks)
    stale = []
    for path in found.files:
        source = source_name(path)
        first = counts[source]
        while part := memory.get([f"{source}#{n}" for n in range(first, first + _PROBED)]):
            stale += [chunk.id for chunk in part]
            first += _PROBED
    return stale
