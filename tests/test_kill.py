"""A writer that is killed at any moment loses nothing that was acknowledged."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import HashEmbedder
from sanitizers import UNDER_ASAN

TRIALS = 60

WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from conftest import HashEmbedder
import ragtune
memory = ragtune.Memory(sys.argv[1], embedder=HashEmbedder(8), store=sys.argv[4] or None)
call = int(sys.argv[3])
while True:
    ids = [f"{call}-{i}" for i in range(20)]
    memory.add([f"call {call} chunk {i}" for i in range(20)], ids=ids)
    print(call, flush=True)
    call += 1
"""


def run_and_kill(folder, first, seconds, store_url):
    """Calls that the writer acknowledged before it was killed."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, folder, Path(__file__).parent, str(first), store_url or ""],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    lines = [writer.stdout.readline()]  # it writes now
    time.sleep(seconds)
    writer.send_signal(signal.SIGKILL)
    lines += writer.stdout.read().splitlines()
    writer.wait()
    writer.stdout.close()
    return [int(line) for line in lines if line.strip()]


@pytest.mark.skipif(UNDER_ASAN, reason="60 starts under ASan: minutes")
def test_killed_adds_are_whole_or_absent(tmp_path, store_url, open_memory):
    moments = random.Random(0)
    acknowledged: set[int] = set()
    trials = TRIALS if store_url is None else TRIALS // 3  # whose server is never killed
    for _ in range(trials):
        first = max(acknowledged, default=-1) + 2  # one call may be whole, but not acknowledged
        pause = moments.uniform(0, 0.15)
        acknowledged |= set(run_and_kill(tmp_path / "m", first, pause, store_url))
        with open_memory(tmp_path / "m", embedder=HashEmbedder(8)) as memory:
            calls = range(max(acknowledged) + 2)
            counts = {call: len(memory.get([f"{call}-{i}" for i in range(20)])) for call in calls}
            assert all(counts[call] == 20 for call in acknowledged)
            assert all(count in (0, 20) for count in counts.values())
            assert len(memory) == sum(counts.values())
    with open_memory(tmp_path / "m", embedder=HashEmbedder(8)) as memory:
        assert len(memory.search("call 1 chunk 3", k=5)) == 5
    assert len(acknowledged) > trials
