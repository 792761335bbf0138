"""Draw the pictures of README.md and docs/ from the committed results."""

import json

from common import RESULTS

from ragtune import Report
from ragtune.plots import plot_report

PICTURES = RESULTS.parents[1] / "docs/pictures"


def main():
    PICTURES.mkdir(exist_ok=True)
    for name in ("demo",):
        figures = json.loads((RESULTS / f"{name}.json").read_text())["figures"]
        report = Report.from_json(json.dumps(figures["report"]))
        plot_report(report).savefig(PICTURES / f"{name}.png", dpi=120)


if __name__ == "__main__":
    main()
