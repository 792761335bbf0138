"""Reading what a language model answered: the C++ parser beside json and regular expressions.

The twin is what one writes in Python for the same job: json.loads where it works, else the JSON
between the first and the last bracket with the usual mends, else lines. Both read the 100 answers
of tests/answers; how many each reads as a person would stands beside the time.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from common import alternate, arguments, finish

from ragtune import _core

ANSWERS = Path(__file__).parents[1] / "tests/answers/answers.jsonl"
KEYS = "question", "text", "q", "query"
FENCE = re.compile(r"```[a-z]*\n?|```")
THOUGHT = re.compile(r"<think>.*?</think>", re.S)
MARK = re.compile(r"^\s*(?:[-*•]|\(?\d+[.):]|Q\d*[.:])\s*")
PREAMBLE = re.compile(r"^(?:here|sure|certainly|of course|okay|below)\b.*:\s*$", re.I)


def flat(value: Any) -> list[tuple[str, str]]:
    """Questions of a parsed answer."""
    if isinstance(value, str):
        return [(value, "")]
    if isinstance(value, list):
        return [one for item in value for one in flat(item)]
    if isinstance(value, dict):
        for key in KEYS:
            if isinstance(value.get(key), str):
                return [(value[key], str(value.get("style", "")))]
        return [one for item in value.values() for one in flat(item)]
    return []


def mended(text: str) -> Any:
    """JSON between the first and the last bracket, with trailing commas and quotes mended."""
    first = min((i for i in (text.find("["), text.find("{")) if i >= 0), default=-1)
    last = max(text.rfind("]"), text.rfind("}"))
    if first < 0 or last <= first:
        return None
    body = re.sub(r",\s*([\]}])", r"\1", text[first : last + 1].replace("“", '"').replace("”", '"'))
    for attempt in (body, re.sub(r"(?<![A-Za-z])'|'(?![A-Za-z])", '"', body)):
        try:
            return json.loads(attempt)
        except ValueError:
            continue
    return None


def twin(text: str) -> list[tuple[str, str]]:
    """Questions of an answer, each once."""
    text = FENCE.sub("", THOUGHT.sub("", text.lstrip("\ufeff"))).strip()
    try:
        found = flat(json.loads(text))
    except ValueError:
        value = mended(text)
        found = flat(value) if value is not None else []
    if not found:
        lines = [MARK.sub("", line).strip(" *\"'") for line in text.splitlines()]
        found = [(line, "") for line in lines if line and not PREAMBLE.match(line)]
        found = [one for one in found if "?" in one[0]] or found
    seen: dict[str, tuple[str, str]] = {}
    for question, style in found:
        question = " ".join(question.split())
        if question:
            seen.setdefault(question.lower().rstrip("?.! "), (question, style))
    return list(seen.values())


def main() -> None:
    options = arguments(__doc__)
    rows = [json.loads(line) for line in ANSWERS.read_text().splitlines()]
    answers = [row["answer"] for row in rows]
    right = {
        name: sum(
            [q for q, _ in read(row["answer"])] == [q for q, _ in row["expected"]] for row in rows
        )
        for name, read in (("ragtune", _core.parse_answer), ("python", twin))
    }
    ways = {
        "ragtune": lambda: [_core.parse_answer(text) for text in answers],
        "python": lambda: [twin(text) for text in answers],
    }
    seconds = alternate(ways, rounds=51)
    figures = {
        "answers": len(answers),
        "bytes": sum(len(text.encode()) for text in answers),
        "read_as_a_person_would": right,
        "microseconds_an_answer": {n: 1e6 * s / len(answers) for n, s in seconds.items()},
        "ratio": seconds["python"] / seconds["ragtune"],
    }
    finish("answers", figures, options.save)


if __name__ == "__main__":
    main()
