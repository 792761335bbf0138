"""The demo's report, kept for the README: out of fold, on the standard library's docstrings."""

import json

from common import arguments, finish

from ragtune.demo.run import run_demo


def main():
    options = arguments(__doc__)
    result = run_demo()
    report = json.loads(result.run.report.to_json())
    del report["queries"]  # 1,357 of them
    figures = {
        "chunks": len(result.task.ids),
        "questions": len(result.task.train),
        "embedded": result.embedded,
        "seconds": {phase: round(seconds, 1) for phase, seconds in result.seconds.items()},
        "report": report,
    }
    finish("demo", figures, options.save)


if __name__ == "__main__":
    main()
