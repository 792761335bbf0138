"""Damage done to index files, and the child process that reads what is left.

`python mutations.py FOLDER hurt|hostile FIRST COUNT` prints a line before each mutation and one
with its outcome: `corrupt`, `same`, `differs`, or the name of an exception.
"""

import random
import resource
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
from sanitizers import UNDER_ASAN

import ragtune
from ragtune import _core
from ragtune.types import CorruptFileError

N, D, SECONDS = 2000, 16, 10
SMALL = [-1, 0, 1, 2, 3, 15, 16, 17, 64, 65, N - 1, N + 1]
HUGE = [*SMALL, 2**31 - 1, 2**31, 2**40, 2**63 - 1, -(2**63)]
ODD = [np.nan, np.inf, -np.inf, 0, -1, 3e38, -3e38, 1e-40]
QUERIES = np.random.default_rng(1).normal(size=(8, D)).astype(np.float32)
KINDS = ("hnsw", "l2", "f32"), ("flat", "cosine", "bf16"), ("hnsw", "ip", "bf16")


def make(folder):
    """One intact file of each kind: ids of their own, a few vectors gone."""
    x = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
    for number, (kind, metric, store) in enumerate(KINDS):
        index = ragtune.Index(D, metric, kind, store=store)
        index.add(x, ids=np.arange(N) * 5 + 1, num_threads=1)
        index.remove(np.arange(0, 300) * 15 + 1)
        index.save(folder / f"intact{number}")


def searched(index):
    """The bytes of all kinds of search: walks, scans, filters; up to many results."""
    found = []
    for parameters in (
        {"k": 5, "ef_search": 12},
        {"k": 80, "ef_search": 12},
        {"k": 5, "recall": 1},
        {"k": 5},
        {"k": 90, "filter": np.arange(0, 5 * N, 2)},
        {"k": 5, "filter": np.arange(5 * N) % 3 == 1},
    ):
        for array in index.search(QUERIES, num_threads=1, **parameters):
            found.append(array.tobytes())
    return b"".join(found)


def used(index, rng, path):
    """Write to an index whose file lied: errors are welcome, signals are not."""
    index.add(QUERIES * rng.uniform(0.1, 3), num_threads=1)
    index.remove(np.arange(rng.randrange(1, N)) * 5 + 1)
    searched(index)
    if rng.random() < 0.3:
        index.compact(num_threads=1)
        searched(index)
    if rng.random() < 0.1:
        index.calibrate(QUERIES, num_threads=1)
    index.save(path)


def hurt(whole, rng):
    """The bytes of a file cut off, or changed at random."""
    changed = bytearray(whole)
    table = 16 + 72 * int.from_bytes(whole[12:16], "little") + 8
    kind = rng.randrange(5)
    if kind == 0:
        return changed[: rng.randrange(len(whole))]
    if kind == 1:
        return changed + rng.randbytes(rng.randrange(1, 100))
    for _ in range(rng.choice([1, 1, 2, 10])):
        if kind == 2:
            changed[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
            continue
        end = table if kind == 3 else len(whole)
        at = rng.randrange(end // 8) * 8
        number = rng.choice([*HUGE, rng.randrange(len(whole)), rng.getrandbits(63)])
        changed[at : at + 8] = (number % 2**64).to_bytes(8, "little")
    return changed


def hostile(arrays, rng):
    """Arrays that say other things, or are others; their checksums will be right."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        name = rng.choice([*arrays, *(["about"] * 2 if "about" in arrays else [])])
        array = arrays[name]
        how = rng.randrange(10)
        if how == 0 and len(arrays) > 2:
            del arrays[name]
        elif how == 1:
            arrays[name] = np.ascontiguousarray(array.T)
        elif how == 2:
            arrays[name] = np.ascontiguousarray(array[: rng.randrange(len(array) + 1)])
        elif how == 3:
            arrays[name] = np.concatenate([array, array[:1]])
        elif how == 4:
            kind = rng.choice(["uint8", "int32", "int64", "float32", "float64", "uint16"])
            flat = array.reshape(1, -1).view(np.uint8)
            arrays[name] = np.ascontiguousarray(flat[:, : flat.size // 8 * 8]).view(kind)
        elif array.size:
            overwrite(array, rng)
    return arrays


def overwrite(array, rng):
    flat = array.reshape(-1)
    where = rng.choice([slice(None), *[rng.randrange(flat.size)] * 4])
    if array.dtype.kind == "f":
        flat[where] = rng.choice(ODD)
        if rng.random() < 0.3:
            flat[:: rng.randrange(1, 5)] = rng.choice(ODD)
        return
    most = np.iinfo(array.dtype)
    number = rng.choice([*HUGE, *(rng.randrange(N) for _ in HUGE)])
    flat[where] = min(max(number, most.min), most.max)


def outcome(folder, kind, number):
    """What happens to one mutated file; deterministic for its number."""
    rng = random.Random(f"{kind} {number}")
    source = folder / f"intact{number % len(KINDS)}"
    path = folder / f"mutated{kind}"
    if kind == "hurt":
        path.write_bytes(hurt(source.read_bytes(), rng))
    else:
        _core.write_artifact(str(path), hostile(_core.read_artifact(str(source)), rng))
    try:
        index = ragtune.Index.load(path)
        same = searched(index) == searched(ragtune.Index.load(source))
        if kind == "hostile":
            used(index, rng, path)
    except CorruptFileError:
        return "corrupt"
    except Exception as error:
        return type(error).__name__
    return "same" if same else "differs"


def main(folder, kind, first, count):
    if not UNDER_ASAN:  # which reserves terabytes of addresses
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    for number in range(int(first), int(first) + int(count)):
        print(number, flush=True)
        signal.alarm(SECONDS)
        print(outcome(Path(folder), kind, number), flush=True)


def copy_of_kept(folder, kind, number):
    """Keep the file that did harm, to look at it."""
    return shutil.copy(folder / f"mutated{kind}", folder / f"harm-{kind}-{number}")


if __name__ == "__main__":
    main(*sys.argv[1:])
