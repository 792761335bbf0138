"""Ctrl-C in the middle of a training ends it soon and leaves nothing behind."""

import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import HashEmbedder

from ragtune.types import Pair

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
