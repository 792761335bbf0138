"""A run over a server that misbehaves, undisturbed and killed at random moments."""

import json
import os
import random
import re
import subprocess
import sys
import time
import zlib

import pytest
from chat_server import serving
from conftest import HashEmbedder
from sanitizers import UNDER_ASAN

import ragtune
from ragtune.questions.prompt import Prompt

CHUNKS = int(os.environ.get("RAGTUNE_CHUNKS", "80"))
KILLS = int(os.environ.get("RAGTUNE_KILLS", "3"))
TIMEOUT_S = 5.0 if UNDER_ASAN else 1.0  # what is no fault is answered long before
FAULTS = ["", "", "", "late", "wrong", "429", "500", "cut", "never", ""]
CHILD = """
import sys
sys.path.insert(0, sys.argv[3])
from conftest import HashEmbedder
import ragtune
from ragtune.questions.generation import Asking
with ragtune.Memory(sys.argv[1], embedder=HashEmbedder()) as memory:
    limits = {"timeout_s": float(sys.argv[4]), "max_retries": 1, "backoff_s": 0.01}
    chat = ragtune.OpenAIChat("m", sys.argv[2], "key", **limits)
    memory.questions.generate(chat, Asking(requests_per_second=None, concurrency=8))
"""


class BadServer:
    """Each chunk has its own fault, always the same; busy ones answer the second time."""

    def __init__(self):
        self.times = {}

    def __call__(self, request):
        text = text_of(request)
        fault = FAULTS[zlib.crc32(text.encode()) % len(FAULTS)]
        self.times[text] = self.times.get(text, 0) + 1
        number = re.search(r"\d+", text)[0]
        answer = json.dumps(
            {"questions": [f"where is thing{number}?", f"part{number} item{number}"]}
        )
        if fault == "late":
            time.sleep(0.1)
        if fault == "never":
            time.sleep(1.5 * TIMEOUT_S)
        if fault in ("429", "500") and self.times[text] % 2:
            return int(fault), {"Retry-After": "0.01"}, '{"error": {"message": "busy"}}'
        return {"wrong": "I'm sorry, I cannot help with that.", "cut": answer[:-4]}.get(
            fault, answer
        )


def text_of(request):
    return re.search(r">\n(.*)\n<", request["messages"][1]["content"], re.S)[1]


def filled(path):
    with ragtune.Memory(path, embedder=HashEmbedder()) as memory:
        texts = [f"thing{i} about part{i} keeps item{i} safe" for i in range(CHUNKS)]
        memory.add(texts, ids=[f"c{i}" for i in range(CHUNKS)])


def child(path, url):
    here = os.path.dirname(__file__)
    return subprocess.Popen([sys.executable, "-c", CHILD, str(path), url, here, str(TIMEOUT_S)])


def result(path):
    with ragtune.Memory(path, embedder=HashEmbedder()) as memory:
        (run,) = memory.store.runs.list()
        pairs = {(p.question, p.chunk_row) for p in memory.store.pairs.living(run["id"])}
        return run, pairs, memory.store.runs.accounts(run["id"])


def stored_texts(path):
    with ragtune.Memory(path, embedder=HashEmbedder()) as memory:
        keys = {Prompt().key(c.text, "openai:m"): c.text for c in memory.get(
            [f"c{i}" for i in range(CHUNKS)])}  # fmt: skip
        return {keys[key] for key in memory.store.answers.get(keys)}


def first_request(server, process):
    """Wait until the process asks; returns when that was."""
    wait = time.monotonic() + 60
    while not server.requests and process.poll() is None:
        assert time.monotonic() < wait
        time.sleep(0.01)
    return time.monotonic()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "memory"
    filled(path)
    with serving(BadServer()) as server:
        process = child(path, server.url)
        begin = first_request(server, process)
        assert process.wait(600) == 0
        seconds = time.monotonic() - begin
    return *result(path), seconds


def test_every_chunk_is_accounted_for_whatever_the_server_does(undisturbed):
    run, pairs, accounts, _ = undisturbed
    assert run["status"] == "generated"
    assert len(accounts) == run["total_chunks"] == CHUNKS
    assert all((a["kept"] + a["quarantined"] > 0) != bool(a["reason"]) for a in accounts)
    reasons = {a["reason"].partition(":")[0] for a in accounts if a["reason"]}
    assert reasons == {"ConnectionError", "no question in the answer"}
    assert len(pairs) > CHUNKS


def lives(path, seconds):
    """Kill a run at random moments, then let it end.

    Yields of each life what it asked, what of it was stored before it, and if it was killed. Every
    child has its own server, so that a late request is counted to the child that sent it.
    """
    reply, chance = BadServer(), random.Random(0)
    for life in range(KILLS + 1):
        stored = stored_texts(path)
        with serving(reply) as server:
            process = child(path, server.url)
            first_request(server, process)
            if life == KILLS:
                assert process.wait(600) == 0
            else:
                time.sleep(chance.uniform(0, seconds / KILLS))
            killed = process.poll() is None
            process.kill()
            process.wait()
        yield [text_of(request) for request in server.requests], stored, killed
        if result(path)[0]["status"] == "generated":
            return


def test_a_killed_run_ends_with_the_same_pairs_and_asks_nothing_again(undisturbed, tmp_path):
    path = tmp_path / "memory"
    filled(path)
    asked, before, kills, again = set(), set(), 0, set()
    for texts, stored, killed in lives(path, undisturbed[3]):
        assert stored >= before  # what was answered stays answered
        assert not stored & set(texts)  # and is never asked for again
        again |= asked & set(texts)
        asked, before, kills = asked | set(texts), stored, kills + killed
    run, pairs, accounts = result(path)
    print(f"{kills} kills, {len(asked)} chunks asked, {len(again)} of them unanswered and again")
    assert kills > KILLS // 2
    assert (run["status"], len(accounts)) == ("generated", CHUNKS)
    assert len(asked) == CHUNKS
    assert pairs == undisturbed[1]
