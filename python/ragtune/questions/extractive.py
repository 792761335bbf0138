"""Pseudo-questions that are cut out of the chunks themselves: no model, and no people.

For each chunk its rarest words, as one would type them, and its most particular sentence. They use
the chunk's own words, which people who ask do not know: what is learned from them flatters
everything that looks at words. docs/questions.md tells what it was measured to be worth; use it to
try the machinery, not to serve by.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from ragtune.sentences import sentences_of
from ragtune.types import Pair

SOURCE = "extractive"
KEYWORDS = 4  # words of a keyword query
LONGEST = 16  # words of a sentence that are kept
COMMON = 0.1  # of the chunks: a word in more of them tells none apart
_WORD = re.compile(r"\w[\w'-]+")


def extract(ids: Sequence[str], texts: Sequence[str]) -> list[Pair]:
    """Up to two pairs for each chunk, in the order of the chunks.

    Args:
        ids: Of the chunks, (n,).
        texts: What they say, (n,).
    """
    words = [_WORD.findall(text) for text in texts]
    frequency = Counter(word for own in words for word in {w.lower() for w in own})
    weight = {word: math.log(len(texts) / count) for word, count in frequency.items()}
    most = max(COMMON * len(texts), 1)
    pairs = []
    for id_, text, own in zip(ids, texts, words, strict=True):
        rare = {w.lower(): w for w in own if frequency[w.lower()] <= most and not w.isdigit()}
        chosen = sorted(rare, key=lambda w: (-weight[w], -len(w)))[:KEYWORDS]
        if len(chosen) > 1:
            order = sorted(chosen, key=lambda w: text.lower().find(w))
            asked = " ".join(rare[w] for w in order)
            pairs.append(Pair(asked, id_, source=SOURCE, style="keyword"))
        if particular := _particular(text, weight):
            pairs.append(Pair(particular, id_, source=SOURCE, style="sentence"))
    return pairs


def _particular(text: str, weight: dict[str, float]) -> str:
    """The sentence whose words are rarest on average, cut to `LONGEST` words."""

    def rarity(sentence: str) -> float:
        own = [weight[word.lower()] for word in _WORD.findall(sentence)]
        return sum(own) / len(own) if own else 0.0

    found = sentences_of(text)
    return " ".join(max(found, key=rarity).split()[:LONGEST]) if found else ""
