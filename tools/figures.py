"""Write the figures of README.md and docs/ from benchmarks/results, or check them.

A line between `<!-- name -->` and `<!-- end -->` is made here, so that no figure is typed.
"""

import re
import sys
from pathlib import Path

import extractive_tables
import search_tables
import tuning_tables
from results import load, where

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/measured.md",
    "docs/benchmarks.md",
    "docs/tuning.md",
    "docs/extractive.md",
)


def demo() -> str:
    """What the picture of the README shows, in words."""
    result = load("demo")
    figures, report = result["figures"], result["figures"]["report"]

    def gain(part: str) -> str:
        change = report[part]["changes"]["ndcg@10"]
        before, after = 100 * change["before"], 100 * change["after"]
        low, high = 100 * change["lower"], 100 * change["upper"]
        return f"{before:.1f} to {after:.1f} ({after - before:+.1f}, 95 % interval [{low:+.1f}, {high:+.1f}])"

    return (
        f"That is the demo: Python's own documentation, {figures['chunks']:,} chunks,\n"
        f"{figures['questions']:,} questions written by hand, all-MiniLM-L6-v2. Every question is "
        f"answered by a model\nthat did not learn from it. nDCG@10, in percent:\n\n"
        f"| documents | before and after |\n|---|---|\n"
        f"| seen: other questions are about them | {gain('seen')} |\n"
        f"| unseen: no question is about them | {gain('unseen')} |\n"
        f"| overall, half and half | {gain('overall')} |\n\n"
        f"Before is the best fixed mix of vectors and words; the vectors alone reach "
        f"{100 * report['frozen']['changes']['ndcg@10']['before']:.1f} overall.\n\n"
        f"Verdict: **{report['verdict']['decision']}** ({where(result)})."
    )


def speed() -> str:
    """Ratios to peers, each measured in one run with them."""
    search, metrics, jsonl, embed = (load(n) for n in ("search", "metrics", "jsonl", "embed"))
    rows = [
        (f"exact search, {name}, 100,000 x 384", "faiss-cpu IndexFlatIP",
         f"{value['ratio']:.2f}x ({value['ragtune_ms']:.1f} ms)", search)
        for name, value in search["figures"].items() if isinstance(value, dict)
    ]  # fmt: skip
    ratios = [v["ratio"] for v in metrics["figures"].values() if isinstance(v, dict)]
    rows.append(("metrics, 6,980 queries x depth 100", "ranx, warm",
                 f"{min(ratios):.1f}x to {max(ratios):.1f}x", metrics))  # fmt: skip
    rows.append(("reading a corpus of JSON lines", "orjson, line by line",
                 f"{jsonl['figures']['ratio']:.2f}x", jsonl))  # fmt: skip
    e = embed["figures"]
    rows.append(("embedding 500 passages", "sentence-transformers",
                 f"{e['throughput_ratio']:.2f}x ({e['ours_docs_per_s']:.0f} a second)", embed))  # fmt: skip
    rows.append(("embedding one short query", "sentence-transformers",
                 f"{e['latency_ratio']:.2f}x ({e['ours_query_ms']:.1f} ms)", embed))  # fmt: skip
    lines = [f"| {what} | {peer} | {ratio} | {where(r)} |" for what, peer, ratio, r in rows]
    head = "| what | peer | ragtune is faster by | measured |\n|---|---|---|---|"
    differ = [n for key, n in search["figures"].items() if key.startswith("ids_that_differ")]
    note = (
        f"Exact search: {sum(differ)} of {10_000 * len(differ):,} ids differ from FAISS's. Metrics: the largest difference "
        f"to ranx and pytrec_eval\nover 1,000 random cases is "
        f"{metrics['figures']['largest_difference_pytrec_eval']:.0e}. Embedding: the lowest cosine to "
        f"sentence-transformers is {e['min_cosine']:.7f}."
    )
    return "\n".join([head, *lines, "", note])


def tuning() -> str:
    """Gain on data sets with given embeddings, and promises that should not be made."""
    result = load("tuning")
    figures = dict(result["figures"])
    shuffled = figures.pop("shuffled_answers_promoted")

    def cell(scores: dict) -> str:
        shown = [
            "-" if scores[k] is None else f"{scores[k]:.1f}" for k in ("all", "seen", "unseen")
        ]
        return f"{shown[0]} ({shown[1]} / {shown[2]})"

    rows = [
        f"| {name} | {cell(f['frozen'])} | {cell(f['served'])} | {f['verdict']} | "
        f"{f['fit_seconds']:.1f} s | {shuffled[name]} of {shuffled['of']} |"
        for name, f in figures.items()
    ]
    head = (
        "| set | frozen: all (seen / unseen) | served | verdict | `fit` | shuffled answers promoted |\n"
        "|---|---|---|---|---|---|"
    )
    return "\n".join([head, *rows, "", f"({where(result)})"])


MADE = {"demo": demo, "speed": speed, "tuning": tuning}
MADE |= search_tables.MADE | tuning_tables.MADE | extractive_tables.MADE


BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.S)


def filled(text: str) -> str:
    """The page with every made part anew."""
    return BLOCK.sub(lambda m: f"{m[1]}{MADE[m[2]]()}\n{m[3]}", text)


if __name__ == "__main__":
    texts = {page: page.read_text() for page in map(ROOT.joinpath, PAGES)}
    hidden = MADE.keys() - {block[2] for text in texts.values() for block in BLOCK.finditer(text)}
    if hidden:
        sys.exit(f"no page shows {', '.join(sorted(hidden))}")
    for page, text in texts.items():
        if "--check" in sys.argv and text != filled(text):
            sys.exit(f"{page.name} does not show the committed results: run `make docs`")
        page.write_text(filled(text))
