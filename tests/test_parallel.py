import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest

import ragtune
from ragtune import _core

X = np.random.default_rng(0).normal(size=(4000, 32)).astype(np.float32)


def nearest(kind):
    index = ragtune.Index(32, kind=kind)
    index.add(X)
    return index.search(X[:50], 1)[1].ravel().tolist()


def report(queue, kind):
    queue.put(nearest(kind))


def test_exception_in_a_thread_reaches_the_caller():
    with pytest.raises(IndexError, match="step 77"):
        _core.throw_in_parallel(1000, 77)
    _core.throw_in_parallel(1000, -1)  # none is thrown, and the pool still works


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_search_works_in_a_forked_child(kind):
    """libgomp's threads do not survive a fork: without care the child waits for ever."""
    assert nearest(kind) == list(range(50))  # the parent has used the pool
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os._exit(0 if nearest(kind) == list(range(50)) and _core.thread_count(0) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_search_works_in_a_new_process(method, kind):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=report, args=(queue, kind))
    process.start()
    assert queue.get(timeout=60) == list(range(50))
    process.join()


def test_negative_thread_count_is_an_error():
    with pytest.raises(ValueError, match="num_threads: expected >= 0, got -1"):
        _core.thread_count(-1)


def graph(corpus):
    index = ragtune.Index(corpus.shape[1], kind="hnsw")
    index.add(corpus[:8000], num_threads=1)


@pytest.mark.parametrize(
    "work",
    [lambda corpus: _core.exact_search(corpus, corpus[:200], k=10, num_threads=1), graph],
    ids=["exact search", "building a graph"],
)
def test_long_calls_release_the_interpreter(work):
    """A thread that beats every millisecond goes on while another computes."""
    beats, stop = [], threading.Event()

    def beat():
        while not stop.is_set():
            beats.append(time.perf_counter())
            time.sleep(0.001)

    corpus = np.random.default_rng(0).normal(size=(30_000, 256)).astype(np.float32)
    thread = threading.Thread(target=beat)
    thread.start()
    begin = time.perf_counter()
    while time.perf_counter() - begin < 0.5:
        work(corpus)
    seconds = time.perf_counter() - begin
    stop.set()
    thread.join()
    within = [b for b in beats if begin <= b <= begin + seconds]
    longest = np.diff([begin, *within]).max()
    assert longest < 0.2, f"no beat for {longest:.2f} s of {seconds:.2f} s"
