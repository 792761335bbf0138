"""LocalEmbedder beside sentence-transformers: 500 passages of scifact, and one short query.

Needs sentence-transformers and torch, which ragtune does not.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import arguments, finish

from ragtune.embed import LocalEmbedder
from ragtune.embed.model_folder import find_model

QUERY = "how do I get my money back?"
QUERY_REPEATS = 50
PASSAGES, RUNS, THREADS = 500, 5, 2


def read_passages(data: Path, count: int) -> list[str]:
    with (data / "scifact" / "corpus.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for _, line in zip(range(count), file, strict=False)]
    return [f"{row['title']} {row['text']}" for row in rows]


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(passages: list[str], runs: int, num_threads: int) -> dict[str, float]:
    """Alternate both embedders and return the medians."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(num_threads)
    ours = LocalEmbedder(num_threads=num_threads)
    peer = SentenceTransformer(str(find_model().path), device="cpu")
    actions: dict[str, Callable[[], object]] = {
        "ours": lambda: ours.embed_documents(passages),
        "peer": lambda: peer.encode(passages, batch_size=32),
    }
    queries: dict[str, Callable[[], object]] = {
        "ours": lambda: ours.embed_queries([QUERY]),
        "peer": lambda: peer.encode(QUERY),
    }
    cosines = (ours.embed_documents(passages) * peer.encode(passages)).sum(axis=1)
    passage_s: dict[str, list[float]] = {"ours": [], "peer": []}
    query_s: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(runs):
        for who in actions:
            passage_s[who].append(seconds(actions[who]))
            seconds(queries[who])  # warm again after the other one
            query_s[who] += [seconds(queries[who]) for _ in range(QUERY_REPEATS)]
    result = {"threads": float(num_threads), "min_cosine": float(np.min(cosines))}
    for who in actions:
        result[f"{who}_docs_per_s"] = len(passages) / statistics.median(passage_s[who])
        result[f"{who}_query_ms"] = 1000 * statistics.median(query_s[who])
    pairs = zip(passage_s["peer"], passage_s["ours"], strict=True)
    result["throughput_ratio"] = statistics.median(peer / ours for peer, ours in pairs)
    result["latency_ratio"] = result["peer_query_ms"] / result["ours_query_ms"]
    return result


def main() -> None:
    options = arguments(__doc__)
    if not options.data:
        raise SystemExit("--data: expected the folder of the data sets")
    result = measure(read_passages(options.data, PASSAGES), RUNS, THREADS)
    finish("embed", {name: round(value, 8) for name, value in result.items()}, options.save)


if __name__ == "__main__":
    main()
