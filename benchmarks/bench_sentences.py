"""What sentences of the corpus teach beside the questions: `auto` without them and with them.

Learned from the train split of BEIR sets, asked the test split, as bench_tuning.py does.
"""

from __future__ import annotations

from typing import Any

from common import finish, note
from tuning_peers import Set, nearest
from vectors import arguments
from ways import Ways

GIVEN: dict[str, dict[str, Any]] = {
    "questions": {"sentences": 0},
    "questions and sentences": {},
}


def measured(task: Set) -> dict[str, Any]:
    """Both products of both ways, and what the adapter's report promised."""
    ways, promised = Ways(task, {}), {}
    asked = task.vectors(ways.asked)
    for name, given in GIVEN.items():
        model = ways.learned(f"full, {name}", parts=task.parts, hyperparameters=given, **ways.words)
        ways.add(f"adapter, {name}", nearest(task.corpus, model.transform(asked)))
        report = model.adapter_report
        promised[name] = {
            "adapter": report.strategy,
            "sentences": report.hyperparameters.get("sentences", 0),
            **{part: 100 * change["ndcg@10"].after for part, change in report.slices.items()},
        }
    return {"train": len(ways.train), "ways": ways.figures, "promised": promised}


def main() -> None:
    given = arguments(__doc__)
    if not given.data:
        raise SystemExit("--data: expected the folder of the data sets")
    figures = {}
    for folder in sorted(path.parent for path in given.data.glob("*/parts.minilm.f16.npy")):
        note(folder.name)
        figures[folder.name] = measured(Set.read(folder))
    finish("sentences", figures, given.save)


if __name__ == "__main__":
    main()
