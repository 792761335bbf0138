"""What sentences of the corpus teach beside the questions: `auto` without them and with them.

Learned from the train split of BEIR sets, asked the test split, as bench_tuning.py does.
"""

from __future__ import annotations

import time
from typing import Any

from bench_tuning import Ways, note
from common import finish
from tuning_peers import Set, judged, nearest
from vectors import arguments

import ragtune

GIVEN: dict[str, dict[str, Any]] = {
    "questions": {"sentences": 0},
    "questions and sentences": {},
}


def measured(task: Set) -> dict[str, Any]:
    """Both products of both ways, and what the adapter's report promised."""
    ways, promised = Ways(task, {}), {}
    train, asked = judged(task.beir.train.grades), task.vectors(ways.asked)
    grades = [task.beir.train.grades[q] for q in train]
    words = {"texts": task.beir.texts, "queries": task.texts(train), "parts": task.parts}
    for name, given in GIVEN.items():
        begin = time.perf_counter()
        model = ragtune.fit(
            task.corpus, task.vectors(train), grades, hyperparameters=given, **words
        )
        seconds = time.perf_counter() - begin
        ranked = model.rank(asked, task.texts(ways.asked), k=10)[1]
        ways.add(f"full, {name}", ranked, seconds, model)
        ways.add(f"adapter, {name}", nearest(task.corpus, model.transform(asked)))
        report = model.adapter_report
        promised[name] = {
            "adapter": report.strategy,
            "sentences": report.hyperparameters.get("sentences", 0),
            **{part: 100 * change["ndcg@10"].after for part, change in report.slices.items()},
        }
    return {"train": len(train), "ways": ways.figures, "promised": promised}


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
