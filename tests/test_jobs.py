"""The queue and its workers: every job ends once, whatever is killed."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import HashEmbedder, fill

import ragtune
from ragtune.jobs.worker import Worker
from ragtune.store import Store
from ragtune.types import LostClaimError

KILLS = int(os.environ.get("RAGTUNE_KILLS", "4"))
CANCELS = int(os.environ.get("RAGTUNE_CANCELS", "2"))
QUICK = {"strategy": "ridge", "hyperparameters": {"penalty": 30.0, "contrast": 0.3}}


def again(memory):
    """A further run over all pairs."""
    return memory.store.runs.add(status="generated")


def files(memory):
    folder = memory.path / "models"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def ps(*arguments, check=True):
    """What `ps` prints; a sanitizer that this process has loaded first is not for it, too."""
    own = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return subprocess.run(
        ["ps", *arguments], capture_output=True, text=True, check=check, env=own
    ).stdout


def children(pid=None):
    """Processes of trainings that were started by this process."""
    rows = [line.split(None, 3) for line in ps("-eo", "pid,ppid,stat,args").splitlines()[1:]]
    return [
        int(row[0])
        for row in rows
        if int(row[1]) == (pid or os.getpid())
        and "ragtune.jobs.child" in row[3]
        and not row[2].startswith("Z")
    ]


def until(condition, timeout_s=30):
    end = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)
    return found


# -- the queue ----------------------------------------------------------------------------


def test_the_oldest_job_is_taken_once(memory):
    jobs = memory.store.jobs
    first, second = jobs.add("train", {}), jobs.add("train", {})
    assert jobs.claim("a", 60).id == first
    assert jobs.claim("b", 60).id == second
    assert jobs.claim("c", 60) is None


def test_two_workers_never_take_the_same_job(memory):
    ids = {memory.store.jobs.add("train", {}) for _ in range(40)}
    taken = []

    def take(name):
        while (job := memory.store.jobs.claim(name, 60)) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=take, args=[f"w{i}"]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 40
    assert set(taken) == ids


def test_a_silent_workers_job_is_taken_over_and_its_attempts_are_bounded(memory):
    jobs = memory.store.jobs
    id_ = jobs.add("train", {})
    claims = [jobs.claim(f"w{i}", -1) for i in range(3)]
    assert [job.attempts for job in claims] == [1, 2, 3]
    assert jobs.claim("w3", -1) is None
    job = jobs.get(id_)
    assert job.status == "failed"
    assert "went silent" in job.error
    assert not jobs.beat(claims[0].claim, 60)


def test_who_lost_a_job_can_write_nothing(memory):
    run_id = fill(memory)
    memory.store.jobs.add_training(
        {"run_id": run_id, "options": QUICK}, max_attempts=3, time_limit_s=None
    )
    first = memory.store.jobs.claim("slow", -1)
    second = memory.store.jobs.claim("quick", 60)
    with pytest.raises(LostClaimError, match="attempt 1 has lost it"):
        memory.runs.work(first)
    assert files(memory) == []
    assert not memory.store.jobs.end_attempt(first.claim, "failed")
    memory.runs.work(second)
    assert memory.jobs.get(first.id).status == "ready"
    assert len(memory.models.list()) == 1
    with pytest.raises(LostClaimError):
        memory.runs.work(second)
    assert len(files(memory)) == 1


def test_logs_have_numbers_in_order_and_can_be_followed(memory):
    jobs = memory.store.jobs
    id_ = jobs.add("train", {})
    jobs.log(id_, [("info", "one"), ("error", "two")])
    jobs.log(id_, [("info", "three")])
    lines = list(memory.jobs.logs(id_))
    assert [(line["seq"], line["level"], line["line"]) for line in lines] == [
        (1, "info", "one"),
        (2, "error", "two"),
        (3, "info", "three"),
    ]
    followed = memory.jobs.logs(id_, follow=True)
    assert [next(followed)["seq"] for _ in range(3)] == [1, 2, 3]
    jobs.log(id_, [("info", "four")])
    jobs.cancel(id_)
    assert [line["line"] for line in followed] == ["four"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"time_limit_s": 0}, "time_limit_s: expected more than 0, got 0"),
        ({"memory_limit_mb": -1}, "memory_limit_mb: expected more than 0, got -1"),
        ({"max_attempts": 0}, "max_attempts: expected at least 1, got 0"),
    ],
)
def test_limits_are_checked(memory, wrong, message):
    with pytest.raises(ValueError, match=message):
        memory.jobs.train(fill(memory), **wrong)


def test_only_a_generated_run_is_queued(memory):
    run_id = fill(memory)
    memory.jobs.train(run_id)
    with pytest.raises(ValueError, match="expected it generated, got training"):
        memory.jobs.train(run_id)
    assert len(memory.jobs.list()) == 1


# -- workers ------------------------------------------------------------------------------


def test_a_job_is_trained_in_a_process_of_its_own_and_its_model_is_published(memory):
    run_id = fill(memory)
    job_id = memory.jobs.train(run_id, **QUICK)
    assert memory.jobs.get(job_id).status == "queued"
    assert memory.jobs.worker().run(until_idle=True) == 1
    job = memory.jobs.get(job_id)
    assert (job.status, job.attempts, job.error) == ("ready", 1, None)
    assert job.result["version"] == 1
    assert memory.runs.get(run_id)["status"] == "completed"
    assert memory.models.get(1)["run_id"] == run_id
    (file,) = files(memory)
    assert file.startswith(f"{job_id}-1-")
    lines = [line["line"] for line in memory.jobs.logs(job_id)]
    assert lines[0] == "attempt 1 of 3"
    assert lines[-1].startswith("model 1 ")
    assert children() == []


def test_a_child_needs_no_embedder_of_the_callers(memory):
    """It once failed twice for want of it, and what was learned was the safe last attempt's."""
    embedded = []
    job_id = memory.jobs.train(fill(memory), progress=lambda *counts: embedded.append(counts))
    assert embedded[0] == (60, 60)
    memory.jobs.worker().run(until_idle=True)
    job = memory.jobs.get(job_id)
    assert (job.status, job.attempts, job.error) == ("ready", 1, None)
    assert memory.models.get(1)["options"]["strategy"] == "auto"


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_who_waits_for_a_job_is_told_how_far_it_is(memory, timeout):
    job_id, told = memory.store.jobs.add("train", {}), []
    job = memory.store.jobs.claim("w", 60)
    memory.store.jobs.beat(job.claim, 60, {"phase": "training", "done": 3, "total": 9})
    with pytest.raises(TimeoutError, match=f"still training after {timeout} s"):
        memory.jobs.wait(job_id, timeout, progress=lambda *counts: told.append(counts))
    assert set(told) == {(3, 9)}


def test_a_child_that_fails_is_tried_three_times_the_last_one_safely(memory):
    run_id = fill(memory)
    job_id = memory.jobs.train(run_id, strategy="mlp")
    memory.jobs.worker().run(until_idle=True)
    job = memory.jobs.get(job_id)
    assert (job.status, job.attempts) == ("ready", 3)
    model = memory.models.get(1)
    assert model["options"]["strategy"] == "ridge"
    assert model["options"]["hyperparameters"]["penalty"] == 1000
    errors = [line["line"] for line in memory.jobs.logs(job_id) if line["level"] == "error"]
    assert len(errors) == 2
    assert "mlp expects at least 5,000 pairs, got 60" in errors[0]


def test_a_job_without_anything_to_learn_from_fails_with_the_reason(memory):
    memory.add(["a chunk"])
    job_id = memory.jobs.train(again(memory))
    memory.jobs.worker().run(until_idle=True)
    job = memory.jobs.get(job_id)
    assert (job.status, job.attempts) == ("failed", 3)
    assert "pairs: expected at least one, got none" in job.error
    (run,) = memory.runs.list()
    assert (run["status"], run["error"]) == ("failed", job.error)


def test_a_training_over_its_time_fails(memory):
    job_id = memory.jobs.train(fill(memory), time_limit_s=0.05)
    memory.jobs.worker().run(until_idle=True)
    assert memory.jobs.get(job_id).error == "took longer than 0.05 s"
    assert memory.jobs.get(job_id).status == "failed"
    assert children() == []


def test_a_training_over_its_memory_fails(memory):
    job_id = memory.jobs.train(fill(memory), memory_limit_mb=40, max_attempts=1)
    memory.jobs.worker().run(until_idle=True)
    assert memory.jobs.get(job_id).status == "failed"
    assert memory.models.list() == []


def test_a_stopped_worker_gives_its_job_back(memory):
    job_id = memory.jobs.train(fill(memory))
    memory.jobs.start_worker()
    until(children)
    memory.jobs.stop_worker()
    job = memory.jobs.get(job_id)
    assert (job.status, job.attempts, job.worker) == ("queued", 0, None)
    assert children() == []


def test_cancel_ends_a_training_within_a_second_and_leaves_nothing(memory):
    fill(memory, run=False)
    took = []
    for number in range(3 * CANCELS):
        if len(took) == CANCELS:
            break
        run_id = again(memory)
        memory.add_pairs([ragtune.Pair(f"a new question {number}", "c1")])
        job_id = memory.jobs.train(run_id)
        memory.jobs.start_worker()
        until(children)
        time.sleep(random.Random(number).uniform(0, 1.5))
        start = time.monotonic()
        was = memory.jobs.cancel(job_id)
        job = memory.jobs.wait(job_id, timeout_s=10)
        if was == "ready":  # it was done before
            continue
        took.append(time.monotonic() - start)
        assert job.status == "cancelled"
        until(lambda: not children(), 1)
        assert memory.runs.get(run_id)["status"] == "cancelled"
    memory.jobs.stop_worker()
    known = {memory.store.models.get(row["version"])["file"] for row in memory.models.list()}
    assert set(files(memory)) == known
    assert len(took) == CANCELS
    assert max(took) < 1, sorted(took)[-3:]
    memory.store.chunks.delete(["c1"])  # no lock is left
    print(f"cancel: {len(took)} times, {max(took):.2f} s at most")


def test_sweeping_spares_a_model_that_is_published_meanwhile(memory, monkeypatch):
    """Another worker sweeps when the file is there, and the store learns of it as it looks."""
    memory.jobs.train(fill(memory), **QUICK)
    job = memory.store.jobs.claim("other", 60)
    models, jobs = memory.store.models, memory.store.jobs
    publish, versions = models.publish, []

    def then_publish(look, arguments):
        def call(*args):
            found = look(*args)
            if not versions:
                versions.append(publish(*arguments))
            return found

        return call

    def sweep_and_publish(*arguments):
        monkeypatch.setattr(models, "files", then_publish(models.files, arguments))
        monkeypatch.setattr(jobs, "list", then_publish(jobs.list, arguments))
        memory.jobs.worker().run(until_idle=True)
        return versions[0]

    monkeypatch.setattr(models, "publish", sweep_and_publish)
    memory.runs.work(job)
    assert memory.jobs.get(job.id).status == "ready"
    assert len(files(memory)) == 1


def test_a_job_may_be_deleted_while_its_worker_still_writes_of_it(memory):
    job_id = memory.jobs.train(fill(memory), **QUICK)
    worker = memory.jobs.worker()
    worker.start()
    until(lambda: memory.jobs.get(job_id).has_ended)
    memory.jobs.delete(job_id)
    second = memory.jobs.train(again(memory), **QUICK)
    assert memory.jobs.wait(second, timeout_s=60).status == "ready"
    worker.stop()


# -- killed workers -----------------------------------------------------------------------

WORKER = """
import sys
from pathlib import Path
from ragtune.jobs import Home
from ragtune.jobs.worker import Worker
from ragtune.store import Store
path, url = Path(sys.argv[1]), sys.argv[2]
store = Store(url) if url else Store.in_file(path / "store.sqlite")
Worker(store, Home(path, url or None, "default"), lease_s=1.0).run()
"""


def started_worker(memory, store_url):
    return subprocess.Popen([sys.executable, "-c", WORKER, str(memory.path), store_url or ""])


def test_jobs_end_once_however_often_workers_are_killed(memory, store_url):
    """Two workers, one of which is killed again and again at random moments."""
    fill(memory, run=False)
    chance = random.Random(1)
    queue = [memory.jobs.train(again(memory), **QUICK) for _ in range(3)]
    workers = [started_worker(memory, store_url) for _ in range(2)]
    try:
        for kill in range(KILLS):
            time.sleep(chance.uniform(0.05, 3))
            victim = kill % 2
            workers[victim].send_signal(signal.SIGKILL)
            workers[victim].wait()
            workers[victim] = started_worker(memory, store_url)
            if sum(not memory.jobs.get(id_).has_ended for id_ in queue) < 3:
                queue.append(memory.jobs.train(again(memory), **QUICK))
        queue.append(memory.jobs.train(again(memory), **QUICK))  # which nobody disturbs
        ended = [memory.jobs.wait(id_, timeout_s=120) for id_ in queue]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert ended[-1].status == "ready"
    check_all_ended_once(memory, ended)
    statuses = [job.status for job in ended]
    print(
        f"killed {KILLS} workers: {len(ended)} jobs, {statuses.count('ready')} ready, "
        f"{statuses.count('failed')} failed, {max(j.attempts for j in ended)} attempts at most"
    )


def check_all_ended_once(memory, ended):
    models = memory.store.models.list()
    ready = [job for job in ended if job.status == "ready"]
    assert {job.status for job in ended} <= {"ready", "failed"}
    assert all(job.attempts <= job.max_attempts for job in ended)
    assert sorted(job.result["version"] for job in ready) == sorted(m["version"] for m in models)
    assert len({model["run_id"] for model in models}) == len(models)  # none was published twice
    runs = {run["id"]: run["status"] for run in memory.runs.list()}
    for job in ended:
        assert runs[job.run_id] == {"ready": "completed", "failed": "failed"}[job.status]
    memory.jobs.worker().run(until_idle=True)  # sweeps
    assert set(files(memory)) == {model["file"] for model in models}


def test_the_child_of_a_killed_worker_ends_by_itself(memory, store_url):
    memory.jobs.train(fill(memory))
    worker = started_worker(memory, store_url)
    (child,) = until(lambda: children(worker.pid))
    worker.kill()
    worker.wait()

    def is_gone():
        state = ps("-o", "stat=", "-p", str(child), check=False)  # it fails where none is left
        return not state.strip() or state.startswith("Z")

    until(is_gone, 5)


def test_a_worker_of_another_owner_takes_nothing(memory, store_url, tmp_path):
    memory.jobs.train(fill(memory))
    other = ragtune.Memory(
        tmp_path / "memory", embedder=HashEmbedder(), owner="other", store=store_url
    )
    assert other.jobs.worker().run(until_idle=True) == 0
    other.close()


def test_a_worker_is_named_by_machine_and_process():
    store = Store("sqlite://")
    assert f":{os.getpid()}:" in Worker(store, None).name
    store.close()
