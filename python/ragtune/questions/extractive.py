"""Pseudo-questions that are taken out of the chunks, for those who have no language model.

Nobody asks like this: they are words of the chunk itself. They teach how the words of a corpus
are spread, not how people ask about it; docs/extractive.md tells what that is worth.

    telling(word) = log((n + 1) / (chunks with the word + 1))

`keywords` are the words that tell most, each weighed by how often the chunk has it; `sentence` is
the sentence whose words tell most on average (the inverse cloze task, arXiv:1906.00300).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from ragtune.questions.checks import LONGEST
from ragtune.sentences import sentences_of

STYLES = "keywords", "sentence"
WORDS = 8  # keywords of a pseudo-question at most
FEWEST = 3  # with fewer different words a chunk has nothing to ask
_WORD = re.compile(r"\w*[^\W\d_]\w*")


def extract(texts: Sequence[str], styles: Sequence[str] = STYLES) -> list[list[tuple[str, str]]]:
    """Pseudo-questions of each text, as (question, style); none for a text with too few words.

    Raises:
        ValueError: A style is unknown.
    """
    for style in styles:
        if style not in STYLES:
            raise ValueError(f"styles: expected some of {', '.join(STYLES)}, got {style!r}")
    telling = _telling(texts)
    ways = {"keywords": _keywords, "sentence": _sentence}
    found = [[(ways[style](text, telling), style) for style in styles] for text in texts]
    return [[(asked, style) for asked, style in own if asked] for own in found]


def _telling(texts: Sequence[str]) -> dict[str, float]:
    spread = Counter(word for text in texts for word in set(_words(text)))
    return {word: math.log((len(texts) + 1) / (count + 1)) for word, count in spread.items()}


def _keywords(text: str, telling: Mapping[str, float]) -> str:
    """The words that tell most, in the order of the text."""
    counts = Counter(_words(text))
    if len(counts) < FEWEST:
        return ""
    first = {word: place for place, word in enumerate(counts)}
    best = sorted(counts, key=lambda w: (-telling[w] * (1 + math.log(counts[w])), first[w]))
    return " ".join(sorted(best[:WORDS], key=first.__getitem__))[:LONGEST]


def _sentence(text: str, telling: Mapping[str, float]) -> str:
    """The sentence that tells most; a text of a single one is its own."""

    def worth(sentence: str) -> float:
        words = set(_words(sentence))
        return sum(telling[word] for word in words) / len(words) if len(words) >= FEWEST else -1.0

    short = [s for s in sentences_of(text) or [text.strip()] if len(s) <= LONGEST]
    best = max(short, key=worth, default="")
    return best if worth(best) >= 0 else ""


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
