import contextlib
import os
import random

import numpy as np
import pytest

from ragtune import _core
from ragtune.types import CorruptFileError

ARRAYS = {
    "weights": np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32),
    "report": np.frombuffer(b'{"a": 1}', dtype=np.uint8).reshape(1, -1),
    "rows": np.arange(6, dtype=np.int64).reshape(2, 3),
    "empty": np.zeros((0, 4), dtype=np.float64),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.ragtune"
    _core.write_artifact(str(path), ARRAYS)
    return path


def same(arrays):
    return arrays.keys() == ARRAYS.keys() and all(
        a.dtype == ARRAYS[name].dtype and np.array_equal(a, ARRAYS[name])
        for name, a in arrays.items()
    )


def test_reads_what_was_written(path):
    assert same(_core.read_artifact(str(path)))


def test_replacing_leaves_no_temporary_file(path):
    _core.write_artifact(str(path), {"only": ARRAYS["rows"]})
    assert list(_core.read_artifact(str(path))) == ["only"]
    assert os.listdir(path.parent) == ["model.ragtune"]


def test_every_truncation_is_detected(path):
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if length == len(whole) - 1 or length % 3 == 0:
            with pytest.raises(CorruptFileError):
                _core.read_artifact(str(path))


def test_every_changed_byte_is_detected_or_padding(path):
    """A change is refused, or it hit the zeros between sections and nothing differs."""
    whole = bytearray(path.read_bytes())
    refused = 0
    for at in range(len(whole)):
        changed = whole.copy()
        changed[at] ^= 1 << (at % 8)
        path.write_bytes(changed)
        try:
            assert same(_core.read_artifact(str(path)))
        except CorruptFileError:
            refused += 1
    used = sum(a.nbytes for a in ARRAYS.values()) + 16 + 72 * len(ARRAYS) + 8
    assert refused >= used


def test_random_integers_and_bytes_never_crash_or_pass(path):
    whole, rng = path.read_bytes(), random.Random(0)
    for _ in range(500):
        changed = bytearray(whole)
        at = rng.randrange(0, len(whole) - 8)
        changed[at : at + 8] = rng.choice(
            [rng.randbytes(8), b"\xff" * 8, (2**63).to_bytes(8, "little"), b"\0" * 8]
        )
        path.write_bytes(changed)
        with contextlib.suppress(CorruptFileError):
            assert same(_core.read_artifact(str(path)))


def test_newer_format_is_refused_with_both_numbers(path):
    changed = bytearray(path.read_bytes())
    changed[8] = 9
    path.write_bytes(changed)
    with pytest.raises(CorruptFileError, match="format 9, this program reads format 1"):
        _core.read_artifact(str(path))


def test_other_files_are_no_artifacts(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(CorruptFileError, match="not a ragtune artifact"):
        _core.read_artifact(str(other))
    with pytest.raises(CorruptFileError, match="not a regular file"):
        _core.read_artifact(str(tmp_path))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="none: cannot be opened: No such file"):
        _core.read_artifact(str(tmp_path / "none"))


def test_failed_write_leaves_the_old_file(path, monkeypatch):
    whole = path.read_bytes()
    with pytest.raises(ValueError, match="section name"):
        _core.write_artifact(str(path), {"a name that is far too long for it": ARRAYS["rows"]})
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == ["model.ragtune"]


def test_full_disk_leaves_the_old_file(path):
    """RLIMIT_FSIZE stands for a full disk: writing fails half way."""
    whole = path.read_bytes()
    pid = os.fork()
    if pid == 0:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            _core.write_artifact(str(path), {"big": np.zeros((100, 100), dtype=np.float32)})
        except RuntimeError as error:
            os._exit(0 if "cannot be written" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == ["model.ragtune"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(3)}, "C-contiguous"),
        ({"x": np.zeros((2, 2), dtype=complex)}, "expected uint8"),
        ({"x": np.zeros((4, 4)).T[::2]}, "C-contiguous"),
    ],
)
def test_rejects_arrays(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        _core.write_artifact(str(tmp_path / "x"), arrays)
