"""Files of judged questions against what a memory has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ragtune.memory import Memory
from ragtune.questions.files import JudgedQuestion, read_lines, read_questions
from ragtune.store import Item
from ragtune.types import Pair

_NAMED = 3  # unknown ids that an error shows


def read_items(path: Path, split: str) -> list[Item]:
    """Lines of a file as items of a data set; what is wrong with them is for its check to say.

    Raises:
        ValueError: A line is bad; the message names file, line and reason.
    """
    return [
        Item(text, id_, grade, split)
        for text, grades in read_lines(path, empty=True)
        for id_, grade in grades.items()
    ]


def keep_known(
    memory: Memory, questions: Sequence[JudgedQuestion], origin: Path, *, skip_unknown: bool
) -> tuple[list[JudgedQuestion], int]:
    """Questions on chunks that the memory has, and how many unknown ids were left out.

    Raises:
        ValueError: Ids are unknown and skip_unknown is False, or nothing is left.
    """
    ids = list(dict.fromkeys(id_ for question in questions for id_ in question.grades))
    known = memory.store.chunks.rows_and_sources(ids).keys()
    unknown = [id_ for id_ in ids if id_ not in known]
    if unknown and not skip_unknown:
        first = ", ".join(map(repr, unknown[:_NAMED])) + (", ..." if len(unknown) > _NAMED else "")
        raise ValueError(
            f"{origin}: {len(unknown):,} of {len(ids):,} chunk ids are not in {memory.path}: "
            f"{first}; --skip-unknown leaves them out"
        )
    kept = [
        JudgedQuestion(question.text, {i: g for i, g in question.grades.items() if i in known})
        for question in questions
    ]
    kept = [question for question in kept if question.grades]
    if not kept:
        raise ValueError(f"{origin}: no question on a chunk of {memory.path}")
    return kept, len(unknown)


def read_pairs(memory: Memory, path: Path | None, *, skip_unknown: bool) -> tuple[list[Pair], int]:
    """The pairs of a file, none without one, and how many unknown ids were left out.

    Raises:
        ValueError: As in `read_questions` and `keep_known`.
    """
    if path is None:
        return [], 0
    kept, unknown = keep_known(memory, read_questions(path), path, skip_unknown=skip_unknown)
    return [Pair(q.text, id_, grade) for q in kept for id_, grade in q.grades.items()], unknown
