"""Files of judged questions: JSON lines, CSV, BEIR folders, and LlamaIndex's data sets.

Each is read whole or not at all; an error names the file, the line where there is one, and why.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ragtune import _core
from ragtune.evaluation import read_beir
from ragtune.files import line_of
from ragtune.inputs import fault_of


@dataclass(frozen=True, slots=True)
class JudgedQuestion:
    """A question and the grade of each chunk that is judged for it; above 0 is relevant."""

    text: str
    grades: Mapping[str, float]


def read_questions(path: Path) -> list[JudgedQuestion]:
    """Read a .jsonl file of questions with `chunk_id` or `answers`, and perhaps `relevance`.

    Lines with the same question are one question with several chunks.

    Raises:
        ValueError: A line is bad; the message names file, line and reason.
    """
    grades: dict[str, dict[str, float]] = {}
    for text, judged in read_lines(path):
        grades.setdefault(text, {}).update(judged)
    return [JudgedQuestion(text, judged) for text, judged in grades.items()]


def read_lines(path: Path, *, empty: bool = False) -> list[tuple[str, dict[str, float]]]:
    """The question of each line of a .jsonl file, and its grades by chunk id.

    Args:
        path: The file.
        empty: Whether a question may be empty.

    Raises:
        ValueError: A line is bad; the message names file, line and reason.
    """
    columns = _core.read_jsonl(
        str(path),
        required=["question"],
        optional=["chunk_id"],
        raw=["answers", "relevance"],
    )
    lines = []
    for row, (text, *judged) in enumerate(zip(*columns, strict=True)):
        try:
            if not empty:
                expect_question(text)
            lines.append((text, grades_of(*judged)))
        except ValueError as error:
            raise ValueError(f"{path}:{line_of(path, row)}: {error}") from None
    return lines


def expect_question(text: str) -> None:
    """Check that a question says something.

    Raises:
        ValueError: It is empty, or no UTF-8.
    """
    if not text.strip():
        raise ValueError("question: expected text, got none")
    fault = fault_of(text)
    if fault:
        raise ValueError(f"question: {fault}")


def grades_of(chunk_id: str | None, answers: str | None, relevance: str | None) -> dict[str, float]:
    """Grades of one line by chunk id; `answers` and `relevance` are JSON.

    Raises:
        ValueError: What answers the question is not told as it should be.
    """
    if (chunk_id is None) == (answers is None):
        raise ValueError("expected either 'chunk_id' or 'answers', got both or neither")
    ids = json.loads(answers) if answers is not None else [chunk_id]
    if not isinstance(ids, list) or not ids or not all(isinstance(i, str) and i for i in ids):
        raise ValueError(f"answers: expected a list of chunk ids, got {answers or chunk_id!r}")
    grade = json.loads(relevance) if relevance is not None else 1.0
    if isinstance(grade, bool) or not isinstance(grade, int | float) or not math.isfinite(grade):
        raise ValueError(f"relevance: expected a number, got {relevance}")
    return dict.fromkeys(ids, float(grade))


class QuestionFile(NamedTuple):
    """Questions, and the texts of the chunks by id where the file has them."""

    questions: list[JudgedQuestion]
    texts: Mapping[str, str]


def read_file(path: str | Path) -> QuestionFile:
    """Read whatever it is: .jsonl, .csv, .json as LlamaIndex writes it, or a BEIR folder.

    Raises:
        FileNotFoundError: There is nothing at the path, or a file of the folder is missing.
        ValueError: It is of another kind, or a line is bad.
    """
    path = Path(path)
    if path.is_dir():
        return read_beir_split(path, "train")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a file or a BEIR folder")
    if path.suffix == ".jsonl":
        return QuestionFile(read_questions(path), {})
    if path.suffix == ".csv":
        return QuestionFile(read_csv(path), {})
    if path.suffix == ".json":
        return read_llama_index(path)
    raise ValueError(f"{path}: expected .jsonl, .csv, .json or a BEIR folder, got {path.suffix!r}")


def read_beir_split(folder: Path, split: str) -> QuestionFile:
    """The questions of one split, "train" or "test", of a folder in BEIR layout.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A line is bad.
    """
    beir = read_beir(folder)
    judged = (beir.train if split == "train" else beir.test).grades
    questions = [
        JudgedQuestion(text, {beir.ids[row]: grade for row, grade in grades.items()})
        for text, grades in zip(beir.queries, judged, strict=True)
        if grades
    ]
    return QuestionFile(questions, dict(zip(beir.ids, beir.texts, strict=True)))


def read_csv(path: Path) -> list[JudgedQuestion]:
    """Read a table with the columns question and chunk_id, and perhaps relevance.

    Raises:
        ValueError: A column is missing or a line is bad.
    """
    found: dict[str, dict[str, float]] = {}
    try:
        lines = io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8: {error}") from None
    reader = csv.DictReader(lines, strict=True)
    missing = {"question", "chunk_id"} - set(reader.fieldnames or ())
    if missing:
        raise ValueError(
            f"{path}:1: expected the columns question and chunk_id, got no "
            f"{' and no '.join(sorted(missing))}"
        )
    try:
        for row in reader:
            text, id_ = row["question"] or "", row["chunk_id"] or ""
            expect_question(text)
            graded = grades_of(id_, None, (row.get("relevance") or "").strip() or None)
            found.setdefault(text, {}).update(graded)
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}:{reader.line_num}: {error}") from None
    return [JudgedQuestion(text, grades) for text, grades in found.items()]


def read_llama_index(path: Path) -> QuestionFile:
    """Read a saved EmbeddingQAFinetuneDataset: queries, corpus and relevant_docs.

    Raises:
        ValueError: It is something else, or a document is relevant that it does not have.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON: {error}") from None
    queries, corpus, relevant = (_mapping(path, data, n) for n in ("queries", "corpus",
                                                                  "relevant_docs"))  # fmt: skip
    for name, texts in (("queries", queries), ("corpus", corpus)):
        _expect_texts(path, name, texts.items())
    questions = []
    for query_id, ids in relevant.items():
        if query_id not in queries:
            raise ValueError(f"{path}: relevant_docs: expected ids of queries, got {query_id!r}")
        if not isinstance(ids, list) or not ids or not all(isinstance(i, str) for i in ids):
            raise ValueError(f"{path}: relevant_docs[{query_id!r}]: expected ids, got {ids!r}")
        unknown = [id_ for id_ in ids if id_ not in corpus]
        if unknown:
            raise ValueError(
                f"{path}: relevant_docs[{query_id!r}]: expected ids of the corpus, got "
                f"{unknown[0]!r}"
            )
        questions.append(JudgedQuestion(queries[query_id], dict.fromkeys(ids, 1.0)))
    return QuestionFile(questions, corpus)


def _mapping(path: Path, data: Any, name: str) -> dict[str, Any]:
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected an object with {name}, as LlamaIndex saves it")
    return value


def _expect_texts(path: Path, name: str, texts: Iterable[tuple[str, Any]]) -> None:
    for id_, text in texts:
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{path}: {name}[{id_!r}]: expected text, got {text!r}")
        fault = fault_of(text)
        if fault:
            raise ValueError(f"{path}: {name}[{id_!r}]: {fault}")
