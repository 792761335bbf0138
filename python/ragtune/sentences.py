"""The sentences of a chunk: what a question is compared with beside the chunk as a whole."""

from __future__ import annotations

import re
from itertools import pairwise

MOST = 14  # of a chunk; where there are more, neighbours are joined
LEAST_WORDS = 4  # shorter ones say too little to be found by
_ENDS = re.compile(r"(?<=[.!?])[\"')\]]*\s+|(?<=[。！？])|\s*\n\s*")  # noqa: RUF001
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
UNSPACED_PER_WORD = 2  # characters of scripts without spaces that count as a word


def sentences_of(text: str) -> list[str]:
    """Sentences in their order, at most `MOST`; none if the chunk is a single one.

    They end at full stops, question and exclamation marks and at line ends. Too short ones are
    left out.
    """
    found = [part.strip() for part in _ENDS.split(text)]
    kept = [part for part in found if _words(part) >= LEAST_WORDS]
    if len(kept) < 2:
        return []
    if len(kept) <= MOST:
        return kept
    bounds = [round(i * len(kept) / MOST) for i in range(MOST + 1)]
    return [" ".join(kept[a:b]) for a, b in pairwise(bounds)]


def _words(text: str) -> int:
    return len(text.split()) + len(_UNSPACED.findall(text)) // UNSPACED_PER_WORD
