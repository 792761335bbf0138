"""The verdict: serve the model, wait for more questions, or leave it."""

from __future__ import annotations

import math

from ragtune.report import Slice, Verdict

OBJECTIVE = "ndcg@10"
GUARDS = ("recall@1", "recall@10")
LEAST_FOUND = 0.05  # nDCG@10 below which the answers can hardly be what the questions ask for
TOLERATED = 0.003  # what a mean over unseen documents may lose: their interval is far wider


def judge(
    overall: Slice,
    unseen: Slice | None,
    beyond_control: Slice | None,
    beyond_frozen: Slice | None = None,
) -> Verdict:
    """Decide by the weighted, document-clustered interval of the nDCG@10 difference.

    `promote` needs a lower bound above 0, neither recall@1 nor recall@10 fallen, and no loss of
    more than `TOLERATED` on unseen documents; where there is a negative control, a model trained
    on shuffled answers, also a lower bound above 0 against that; and so against the frozen
    embeddings where these are not what `overall` compares with. Where even what was learned finds
    hardly any answer, the pairs themselves are in doubt, and nothing is proven. `refuse` means
    that the upper bound is below 0; else `hold`.
    """
    change = overall[OBJECTIVE]
    interval = f"[{100 * change.lower:+.1f}, {100 * change.upper:+.1f}]"
    gain = f"nDCG@10 {100 * change.difference:+.1f} points, 95 % interval {interval}"
    if change.better == change.worse == 0:
        return Verdict("hold", "nothing learned ranks any held-out question differently")
    if change.upper < 0:
        return Verdict("refuse", f"worse than before: {gain}")
    if unseen is None:
        return Verdict("hold", "all questions are about one document: unseen ones can't be judged")
    if change.lower <= 0:
        return Verdict("hold", f"not yet certain: {gain}", _queries_needed(overall))
    fallen = [metric for metric in GUARDS if overall[metric].difference < 0]
    if fallen:
        return Verdict("hold", f"{gain}, but {' and '.join(fallen)} fell")
    if unseen[OBJECTIVE].difference < -TOLERATED:
        lost = 100 * unseen[OBJECTIVE].difference
        return Verdict("hold", f"{gain}, but {lost:+.1f} on unseen documents")
    if beyond_control is not None and beyond_control[OBJECTIVE].lower <= 0:
        return Verdict("hold", f"{gain}, but shuffled answers teach nearly as much")
    if beyond_frozen is not None and beyond_frozen[OBJECTIVE].lower <= 0:
        return Verdict("hold", f"{gain}, but not certain to be better than the frozen embeddings")
    if change.after < LEAST_FOUND:
        found = f"{100 * change.after:.1f}"
        return Verdict(
            "hold", f"{gain}, but at {found} in all: are the answers those of the questions?"
        )
    return Verdict("promote", gain)


def _queries_needed(overall: Slice) -> int | None:
    """Queries at which this difference would leave 0 outside its interval (width ~ 1/sqrt(n))."""
    change = overall[OBJECTIVE]
    if change.difference <= 0:
        return None
    half_width = change.difference - change.lower
    return math.ceil(overall.queries * (half_width / change.difference) ** 2)
