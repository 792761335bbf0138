"""Questions for every chunk that has none, in a run that can be killed at any moment.

An answer is stored under the hash of (chunk text, prompt, model) before anything counts it, so a
run that is taken up again asks no chunk whose answer was stored.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import asdict, dataclass, field
from typing import Any

from ragtune import _core
from ragtune.events import Event, Listener
from ragtune.questions import checks
from ragtune.questions.limits import Limiter
from ragtune.questions.prompt import MAX_TOKENS, SCHEMA, Prompt, about_tokens, new_nonce
from ragtune.store import Outcome, Store
from ragtune.store.asking import Unasked
from ragtune.types import Cancel, Chat, Pair

MOST_PAIRS = 5000
BATCH = 16  # chunks that are checked and accounted for at once
LOOK_S = 0.2  # how often a cancelled run is noticed

Judge = Callable[[Sequence[str], Sequence[int]], list[str | None]]
"""Why each question about the chunk of the row beside it is set aside; None if it is not."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a run asks."""

    prompt: Prompt = field(default_factory=Prompt)
    most_pairs: int = MOST_PAIRS
    requests_per_second: float | None = 1.0
    tokens_per_minute: float | None = None
    concurrency: int = 4

    def __post_init__(self) -> None:
        for name in ("most_pairs", "concurrency"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected >= 1, got {getattr(self, name)}")


def spread(unasked: Sequence[Unasked]) -> list[Unasked]:
    """One chunk of each source in turn, so that a cap cuts all of them alike."""
    queues: dict[str, deque[Unasked]] = {}
    for chunk in unasked:
        queues.setdefault(chunk.source, deque()).append(chunk)
    out: list[Unasked] = []
    while queues:
        for source in list(queues):
            out.append(queues[source].popleft())
            if not queues[source]:
                del queues[source]
    return out


class Generation:
    """One run of asking over a store."""

    def __init__(self, store: Store, chat: Chat, asking: Asking, judge: Judge) -> None:
        self._store, self._chat, self._asking, self._judge = store, chat, asking, judge
        self._limiter = Limiter(asking.requests_per_second, asking.tokens_per_minute)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(asking.concurrency, thread_name_prefix="ragtune-ask")
        self._seen: dict[str, int] = {}  # likeness of kept questions -> chunk row

    def run(self, listener: Listener | None = None, cancel: Cancel | None = None) -> str:
        """Ask until every chunk is accounted for or the cap is reached; returns the run's id.

        A run with the same options that was left `generating` is taken up again: two processes
        must not generate for one owner at once.

        Raises:
            InterruptedError: It was cancelled; what was answered until then is kept.
        """
        run_id, plan, done, kept = self._begin()
        total = done + len(plan)
        try:
            batch: list[tuple[Unasked, dict[str, Any]]] = []
            for chunk, outcome in self._answers(plan, cancel):
                batch.append((chunk, outcome))
                if len(batch) < BATCH and done + len(batch) < total:
                    continue
                kept += self._account(run_id, batch)
                done, batch = done + len(batch), []
                if listener is not None:
                    counts = {"pairs": kept}
                    listener(Event("generating", done, total, run_id=run_id, data=counts))
                if kept >= self._asking.most_pairs:
                    break
        except BaseException as error:
            status = "cancelled" if not isinstance(error, Exception) else "failed"
            status = "cancelled" if isinstance(error, InterruptedError) else status
            self._store.runs.end(run_id, status, error=f"{type(error).__name__}: {error}")
            raise
        finally:
            self._end()
        self._store.runs.move(run_id, "generating", "generated")
        return run_id

    def preview(self, count: int) -> list[tuple[Unasked, list[Pair], str | None]]:
        """Ask about a few chunks of different sources: their questions, or why there are none.

        The answers are stored, so that a run does not pay for them again. No run is begun.
        """
        plan = spread(self._store.chunks.to_ask())[:count]
        try:
            asked = list(self._answers(plan, None))
        finally:
            self._end()
        pairs = self._judged(asked)
        return [
            (chunk, own, outcome.get("reason"))
            for (chunk, outcome), own in zip(asked, pairs, strict=True)
        ]

    def _begin(self) -> tuple[str, list[Unasked], int, int]:
        """The run, what it has yet to ask, and its counts of chunks and pairs so far."""
        options = {"model": self._chat.name, "prompt": asdict(self._asking.prompt)}
        for run in self._store.runs.list():
            if run["status"] == "generating" and run["options"] == options:
                for question in self._store.pairs.asked(run["id"]):
                    self._seen[checks.likeness(question)] = -1
                plan = spread(self._store.chunks.to_ask(run["id"]))
                return run["id"], plan, run["processed_chunks"], run["pair_count"]
        plan = spread(self._store.chunks.to_ask())
        return self._store.runs.start(len(plan), options), plan, 0, 0

    def _end(self) -> None:
        """Ask nothing more, and do not wait for what was asked: it is stored when it comes."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def settle(self) -> None:
        """Wait for what was asked when the work ended."""
        self._pool.shutdown(wait=True)

    def _answers(
        self, plan: Sequence[Unasked], cancel: Cancel | None
    ) -> Iterator[tuple[Unasked, dict[str, Any]]]:
        """Outcomes in the order of the plan, so that a run ends the same however it was cut."""
        waiting: deque[tuple[Unasked, Future[dict[str, Any]]]] = deque()
        rest = iter(plan)
        while True:
            while len(waiting) < 4 * self._asking.concurrency and (chunk := next(rest, None)):
                waiting.append((chunk, self._pool.submit(self._answer, chunk)))
            if not waiting:
                return
            chunk, future = waiting.popleft()
            while True:
                if cancel is not None and cancel():
                    raise InterruptedError("cancelled")
                try:
                    outcome = future.result(timeout=LOOK_S)
                    break
                except TimeoutError:
                    if future.done():
                        raise
            yield chunk, outcome

    def _answer(self, chunk: Unasked) -> dict[str, Any]:
        """What the model answers about a chunk, stored; a failure is told by its reason."""
        key = self._asking.prompt.key(chunk.text, self._chat.name)
        known = self._store.answers.get([key])
        if known:
            return known[key]
        nonce = new_nonce()
        messages = self._asking.prompt.messages(chunk.text, nonce)
        if not self._limiter.wait(about_tokens(messages) + MAX_TOKENS, self._stop):
            return {"reason": "stopped"}
        try:
            answer = self._chat.ask(messages, SCHEMA, MAX_TOKENS)
        except Exception as error:  # one chunk never stops the run
            return {"reason": f"{type(error).__name__}: {error}"[:300]}
        questions = [list(asked) for asked in _core.parse_answer(answer.text)]
        if not questions:
            return {"reason": "no question in the answer"}
        tokens = [answer.input_tokens, answer.output_tokens]
        outcome = {"questions": questions, "nonce": nonce, "tokens": tokens}
        self._store.answers.put({key: outcome})
        return outcome

    def _account(self, run_id: str, batch: Sequence[tuple[Unasked, dict[str, Any]]]) -> int:
        """Check the questions of some chunks and write what became of them; returns pairs kept."""
        pairs = self._judged(batch)
        outcomes = [
            Outcome(chunk.row, chunk.text_hash, own, outcome.get("reason"))
            for (chunk, outcome), own in zip(batch, pairs, strict=True)
        ]
        self._store.runs.account(run_id, outcomes)
        return sum(pair.reason is None for own in pairs for pair in own)

    def _judged(self, batch: Sequence[tuple[Unasked, dict[str, Any]]]) -> list[list[Pair]]:
        """The questions of each chunk; those that fail a check have the reason."""
        pairs: list[list[Pair]] = [self._checked(chunk, outcome) for chunk, outcome in batch]
        asked = [(i, j) for i, own in enumerate(pairs) for j, p in enumerate(own) if not p.reason]
        if asked:
            reasons = self._judge(
                [pairs[i][j].question for i, j in asked], [batch[i][0].row for i, _ in asked]
            )
            for (i, j), reason in zip(asked, reasons, strict=True):
                if reason is not None:
                    pairs[i][j] = _aside(pairs[i][j], reason)
        return pairs

    def _checked(self, chunk: Unasked, outcome: dict[str, Any]) -> list[Pair]:
        out = []
        for question, style in outcome.get("questions", []):
            reason = checks.reason_against(question, chunk.text, outcome.get("nonce", ""))
            likeness = checks.likeness(question)
            if reason is None and likeness in self._seen:
                reason = "duplicate"
            if reason is None:
                self._seen[likeness] = chunk.row
            pair = Pair(question, chunk.id, source="generated", style=style or None, reason=reason)
            out.append(pair)
        return out


def _aside(pair: Pair, reason: str) -> Pair:
    return Pair(pair.question, pair.chunk_id, pair.relevance, pair.source, pair.style, reason)
