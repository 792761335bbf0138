"""`ragtune jobs` and `ragtune worker`: trainings in the background."""

from __future__ import annotations

import signal
from dataclasses import asdict
from typing import Annotated, Any, TypeAlias

import typer

from ragtune.cli import options, output
from ragtune.cli.groups import full_id, group, plain, show_facts, show_rows
from ragtune.cli.options import AsJson, MemoryPath, examples

JobId: TypeAlias = Annotated[str, typer.Argument(help="Id of a job; see ragtune jobs list.")]


def register(app: typer.Typer) -> None:
    """Add the group, and the worker."""
    jobs = group(app, "jobs", "Trainings in the background: state, logs, cancel.",
                 "ragtune jobs list", "ragtune jobs show 5f0c", "ragtune jobs logs 5f0c --follow",
                 "ragtune jobs cancel 5f0c")  # fmt: skip
    for verb, name, short, *lines in (
        (list_, "list", "All jobs, newest first.", "ragtune jobs list --json"),
        (show, "show", "One job.", "ragtune jobs show 5f0c"),
        (logs, "logs", "What a job says.", "ragtune jobs logs 5f0c --follow"),
        (cancel, "cancel", "End a job.", "ragtune jobs cancel 5f0c"),
    ):
        jobs.command(name, short_help=short, epilog=examples(*lines))(verb)
    app.command(
        short_help="Work on the queue of trainings.",
        epilog=examples("ragtune worker", "ragtune worker --until-idle -m support.ragtune"),
    )(worker)


def list_(memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False) -> None:
    """Show all jobs, newest first."""
    with options.open_memory(memory) as opened:
        rows = [asdict(job) for job in opened.jobs.list()]
    m = options.option_for(memory)
    if as_json:
        output.print_json({"jobs": plain(rows)})
    elif not rows:
        output.show("There are no jobs; queue one with:", f"ragtune runs train RUN --background{m}")
    else:
        columns = "id", "status", "attempts", "created_at", "ended_at"
        waits = any(row["status"] == "queued" for row in rows)
        then = f"ragtune worker{m}" if waits else f"ragtune jobs show {rows[0]['id']}{m}"
        show_rows(rows, columns, f"\n{then}")


def show(
    job_id: JobId, memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False
) -> None:
    """Show a job: status, attempts, progress, result and error."""
    with options.open_memory(memory) as opened:
        job = asdict(opened.jobs.get(_full(opened, job_id)))
    if as_json:
        output.print_json(plain(job))
    else:
        show_facts({k: v for k, v in job.items() if k not in ("payload", "lease_until", "worker")},
                   f"\nragtune jobs logs {job['id']}{options.option_for(memory)}")  # fmt: skip


def logs(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until it has ended.")] = False,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Print what a job has said so far; with --follow also what it says from now on."""
    with options.open_memory(memory) as opened:
        full = _full(opened, job_id)
        lines = opened.jobs.logs(full, follow=follow)
        if as_json:
            output.print_json({"job": full, "lines": plain(list(lines))})
            return
        for line in lines:
            output.show(f"{line['time']:%H:%M:%S} {line['level']:7} {line['line']}")
        output.show(f"ragtune jobs show {full}{options.option_for(memory)}")


def cancel(
    job_id: JobId, memory: MemoryPath = options.DEFAULT_MEMORY, as_json: AsJson = False
) -> None:
    """End a job; one that is at work ends within a second, and publishes nothing."""
    with options.open_memory(memory) as opened:
        full = _full(opened, job_id)
        opened.jobs.cancel(full)
        try:
            status = opened.jobs.wait(full, timeout_s=2).status
        except TimeoutError:
            status = "training"  # its worker is told, and slow
    if as_json:
        output.print_json({"job": full, "status": status})
    else:
        output.show(f"Job {full}: {status}.", f"ragtune jobs list{options.option_for(memory)}")


def worker(
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when there is nothing to do.")
    ] = False,
    memory: MemoryPath = options.DEFAULT_MEMORY,
    as_json: AsJson = False,
) -> None:
    """Work on the queue: one training at a time, each in a process of its own.

    Ctrl-C or SIGTERM ends it; the job at hand goes back into the queue.
    """
    with options.open_memory(memory) as opened:
        mine = opened.jobs.worker()
        before = [
            (number, signal.signal(number, lambda *_: mine.stop()))
            for number in (signal.SIGINT, signal.SIGTERM)
        ]
        if not as_json:
            output.note(f"waiting for jobs of {memory}; Ctrl-C ends")
        try:
            count = mine.run(until_idle=until_idle)
        finally:
            for number, handler in before:
                signal.signal(number, handler)
    if as_json:
        output.print_json({"jobs": count})
    else:
        output.show(f"{count:,} jobs", f"ragtune jobs list{options.option_for(memory)}")


def _full(opened: Any, start: str) -> str:
    return full_id((job.id for job in opened.jobs.list()), start)
