"""
C++ core. Private: import from ragtune instead.
"""

from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import typing

__all__: list[str] = [
    "Adapter",
    "Index",
    "RidgeStatistics",
    "available_kernels",
    "bootstrap_interval",
    "dot",
    "dot_bf16",
    "dot_planes",
    "dot_rows",
    "evaluate_rankings",
    "exact_search",
    "kernels_in_use",
    "multiply_transposed",
    "randomization_test",
    "read_artifact",
    "read_jsonl",
    "relevant_ranks",
    "shrunk_to_identity",
    "squared_distance",
    "squared_distance_bf16",
    "thread_count",
    "throw_in_parallel",
    "write_artifact",
]

class Adapter:
    @staticmethod
    def identity(d: typing.SupportsInt | typing.SupportsIndex) -> Adapter: ...
    @staticmethod
    def linear(w: numpy.typing.NDArray[numpy.float32]) -> Adapter: ...
    def apply(
        self,
        queries: numpy.typing.NDArray[numpy.float32],
        *,
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
    def matrix(self) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def is_identity(self) -> bool: ...

class Index:
    @staticmethod
    def load(path: str) -> tuple[Index, list[int]]:
        """
        The index and the note that was saved with it.
        """
    def __init__(
        self,
        d: typing.SupportsInt | typing.SupportsIndex,
        *,
        metric: str = "cosine",
        kind: str = "flat",
        store: str = "f32",
        M: typing.SupportsInt | typing.SupportsIndex = 16,
        ef_construction: typing.SupportsInt | typing.SupportsIndex = 100,
        seed: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> None: ...
    def __len__(self) -> int: ...
    def calibrate(
        self,
        queries: numpy.typing.NDArray[numpy.float32] | None,
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> None: ...
    def compact(self, num_threads: typing.SupportsInt | typing.SupportsIndex = 0) -> None: ...
    def remove(
        self,
        ids: numpy.typing.NDArray[numpy.int64],
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> int: ...
    def save(self, path: str, note: numpy.typing.NDArray[numpy.int64]) -> None: ...
    def search(
        self,
        queries: numpy.typing.NDArray[numpy.float32],
        *,
        k: typing.SupportsInt | typing.SupportsIndex,
        ef_search: typing.SupportsInt | typing.SupportsIndex | None = None,
        recall: typing.SupportsFloat | typing.SupportsIndex | None = None,
        mask: numpy.typing.NDArray[numpy.uint8] | None = None,
        ids: numpy.typing.NDArray[numpy.int64] | None = None,
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> tuple[
        typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"],
        typing.Annotated[numpy.typing.NDArray[numpy.int64], "[m, n]"],
    ]: ...
    def update(
        self,
        vectors: numpy.typing.NDArray[numpy.float32],
        ids: numpy.typing.NDArray[numpy.int64] | None,
        *,
        removed: numpy.typing.NDArray[numpy.int64],
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> numpy.typing.NDArray[numpy.int64]: ...
    @property
    def calibration(self) -> list[tuple[int, float]]:
        """
        (breadth of the walk, recall@10 that was measured) in rising order.
        """
    @property
    def dimensions(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def store(self) -> str: ...

class RidgeStatistics:
    def __init__(self, d: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def add(
        self,
        queries: numpy.typing.NDArray[numpy.float32],
        documents: numpy.typing.NDArray[numpy.float32],
        weights: numpy.typing.NDArray[numpy.float32],
    ) -> None: ...
    def merge(self, other: RidgeStatistics) -> None: ...
    def remove(
        self,
        queries: numpy.typing.NDArray[numpy.float32],
        documents: numpy.typing.NDArray[numpy.float32],
        weights: numpy.typing.NDArray[numpy.float32],
    ) -> None: ...
    def solve(
        self, penalty: typing.SupportsFloat | typing.SupportsIndex
    ) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
    def unmerge(self, other: RidgeStatistics) -> None: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def pairs(self) -> int: ...

def available_kernels() -> list[str]:
    """
    Kernel sets that this CPU runs, slowest first.
    """

def bootstrap_interval(
    differences: numpy.typing.NDArray[numpy.float64],
    groups: numpy.typing.NDArray[numpy.int32],
    strata: numpy.typing.NDArray[numpy.int32],
    weights: numpy.typing.NDArray[numpy.float64],
    *,
    resamples: typing.SupportsInt | typing.SupportsIndex,
    confidence: typing.SupportsFloat | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
) -> typing.Annotated[list[float], "FixedSize(3)"]:
    """
    Mean, lower and upper bound of the clustered paired bootstrap.
    """

def dot(
    set: str, a: numpy.typing.NDArray[numpy.float32], b: numpy.typing.NDArray[numpy.float32]
) -> float: ...
def dot_bf16(
    set: str, a: numpy.typing.NDArray[numpy.float32], b: numpy.typing.NDArray[numpy.uint16]
) -> float: ...
def dot_planes(
    set: str, query: numpy.typing.NDArray[numpy.int8], planes: numpy.typing.NDArray[numpy.uint8]
) -> typing.Annotated[numpy.typing.NDArray[numpy.int32], "[4, 1]"]: ...
def dot_rows(
    set: str,
    query: numpy.typing.NDArray[numpy.float32],
    matrix: numpy.typing.NDArray[numpy.float32],
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, 1]"]: ...
def evaluate_rankings(
    ids: numpy.typing.NDArray[numpy.int64],
    offsets: numpy.typing.NDArray[numpy.int64],
    relevant: numpy.typing.NDArray[numpy.int64],
    grades: numpy.typing.NDArray[numpy.float32],
    *,
    metrics: collections.abc.Sequence[tuple[str, typing.SupportsInt | typing.SupportsIndex]],
) -> typing.Annotated[numpy.typing.NDArray[numpy.float64], "[m, n]"]:
    """
    Score of each query under each (name, k). -> (metrics, nq)
    """

def exact_search(
    corpus: numpy.typing.NDArray[numpy.float32],
    queries: numpy.typing.NDArray[numpy.float32],
    *,
    k: typing.SupportsInt | typing.SupportsIndex,
    l2: bool = False,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> tuple[
    typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"],
    typing.Annotated[numpy.typing.NDArray[numpy.int64], "[m, n]"],
]:
    """
    Scores and rows of the k best, ties by row. -> (nq, k), (nq, k)
    """

def kernels_in_use() -> str: ...
def multiply_transposed(
    a: numpy.typing.NDArray[numpy.float32],
    b: numpy.typing.NDArray[numpy.float32],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]:
    """
    a (m, d) times b (n, d) transposed. -> (m, n)
    """

def randomization_test(
    differences: numpy.typing.NDArray[numpy.float64],
    groups: numpy.typing.NDArray[numpy.int32],
    strata: numpy.typing.NDArray[numpy.int32],
    weights: numpy.typing.NDArray[numpy.float64],
    *,
    resamples: typing.SupportsInt | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
) -> float:
    """
    Two-sided p value of the clustered paired randomisation test.
    """

def read_artifact(path: str) -> dict[str, numpy.ndarray]:
    """
    The named arrays of an artifact, each checked against its checksum.
    """

def read_jsonl(
    path: str,
    *,
    required: collections.abc.Sequence[str],
    optional: collections.abc.Sequence[str] = [],
    raw: collections.abc.Sequence[str] = [],
) -> list[list[typing.Any]]:
    """
    One list of str per key (required, optional, raw); None where a key is missing.
    """

def relevant_ranks(
    corpus: numpy.typing.NDArray[numpy.float32],
    queries: numpy.typing.NDArray[numpy.float32],
    adapted: numpy.typing.NDArray[numpy.float32],
    alphas: numpy.typing.NDArray[numpy.float32],
    offsets: numpy.typing.NDArray[numpy.int64],
    relevant: numpy.typing.NDArray[numpy.int64],
    grades: numpy.typing.NDArray[numpy.float32],
) -> numpy.typing.NDArray[numpy.int32]:
    """
    Rank (0 is best) of each judged document. -> (adapters, alphas, nnz)
    """

def shrunk_to_identity(
    w: numpy.typing.NDArray[numpy.float32], *, alpha: typing.SupportsFloat | typing.SupportsIndex
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]:
    """
    I + alpha (w - I). -> (d, d)
    """

def squared_distance(
    set: str, a: numpy.typing.NDArray[numpy.float32], b: numpy.typing.NDArray[numpy.float32]
) -> float: ...
def squared_distance_bf16(
    set: str, a: numpy.typing.NDArray[numpy.float32], b: numpy.typing.NDArray[numpy.uint16]
) -> float: ...
def thread_count(requested: typing.SupportsInt | typing.SupportsIndex = 0) -> int:
    """
    Threads that a call asking for `requested` (0: all) gets.
    """

def throw_in_parallel(
    n: typing.SupportsInt | typing.SupportsIndex, bad: typing.SupportsInt | typing.SupportsIndex
) -> None:
    """
    Fails in step `bad` of a parallel loop, for tests.
    """

def write_artifact(path: str, arrays: collections.abc.Mapping[str, numpy.ndarray]) -> None:
    """
    Writes named (rows, columns) arrays to path, atomically.
    """
