"""A search sees all of an add or remove, or nothing of it, while others write."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from sanitizers import without_asan_as_it_forks_beside_threads

import ragtune

SECONDS = float(os.environ.get("RAGTUNE_SOAK_S", "3"))
READERS, D, GROUP, REST = 8, 16, 60, 2000
KINDS = [("flat", {}), ("hnsw", {"ef_search": 90})]


class Soak:
    """Readers that check every result while a writer writes."""

    def __init__(self, check):
        self.errors, self.searches, self.stop, self._check = [], 0, threading.Event(), check

    def _read(self):
        try:
            while not self.stop.is_set() and not self.errors:
                self._check()
                self.searches += 1
        except Exception as error:
            self.errors.append(error)

    def run(self, write):
        threads = [threading.Thread(target=self._read) for _ in range(READERS)]
        for thread in threads:
            thread.start()
        begin, writes = time.monotonic(), 0
        try:
            while not self.errors and (
                time.monotonic() - begin < SECONDS / 6 or writes < 5 or self.searches < READERS
            ):
                write(writes)
                writes += 1
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        assert not self.errors, self.errors[0]


def vectors(n, seed):
    """The first component is left to the tests."""
    x = np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)
    x[:, 0] = 0
    return x


class Generations:
    """A group of ids that is replaced as a whole, so that each score tells by which add.

    The first component of generation g is sqrt(1 + g / 100), and a query's is zero: a score is
    the same without it, less 1 + g / 100.
    """

    def __init__(self, kind):
        self.index, self.group = ragtune.Index(D, "l2", kind), vectors(GROUP, seed=1)
        self.queries = vectors(30, seed=2)
        self.index.add(vectors(REST, seed=0), ids=np.arange(REST) + GROUP, num_threads=1)
        self.write(0)

    def write(self, generation):
        x = self.group.copy()
        x[:, 0] = np.sqrt(1 + generation % 50 / 100)
        self.index.add(x, ids=np.arange(GROUP), num_threads=1)

    def seen(self, scores, ids):
        """How many results are of the group, and of which generations."""
        row, column = np.nonzero((ids >= 0) & (ids < GROUP))
        gaps = self.queries[row].astype(float) - self.group[ids[row, column]]
        marks = (-scores[row, column] - (gaps**2).sum(axis=1) - 1) * 100
        generations = np.round(marks).astype(int)
        np.testing.assert_allclose(marks, generations, atol=0.1)
        return len(generations), set(generations.tolist())


@pytest.mark.parametrize(("kind", "parameters"), KINDS)
@pytest.mark.parametrize("num_threads", [1, 2])
def test_no_result_mixes_two_generations(kind, parameters, num_threads):
    """Neither within a query nor between the queries of a batch."""
    data = Generations(kind)

    def check():
        found = data.index.search(data.queries, 100, num_threads=num_threads, **parameters)
        count, generations = data.seen(*found)
        assert count > 30
        assert len(generations) == 1, f"generations {generations} in one result"

    Soak(check).run(data.write)


@pytest.mark.parametrize(("kind", "parameters"), KINDS)
def test_groups_are_there_as_a_whole_or_not_at_all(kind, parameters):
    """The writer adds and removes whole groups; compaction comes and goes."""
    index, groups = ragtune.Index(D, "l2", kind), 10
    index.add(vectors(REST, seed=0), ids=np.arange(REST) + groups * GROUP, num_threads=1)
    centres = np.eye(D)[1 : groups + 1] * 5
    enough = GROUP if kind == "flat" else 0.9 * GROUP  # a walk may miss some

    def write(step):
        group = step % groups
        ids = np.arange(GROUP) + GROUP * group
        if step // groups % 2 == 0:
            index.add(centres[group] + vectors(GROUP, step) * 0.3, ids=ids, num_threads=1)
        else:
            index.remove(ids)

    def check():
        found = index.search(centres, GROUP, num_threads=1, **parameters)[1]
        assert (found >= 0).all()
        for group in range(groups):
            here = (found[group] // GROUP == group).sum()
            assert here == 0 or here >= enough, f"{here} of {GROUP}"
        assert (len(index) - REST) % GROUP == 0

    Soak(check).run(write)


def test_a_saved_file_is_a_snapshot(tmp_path):
    """Whatever a writer does meanwhile: the file holds one generation, and numbers on behind it."""
    index, path = ragtune.Index(D, "ip", "hnsw"), tmp_path / "index"
    index.add(np.zeros((1, D)))

    def write(generation):
        index.add(np.full((30, D), 1 + generation), ids=np.arange(30), num_threads=1)
        index.add(np.zeros((5, D)), num_threads=1)

    write(0)

    def check():
        mine = f"{path}{threading.get_ident()}"
        index.save(mine)
        loaded = ragtune.Index.load(mine)
        scores = loaded.search(np.ones(D), 30)[0][0]
        assert len(set(scores.tolist())) == 1
        before = len(loaded)
        loaded.add(np.zeros((1, D)))
        assert len(loaded) == before + 1

    Soak(check).run(write)


@without_asan_as_it_forks_beside_threads
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_a_child_forked_while_another_thread_adds_can_search(kind):
    """The lock that guards the snapshot must not be held for ever in the child."""
    rest = vectors(REST, seed=0)
    index, stop = ragtune.Index(D, "l2", kind), threading.Event()
    index.add(rest)

    def work(number):
        while not stop.is_set():
            if number:
                index.search(rest[:1], 1, recall=1, num_threads=1)
            else:
                index.add(rest[:1], ids=[0], num_threads=1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(25):
            pid = os.fork()
            if pid == 0:
                signal.alarm(10)
                found = index.search(rest[1:9], 1, recall=1)[1].ravel().tolist()
                os._exit(0 if found == list(range(1, 9)) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
