"""What stands beside the means of a report: single questions, overlap, gain by their number."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ragtune import _core

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class QueryChange:
    """One judged question: which of those given, its slice, and its nDCG@10 before and after."""

    query: int
    slice: str
    before: float
    after: float
    text: str | None = None

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What learning from some of the questions promised: nDCG@10, the weighted difference."""

    queries: int
    difference: float
    lower: float
    upper: float
    decision: str


def most_changed(queries: Sequence[QueryChange], count: int, *, better: bool) -> list[QueryChange]:
    """The questions that gained (or lost) most, those first; ties in their order."""
    sign = 1 if better else -1
    moved = [one for one in queries if sign * one.difference > 0]
    return sorted(moved, key=lambda one: -sign * one.difference)[:count]


def shared_words(questions: Sequence[str], chunks: Sequence[Sequence[str]], language: str) -> float:
    """Mean share of a question's distinct stemmed words that one of its chunks has, in [0, 1].

    Questions that a language model wrote share more words with their chunk than people's do, and
    flatter everything that looks at words.
    """
    shares = []
    for question, own in zip(questions, chunks, strict=True):
        asked = set(_core.tokens(question, language))
        if asked:
            found = [asked & set(_core.tokens(text, language)) for text in own]
            shares.append(max((len(words) for words in found), default=0) / len(asked))
    return float(np.mean(shares)) if shares else 0.0


def what_more_would_bring(curve: Sequence[CurvePoint]) -> str:
    """A sentence on the last doubling of the questions."""
    if len(curve) < 2:
        return ""
    half, whole = curve[-2:]
    gained = 100 * (whole.difference - half.difference)
    return (
        f"From {half.queries:,} to {whole.queries:,} questions the gain went from "
        f"{100 * half.difference:+.1f} to {100 * whole.difference:+.1f} points ({gained:+.1f})."
    )


def tables(
    queries: Sequence[QueryChange],
    curve: Sequence[CurvePoint],
    table: Callable[[Row, Sequence[Row]], str],
) -> list[tuple[str, str]]:
    """Titles and tables of the details that there are, by a function of headings and rows."""
    out = []
    for title, better in (("fixed", True), ("broken", False)):
        if moved := most_changed(queries, 5, better=better):
            rows = [
                [
                    one.text if one.text is not None else f"question {one.query}",
                    one.slice,
                    f"{100 * one.before:.0f}",
                    f"{100 * one.after:.0f}",
                ]
                for one in moved
            ]
            out.append((title, table(["question", "slice", "before", "after"], rows)))
    if curve:
        rows = [
            [
                f"{point.queries:,}",
                f"{100 * point.difference:+.1f}",
                f"[{100 * point.lower:+.1f}, {100 * point.upper:+.1f}]",
                point.decision,
            ]
            for point in curve
        ]
        out.append(
            ("gain by number of questions",
             table(["questions", "difference", "95 % interval", "verdict"], rows))
        )  # fmt: skip
    return out


def html_table(headings: Row, rows: Sequence[Row]) -> str:
    """A table with everything escaped."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        for cells in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def markdown_table(headings: Row, rows: Sequence[Row]) -> str:
    """A table in Markdown; a bar or line end within a cell would end it."""
    lines = [headings, ["---"] * len(headings), *rows]
    cells = ([" ".join(cell.replace("|", "/").split()) for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
