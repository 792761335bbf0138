"""What a tuning is worth: before and after, on seen and on unseen documents, with intervals."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ragtune import _core
from ragtune import report_details as details
from ragtune.evaluation import Scores
from ragtune.report_details import CurvePoint, QueryChange

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESAMPLES = 2_000
CONFIDENCE = 0.95

Decision = Literal["promote", "hold", "refuse"]


@dataclass(frozen=True, slots=True)
class Change:
    """One metric before and after, as means over the queries; the bounds are of the difference."""

    before: float
    after: float
    lower: float
    upper: float
    p_value: float
    better: int
    worse: int

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Slice:
    """The changes on one kind of queries.

    `documents` counts groups: sources whose chunks say nearly the same are one. A query that
    is judged both as seen and as unseen is one query of `overall`, and two of its better or
    worse.
    """

    queries: int
    documents: int
    changes: Mapping[str, Change]

    def __getitem__(self, metric: str) -> Change:
        return self.changes[metric]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to serve the model, why, and how many queries in all would decide a `hold`."""

    decision: Decision
    reason: str
    queries_needed: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Before and after on held-out questions.

    `seen` holds questions whose documents had other questions in training, `unseen` those
    whose documents had none; either is None where there are no such questions. `overall`
    weighs the two by `coverage`, the share of traffic that falls on seen documents. `control`
    compares with a model trained on shuffled answers (before) in place of the frozen embeddings;
    `frozen` with what serves then: after if promoted, else before, the best mix of vectors and
    words. `queries` are the judged questions one by one, `overlap` is the mean share of a
    question's words that its chunk has, and `curve` what fewer questions promised; see `fit`.
    """

    seen: Slice | None
    unseen: Slice | None
    overall: Slice
    coverage: float
    verdict: Verdict
    control: Slice | None = None
    frozen: Slice | None = None
    strategy: str = "identity"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    queries: Sequence[QueryChange] = ()
    overlap: float | None = None
    curve: Sequence[CurvePoint] = ()

    @property
    def slices(self) -> dict[str, Slice]:
        """The slices that have queries, by name."""
        named = {"seen": self.seen, "unseen": self.unseen, "overall": self.overall}
        return {name: slice_ for name, slice_ in named.items() if slice_ is not None}

    def __str__(self) -> str:
        return self.to_markdown()

    def rows(self) -> list[dict[str, Any]]:
        """One flat dict per slice and metric, ready for a data frame."""
        return [
            {"slice": name, "queries": part.queries, "metric": metric, **asdict(change),
             "difference": change.difference}
            for name, part in self.slices.items()
            for metric, change in part.changes.items()
        ]  # fmt: skip

    def fixed(self, count: int = 10) -> list[QueryChange]:
        """The questions that gained most."""
        return details.most_changed(self.queries, count, better=True)

    def broken(self, count: int = 10) -> list[QueryChange]:
        """The questions that lost most: good models still worsen a tenth of them."""
        return details.most_changed(self.queries, count, better=False)

    def to_markdown(self) -> str:
        """The table, the verdict, and the questions that changed most, as Markdown."""
        table = details.markdown_table(_HEADINGS, self._cells())
        text = f"{table}\n\n**{self.verdict.decision}**: {self.verdict.reason}\n{self._notes}"
        for title, own in details.tables(self.queries, self.curve, details.markdown_table):
            text += f"\n{title}:\n\n{own}\n"
        return text

    @property
    def _notes(self) -> str:
        notes = [self.beside_frozen, details.what_more_would_bring(self.curve)]
        if self.overlap is not None:
            notes.append(
                f"On average {100 * self.overlap:.0f} % of a question's words stand in its chunk."
            )
        return "".join(f"{note.rstrip()}\n" for note in notes if note)

    @property
    def beside_frozen(self) -> str:
        """A sentence on the frozen embeddings where `before` is something better, or nothing."""
        if self.frozen is None:
            return ""
        change = self.frozen["ndcg@10"]
        return (
            f"Before is the best fixed mix of vectors and words; the frozen embeddings alone reach "
            f"nDCG@10 {100 * change.before:.1f}, what serves {100 * change.after:.1f}.\n"
        )

    def _repr_html_(self) -> str:
        table = details.html_table(_HEADINGS, self._cells())
        verdict = f"<b>{self.verdict.decision}</b>: {html.escape(self.verdict.reason)}"
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self._notes.splitlines())
        beside = "".join(
            f"<details><summary>{title}</summary>{own}</details>"
            for title, own in details.tables(self.queries, self.curve, details.html_table)
        )
        return f"{table}<p>{verdict}</p>{notes}{beside}"

    def _cells(self) -> list[list[str]]:
        return [
            [
                f"{name} ({part.queries:,})",
                metric,
                f"{100 * change.before:.1f}",
                f"{100 * change.after:.1f}",
                f"{100 * change.difference:+.1f}",
                f"[{100 * change.lower:+.1f}, {100 * change.upper:+.1f}]",
                str(change.better),
                str(change.worse),
            ]
            for name, part in self.slices.items()
            for metric, change in part.changes.items()
        ]

    def to_json(self) -> str:
        """Everything as JSON; `from_json` reads it back."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is not a report.
        """
        try:
            data = json.loads(text)
            slices = {name: _slice_from(data.pop(name)) for name in _SLICES}
            verdict = Verdict(**data.pop("verdict"))
            queries = tuple(QueryChange(**one) for one in data.pop("queries", ()))
            curve = tuple(CurvePoint(**one) for one in data.pop("curve", ()))
            return cls(**slices, verdict=verdict, queries=queries, curve=curve, **data)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"report: expected the JSON of a report, got {error!r}") from None

    def plot(self) -> Figure:
        """Difference of each metric with its interval, a panel per slice.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ragtune.plots import plot_report

        return plot_report(self)


_SLICES = ("seen", "unseen", "overall", "control", "frozen")
_HEADINGS = ["slice (queries)", "metric", "before", "after", "difference", "95 % interval",
             "better", "worse"]  # fmt: skip


def _slice_from(data: dict[str, Any] | None) -> Any:
    if data is None:
        return None
    changes = {metric: Change(**change) for metric, change in data["changes"].items()}
    return Slice(data["queries"], data["documents"], changes)


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores of the same queries before and after, their document groups and ids, (nq,)."""

    before: Scores
    after: Scores
    groups: NDArray[np.int64]
    ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.groups)


def compare(
    seen: Judged | None, unseen: Judged | None, *, coverage: float = 0.5, seed: int = 0
) -> tuple[Slice | None, Slice | None, Slice]:
    """Slices of a report: seen, unseen, and both weighed by `coverage`.

    Intervals come from a bootstrap over document groups, p values from a randomisation
    test over them.

    Raises:
        ValueError: Both slices are empty.
    """
    both = [
        (part, weight)
        for part, weight in ((seen, coverage), (unseen, 1 - coverage))
        if part is not None and len(part)
    ]
    if not both:
        raise ValueError("seen and unseen: expected at least one query, got none")
    return (
        _slice([(seen, 1.0)], seed) if seen is not None and len(seen) else None,
        _slice([(unseen, 1.0)], seed) if unseen is not None and len(unseen) else None,
        _slice(both if sum(w for _, w in both) > 0 else [(both[0][0], 1.0)], seed),
    )


def _slice(parts: list[tuple[Judged, float]], seed: int) -> Slice:
    groups = np.concatenate([part.groups for part, _ in parts])
    _, dense = np.unique(groups, return_inverse=True)
    strata = np.repeat(np.arange(len(parts)), [len(part) for part, _ in parts])
    total = sum(weight for _, weight in parts)
    weights = np.array([weight / total for _, weight in parts])
    clusters = (dense.astype(np.int32), strata.astype(np.int32), weights)
    changes = {metric: _change(parts, metric, clusters, seed) for metric in parts[0][0].before}
    queries = np.unique(np.concatenate([part.ids for part, _ in parts]))
    return Slice(len(queries), len(np.unique(groups)), changes)


def _change(
    parts: list[tuple[Judged, float]],
    metric: str,
    clusters: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]],
    seed: int,
) -> Change:
    weights = clusters[2]
    before, after = (
        float(sum(w * side[metric].mean() for w, side in zip(weights, sides, strict=True)))
        for sides in ([p.before for p, _ in parts], [p.after for p, _ in parts])
    )
    differences = np.concatenate([p.after[metric] - p.before[metric] for p, _ in parts])
    _, lower, upper = _core.bootstrap_interval(
        differences, *clusters, resamples=RESAMPLES, confidence=CONFIDENCE, seed=seed
    )
    p_value = _core.randomization_test(differences, *clusters, resamples=RESAMPLES, seed=seed)
    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    return Change(before, after, lower, upper, p_value, better, worse)


def query_changes(
    seen: Judged | None,
    unseen: Judged | None,
    asked: NDArray[np.int64],
    texts: Sequence[str] | None,
) -> tuple[QueryChange, ...]:
    """Every judged question; `asked` tells which of the caller's each id is, `texts` goes by id."""
    return tuple(
        QueryChange(
            int(asked[id_]),
            name,
            round(float(before), 6),
            round(float(after), 6),
            None if texts is None else texts[id_],
        )
        for name, part in (("seen", seen), ("unseen", unseen))
        if part is not None
        for id_, before, after in zip(
            part.ids, part.before["ndcg@10"], part.after["ndcg@10"], strict=True
        )
    )
