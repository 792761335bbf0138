import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from dataclasses import replace

import numpy as np
import pytest

import ragtune
from ragtune import Pair, _core, chunk_index
from ragtune.chunk_index import kind_for
from ragtune.store.saves import KEPT

N, D = 1100, 8
BY_THREADS = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


class Small:
    """An embedder of D dimensions: a text is the seed of its vector."""

    name, dimension = "small", D

    def embed_documents(self, texts):
        return np.array([vector(text) for text in texts], dtype=np.float32)

    embed_queries = embed_documents


def vector(text):
    x = np.random.default_rng(list(text.encode())).normal(size=D)
    return x / np.linalg.norm(x)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A memory of N chunks without an index file."""
    folder = tmp_path_factory.mktemp("made") / "m"
    fill(folder)
    return folder


@pytest.fixture
def sqlite_folder(made, tmp_path):
    """For what is about files: the store is one of them, and nothing here is about it."""
    return shutil.copytree(made, tmp_path / "m")


@pytest.fixture
def folder(request, tmp_path, store_url, monkeypatch):
    if store_url is None:
        return request.getfixturevalue("sqlite_folder")
    monkeypatch.setenv("RAGTUNE_STORE", store_url)
    fill(tmp_path / "m")
    return tmp_path / "m"


def opened(folder, **kwargs):
    """The memory of a folder, in other processes, too."""
    store = os.environ.get("RAGTUNE_STORE")
    return ragtune.Memory(folder, embedder=Small(), store=store, **kwargs)


def fill(folder):
    texts = [f"text {i}" for i in range(N)]
    with opened(folder) as memory:
        memory.add(texts, ids=texts)


def index_files(folder):
    return sorted(path for path in folder.iterdir() if path.name.startswith("index-"))


def written(folder):
    """What changes whenever the file is written."""
    (path,) = index_files(folder)
    return path.stat().st_ino, path.stat().st_mtime_ns


def is_right(memory, queries=20, **kwargs):
    """Searches find what an exact search over the store's own vectors finds."""
    rows, _, blobs, _ = zip(*memory.store.chunks.living(), strict=True)
    x = np.frombuffer(b"".join(blobs), dtype=np.float32).reshape(len(rows), D).astype(float)
    texts = memory.store.chunks.by_row(rows)
    for i in range(queries):
        scores = x @ vector(f"question {i}")
        best = np.argsort(-scores, kind="stable")[:5]
        hits = memory.search(f"question {i}", k=5, **kwargs)
        assert [hit.text for hit in hits] == [texts[rows[b]].text for b in best]
        assert [hit.score for hit in hits] == pytest.approx(scores[best], abs=1e-6)
    return len(memory) == len(rows)


def test_warm_start_finds_what_a_built_index_finds(folder):
    with opened(folder) as memory:
        assert index_files(folder) == []
        assert is_right(memory)
        before = [memory.search(f"question {i}", k=50) for i in range(20)]
    first = written(folder)
    with opened(folder) as memory:
        assert [memory.search(f"question {i}", k=50) for i in range(20)] == before
        assert is_right(memory)
    assert written(folder) == first  # had it been built, it would have been saved


def test_index_that_was_loaded_is_caught_up(folder):
    with opened(folder) as memory:
        memory.search("x")
    first = written(folder)
    with opened(folder) as memory:
        memory.delete(["text 3", "text 4"])
        memory.add(["question 1", "text 4"], ids=["new", "text 4"])
        memory.add(["question 2"], ids=["text 5"])
    with opened(folder) as memory:
        assert memory.search("question 1", k=1)[0].id == "new"
        assert memory.search("question 2", k=1)[0].id == "text 5"
        assert "text 3" not in [hit.id for hit in memory.search("text 3", k=50)]
        assert is_right(memory)
    assert written(folder) == first


def test_few_chunks_have_no_file(tmp_path):
    with opened(tmp_path / "m") as memory:
        memory.add([f"text {i}" for i in range(chunk_index.FILE_FROM - 1)])
        memory.search("x")
    assert index_files(tmp_path / "m") == []


def test_file_is_written_anew_when_a_tenth_has_changed(folder, monkeypatch):
    monkeypatch.setattr(chunk_index, "FILE_FROM", 50)
    with opened(folder) as memory:
        memory.search("x")
        first = written(folder)
        memory.add([f"more {i}" for i in range(60)])
        memory.search("x")
        assert written(folder) == first
        memory.delete([f"text {i}" for i in range(60)])
        memory.search("x")
        assert written(folder) != first


def test_closing_saves_what_would_take_long_to_catch_up(folder):
    with opened(folder) as memory:
        memory.search("x")
        first = written(folder)
        memory.add([f"more {i}" for i in range(5)])
        memory.search("x")
    assert written(folder) == first
    with opened(folder) as memory:
        memory.add([f"more {i}" for i in range(20)])
        memory.search("x")
        assert written(folder) == first
    assert written(folder) != first
    with opened(folder) as memory:
        assert is_right(memory)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "text", "model"])
def test_damaged_file_is_a_warning_and_built_anew(sqlite_folder, damage):
    with opened(sqlite_folder) as memory:
        memory.search("x")
    (path,) = index_files(sqlite_folder)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    if damage == "model":
        _core.write_artifact(str(path), {"weights": np.eye(D, dtype=np.float32)})
    else:
        path.write_bytes(
            {"cut": whole[: len(whole) // 3], "changed": whole, "empty": b"", "text": b"x" * 5000}[
                damage
            ]
        )
    with opened(sqlite_folder) as memory:
        with pytest.warns(RuntimeWarning, match="damaged and is built anew.*nothing is lost") as w:
            memory.search("x")
        assert str(path) in str(w[0].message)
        assert w[0].filename == __file__
        assert is_right(memory)
    with opened(sqlite_folder) as memory:
        assert is_right(memory)  # and no warning


def test_file_that_cannot_be_read_is_a_warning(sqlite_folder):
    with opened(sqlite_folder) as memory:
        memory.search("x")
    (path,) = index_files(sqlite_folder)
    path.unlink()
    path.symlink_to(path.name)
    with opened(sqlite_folder) as memory:
        with pytest.warns(RuntimeWarning, match="cannot be read.*nothing is lost"):
            memory.search("x")
        assert is_right(memory)


def test_file_that_cannot_be_written_is_one_warning_and_fails_no_search(sqlite_folder, monkeypatch):
    monkeypatch.setattr(chunk_index, "FILE_FROM", 50)
    with opened(sqlite_folder) as memory:
        there = memory._index._path
        memory._index._path = sqlite_folder / "nowhere" / there.name
        with pytest.warns(RuntimeWarning, match="cannot be written.*nothing is lost") as caught:
            memory.search("x")
        assert len(caught) == 1
        more = memory.add([f"more {i}" for i in range(N)])
        assert is_right(memory)  # it was tried again, without a warning
        assert index_files(sqlite_folder) == []
        memory._index._path = there
        memory.delete(more)
        assert is_right(memory)
        assert index_files(sqlite_folder) == [memory._index._path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_fails_no_search(sqlite_folder):
    memory = opened(sqlite_folder)
    len(memory)
    sqlite_folder.chmod(0o555)
    try:
        with pytest.warns(RuntimeWarning, match="cannot be written.*nothing is lost"):
            memory.search("x")
        assert is_right(memory)
    finally:
        sqlite_folder.chmod(0o755)
        memory.close()


def test_error_while_catching_up_leaves_nothing_half_done(folder):
    class Broken:
        def __init__(self, index):
            self.dimensions, self.kind, self._index = D, "flat", index

        def __len__(self):
            return len(self._index)

        def update(self, *args, **kwargs):
            raise MemoryError

    with opened(folder) as memory:
        memory.search("x")
        whole = memory._index._state
        memory._index._state = replace(whole, index=Broken(whole.index))
        memory.add(["question 1"], ids=["new"])
        with pytest.raises(MemoryError):
            memory.search("x")
        memory._index._state = whole
        assert memory.search("question 1", k=1)[0].id == "new"
        assert is_right(memory)


# -- whose file it is ---------------------------------------------------------------------


def test_file_of_another_store_is_not_believed(sqlite_folder, made, tmp_path):
    other = shutil.copytree(made, tmp_path / "other")
    with opened(sqlite_folder) as memory, opened(other) as second:
        memory.add(["question 1"], ids=["new"])  # the counters are the same
        second.add(["question 2"], ids=["new"])
        memory.search("x")
        second.search("x")
    (mine,), (theirs,) = index_files(sqlite_folder), index_files(other)
    shutil.copy(theirs, mine)
    with opened(sqlite_folder) as memory:
        assert is_right(memory)


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_store_put_back_from_a_backup_does_not_believe_the_later_file(
    sqlite_folder, tmp_path, writes
):
    """It counts up to the same number by other changes."""
    shutil.copy(sqlite_folder / "store.sqlite", tmp_path / "backup")
    with opened(sqlite_folder) as memory:
        memory.add([f"lost {i}" for i in range(5)])
        memory.add(["question 1"], ids=["text 7"])
        memory.search("x")
    shutil.copy(tmp_path / "backup", sqlite_folder / "store.sqlite")
    with opened(sqlite_folder) as memory:
        for i in range(writes):
            memory.add([f"question {i}"], ids=[f"text {i}"])
        assert is_right(memory)


def test_copied_memory_starts_with_the_copied_file(sqlite_folder, tmp_path):
    with opened(sqlite_folder) as memory:
        memory.search("x")
    copy = shutil.copytree(sqlite_folder, tmp_path / "copy")
    first = written(copy)
    with opened(copy) as memory:
        memory.add(["question 1"], ids=["new"])
        assert is_right(memory)
    assert written(copy) == first


def test_owners_have_a_file_each(folder):
    with opened(folder, owner="../b:\1") as other, opened(folder) as memory:
        other.add([f"other {i}" for i in range(N)])
        assert is_right(other)
        assert is_right(memory)
    assert len(index_files(folder)) == 2
    first, second = index_files(folder)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())  # each finds the other's
    second.write_bytes(content)
    for owner in ("../b:\1", "default"):
        with opened(folder, owner=owner) as memory:
            assert is_right(memory)


@pytest.mark.parametrize("note", ["other dimension", "other metric", "no token", "unknown"])
def test_index_that_is_not_ours_is_not_believed(folder, note):
    with opened(folder) as memory:
        memory.search("x")
        token = memory.store.saves.add(memory.store.counters())
    d, metric = (4 if note == "other dimension" else D), "l2" if note == "other metric" else "ip"
    tokens = {"no token": [], "unknown": [17]}.get(note, [token])
    (path,) = index_files(folder)
    _core.Index(d, metric=metric).save(str(path), np.array(tokens, dtype=np.int64))
    with opened(folder) as memory:
        assert is_right(memory)


def test_only_the_latest_saves_are_remembered(folder):
    with opened(folder) as memory, opened(folder, owner="b") as other:
        theirs = other.store.saves.add((0, 0))
        tokens = [memory.store.saves.add((i, 0)) for i in range(KEPT + 3)]
        known = [memory.store.saves.counters(token) for token in tokens]
        assert known == [None] * 3 + [(i, 0) for i in range(3, KEPT + 3)]
        assert other.store.saves.counters(theirs) == (0, 0)
        assert memory.store.saves.counters(theirs) is None


# -- purging ------------------------------------------------------------------------------


def test_purged_vectors_are_in_no_file(folder):
    secret = vector("secret").astype(np.float32).tobytes()
    with opened(folder) as memory:
        memory.add(["secret"], ids=["secret"])
        memory.search("x")
        (path,) = index_files(folder)
        assert secret in path.read_bytes()
        memory.delete(["secret"])
        memory.purge()
        assert index_files(folder) == []
        assert is_right(memory)
        assert secret not in path.read_bytes()
    with opened(folder) as memory:
        assert is_right(memory)


def test_who_has_not_seen_a_purge_saves_nothing(folder):
    with opened(folder) as memory, opened(folder) as other:
        memory.search("x")
        memory.add([f"more {i}" for i in range(50)])
        memory.search("x")  # not saved yet
        other.delete(["text 1"])
        other.purge()
    assert index_files(folder) == []


def test_purge_during_a_save_leaves_no_file(folder):
    class Slow:
        def __init__(self, index):
            self._index = index

        def __len__(self):
            return len(self._index)

        def save(self, *args):
            other.delete(["text 1"])
            other.purge()
            self._index.save(*args)

    with opened(folder) as memory, opened(folder) as other:
        state = memory._index.fresh(D)
        memory._index._save(replace(state, index=Slow(state.index)))
        assert index_files(folder) == []


def test_file_from_before_a_purge_is_not_believed_and_goes(folder, monkeypatch):
    with opened(folder) as memory:
        memory.search("x")
        (path,) = index_files(folder)
        content = path.read_bytes()
        memory.delete(["text 1"])
        memory.purge()
    path.write_bytes(content)  # as if the process had been killed before it removed the file
    monkeypatch.setattr(chunk_index, "FILE_FROM", 10 * N)  # nothing else takes its place
    with opened(folder) as memory:
        assert is_right(memory)
    assert index_files(folder) == []


# -- kinds --------------------------------------------------------------------------------


def test_graph_stays_one_down_to_half_the_size():
    least = chunk_index.GRAPH_FROM
    assert [kind_for(n, "flat") for n in (0, least - 1, least)] == ["flat", "flat", "hnsw"]
    assert [kind_for(n, "hnsw") for n in (least // 2 - 1, least // 2)] == ["flat", "hnsw"]


def test_kind_follows_the_number_of_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(chunk_index, "GRAPH_FROM", 40)
    monkeypatch.setattr(chunk_index, "FILE_FROM", 10)
    texts = [f"text {i}" for i in range(60)]
    memory = opened(tmp_path / "m")

    def kind():
        assert is_right(memory, queries=3)
        return memory._index._state.index.kind

    memory.add(texts[:39])
    assert kind() == "flat"
    memory.add(texts[39:45])
    assert kind() == "hnsw"
    memory.delete(memory.add(texts[20:]))
    assert kind() == "hnsw"
    memory.purge()
    assert kind() == "hnsw"
    memory.close()
    memory = opened(tmp_path / "m")
    assert kind() == "hnsw"
    memory.delete(memory.add(texts[19:20]))
    assert kind() == "flat"
    memory.add(texts[19:30])
    assert kind() == "flat"
    memory.close()


def test_recall_of_one_is_exact_over_a_graph_and_so_is_evaluation(tmp_path):
    with opened(tmp_path / "m") as memory:
        texts = [f"text {i}" for i in range(chunk_index.GRAPH_FROM)]
        memory.add(texts, ids=texts)
        assert is_right(memory, recall=1.0)
        assert memory._index._state.index.kind == "hnsw"
        assert memory.search("text 5", k=1, recall=0.5)[0].id == "text 5"
        memory.add_pairs([Pair("question 0", "text 0")])
        queries = [f"question {i}" for i in range(100)]
        best = [{memory.search(q, k=1, recall=1.0)[0].id: 1.0} for q in queries]
        report = memory.evaluate(queries, best, metrics=["recall@1"])
        assert report.overall["recall@1"].before == 1


@pytest.mark.parametrize(
    ("recall", "error", "message"),
    [
        (0, ValueError, r"recall: expected in \(0, 1\], got 0"),
        (1.5, ValueError, r"recall: expected in \(0, 1\], got 1.5"),
        (float("nan"), ValueError, r"recall: expected in \(0, 1\], got nan"),
        ("all", TypeError, "recall: expected a number, got str"),
    ],
)
def test_recall_that_is_none_is_refused(sqlite_folder, recall, error, message):
    with opened(sqlite_folder) as memory, pytest.raises(error, match=message):
        memory.search("x", recall=recall)


# -- processes and threads ----------------------------------------------------------------

OTHER_PROCESS = """
import sys
sys.path.insert(0, sys.argv[2])
from test_chunk_index import *
with opened(Path(sys.argv[1])) as memory:
    memory.add(["question 1"], ids=["new"])
    memory.delete(["text 1"])
    assert is_right(memory)
    print(memory.search("question 1", k=3))
"""
SAVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_chunk_index import *
memory = opened(Path(sys.argv[1]))
state = memory._index.fresh(D)
while True:
    memory._index._save(state)
    print("saved", flush=True)
"""


def start(script, folder):
    script = script.replace("import sys\n", "import sys\nfrom pathlib import Path\n", 1)
    here = os.path.dirname(__file__)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder), here], stdout=subprocess.PIPE, text=True
    )


def test_another_process_starts_from_the_file_and_is_caught_up_with(folder):
    with opened(folder) as memory:
        memory.search("x")
        first = written(folder)
        other = start(OTHER_PROCESS, folder)
        found = other.communicate()[0]
        assert other.returncode == 0
        assert f"{memory.search('question 1', k=3)}\n" == found
        assert is_right(memory)
    assert written(folder) == first


def test_killed_while_saving_leaves_a_whole_file(folder):
    """No warning either: the old file or the new one is there, never half of one."""
    moments = random.Random(0)
    for _ in range(10):
        saver = start(SAVER, folder)
        assert saver.stdout.readline() == "saved\n"
        time.sleep(moments.uniform(0, 0.05))
        saver.send_signal(signal.SIGKILL)
        saver.communicate()
        with opened(folder) as memory:
            assert is_right(memory, queries=3)
    with opened(folder) as memory:
        memory._index._save(memory._index.fresh(D))
    assert index_files(folder) == [memory._index._path]


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_are_not(sqlite_folder):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with opened(sqlite_folder) as memory:
        name, ends = memory._index._path.name, (f"{ended.pid}.7", "1.7", "x")
        dead, living, odd = (sqlite_folder / f"{name}.tmp{end}" for end in ends)
        for path in (dead, living, odd):
            path.write_bytes(b"half")
        memory.search("x")
        assert index_files(sqlite_folder) == sorted([sqlite_folder / name, living, odd])


@BY_THREADS
def test_forked_child_searches_but_does_not_save(folder):
    with opened(folder) as memory:
        memory.search("x")
        first = written(folder)
        pid = os.fork()
        if pid == 0:
            signal.alarm(30)
            try:
                with memory:
                    memory.add([f"more {i}" for i in range(N)])
                    assert is_right(memory)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert written(folder) == first
        assert is_right(memory)
    assert written(folder) != first  # by its close


def test_two_memories_of_one_process_save_at_once(folder):
    memories = [opened(folder) for _ in range(4)]
    states = [memory._index.fresh(D) for memory in memories]

    def save(memory, state):
        for _ in range(20):
            memory._index._save(state)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threads = [
            threading.Thread(target=save, args=pair) for pair in zip(memories, states, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for memory in memories:
            memory.close()
    assert not caught
    first = written(folder)
    with opened(folder) as memory:
        assert is_right(memory)
    assert written(folder) == first


def test_threads_search_whole_states_while_another_writes(folder):
    """A writer replaces, deletes and adds while others search: every hit is as it was written."""
    memory, stop, wrong = opened(folder), threading.Event(), []

    def search():
        while not stop.is_set():
            for hit in memory.search("question 1", k=5):
                if abs(hit.score - vector("question 1") @ vector(hit.text)) > 1e-6:
                    wrong.append(hit)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for i in range(20):
            near = memory.search("question 1", k=2)
            memory.delete([near[0].id])
            memory.add([f"version {i}"], ids=[near[1].id])
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert is_right(memory)
    memory.close()


def test_length_is_that_of_the_store(folder):
    with opened(folder) as memory, opened(folder) as other:
        assert len(memory) == N
        memory.search("x")
        assert len(memory) == N
        other.delete(["text 1", "text 2"])
        assert len(memory) == N - 2
        memory.search("x")
        other.purge()
        assert len(memory) == N - 2


def test_folder_may_have_any_name(tmp_path):
    for name in ("a?b c#d%20", "?mode=memory", "ü:@/x"):
        with opened(tmp_path / name) as memory:
            memory.add(["one", "two"], ids=["a", "b"])
            assert memory.search("two", k=1)[0].id == "b"
        assert os.listdir(tmp_path / name) == ["store.sqlite"]
        with opened(tmp_path / name) as memory:
            assert len(memory) == 2
