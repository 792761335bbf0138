"""Files that are not what was written: an error or the same results, and never a signal.

RAGTUNE_MUTATIONS says how many; a failure names the number that `mutations.outcome` repeats.
"""

import os
import subprocess
import sys
from collections import Counter

import mutations
import numpy as np
import pytest

import ragtune
from ragtune import _core
from ragtune.types import CorruptFileError

COUNT = int(os.environ.get("RAGTUNE_MUTATIONS", "200"))


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutations")
    mutations.make(folder)
    return folder


def outcomes(folder, kind):
    """{number: outcome}, with a new child after each one that died."""
    found, first = {}, 0
    while first < COUNT:
        child = subprocess.run(
            [sys.executable, mutations.__file__, folder, kind, str(first), str(COUNT - first)],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        lines = child.stdout.split()
        found |= dict(zip(map(int, lines[::2]), lines[1::2], strict=False))
        first = max(found, default=first - 1) + 1
        if first < COUNT:
            assert child.returncode < 0, child.stderr  # our own mistake
            found[first] = f"signal {-child.returncode}"
            mutations.copy_of_kept(folder, kind, first)
            first += 1
    return found


def harm(found, allowed):
    return {number: how for number, how in found.items() if how not in allowed}


def test_damaged_files_are_refused_or_give_the_same_results(intact):
    found = outcomes(intact, "hurt")
    assert len(found) == COUNT
    assert not harm(found, {"corrupt", "same"})
    assert Counter(found.values())["corrupt"] > COUNT // 2


def test_files_that_lie_under_right_checksums_end_no_process(intact):
    """Whoever can write such a file may choose its results, but not crash who reads it."""
    found = outcomes(intact, "hostile")
    assert len(found) == COUNT
    assert not harm(found, {"corrupt", "same", "differs", "ValueError"})
    assert Counter(found.values())["corrupt"] > COUNT // 10


def lies(folder, number=0, **arrays):
    """Load an intact file in which some arrays are others (None: missing)."""
    path = str(folder / "lie")
    there = _core.read_artifact(str(folder / f"intact{number}")) | arrays
    _core.write_artifact(path, {name: a for name, a in there.items() if a is not None})
    return ragtune.Index.load(path)


def array(folder, name, number=0):
    return _core.read_artifact(str(folder / f"intact{number}"))[name]


@pytest.mark.parametrize("slot", [mutations.N, 2**31 - 1, -1, -(2**31)])
@pytest.mark.parametrize("name", ["links0", "links1", "rows1", "down1"])
def test_links_beyond_the_end_are_refused(intact, name, slot):
    changed = array(intact, name)
    changed[-1, -1] = slot
    with pytest.raises(CorruptFileError, match="a link points beyond the end"):
        lies(intact, **{name: changed})


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_section_is_needed(intact, number):
    for name in _core.read_artifact(str(intact / f"intact{number}")):
        if name == "ids":  # without them, rows are numbered
            continue
        with pytest.raises(CorruptFileError, match="not an index"):
            lies(intact, number, **{name: None})


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_section_has_one_dtype(intact, number):
    for name, there in _core.read_artifact(str(intact / f"intact{number}")).items():
        if name != "note":
            other = np.float64 if there.dtype != np.float64 else np.int64
            with pytest.raises(CorruptFileError, match=f"section {name} has another dtype"):
                lies(intact, number, **{name: there.astype(other)})


def test_negative_ids_are_refused(intact):
    ids = array(intact, "ids")
    ids[7] = -1
    with pytest.raises(CorruptFileError, match="a negative id"):
        lies(intact, ids=ids)


@pytest.mark.parametrize("recall", [np.nan, -0.1, 1.1])
def test_a_calibration_that_is_none_is_refused(intact, recall):
    with pytest.raises(CorruptFileError, match="a calibration that is none"):
        lies(intact, calibration=np.array([[10, recall]]))


def test_a_wrong_count_of_living_rows_is_refused(intact):
    alive = array(intact, "alive")
    alive[0, 0] ^= 1
    with pytest.raises(CorruptFileError, match="another number of rows is gone"):
        lies(intact, alive=alive)


ADD_AND_SEARCH = """
import sys, mutations, ragtune
index = ragtune.Index.load(sys.argv[1])
index.add(mutations.QUERIES, num_threads=1)
mutations.searched(index)
"""


@pytest.mark.parametrize("layers", [16, 17, 40, 64])
def test_more_layers_than_any_graph_has_do_no_harm(intact, layers):
    """Each holds one slot of the layer below; an add wrote beyond its counters above 16."""
    there = _core.read_artifact(str(intact / "intact0"))
    about = there["about"]
    for at in range(1, layers):
        there[f"links{at}"] = np.zeros((1, 16), dtype=np.int32)
        there[f"rows{at}"] = there[f"down{at}"] = np.zeros((1, 1), dtype=np.int32)
    about[0, 9], about[0, 10] = layers, 0
    _core.write_artifact(str(intact / "lie"), there)
    child = subprocess.run(
        [sys.executable, "-c", ADD_AND_SEARCH, intact / "lie"],
        env=os.environ | {"PYTHONPATH": os.path.dirname(__file__), "MALLOC_CHECK_": "3"},
        capture_output=True,
        text=True,
    )
    assert child.returncode >= 0
    assert child.returncode == 0 or "CorruptFileError" in child.stderr
