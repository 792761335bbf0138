"""The tables of docs/benchmarks.md, each from its committed result; `MADE` lists them."""

from collections.abc import Callable, Iterable
from functools import partial

from results import RESULTS, load, where

PICTURE = RESULTS.parents[1] / "docs/pictures/hnsw.png"
MISSING = "Not measured yet."


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(value: float | None, form: str = ".2f", unit: str = "") -> str:
    """A figure, or a dash where there is none."""
    return "-" if value is None else f"{value:{form}}{unit}"


def at(points: dict, name: str, key: str) -> float | None:
    """A figure of an engine at a recall; None where it does not get there."""
    return points[name][key] if points[name] else None


def hnsw(name: str = "hnsw") -> str:
    """A table per corpus, the picture, and where ragtune is behind."""
    result = load(name)
    figures = result["figures"]
    parts = [f"({where(result)}; {figures['queries']:,} queries)"]
    if name == "hnsw" and PICTURE.is_file():
        parts.append("![recall and queries a second of each engine](pictures/hnsw.png)")
    for name, case in figures["data"].items():
        parts += [f"**{name}**", curves_table(case), asked_for(case)]
    parts.append(behind(figures["data"]))
    return "\n\n".join(parts)


def curves_table(case: dict) -> str:
    """Queries a second of each engine at both recalls, and its seconds to build."""
    low, high = case["at_recall"]["0.95"], case["at_recall"]["0.995"]
    rows = [
        [
            engine,
            shown(seconds, ".1f"),
            shown(at(low, engine, "qps"), ",.0f"),
            shown(at(low, engine, "ragtune_is_faster_by"), unit="x"),
            shown(at(high, engine, "qps"), ",.0f"),
            shown(at(high, engine, "ragtune_is_faster_by"), unit="x"),
        ]
        for engine, seconds in case["build_seconds"].items()
    ]
    head = ["engine", "build, s", "q/s at 0.95", "ragtune over it", "q/s at 0.995", "over it"]
    return table(head, rows)


def asked_for(case: dict) -> str:
    """What came of `recall=`, and a call with one query."""
    asked = "; ".join(
        f"asked for {target}, recall {point['recall']:.4f} at {point['qps']:,.0f} queries a second"
        for target, point in case["asked_for_recall"].items()
    )
    calls = "; ".join(f"{name} {us:,.0f} us" for name, us in case["one_query_us"].items())
    return f"ragtune with `recall=`: {asked}.\nA call with one query, at 0.995: {calls}."


def behind(data: dict) -> str:
    """Every engine and recall where ragtune is not ahead, so that none is passed over."""
    found = []
    for name, case in data.items():
        for target, points in case["at_recall"].items():
            if next(iter(points.values())) is None:
                found.append(f"{name}: ragtune does not reach {target}")
            found += [
                f"{name} at {target}: {engine} is {1 / point['ragtune_is_faster_by']:.2f}x as fast"
                for engine, point in points.items()
                if point and (point["ragtune_is_faster_by"] or 1) < 1
            ]
        builds = case["build_seconds"]
        ours, *peers = builds.items()
        found += [f"{name}: {p} builds in {s:.1f} s, we in {ours[1]:.1f}" for p, s in peers
                  if s < ours[1]]  # fmt: skip
        found += beyond(name, case)
    if not found:
        return "No engine is ahead of ragtune at any recall that was measured."
    return "Where ragtune is behind:\n\n" + "\n".join(f"- {line}" for line in found)


def beyond(name: str, case: dict) -> list[str]:
    """Engines that are faster than ragtune at a recall above those of the table, where each is."""
    ours, *peers = case["curves"].items()
    highest = max(map(float, case["at_recall"]))
    found = []
    for engine, curve in peers:
        for point in curve:
            own = [p["qps"] for p in ours[1] if p["recall"] >= point["recall"]]
            if point["recall"] > highest and point["qps"] > max(own, default=0):
                reached = f"ragtune {max(own):,.0f}" if own else "which ragtune did not reach"
                found.append(
                    f"{name} at {point['recall']:.4f}: {engine} answers {point['qps']:,.0f} "
                    f"queries a second, {reached}"
                )
                break
    return found


def exact() -> str:
    """Milliseconds of both on uniform and clustered vectors, and whether they agree."""
    result = load("search")
    figures = result["figures"]
    rows = [
        [
            "clustered" if name.endswith("clustered") else "uniform",
            name.removesuffix(", clustered").replace("1 threads", "1 thread"),
            shown(case["ragtune_ms"], ",.2f"),
            shown(case["faiss_ms"], ",.2f"),
            shown(case["ratio"], unit="x"),
        ]
        for name, case in figures.items()
        if isinstance(case, dict)
    ]
    differ = sum(value for name, value in figures.items() if name.startswith("ids_that_differ"))
    head = ["vectors", "asked", "ragtune, ms", "FAISS, ms", "ragtune over it"]
    return "\n\n".join(
        [
            f"({where(result)}; {figures['peer']})",
            table(head, rows),
            f"Ids that differ: {differ:,}.",
        ]
    )


def growth(name: str) -> str:
    """Build, memory and speed at each size."""
    result = load(name)
    figures = result["figures"]
    rows = [
        [
            f"{int(n):,}",
            case["engine"],
            shown(case["build_seconds"], ",.1f"),
            shown(case["bytes_per_vector_byte"], unit="x"),
            shown(case["peak_gib"], ".1f"),
            shown(case["at_recall"] and case["at_recall"]["qps"], ",.0f"),
            shown(case["curve"][-1]["recall"], ".4f"),
        ]
        for n, engines in figures["sizes"].items()
        for case in engines.values()
    ]
    recall = figures["recall"]
    head = ["vectors", "engine", "build, s", "memory over float32", "peak, GiB",
            f"q/s at {recall}", "recall at the last effort"]  # fmt: skip
    ratios = "; ".join(
        f"{int(n):,} vectors: {case['ratio']:.2f}x at recall {case['recall']:.4g}"
        for n, case in figures["over_faiss"].items()
    )
    shares = "; ".join(
        f"{name} {case['median']:.2f} (least of {case['efforts']} efforts {case['least']:.2f})"
        for name, case in figures.get("kept", {}).items()  # none of a single size
    )
    note = f"""ragtune over FAISS: {ratios}.
Queries a second of the largest over the size before, same effort, median: {shares or "-"}."""
    return "\n\n".join([f"({where(result)}; d = {figures['d']})", table(head, rows), note])


def filtered() -> str:
    """Recall and time under each filter."""
    result = load("filter")
    figures = result["figures"]
    rows = [
        [
            share,
            f"{case['matches']:,}",
            engine,
            shown(point["recall"], ".3f"),
            shown(100 * point["all_results"], ".0f", " %"),
            shown(point["ms_per_query"], ".3f"),
        ]
        for share, case in figures["selectivity"].items()
        for engine, point in case["engines"].items()
    ]
    head = ["passes", "matches", "engine", "recall@10", "queries with all results", "ms a query"]
    peers = ", ".join(figures["peers"])
    shape = f"{figures['n']:,} x {figures['d']}"
    return f"({where(result)}; {shape}; {peers})\n\n{table(head, rows)}"


def churn() -> str:
    """Recall after the rounds, and of a fresh build."""
    result = load("churn")
    figures = result["figures"]
    rows = []
    for way, both in figures["ways"].items():
        states = [both["churned"], both["fresh"], figures["after_compact"][way]["churned"]]
        rows.append([f"`{way}`", *(f"{s['recall']:.4f} ({s['qps']:,.0f} q/s)" for s in states)])
    head = ["asked", f"after {figures['churns']} rounds", "fresh build", "after `compact()`"]
    note = (
        f"A round takes {figures['seconds_per_churn']:.1f} s, a fresh build "
        f"{figures['fresh_build_seconds']:.1f} s, `compact()` {figures['compact_seconds']:.1f} s."
    )
    shape = f"{figures['n']:,} x {figures['d']}"
    return f"({where(result)}; {shape})\n\n{table(head, rows)}\n\n{note}"


def memory_search() -> str:
    """A call of `Memory.search` and what it is made of."""
    result = load("memory_search")
    figures = result["figures"]
    calls = {name: value for name, value in figures.items() if isinstance(value, dict)}
    rows = [[n, f"{c['median_us']:,.0f}", f"{c['p99_us']:,.0f}"] for n, c in calls.items()]
    head = ["call", "median, us", "99th percentile, us"]
    note = (
        f"Adding {figures['n']:,} chunks takes {figures['add_seconds']:.1f} s, the first search "
        f"{figures['first_search_seconds']:.1f} s."
    )
    return f"({where(result)}; k = {figures['k']})\n\n{table(head, rows)}\n\n{note}"


def words() -> str:
    """Questions a second by BM25 beside bm25s, and seconds to index, on each corpus."""
    result = load("bm25")
    corpora = {name: f for name, f in result["figures"].items() if isinstance(f, dict)}
    rows = []
    for name, f in corpora.items():
        rates = f["questions_per_second"]
        ways = ("ragtune", "bm25s numba", "bm25s numba, tokens given", "bm25s numpy")
        own, best, given, plain = (rates[way] for way in ways)
        index = f["seconds_to_index"]
        rows.append(
            [
                f"{name} ({f['documents']:,})", f"{own:,}", f"{best:,} ({own / best:.1f}x)",
                f"{given:,} ({own / given:.1f}x)", f"{plain:,} ({own / plain:.0f}x)",
                f"{index['ragtune']:.3f} s, {index['bm25s']:.2f} s",
            ]
        )  # fmt: skip
    head = (
        "corpus (documents)", "ragtune", "bm25s, numba", "the same, tokens given",
        "bm25s, numpy (its default)", "indexing: ragtune, bm25s",
    )  # fmt: skip
    worst = max(f["agreement"]["largest_difference"] for f in corpora.values())
    return (
        f"({where(result)}; k = {result['figures']['k']}, bm25s {result['figures']['bm25s']}, "
        f"one thread)\n\n{table(head, rows)}\n\n"
        f"Scores of the same tokens differ by {worst:.0e} at most."
    )


def if_measured(name: str, make: Callable[[], str]) -> Callable[[], str]:
    """The text, or that there is no result yet."""
    return lambda: make() if (RESULTS / f"{name}.json").is_file() else MISSING


MADE = {
    name: if_measured(name, make)
    for name, make in (
        ("hnsw", hnsw),
        ("hnsw_avx2", partial(hnsw, "hnsw_avx2")),
        ("hnsw_intel", partial(hnsw, "hnsw_intel")),
        ("hnsw_wide", partial(hnsw, "hnsw_wide")),
        ("search", exact),
        ("growth", partial(growth, "growth")),
        ("growth_intel", partial(growth, "growth_intel")),
        ("growth_large_cache", partial(growth, "growth_large_cache")),
        ("filter", filtered),
        ("churn", churn),
        ("memory_search", memory_search),
        ("bm25", words),
    )
}
