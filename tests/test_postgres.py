"""What PostgreSQL does otherwise than SQLite: locks, NUL, several writers, no file."""

import threading

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import HashEmbedder, fill, postgres_schema

import ragtune
from ragtune.store import NewChunk, Store
from ragtune.store.database import Database

psycopg = pytest.importorskip("psycopg", reason='needs the extra: pip install "ragtune[postgres]"')


@pytest.fixture
def url():
    with postgres_schema() as url:
        yield url


def chunk(id_, text="text"):
    return NewChunk(id_, text, {}, id_, np.ones(2, np.float32).tobytes())


def test_text_with_nul_is_refused_and_nothing_is_written(url):
    store = Store(url)
    with pytest.raises(ValueError, match="expected none with NUL"):
        store.chunks.add([chunk("a"), chunk("b", "x\0y")])
    assert store.chunks.count() == 0
    store.chunks.add([chunk("a")])
    store.close()


def cut_short():
    """What psycopg makes of an interrupt while it sends many rows, as SQLAlchemy passes it on."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        try:
            raise psycopg.OperationalError("cannot exit pipeline mode while busy")
        except psycopg.OperationalError as error:
            raise sa.exc.OperationalError("INSERT", {}, error) from error


def test_an_interrupt_of_a_statement_is_an_interrupt(url):
    """It was an error of the database, and the run that was interrupted had failed."""
    database = Database(url, "default")
    with pytest.raises(KeyboardInterrupt), database.writing():
        cut_short()
    database.close()


def test_a_writer_that_waits_in_vain_is_told(url, monkeypatch):
    monkeypatch.setattr("ragtune.store.database.LOCK_TIMEOUT_S", 0.2)
    store = Store(url)
    engine = sa.create_engine(url)
    with engine.begin() as other:
        other.exec_driver_sql("select value from meta where key = 'change' for update")
        with pytest.raises(ragtune.StoreLockedError, match="another process"):
            store.chunks.add([chunk("a")])
        assert store.chunks.count() == 0  # readers do not wait
    store.chunks.add([chunk("a")])
    engine.dispose()
    store.close()


def test_many_writers_lose_nothing_and_count_every_change(url):
    stores = [Store(url) for _ in range(4)]

    def write(number):
        for i in range(25):
            stores[number].chunks.add([chunk(f"{number}-{i}"), chunk("same", f"{number} {i}")])

    threads = [threading.Thread(target=write, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].chunks.count() == 101
    assert stores[0].counters() == (100, 0)
    for store in stores:
        store.close()


def test_a_change_is_seen_before_any_later_one(url):
    """Else an index that has caught up to a change would never learn of an earlier one."""
    writer, other, reader = Store(url), Store(url), Store(url)
    seen, known, done = [], 0, threading.Event()

    def write(store, name):
        for i in range(40):
            store.chunks.add([chunk(f"{name}{i}")])

    threads = [threading.Thread(target=write, args=pair) for pair in ((writer, "a"), (other, "b"))]
    for thread in threads:
        thread.start()
    while not done.is_set():
        if not any(thread.is_alive() for thread in threads):
            done.set()
        change, _ = reader.counters()
        seen += reader.chunks.changed_since(known).rows.tolist()
        known = max(known, change)
    assert set(seen) == set(range(1, 81))
    for store in (writer, other, reader):
        store.close()


def test_two_processes_may_make_the_store_at_once(url):
    failed = []

    def make():
        try:
            Store(url).close()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_memory_on_postgresql_keeps_index_and_models_in_its_folder(url, tmp_path):
    with ragtune.Memory(tmp_path / "m", embedder=HashEmbedder(), store=url) as memory:
        fill(memory, run=False)
        memory.tune(strategy="ridge")
        found = memory.search("where is item3 of invoice")
    assert not list((tmp_path / "m").glob("*.sqlite*"))
    assert len(list((tmp_path / "m/models").iterdir())) == 1
    with ragtune.Memory(tmp_path / "m", embedder=HashEmbedder(), store=url) as again:
        assert again.search("where is item3 of invoice") == found
        assert len(again.models.list()) == 1


def test_another_database_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a URL of sqlite or postgresql"):
        Store("mysql://localhost/x")
