"""The demo: a corpus, its questions, what was learned from them, and what it is worth."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from ragtune.demo import stdlib
from ragtune.demo.examples import Example, choose_examples
from ragtune.embed.graph_cache import default_cache_dir
from ragtune.evaluation import Qrels, read_beir
from ragtune.learning import TuningRun
from ragtune.memory import Memory
from ragtune.report import Report

CANCEL_S = 5.0  # so long an interrupted training may take to end

PhaseProgress = Callable[[str, int, int], None]
"""Called with (phase, done, total); a total of 0 is not known yet."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, how it is put, and the grade of each chunk that is judged for it."""

    text: str
    style: str
    grades: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Task:
    """What the demo learns on.

    Attributes:
        name: Name of the memory's folder, without ending.
        title: What the corpus is.
        ids: Names of the chunks.
        texts: The chunks, as many as ids.
        sources: The document of each chunk; None if each is a document of its own.
        train: Questions to learn from.
        test: Questions that are only asked; without them the proof is cross-fitted alone.
        unknown_ids: Answers that were left out, because this corpus lacks the chunk.
    """

    name: str
    title: str
    ids: list[str]
    texts: list[str]
    sources: list[str] | None
    train: list[Question]
    test: list[Question] = field(default_factory=list)
    unknown_ids: int = 0


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo did.

    Attributes:
        task: Corpus and questions.
        path: The memory; it stays.
        embedded: Chunks that were embedded now; the others were known.
        run: The tuning, with its out-of-fold report.
        test: The report on the test questions, if there are any.
        examples: Five questions before and after: of the test set if there is one, else of
            those that were learned from.
        seconds: Wall time by phase.
    """

    task: Task
    path: Path
    embedded: int
    run: TuningRun
    test: Report | None
    examples: list[Example]
    seconds: dict[str, float]

    @property
    def styles(self) -> dict[str, int]:
        """Questions by style, most frequent first."""
        return dict(Counter(q.style for q in self.task.train if q.style).most_common())


def run_demo(
    *,
    data: Path | None = None,
    at: Path | None = None,
    limit: int | None = None,
    embedder: object | None = None,
    progress: PhaseProgress | None = None,
) -> DemoResult:
    """Embed a corpus, import its questions, train a job on them, and show what came of it.

    Args:
        data: A folder in BEIR layout with train judgments; None is the documentation of the
            Python standard library with the questions that come with the package.
        at: Where the memory is made, or found; by default below the cache folder.
        limit: Learn from this many questions only.
        embedder: As in `Memory`.
        progress: Called with (phase, done, total).

    Raises:
        FileNotFoundError: A file of `data` is missing, or the weights are.
        RuntimeError: The training failed or was cancelled; the message tells why.
        ValueError: A line of `data` is bad, or there is nothing to learn from.
    """
    clock = _Clock(progress)
    with clock.phase("reading the corpus"):
        task = _stdlib_task(limit) if data is None else _beir_task(data, limit)
    path = at or _default_path(task, limit)
    with Memory(path, embedder=embedder) as memory:
        embedded = _add_corpus(memory, task, clock)
        with clock.phase("importing the questions"):
            memory.questions.add(_question_file(memory.path, task.train))
        with clock.phase("learning"):
            run = _learn(memory, clock)
        test = _evaluate(memory, task, clock) if task.test else None
        with clock.phase("choosing examples"):
            examples = choose_examples(memory, task.test or task.train)
    return DemoResult(task, path, embedded, run, test, examples, clock.seconds)


def _default_path(task: Task, limit: int | None) -> Path:
    part = f"-{limit}-questions" if limit is not None else ""
    return default_cache_dir() / "demo" / f"{task.name}{part}.ragtune"


def _add_corpus(memory: Memory, task: Task, clock: _Clock) -> int:
    """Add the chunks and return how many had to be embedded."""
    embedded = 0

    def count(done: int, total: int) -> None:
        nonlocal embedded
        embedded = total
        clock.report(done, total)

    with clock.phase("embedding the corpus"):
        memory.add(task.texts, ids=task.ids, sources=task.sources, progress=count)
    return embedded


def _question_file(folder: Path, questions: Sequence[Question]) -> Path:
    """Write questions as `ragtune questions import` reads them."""
    path = folder / "questions.jsonl"
    lines = [
        json.dumps({"question": question.text, "chunk_id": id_, "relevance": grade})
        for question in questions
        for id_, grade in question.grades.items()
    ]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def _learn(memory: Memory, clock: _Clock) -> TuningRun:
    """Train a run on all questions as a job, which ends with whoever waits for it."""
    run_id = memory.runs.start()
    # One attempt: a further one could be at an easier strategy, and this one's error untold.
    job_id = memory.jobs.train(run_id, max_attempts=1, progress=clock.report)
    memory.jobs.start_worker()
    try:
        job = memory.jobs.wait(job_id, progress=clock.report)
    except BaseException:
        memory.jobs.cancel(job_id)
        with suppress(TimeoutError):
            memory.jobs.wait(job_id, timeout_s=CANCEL_S)
        raise
    if job.status != "ready":
        raise RuntimeError(f"job {job_id}: expected it ready, got {job.status}: {job.error}")
    return memory.runs.result(run_id)


def _evaluate(memory: Memory, task: Task, clock: _Clock) -> Report:
    texts, grades = [q.text for q in task.test], [q.grades for q in task.test]
    with clock.phase("evaluating"):
        return memory.evaluate(texts, grades, progress=clock.report)


class _Clock:
    """Seconds by phase, and progress with the name of the phase that is on."""

    def __init__(self, progress: PhaseProgress | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._phase = ""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._phase, start = name, time.perf_counter()
        self.report(0, 0)
        yield
        self.seconds[name] = time.perf_counter() - start

    def report(self, done: int, total: int) -> None:
        if self._progress:
            self._progress(self._phase, done, total)


# Corpora


def _stdlib_task(limit: int | None) -> Task:
    corpus = stdlib.chunks()
    known = {chunk.id for chunk in corpus}
    train, unknown = [], 0
    for text, style, answers in packaged_questions():
        grades = {id_: 1.0 for id_ in answers if id_ in known}
        unknown += len(answers) - len(grades)
        if grades:
            train.append(Question(text, style, grades))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Task(
        name=f"stdlib-{version}",
        title=f"the documentation of Python {version}'s standard library",
        ids=[chunk.id for chunk in corpus],
        texts=[chunk.text for chunk in corpus],
        sources=[chunk.source for chunk in corpus],
        train=_some(train, limit),
        unknown_ids=unknown,
    )


def packaged_questions() -> Iterator[tuple[str, str, list[str]]]:
    """Question, style and answers of each line of questions.jsonl."""
    lines = resources.files("ragtune.demo").joinpath("questions.jsonl").read_text("utf-8")
    for line in lines.splitlines():
        values = json.loads(line)
        yield values["question"], values["style"], values["answers"]


def _beir_task(folder: Path, limit: int | None) -> Task:
    beir = read_beir(folder)
    train, test = (_judged(beir.queries, beir.ids, qrels) for qrels in (beir.train, beir.test))
    if not train:
        raise ValueError(f"{folder / 'qrels' / 'train.tsv'}: expected judgments to learn from")
    name = folder.resolve().name
    return Task(name, name, beir.ids, beir.texts, None, _some(train, limit), test)


def _judged(queries: Sequence[str], ids: Sequence[str], qrels: Qrels) -> list[Question]:
    return [
        Question(text, "", {ids[row]: grade for row, grade in grades.items()})
        for text, grades in zip(queries, qrels.grades, strict=True)
        if any(grade > 0 for grade in grades.values())
    ]


def _some(questions: list[Question], limit: int | None) -> list[Question]:
    """`limit` of the questions, the same ones each time, from all over the file."""
    if limit is None:
        return questions
    if limit < 1:
        raise ValueError(f"limit: expected at least 1 question, got {limit}")
    digests = [hashlib.sha256(question.text.encode()).digest() for question in questions]
    kept = sorted(range(len(questions)), key=digests.__getitem__)[:limit]
    return [questions[i] for i in sorted(kept)]
