"""Ctrl-C in the middle of a training ends it soon and leaves nothing behind."""

import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from conftest import HashEmbedder
from sqlalchemy import insert, select

from ragtune.store import Store, database
from ragtune.store.chunks import NewChunk
from ragtune.store.schema import meta
from ragtune.types import Pair, StoreLockedError

CHILD = """
import signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup and the like ignore it
sys.path.insert(0, sys.argv[2])
from conftest import HashEmbedder
import ragtune
memory = ragtune.Memory(sys.argv[1], embedder=HashEmbedder(128), store=sys.argv[4] or None)
first = []
def progress(done, total):
    if not first:
        first.append(print("learning", flush=True))
try:
    memory.tune(strategy=sys.argv[3], progress=progress)
except KeyboardInterrupt:
    print("stopped", time.monotonic(), threading.active_count(), flush=True)
"""


@pytest.fixture
def folder(tmp_path, open_memory):
    with open_memory(tmp_path / "m", embedder=HashEmbedder(128)) as memory:
        memory.add([f"w{i} v{i} u{i}" for i in range(3000)], ids=[str(i) for i in range(3000)])
        memory.add_pairs([Pair(f"what is w{i} q{i}", str(i)) for i in range(1500)])
    return tmp_path / "m"


@pytest.mark.parametrize("strategy", ["contrastive", "auto"])
def test_an_interrupt_ends_a_training_within_a_second(folder, strategy, open_memory, store_url):
    taken = []
    for wait in (0.05, 0.2, 0.4):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, folder, Path(__file__).parent, strategy, store_url or ""],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_WAIT_POLICY": "passive"},
        ) as child:
            assert child.stdout.readline() == "learning\n"
            time.sleep(wait)
            sent = time.monotonic()
            child.send_signal(signal.SIGINT)
            stopped, at, threads = child.stdout.readline().split()
        taken.append(float(at) - sent)
        assert (stopped, threads, child.returncode) == ("stopped", "1", 0)
    assert statistics.median(taken) < 1.0
    with open_memory(folder, embedder=HashEmbedder(128)) as memory:
        assert {run["status"] for run in memory.store.runs.list()} == {"cancelled"}
        assert not memory.store.models.promoted()
        assert not list((folder / "models").glob("*"))


@pytest.fixture
def url(tmp_path, store_url):
    return store_url or f"sqlite:///{tmp_path / 'store.db'}"


def chunk(name):
    return NewChunk(name, "a text", {}, name, bytes(16))


def interrupt_after(dialect, number, monkeypatch):
    """Raise an interrupt as soon as the driver is through with the statement of that number."""
    left = [number]

    def cut(call):
        def called(*arguments):
            found = call(*arguments)
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return found

        return called

    for name in ("do_execute", "do_executemany", "do_commit"):
        monkeypatch.setattr(dialect, name, cut(getattr(dialect, name)))


def test_a_write_that_was_interrupted_holds_no_lock(url, monkeypatch):
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 0.2)
    with closing(Store(url)) as store, closing(Store(url)) as other:
        number, kept = 0, []  # a traceback keeps what its frames have, as notebooks do
        while True:
            number += 1
            name = str(number)
            with monkeypatch.context() as patch:
                interrupt_after(store._database._engine.dialect, number, patch)
                try:
                    store.chunks.add([chunk(name)])
                except KeyboardInterrupt as error:
                    kept.append(error)
                else:
                    break
            for table in (other.chunks, store.chunks):
                table.add([chunk(f"after {name}")])
    assert len(kept) > 5


def test_a_write_that_was_left_behind_ends_for_the_next_and_later_harms_none(url, monkeypatch):
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 0.2)
    with closing(Store(url)) as store:
        add = insert(meta).values
        left = store._database.writing()  # an interrupt fell between its body and its end
        left.__enter__().execute(add(key="lost", value=1))
        with store._database.writing() as connection:
            connection.execute(add(key="kept", value=1))
            left.gen.close()  # by a garbage collection, whenever that is
        with store._database.reading() as connection:
            keys = set(connection.execute(select(meta.c.key)).scalars())
    assert "kept" in keys
    assert "lost" not in keys


def test_a_lock_is_told_of_also_by_who_was_interrupted_before(url, monkeypatch):
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 0.2)
    with (
        closing(Store(url)) as store,
        closing(Store(url)) as other,
        other._database.writing(),
    ):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            with pytest.raises(StoreLockedError):
                store.chunks.add([chunk("1")])
