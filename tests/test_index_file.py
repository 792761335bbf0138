"""What `save` writes and `load` maps."""

import os
import signal

import numpy as np
import pytest
from conftest import clustered

import ragtune
from ragtune import _core
from ragtune.types import CorruptFileError

N, D = 1500, 24
X, Q = clustered(N, D, 40)
CASES = [
    (kind, metric, store)
    for kind in ("flat", "hnsw")
    for metric in ("cosine", "ip", "l2")
    for store in ("f32", "bf16")
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index"


def built(kind="hnsw", metric="l2", store="f32", n=N, ids=None):
    index = ragtune.Index(D, metric, kind, store=store)
    index.add(X[:n], ids, num_threads=1)
    return index


def again(index, path):
    index.save(path)
    return ragtune.Index.load(path)


def same_results(a, b):
    for parameters in ({}, {"ef_search": 12}, {"recall": 1}, {"filter": np.arange(0, 9000, 2)}):
        found = [index.search(Q, 10, num_threads=1, **parameters) for index in (a, b)]
        np.testing.assert_array_equal(found[0][1], found[1][1])
        np.testing.assert_array_equal(found[0][0], found[1][0])
    assert len(a) == len(b)
    assert repr(a) == repr(b)


@pytest.mark.parametrize(("kind", "metric", "store"), CASES)
def test_a_loaded_index_gives_the_same_results(kind, metric, store, path):
    index = built(kind, metric, store)
    same_results(index, again(index, path))


@pytest.mark.parametrize(("kind", "metric", "store"), CASES)
def test_so_it_does_after_removals_with_ids_of_its_own(kind, metric, store, path):
    index = built(kind, metric, store, ids=np.arange(N)[::-1] * 7 + 3)
    index.remove(np.arange(0, N, 4) * 7 + 3)
    index.add(X[:20] + 1, ids=np.arange(20) * 14 + 3)
    loaded = again(index, path)
    same_results(index, loaded)
    index.compact()
    same_results(index, again(index, path))


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65])
def test_small_and_empty_indexes_come_back(kind, n, path):
    index = built(kind, n=n)
    loaded = again(index, path)
    same_results(index, loaded)
    loaded.add(X[:70], ids=np.arange(70) + 100)
    assert len(loaded) == n + 70


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_an_emptied_index_comes_back(kind, path):
    index = built(kind)
    index.remove(range(N))
    loaded = again(index, path)
    assert len(loaded) == 0
    assert loaded.add(X[:2]).tolist() == [N, N + 1]


@pytest.mark.parametrize(("kind", "metric", "store"), CASES)
@pytest.mark.parametrize("ids", [None, np.arange(N) * 3])
def test_changes_after_loading_are_those_of_the_original_and_leave_the_file(
    kind, metric, store, ids, path
):
    """Its pages are mapped for reading: to write them would end the process."""
    index = built(kind, metric, store, ids=ids)
    loaded = again(index, path)
    whole = path.read_bytes()
    for one in (index, loaded):
        one.remove(np.arange(0, 300, 3))
        one.add(X[:400] + 0.5, ids=np.arange(400) * 3, num_threads=1)
        one.add(X[:5], num_threads=1)
    same_results(index, loaded)
    for one in (index, loaded):
        one.remove(np.arange(0, 9000, 2))
        one.compact()
        one.calibrate(Q)
    same_results(index, loaded)
    assert path.read_bytes() == whole


def test_a_loaded_index_can_be_saved_over_its_own_file(path):
    loaded = again(built(), path)
    before = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == before
    loaded.add(X[:9] + 1, ids=range(9))
    same_results(loaded, again(loaded, path))


def test_a_loaded_index_outlives_its_file(path):
    index = built()
    loaded = again(index, path)
    path.unlink()
    same_results(index, loaded)


def test_numbering_goes_on_after_loading(path):
    loaded = again(built(n=3), path)
    assert loaded.add(X[:2]).tolist() == [3, 4]
    loaded.remove([4])
    assert again(loaded, path).add(X[:1]).tolist() == [5]


def test_calibration_is_kept(path):
    index = built()
    points = index.calibrate(Q)
    assert dict(again(index, path)._core.calibration) == points


def test_the_same_index_writes_the_same_bytes(path):
    index = built()
    index.save(path)
    first = path.read_bytes()
    index.save(path)
    assert path.read_bytes() == first


def test_a_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match="index: expected an index file"):
        ragtune.Index.load(path)
    with pytest.raises(FileNotFoundError, match="expected an index file"):
        ragtune.Index.load(path.parent)


def test_another_artifact_is_no_index(path):
    _core.write_artifact(str(path), {"weights": np.zeros((2, 2))})
    with pytest.raises(CorruptFileError, match="index: not an index: no section about"):
        ragtune.Index.load(path)


def test_a_newer_format_is_refused_with_both_numbers(path):
    built(n=5).save(path)
    arrays = _core.read_artifact(str(path))
    arrays["about"][0, 0] = 9
    _core.write_artifact(str(path), arrays)
    with pytest.raises(CorruptFileError, match="format 9, this program reads 1"):
        ragtune.Index.load(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_mean_that_is_no_number_is_refused(path, value):
    built(n=5).save(path)
    arrays = _core.read_artifact(str(path))
    arrays["mean"][0, 1] = value
    _core.write_artifact(str(path), arrays)
    with pytest.raises(CorruptFileError, match="a mean that is no number"):
        ragtune.Index.load(path)


def test_saving_into_no_directory_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match=r"none/index.*No such file"):
        built(n=3).save(tmp_path / "none" / "index")
    assert os.listdir(tmp_path) == []


def test_saving_onto_a_directory_is_an_error(tmp_path):
    (tmp_path / "index" / "inside").mkdir(parents=True)
    with pytest.raises(RuntimeError, match="index: cannot be replaced"):
        built(n=3).save(tmp_path / "index")
    assert os.listdir(tmp_path) == ["index"]
    assert os.listdir(tmp_path / "index") == ["inside"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("limit", [0, 10, 5_000, 100_000])
def test_a_full_disk_leaves_the_old_file(path, limit):
    """RLIMIT_FSIZE stands for a full disk: writing fails half way."""
    built(n=5).save(path)
    whole, index = path.read_bytes(), built()
    pid = os.fork()
    if pid == 0:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            index.save(path)
        except RuntimeError as error:
            os._exit(0 if "cannot be written" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == ["index"]
    index.save(path)
    same_results(index, ragtune.Index.load(path))


def test_paths_may_be_text_or_not_ascii(tmp_path):
    path = str(tmp_path / "Gebäude ∑")
    same_results(built(n=50), again(built(n=50), path))
