"""The tables of docs/tuning.md, each from the committed result; `MADE` lists them."""

import statistics
from collections.abc import Iterable

from results import load, where
from search_tables import MISSING, shown, table

PARTS = "all", "seen", "unseen"
METRICS = "recall@1", "recall@10", "mrr@10"


def sets() -> dict[str, dict]:
    """Figures of each data set."""
    figures = dict(load("tuning")["figures"])
    figures.pop("shuffled_answers_promoted", None)
    return figures


def with_part(part: str) -> dict[str, dict]:
    """The figures of one part of the benchmark, by set."""
    return {name: own[part] for name, own in sets().items() if own.get(part)}


def dated(text: str, name: str = "tuning") -> str:
    """The table, and where it was measured."""
    return f"{text}\n\n({where(load(name))})"


def quality() -> str:
    """nDCG@10 of every way on every set, all (seen / unseen)."""
    found = with_part("quality")
    if not found:
        return MISSING
    ways = list(dict.fromkeys(way for own in found.values() for way in own["ways"]))
    rows = [[way, *(cell(own["ways"].get(way)) for own in found.values())] for way in ways]
    head = [f"{name}, {own['train']:,} training queries" for name, own in found.items()]
    return dated(table(["nDCG@10", *head], rows))


def cell(way: dict | None) -> str:
    """`all (seen / unseen)`, and the verdict if there is one."""
    if way is None:
        return "-"
    values = [shown(way[part].get("ndcg@10"), ".1f") for part in PARTS]
    verdict = f" {way['verdict']}" if way.get("verdict") else ""
    return f"{values[0]} ({values[1]} / {values[2]}){verdict}"


def metrics() -> str:
    """The other metrics over all test queries, and the seconds of learning."""
    found = with_part("quality")
    if not found:
        return MISSING
    rows = [
        [name, way, *(shown(own["all"].get(metric), ".1f") for metric in METRICS),
         shown(own.get("seconds"), ".1f")]
        for name, part in found.items()
        for way, own in part["ways"].items()
    ]  # fmt: skip
    return table(["set", "way", *METRICS, "learning, s"], rows)


def promises() -> str:
    """What the report promised and what the test split then gave, of the learned model."""
    rows = [
        [name, product, *promise(part["promised"][product], part["ways"], product)]
        for name, part in with_part("quality").items()
        for product in ("full", "adapter")
    ]
    head = ["set", "product", "verdict", "promised: overall (seen / unseen)", "95 % interval",
            "test split: half and half (seen / unseen)"]  # fmt: skip
    return table(head, rows) if rows else MISSING


def promise(own: dict, ways: dict, product: str) -> Iterable[str]:
    """Verdict, promised differences, their interval, and the measured differences."""
    said = [own.get(part, {}).get("difference") for part in ("overall", "seen", "unseen")]
    interval = f"[{own['overall']['lower']:+.1f}, {own['overall']['upper']:+.1f}]"
    after, before = {
        "full": ("ragtune auto, parts", "best fixed mix"),
        "adapter": ("ragtune auto, adapter only", "frozen"),
    }[product]
    gave = [difference(ways[after][part], ways[before][part]) for part in ("seen", "unseen")]
    there = [value for value in gave if value is not None]
    return own["verdict"], signed([said[0], *said[1:]]), interval, signed(
        [statistics.mean(there), *gave]
    )  # fmt: skip


def difference(after: dict, before: dict) -> float | None:
    """Points of nDCG@10; None where there are no queries."""
    return after["ndcg@10"] - before["ndcg@10"] if after else None


def signed(values: list[float | None]) -> str:
    """`overall (seen / unseen)` as differences."""
    first, second, third = (shown(value, "+.1f") for value in values)
    return f"{first} ({second} / {third})"


def few() -> str:
    """Served minus the best safe ranking, mean over the seeds and the worst of them."""
    found = with_part("few")
    if not found:
        return MISSING
    counts = sorted({int(count) for own in found.values() for count in own})
    rows = [[name, *(spread(own.get(str(n))) for n in counts)] for name, own in found.items()]
    return dated(table(["set", *(f"{count} queries" for count in counts)], rows))


def spread(runs: list[dict] | None) -> str:
    """Mean (worst), and how many seeds were promoted."""
    if not runs:
        return "-"
    beyond = [run["served_over_best_safe"] for run in runs]
    promoted = sum(run["full_verdict"] == "promote" for run in runs)
    mean = f"{statistics.mean(beyond):+.1f} (worst {min(beyond):+.1f})"
    return f"{mean}, promoted {promoted} of {len(runs)}"


def halves() -> str:
    """Verdict and measured difference where training and questions are of different kinds."""
    rows = [
        [name, case.replace("_", " "), f"{own['train']:,} / {own['test']:,}",
         f"{own['full_verdict']}, {own['full_over_mix']:+.1f}",
         f"{own['adapter_verdict']}, {own['adapter_over_frozen']:+.1f}",
         f"{own['served_over_best_safe']:+.1f}"]
        for name, cases in with_part("halves").items()
        for case, own in cases.items()
        if own
    ]  # fmt: skip
    head = ["set", "case", "training / asked queries", "full: verdict, over the mix",
            "adapter: verdict, over frozen", "served over the best safe ranking"]  # fmt: skip
    return dated(table(head, rows)) if rows else MISSING


def shuffled() -> str:
    """Promises made for answers that were dealt anew, and what was then served."""
    rows = [
        [name, f"{own['full']} of {own['of']}", f"{own['adapter']} of {own['of']}",
         f"{own['served_over_frozen']:+.1f}"]
        for name, own in with_part("shuffled").items()
    ]  # fmt: skip
    head = ["set", "full promoted", "adapter promoted", "served over frozen, worst seed"]
    return dated(table(head, rows)) if rows else MISSING


def sentences() -> str:
    """nDCG@10 of both products with sentences and without, and what the adapter promised."""
    rows = []
    for name, own in load("sentences")["figures"].items():
        for way, figures in own["ways"].items():
            product, taught = way.split(", ")
            told = own["promised"][taught]
            promised = f"{told['seen']:.1f} / {told['unseen']:.1f}" if "seen" in told else "-"
            promised = promised if product == "adapter" else ""
            seconds = "" if figures["seconds"] is None else f"{figures['seconds']:.1f}"
            rows.append([name, product, taught, cell(figures), promised, seconds])
    head = ["set", "product", "learned from", "nDCG@10", "promised", "learning of both, s"]
    return dated(table(head, rows), "sentences")


def training_speed() -> str:
    """Seconds, peak memory and what was reached of each training, beside its peer's."""
    found = load("training_speed")["figures"]
    rows = []
    for kind, peer in (("contrastive", "torch"), ("nudge", "nudge_ft")):
        for name, own in found[kind].items():
            ours, theirs = own["ragtune"], own[peer]
            if kind == "nudge":
                reached = f"cosine {own['lowest_cosine']:.5f} at least"
            else:
                reached = f"loss {ours['loss']:.3f} / {theirs['loss']:.3f}"
            rows.append([
                f"{kind}, {name}", peer.replace("_", "-"),
                f"{ours['seconds']:.3f} / {theirs['seconds']:.2f}", f"{own['seconds_ratio']:.1f}x",
                f"{ours['peak_mib']:.1f} / {theirs['peak_mib']:.0f}", reached,
            ])  # fmt: skip
    head = ["training", "beside", "seconds", "faster", "peak MiB", "reached"]
    return dated(table(head, rows), "training_speed")


MADE = {
    "training_speed": training_speed,
    "quality": quality,
    "sentences": sentences,
    "metrics": metrics,
    "promises": promises,
    "few": few,
    "halves": halves,
    "shuffled": shuffled,
}
