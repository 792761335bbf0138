"""Training as ragtune, PyTorch and nudge-ft do it, for bench_training_speed.py."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 64


@dataclass(frozen=True)
class Task:
    """Unit rows, judgments in CSR form, and what both engines are told."""

    corpus: NDArray[np.float32]
    queries: NDArray[np.float32]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
    kind: str
    epochs: int
    batch: int = 256
    rate: float = 1e-3
    penalty: float = 1e-2
    temperature: float = 0.05

    @property
    def grades(self) -> NDArray[np.float32]:
        return np.ones(len(self.rows), dtype=np.float32)


def ragtune_contrastive(task: Task) -> dict[str, NDArray[np.float32]]:
    from ragtune import _core

    found = _core.train_contrastive(
        task.corpus,
        task.queries,
        task.offsets,
        task.rows,
        task.grades,
        kind=task.kind,
        width=WIDTH,
        temperature=task.temperature,
        penalty=task.penalty,
        learning_rate=task.rate,
        epochs=task.epochs,
        batch=task.batch,
        num_threads=2,
    )
    return found["matrices"]


def torch_parameters(kind: str, d: int) -> dict[str, Any]:
    """The same starts as ours: the identity, since the last matrix is zero."""
    import torch

    if kind == "linear":
        start = {"m": torch.zeros(d, d)}
    else:
        reach = (3 / WIDTH) ** 0.5 if kind == "low_rank" else 3**0.5
        start = {"a": (2 * torch.rand(d, WIDTH) - 1) * reach, "b": torch.zeros(WIDTH, d)}
    if kind == "mlp":
        start["bias"] = torch.zeros(1, WIDTH)
    return {name: value.requires_grad_() for name, value in start.items()}


def torch_residual(kind: str, p: dict[str, Any], q: Any) -> tuple[Any, Any]:
    """What is added to the queries, and the penalty."""
    import torch

    if kind == "linear":
        return q @ p["m"], p["m"].square().sum()
    if kind == "low_rank":
        inner, outer = p["a"].T @ p["a"], p["b"] @ p["b"].T
        return q @ p["a"] @ p["b"], (inner * outer).sum()
    hidden = torch.nn.functional.gelu(q @ p["a"] + p["bias"], approximate="tanh")
    return hidden @ p["b"], p["b"].square().sum()


def torch_contrastive(task: Task) -> dict[str, NDArray[np.float32]]:
    """Whole-corpus InfoNCE: one product a batch, relevant documents masked in place, fused Adam."""
    import torch

    torch.set_num_threads(2)
    torch.manual_seed(0)
    corpus, queries = torch.from_numpy(task.corpus), torch.from_numpy(task.queries)
    counts = torch.from_numpy(np.diff(task.offsets))
    starts, rows = torch.from_numpy(task.offsets[:-1]), torch.from_numpy(task.rows)
    parameters = torch_parameters(task.kind, task.corpus.shape[1])
    optimizer = torch.optim.Adam(parameters.values(), lr=task.rate, fused=True)
    steps = task.epochs * -(-len(queries) // task.batch)
    warm_up = int(np.ceil(0.1 * steps))

    def factor(step: int) -> float:
        step += 1
        if step <= warm_up:
            return step / warm_up
        return 0.5 * (1 + np.cos(np.pi * (step - warm_up) / max(steps - warm_up, 1)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for _ in range(task.epochs):
        for chosen in torch.randperm(len(queries)).split(task.batch):
            own = counts[chosen]
            of = torch.repeat_interleave(torch.arange(len(chosen)), own)
            first = torch.repeat_interleave(own.cumsum(0) - own, own)
            relevant = rows[starts[chosen][of] + torch.arange(len(of)) - first]
            q = queries[chosen]
            added, penalty = torch_residual(task.kind, parameters, q)
            adapted = torch.nn.functional.normalize(q + added, dim=1)
            logits = (adapted / task.temperature) @ corpus.T
            positive = logits[of, relevant]
            negative = logits.index_put_((of, relevant), torch.tensor(-torch.inf)).logsumexp(1)
            losses = (torch.logaddexp(positive, negative[of]) - positive) / own[of]
            loss = losses.sum() / len(chosen) + task.penalty * penalty
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
            optimizer.step()
            schedule.step()
    return {name: value.detach().numpy() for name, value in parameters.items()}


@dataclass(frozen=True)
class Split:
    """Documents, questions to learn from, and questions to choose the step by."""

    corpus: NDArray[np.float32]
    training: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]
    validation: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]
    kind: str


def few(task: Task) -> Task:
    """A task of a moment, after which an engine has loaded all that it loads lazily."""
    return replace(
        task,
        queries=task.queries[:8],
        offsets=task.offsets[:9],
        rows=task.rows[: task.offsets[8]],
        epochs=1,
    )


def ragtune_nudge(split: Split) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    from ragtune import _core

    rows, deltas, _, _ = _core.nudge(
        split.corpus, *split.training, *split.validation, kind=split.kind, num_threads=2
    )
    return rows, deltas


def moved(split: Split, overlay: Any) -> NDArray[np.float32]:
    """The documents under an overlay; nudge-ft returns them whole."""
    if isinstance(overlay, np.ndarray):
        return overlay
    out = split.corpus.copy()
    out[overlay[0]] += overlay[1]
    return out


def nudge_ft(split: Split) -> NDArray[np.float32]:
    import torch
    from nudge import NUDGEM, NUDGEN

    torch.set_num_threads(2)
    sets = []
    for queries, offsets, rows in (split.training, split.validation):
        answers = [rows[a:b].tolist() for a, b in pairwise(offsets)]
        sets.append({"q_embs": queries, "q_ans_indx": answers})
    peer = NUDGEN() if split.kind == "n" else NUDGEM()
    with contextlib.redirect_stdout(io.StringIO()):
        return peer.finetune_embeddings(split.corpus, *sets)


CONTRASTIVE = {"ragtune": ragtune_contrastive, "torch": torch_contrastive}
NUDGE = {"ragtune": ragtune_nudge, "nudge_ft": nudge_ft}
