import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import HashEmbedder
from sanitizers import without_asan_as_it_forks_beside_threads

import ragtune
from ragtune import retrieval
from ragtune.store import NewChunk, Store
from ragtune.store.reader import SqliteReader, SqlReader
from ragtune.types import Chunk, StoreLockedError

BY_THREADS = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


def new(*ids, text="text", metadata=None):
    return [NewChunk(id_, f"{text} {id_}", metadata or {}, id_, b"\0" * 32) for id_ in ids]


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture
def store(url):
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "sql"])
def reader(request, store):
    """The lean reader, and the slow one that it must agree with."""
    return store.reader if request.param == "sqlite" else SqlReader(store._database)


def forked(work):
    """Run work in a forked child; it must end well within 20 s."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def ended_well(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_file_is_read_by_the_lean_reader_and_all_else_through_sqlalchemy(store):
    assert isinstance(store.reader, SqliteReader)
    for url in ("sqlite://", "sqlite:///:memory:"):
        other = Store(url)
        assert isinstance(other.reader, SqlReader)
        other.chunks.add(new("a"))
        assert other.counters() == (1, 0)
        assert other.reader.chunks([1]).chunks[1].id == "a"
        other.close()


def test_found_chunks_are_as_written(store, reader):
    assert reader.counters() == (0, 0)
    assert reader.chunks([1]) == ({}, 0)
    metadata = {"ä": [1, None, {"b": 2.5}]}
    store.chunks.add(new("a", "b", metadata=metadata))
    store.chunks.add(new("c"))
    assert reader.counters() == (2, 0)
    a, c = Chunk("a", "text a", metadata, "a"), Chunk("c", "text c", {}, "c")
    assert reader.chunks([3, 1]) == ({1: a, 3: c}, 2)
    assert reader.chunks([1, 99, -5]) == ({1: a}, 1)
    assert reader.chunks([]) == ({}, 0)


def test_deleted_and_purged_chunks_are_left_out(store, reader):
    store.chunks.add(new("a", "b", "c"))
    store.chunks.delete(["b"])
    assert sorted(reader.chunks([1, 2, 3]).chunks) == [1, 3]
    store.chunks.delete(["c"])
    store.chunks.purge()
    assert sorted(reader.chunks([1, 2, 3]).chunks) == [1]
    assert reader.counters() == (4, 1)


def test_replaced_chunk_tells_of_its_change(store, reader):
    store.chunks.add(new("a", "b"))
    store.chunks.add(new("a", text="other"))
    found, latest = reader.chunks([1, 2])
    assert (found[1].text, found[2].text, latest) == ("other a", "text b", 2)
    assert reader.chunks([2]).latest == 1


def test_owners_never_see_each_other(url, store, reader):
    other = Store(url, "other")
    store.chunks.add(new("a"))
    other.chunks.add(new("a", text="secret"))
    assert {row: chunk.text for row, chunk in reader.chunks([1, 2]).chunks.items()} == {1: "text a"}
    assert [chunk.text for chunk in other.reader.chunks([1, 2]).chunks.values()] == ["secret a"]
    other.close()


def test_thousands_of_rows_are_found_at_once(store, reader):
    store.chunks.add(new(*map(str, range(3000))))
    rows = list(range(1, 3001))
    assert sorted(reader.chunks(rows[::-1]).chunks) == rows


def test_rows_are_not_looked_up_by_owner(store, tmp_path):
    """An owner of 100,000 chunks was read whole to find five: 25 ms in place of 20 us."""
    store.chunks.add(new("a"))
    asked = []
    sa.event.listen(
        store._database._engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3]))
    )
    store.chunks.by_row([1, 2])
    store.chunks.changed_since(1)
    fetch, store.reader._fetch = store.reader._fetch, lambda *a: asked.append((a[0], a[1:])) or []
    store.reader.chunks([1, 2])
    store.reader._fetch = fetch
    database = sqlite3.connect(tmp_path / "store.sqlite")
    plans = [
        " ".join(step[3] for step in database.execute(f"EXPLAIN QUERY PLAN {text}", values))
        for text, values in asked
        if text.lstrip().startswith("SELECT")
    ]
    database.close()
    by_row, changed, lean = plans
    assert "INTEGER PRIMARY KEY (rowid=?)" in by_row
    assert "ix_chunks_change (change>?)" in changed
    assert "SEARCH chunks USING INTEGER PRIMARY KEY (rowid=?)" in lean


def test_commits_of_another_process_are_seen_and_what_it_did_not_commit_is_not(store, tmp_path):
    store.chunks.add(new("a"))
    assert store.reader.counters() == (1, 0)
    script = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("begin immediate")
database.execute("update chunks set text = 'new', change = 2")
database.execute("update meta set value = 2 where key = 'change'")
print("written", flush=True)
sys.stdin.readline()
database.execute("commit")
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "store.sqlite")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert writer.stdout.readline() == b"written\n"
    assert (store.reader.counters(), store.reader.chunks([1])[0][1].text) == ((1, 0), "text a")
    writer.communicate(b"\n")
    assert writer.returncode == 0
    assert (store.reader.counters(), store.reader.chunks([1])[0][1].text) == ((2, 0), "new")


def test_reader_cannot_write(store):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.reader._fetch("UPDATE meta SET value = 7")


def test_closed_reader_opens_again_and_leaves_nothing_open(store, tmp_path):
    store.chunks.add(new("a"))
    for _ in range(2):
        assert store.reader.chunks([1]).latest == 1
        store.close()
        assert os.listdir(tmp_path) == ["store.sqlite"]  # the last to close removes the log


def test_file_that_is_gone_is_not_made_anew(store, tmp_path):
    store.close()
    (tmp_path / "store.sqlite").unlink()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        store.reader.counters()
    assert os.listdir(tmp_path) == []


def test_locked_file_is_a_lock_error(store, tmp_path, monkeypatch):
    monkeypatch.setattr("ragtune.store.database.LOCK_TIMEOUT_S", 0.1)
    store.close()
    other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    other.execute("pragma locking_mode = exclusive")
    other.execute("begin exclusive")
    with pytest.raises(StoreLockedError, match="another process has been writing"):
        store.reader.counters()
    other.close()
    assert store.reader.counters() == (0, 0)


def test_reader_reads_the_file_that_was_named_also_after_a_change_of_folder(tmp_path, monkeypatch):
    folder = tmp_path / "a b%20c#ü"
    folder.mkdir()
    monkeypatch.chdir(folder)
    store = Store("sqlite:///store.sqlite")
    monkeypatch.chdir(tmp_path)
    store.chunks.add(new("a"))
    assert store.reader.chunks([1]).chunks[1].id == "a"
    store.close()
    assert os.listdir(folder) == ["store.sqlite"]


def test_forked_child_searches_on_a_connection_of_its_own(tmp_path, embedder, open_memory):
    with open_memory(tmp_path / "m", embedder=embedder) as memory:
        memory.add(["one two", "three"], ids=["a", "b"])
        before = memory.search("one")  # the reader is open, and so is the pool

        def child():
            assert memory.search("one") == before
            memory.add(["one"], ids=["c"])
            assert memory.search("one", k=1)[0].id == "c"

        assert ended_well(forked(child))
        assert memory.search("one", k=1)[0].id == "c"


def test_commits_of_a_child_to_a_sqlite_file_outlive_the_close_of_its_parent(tmp_path, embedder):
    """The child took the parent's locks for its own; the log was deleted under it."""
    memory = ragtune.Memory(tmp_path / "m", embedder=embedder)
    memory.add(["one"], ids=["a"])
    memory.search("one")
    to_parent, to_child = os.pipe(), os.pipe()

    def child():
        memory.add(["two"], ids=["b"])
        os.write(to_parent[1], b".")
        os.read(to_child[0], 1)
        memory.add(["three"], ids=["c"])
        assert len(memory.search("three")) == 3

    pid = forked(child)
    os.read(to_parent[0], 1)
    memory.search("one")
    memory.close()
    os.write(to_child[1], b".")
    assert ended_well(pid)
    for end in (*to_parent, *to_child):
        os.close(end)
    with ragtune.Memory(tmp_path / "m", embedder=HashEmbedder()) as memory:
        assert [chunk.id for chunk in memory.get(["a", "b", "c"])] == ["a", "b", "c"]


@without_asan_as_it_forks_beside_threads
@BY_THREADS
def test_fork_beside_reading_threads_leaves_the_child_no_held_lock(store):
    store.chunks.add(new("a"))
    stop = threading.Event()

    def read():
        while not stop.is_set():
            assert store.reader.counters() == (1, 0)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        children = [forked(lambda: store.reader.chunks([1]).chunks[1].id) for _ in range(20)]
        assert all(map(ended_well, children))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


WRITER = """
import sys
import numpy as np
import ragtune
memory = ragtune.Memory(sys.argv[1], store=sys.argv[2] or None)
for version in range(1, 10**6):
    angle = version % 90 * np.pi / 180
    texts = [f"{version} {i}" for i in range(5)]
    memory.add(texts, ids=list("abcde"), embeddings=[[np.cos(angle), np.sin(angle)]] * 5)
    if version % 3 == 0:
        memory.delete(list("abcde"))
    if version % 9 == 0:
        memory.purge()
    print(version, flush=True)
"""


@pytest.mark.parametrize("attempts", [retrieval.ATTEMPTS, 0])
def test_every_search_of_every_thread_is_of_one_state_of_the_store(
    attempts, tmp_path, open_memory, store_url, monkeypatch
):
    """Another process replaces, deletes and purges five chunks at once: five or none is found.

    On a busy PostgreSQL a search once gave up after twenty attempts, with what it then had.
    """
    monkeypatch.setattr(retrieval, "ATTEMPTS", attempts)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "m"), store_url or ""],
        stdout=subprocess.PIPE,
    )
    assert writer.stdout.readline() == b"1\n"
    memory = open_memory(tmp_path / "m")
    end, found, wrong = time.monotonic() + 2, set(), []

    def search():
        while time.monotonic() < end and not wrong:
            hits = memory.search(embedding=[1.0, 0.0], k=9)
            versions = {int(hit.text.split()[0]) for hit in hits}
            found.update(versions)
            near = [np.cos(v % 90 * np.pi / 180) for v in versions]
            if len(hits) not in (0, 5) or len(versions) > 1 or any(
                abs(hit.score - near[0]) > 1e-6 for hit in hits
            ):  # fmt: skip
                wrong.append(hits)

    threads = [threading.Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.kill()
    writer.communicate()
    memory.close()
    assert not wrong
    assert len(found) > 5


def test_acknowledged_write_is_seen_by_the_next_search(tmp_path, open_memory):
    """Two memories on one directory, as two processes have them."""
    one, two = open_memory(tmp_path / "m"), open_memory(tmp_path / "m")
    for version in range(50):
        one.add([str(version)], ids=["a"], embeddings=np.eye(2)[:1])
        assert [hit.text for hit in two.search(embedding=[1.0, 0.0])] == [str(version)]
    one.close()
    two.close()


def test_memory_closed_in_one_thread_goes_on_in_another(tmp_path, open_memory, store_url):
    with open_memory(tmp_path / "m") as memory:
        memory.add(["a"], ids=["a"], embeddings=np.eye(2)[:1])
        memory.search(embedding=[1.0, 0.0])  # from here on it only reads
        errors, stop = [], threading.Event()

        def search():
            try:
                while not stop.is_set():
                    assert memory.search(embedding=[1.0, 0.0])[0].id == "a"
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=search)
        thread.start()
        for _ in range(20):
            memory.close()
            time.sleep(0.005)
        stop.set()
        thread.join()
    assert not errors
    files = [] if store_url else ["store.sqlite"]
    assert sorted(path.name for path in Path(tmp_path / "m").iterdir()) == files
