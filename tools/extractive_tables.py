"""The table of docs/extractive.md, from the committed result; `MADE` lists it."""

from results import load, where
from search_tables import table

WAYS = "keywords", "sentence", "both"


def extractive() -> str:
    """What the full model is worth that learned from pseudo-questions alone."""
    result = load("extractive")

    def learned(own: dict) -> str:
        change = own["learned_over_best_fixed_mix"]
        return f"{own['learned']:.1f} ({change:+.1f}, {own['verdict']})"

    rows = [
        [name, f"{own['frozen']:.1f}", f"{own['BM25']:.1f}", f"{own['best_fixed_mix']:.1f}",
         *(learned(own[way]) for way in WAYS), f"{own['real']['learned']:.1f}"]
        for name, own in result["figures"].items()
    ]  # fmt: skip
    head = ["set", "frozen", "BM25", "best fixed mix", *WAYS, "real questions"]
    return f"{table(head, rows)}\n\n({where(result)})"


MADE = {"extractive": extractive}
