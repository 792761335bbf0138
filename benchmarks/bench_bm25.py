"""The lexical index beside bm25s, on one thread: making it, asking it, and that scores agree.

bm25s stems with PyStemmer and reads its questions in one call; both of its backends are timed,
with its tokenisation and without. Texts: the four sets, and 100,000 documents of Zipf's words.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import bm25s
import numpy as np
import Stemmer
from common import alternate, arguments, finish

from ragtune import _core

SETS = "scifact", "tatqa", "covidqa", "pubmedqa"
STOP_WORDS = list(bm25s.stopwords.STOPWORDS_EN)
QUESTIONS, K, CANDIDATES = 500, 10, 200
TURN = 0.1  # seconds in which questions are asked again and again: one round takes 2 ms
STEMMER = Stemmer.Stemmer("english")


def beir(folder: Path) -> tuple[list[str], list[str]]:
    """Title and text of each document, and the questions."""

    def lines(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (folder / name).read_text().splitlines()]

    texts = [f"{d.get('title', '')} {d['text']}" for d in lines("corpus.jsonl")]
    asked = [q["text"] for q in lines("queries.jsonl")]
    order = np.random.default_rng(0).permutation(len(asked))[:QUESTIONS]
    return texts, [asked[i] for i in order]


def zipf(n: int, vocabulary: int = 300_000) -> tuple[list[str], list[str]]:
    """Documents of 50 to 300 words and questions of 5 to 20 words out of one of them.

    Word r is drawn with a share of 1 / (r + 2.7), Mandelbrot's law; the most frequent are the
    stop words, the others random syllables.
    """
    rng = np.random.default_rng(0)
    letters = rng.choice(list("aeioubcdfghklmnprstvwz"), size=(vocabulary, 8))
    lengths = rng.integers(4, 9, size=vocabulary)
    words = ["".join(row[:length]) for row, length in zip(letters, lengths, strict=True)]
    words[: len(STOP_WORDS)] = STOP_WORDS
    cumulated = np.cumsum(1 / (np.arange(vocabulary) + 2.7))
    names = np.array(words, dtype=object)

    def draw(size: int) -> list[str]:
        ranks = np.searchsorted(cumulated, rng.random(size) * cumulated[-1])
        return names[ranks].tolist()

    texts = [" ".join(draw(int(size))) for size in rng.integers(50, 301, size=n)]
    asked = []
    for row in rng.integers(0, n, size=QUESTIONS):
        of_document = texts[row].split()
        size = min(int(rng.integers(5, 21)), len(of_document))
        asked.append(" ".join(rng.choice(of_document, size=size, replace=False)))
    return texts, asked


def split(texts: list[str]) -> bm25s.tokenization.Tokenized:
    """Tokens as bm25s makes them."""
    return bm25s.tokenize(texts, stopwords="en", stemmer=STEMMER, show_progress=False)


def peer(texts: list[str], backend: str) -> bm25s.BM25:
    """Its index of these texts."""
    made = bm25s.BM25(backend=backend)
    made.index(split(texts), show_progress=False)
    return made


def ours(texts: list[str]) -> _core.Bm25:
    """Our index of these texts."""
    made = _core.Bm25("english")
    made.add(np.arange(len(texts)), texts, num_threads=1)
    return made


def timed(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def agreement(texts: list[str], asked: list[str], index: _core.Bm25) -> dict[str, float]:
    """Largest difference of a score to bm25s, which gets the tokens that we make."""
    tokens = [_core.tokens(text, "english") for text in texts]
    theirs = bm25s.BM25()
    theirs.index(tokens, show_progress=False)
    rows = np.arange(len(texts))[None]
    worst, best = 0.0, 0.0
    for question in asked[:50]:
        known = [t for t in _core.tokens(question, "english") if t in theirs.vocab_dict]
        if known:
            scores = theirs.get_scores(known)
            worst = max(worst, float(np.abs(scores - index.score([question], rows)[0]).max()))
            best = max(best, float(scores.max()))
    return {"questions": 50, "largest_difference": worst, "largest_score": best}


def ask_peer(index: bm25s.BM25, asked: object, n: int) -> object:
    """Its best K for texts or for tokens."""
    tokens = split(asked) if isinstance(asked, list) else asked
    return index.retrieve(tokens, k=min(K, n), show_progress=False, n_threads=0)


def measure(texts: list[str], asked: list[str]) -> dict[str, object]:
    """All figures of one corpus."""
    few = len(texts) < 50_000
    making = {"ragtune": lambda: ours(texts), "bm25s": lambda: peer(texts, "numpy")}
    seconds = alternate(making, rounds=3) if few else {name: timed(f) for name, f in making.items()}
    index, n = ours(texts), len(texts)
    peers = {backend: peer(texts, backend) for backend in ("numpy", "numba")}
    tokens = split(asked)
    rows = np.random.default_rng(0).integers(0, n, size=(len(asked), CANDIDATES))
    best = index.search(asked, CANDIDATES, num_threads=1)[1]
    candidates = np.where(best >= 0, best, rows)
    asking = {
        "ragtune": lambda: index.search(asked, K, num_threads=1),
        "ragtune k=100": lambda: index.search(asked, 100, num_threads=1),
        "ragtune, one at a time": lambda: [index.search([q], K, num_threads=1) for q in asked],
        "ragtune, scores of 200 random": lambda: index.score(asked, rows, num_threads=1),
        "ragtune, scores of the best 200": lambda: index.score(asked, candidates, num_threads=1),
    }
    for backend, made in peers.items():
        asking[f"bm25s {backend}"] = lambda made=made: ask_peer(made, asked, n)
        asking[f"bm25s {backend}, tokens given"] = lambda made=made: ask_peer(made, tokens, n)
    rates = {name: len(asked) / s for name, s in alternate(asking, 5, TURN).items()}
    fastest = max(rates["bm25s numpy"], rates["bm25s numba"])
    fastest_given = max(rates["bm25s numpy, tokens given"], rates["bm25s numba, tokens given"])
    return {
        "documents": n,
        "questions": len(asked),
        "seconds_to_index": {name: round(s, 3) for name, s in seconds.items()},
        "index_speedup": round(seconds["bm25s"] / seconds["ragtune"], 1),
        "questions_per_second": {name: round(rate) for name, rate in rates.items()},
        "speedup": round(rates["ragtune"] / fastest, 1),
        "speedup_over_given_tokens": round(rates["ragtune"] / fastest_given, 1),
        "agreement": agreement(texts, asked, index),
    }


def main() -> None:
    """Measure, print, keep."""
    options = arguments(__doc__)
    corpora = {"zipf 100k": zipf(100_000)}
    if options.data:
        corpora = {name: beir(options.data / name) for name in SETS} | corpora
    figures: dict[str, object] = {name: measure(*texts) for name, texts in corpora.items()}
    figures["k"], figures["bm25s"] = K, bm25s.__version__
    finish("bm25", figures, options.save)


if __name__ == "__main__":
    main()
