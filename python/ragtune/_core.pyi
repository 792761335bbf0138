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
    "Bm25",
    "Index",
    "MEMORY_FEATURES",
    "Parts",
    "QUESTION_FEATURES",
    "QuestionMemory",
    "RidgeStatistics",
    "adam",
    "add_scaled",
    "available_kernels",
    "bootstrap_interval",
    "candidate_scores",
    "column_peaks",
    "columns",
    "contrastive_loss",
    "dot",
    "dot_bf16",
    "dot_planes",
    "dot_rows",
    "evaluate_rankings",
    "exact_search",
    "fit_fusion",
    "fusion_loss",
    "hard_negatives",
    "isotonic",
    "kernel_ridge",
    "kernel_ridge_adapted",
    "kernels_in_use",
    "memory_features",
    "mixed",
    "multiply",
    "multiply_first_transposed",
    "multiply_transposed",
    "nudge",
    "parse_answer",
    "partition",
    "question_features",
    "randomization_test",
    "reached_by",
    "read_artifact",
    "read_jsonl",
    "relevant_ranks",
    "ridge_adapted",
    "sampled_loss",
    "scale_columns",
    "softmax",
    "squared_distance",
    "squared_distance_bf16",
    "standardized",
    "survey",
    "thread_count",
    "throw_in_parallel",
    "tokens",
    "train_contrastive",
    "united",
    "weigh",
    "wide_dot",
    "write_artifact",
]

class Adapter:
    @staticmethod
    def identity(d: typing.SupportsInt | typing.SupportsIndex) -> Adapter: ...
    @staticmethod
    def linear(w: numpy.typing.NDArray[numpy.float32]) -> Adapter: ...
    @staticmethod
    def residual(kind: str, matrices: dict[str, numpy.typing.NDArray[numpy.float32]]) -> Adapter:
        """
        Of kind linear {m}, low_rank {a, b}, mlp {a, bias, b} or kernel {centres, shifts, sharpness, and perhaps m}.
        """
    def apply(
        self,
        queries: numpy.typing.NDArray[numpy.float32],
        *,
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
    def matrices(
        self,
    ) -> dict[str, typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]]:
        """
        What `residual` takes; empty for the identity.
        """
    def matrix(self) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
    def moved(
        self,
        queries: numpy.typing.NDArray[numpy.float32],
        *,
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]:
        """
        Adapted queries before they are brought to unit length. -> (nq, d)
        """
    def shrunk(self, alpha: typing.SupportsFloat | typing.SupportsIndex) -> Adapter:
        """
        q + alpha (u - q) in place of u.
        """
    @property
    def dimensions(self) -> int: ...
    @property
    def is_identity(self) -> bool: ...
    @property
    def kind(self) -> str: ...

class Bm25:
    @staticmethod
    def from_arrays(arrays: collections.abc.Mapping[str, numpy.ndarray]) -> Bm25:
        """
        The index of such arrays, each of which is checked.
        """
    def __init__(
        self,
        language: str | None,
        method: str = "lucene",
        k1: typing.SupportsFloat | typing.SupportsIndex = 1.5,
        b: typing.SupportsFloat | typing.SupportsIndex = 0.75,
    ) -> None: ...
    def __len__(self) -> int: ...
    def add(
        self,
        rows: numpy.typing.NDArray[numpy.int64],
        texts: list[str],
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> None: ...
    def arrays(self) -> dict[str, numpy.ndarray]:
        """
        The index as (n, 1) arrays, for write_artifact.
        """
    def remove(self, rows: numpy.typing.NDArray[numpy.int64]) -> int: ...
    def score(
        self,
        texts: list[str],
        candidates: numpy.typing.NDArray[numpy.int64],
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
    def score_and_coordination(
        self,
        texts: list[str],
        candidates: numpy.typing.NDArray[numpy.int64],
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> tuple[
        typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"],
        typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"],
    ]: ...
    def search(
        self,
        texts: list[str],
        k: typing.SupportsInt | typing.SupportsIndex,
        *,
        mask: numpy.typing.NDArray[numpy.uint8] | None = None,
        ids: numpy.typing.NDArray[numpy.int64] | None = None,
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> tuple[
        typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"],
        typing.Annotated[numpy.typing.NDArray[numpy.int64], "[m, n]"],
    ]: ...
    @property
    def b(self) -> float: ...
    @property
    def k1(self) -> float: ...
    @property
    def language(self) -> str | None: ...
    @property
    def method(self) -> str: ...

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
    def scores(
        self,
        queries: numpy.typing.NDArray[numpy.float32],
        ids: numpy.typing.NDArray[numpy.int64],
        *,
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]:
        """
        Scores of chosen ids, 0 where one is not there.
        """
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

class Parts:
    @staticmethod
    def restored(
        d: typing.SupportsInt | typing.SupportsIndex,
        codes: numpy.typing.NDArray[numpy.uint8],
        scales: numpy.typing.NDArray[numpy.float32],
        rows: numpy.typing.NDArray[numpy.int64],
    ) -> Parts: ...
    def __init__(self, d: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __len__(self) -> int: ...
    def add(
        self, vectors: numpy.typing.NDArray[numpy.float32], rows: numpy.typing.NDArray[numpy.int64]
    ) -> None: ...
    def best(
        self,
        queries: numpy.typing.NDArray[numpy.float32],
        candidates: numpy.typing.NDArray[numpy.int64],
        *,
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
    def best_and_mean(
        self,
        queries: numpy.typing.NDArray[numpy.float32],
        candidates: numpy.typing.NDArray[numpy.int64],
        *,
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> tuple[
        typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"],
        typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"],
    ]: ...
    def remove(self, rows: numpy.typing.NDArray[numpy.int64]) -> int: ...
    def stored(
        self,
    ) -> tuple[
        typing.Annotated[numpy.typing.NDArray[numpy.uint8], "[m, n]"],
        numpy.typing.NDArray[numpy.float32],
        numpy.typing.NDArray[numpy.int64],
    ]: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...

class QuestionMemory:
    def __init__(
        self,
        vectors: numpy.typing.NDArray[numpy.float32],
        rows: numpy.typing.NDArray[numpy.int64],
        texts: list[str] | None,
        language: str | None,
    ) -> None: ...
    def __len__(self) -> int: ...
    def likeness(
        self,
        queries: numpy.typing.NDArray[numpy.float32],
        texts: list[str] | None,
        candidates: numpy.typing.NDArray[numpy.int64],
        *,
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
    def propose(
        self,
        queries: numpy.typing.NDArray[numpy.float32],
        k: typing.SupportsInt | typing.SupportsIndex,
        *,
        num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> typing.Annotated[numpy.typing.NDArray[numpy.int64], "[m, n]"]: ...

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

def adam(
    set: str,
    x: numpy.typing.NDArray[numpy.float32],
    mean: numpy.typing.NDArray[numpy.float32],
    square: numpy.typing.NDArray[numpy.float32],
    gradient: numpy.typing.NDArray[numpy.float32],
    factors: typing.Annotated[
        collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(6)"
    ],
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]:
    """
    -> x, mean and square (3, p) after a step; factors as AdamFactors has them.
    """

def add_scaled(
    set: str,
    to: numpy.typing.NDArray[numpy.float32],
    row: numpy.typing.NDArray[numpy.float32],
    weight: typing.SupportsFloat | typing.SupportsIndex,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, 1]"]: ...
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

def candidate_scores(
    corpus: numpy.typing.NDArray[numpy.float32],
    queries: numpy.typing.NDArray[numpy.float32],
    candidates: numpy.typing.NDArray[numpy.int64],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]:
    """
    q.x of each candidate, 0 where it is -1. -> (nq, c)
    """

def column_peaks(
    set: str, values: numpy.typing.NDArray[numpy.int32]
) -> typing.Annotated[numpy.typing.NDArray[numpy.int32], "[m, 1]"]: ...
def columns(set: str) -> int:
    """
    Columns of a block of scores.
    """

def contrastive_loss(
    corpus: numpy.typing.NDArray[numpy.float32],
    queries: numpy.typing.NDArray[numpy.float32],
    offsets: numpy.typing.NDArray[numpy.int64],
    rows: numpy.typing.NDArray[numpy.int64],
    grades: numpy.typing.NDArray[numpy.float32],
    matrices: dict[str, numpy.typing.NDArray[numpy.float32]],
    *,
    kind: str = "linear",
    temperature: typing.SupportsFloat | typing.SupportsIndex = 0.05,
    penalty: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    shortlist: typing.SupportsInt | typing.SupportsIndex = 24,
    anchor: dict[str, numpy.typing.NDArray[numpy.float32]] | None = None,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> tuple[float, dict[str, typing.Any]]:
    """
    Mean loss plus penalty, and {gradient, mean_squared_drift}: estimated from the corpus as measured at the anchor, if there is one.
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

def fit_fusion(
    features: numpy.typing.NDArray[numpy.float32],
    grades: numpy.typing.NDArray[numpy.float32],
    weights: numpy.typing.NDArray[numpy.float32],
    prior: numpy.typing.NDArray[numpy.float64],
    *,
    penalty: typing.SupportsFloat | typing.SupportsIndex,
    initial: numpy.typing.NDArray[numpy.float64] | None = None,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> tuple[typing.Annotated[numpy.typing.NDArray[numpy.float64], "[m, 1]"], float, int]:
    """
    Weights (f,), loss and steps.
    """

def fusion_loss(
    features: numpy.typing.NDArray[numpy.float32],
    grades: numpy.typing.NDArray[numpy.float32],
    weights: numpy.typing.NDArray[numpy.float32],
    w: numpy.typing.NDArray[numpy.float64],
) -> tuple[
    float,
    typing.Annotated[numpy.typing.NDArray[numpy.float64], "[m, 1]"],
    typing.Annotated[numpy.typing.NDArray[numpy.float64], "[m, n]"],
]:
    """
    Loss, gradient (f,) and Hessian (f, f), without the penalty.
    """

def hard_negatives(
    corpus: numpy.typing.NDArray[numpy.float32],
    adapted: numpy.typing.NDArray[numpy.float32],
    offsets: numpy.typing.NDArray[numpy.int64],
    rows: numpy.typing.NDArray[numpy.int64],
    grades: numpy.typing.NDArray[numpy.float32],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.int64], "[m, n]"]:
    """
    Rows near but not too near, -1 is none. -> (nq, 4)
    """

def isotonic(
    x: numpy.typing.NDArray[numpy.float32],
    y: numpy.typing.NDArray[numpy.float32],
    w: numpy.typing.NDArray[numpy.float32],
) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
    """
    Knots (k,) of the rising function nearest to the points.
    """

def kernel_ridge(
    queries: numpy.typing.NDArray[numpy.float32],
    targets: numpy.typing.NDArray[numpy.float32],
    centres: numpy.typing.NDArray[numpy.float32],
    *,
    sharpness: typing.SupportsFloat | typing.SupportsIndex,
    linear: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    penalty: typing.SupportsFloat | typing.SupportsIndex,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
def kernel_ridge_adapted(
    queries: numpy.typing.NDArray[numpy.float32],
    targets: numpy.typing.NDArray[numpy.float32],
    centres: numpy.typing.NDArray[numpy.float32],
    asked: numpy.typing.NDArray[numpy.float32],
    *,
    sharpness: typing.SupportsFloat | typing.SupportsIndex,
    linear: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    penalties: numpy.typing.NDArray[numpy.float64],
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
def kernels_in_use() -> str: ...
def memory_features(
    memory: numpy.typing.NDArray[numpy.float32],
    words: numpy.typing.NDArray[numpy.float32],
    mask: numpy.typing.NDArray[numpy.bool],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]:
    """
    -> (nq * c, MEMORY_FEATURES)
    """

def mixed(
    legs: list[numpy.typing.NDArray[numpy.float32]],
    memory: numpy.typing.NDArray[numpy.float32],
    words: numpy.typing.NDArray[numpy.float32],
    dense: numpy.typing.NDArray[numpy.float32],
    mask: numpy.typing.NDArray[numpy.bool],
    *,
    base: numpy.typing.NDArray[numpy.float64],
    seen: numpy.typing.NDArray[numpy.float64],
    line: tuple[
        typing.SupportsFloat | typing.SupportsIndex, typing.SupportsFloat | typing.SupportsIndex
    ],
    mean: numpy.typing.NDArray[numpy.float64],
    deviation: numpy.typing.NDArray[numpy.float64],
    trust: numpy.typing.NDArray[numpy.float64],
    shift: typing.SupportsFloat | typing.SupportsIndex,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> tuple[
    typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"],
    numpy.typing.NDArray[numpy.float64],
]:
    """
    Probabilities (nq, c) and the trust in stored questions (nq,).
    """

def multiply(
    a: numpy.typing.NDArray[numpy.float32],
    b: numpy.typing.NDArray[numpy.float32],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]:
    """
    a (m, k) times b (k, n). -> (m, n)
    """

def multiply_first_transposed(
    a: numpy.typing.NDArray[numpy.float32],
    b: numpy.typing.NDArray[numpy.float32],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]:
    """
    a (k, m) transposed times b (k, n). -> (m, n)
    """

def multiply_transposed(
    a: numpy.typing.NDArray[numpy.float32],
    b: numpy.typing.NDArray[numpy.float32],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]:
    """
    a (m, d) times b (n, d) transposed. -> (m, n)
    """

def nudge(
    corpus: numpy.typing.NDArray[numpy.float32],
    queries: numpy.typing.NDArray[numpy.float32],
    offsets: numpy.typing.NDArray[numpy.int64],
    rows: numpy.typing.NDArray[numpy.int64],
    validation_queries: numpy.typing.NDArray[numpy.float32],
    validation_offsets: numpy.typing.NDArray[numpy.int64],
    validation_rows: numpy.typing.NDArray[numpy.int64],
    *,
    kind: str = "n",
    max_gamma: typing.SupportsFloat | typing.SupportsIndex = 0.48,
    steps: typing.SupportsInt | typing.SupportsIndex = 24,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    progress: typing.Any = None,
) -> tuple[
    numpy.typing.NDArray[numpy.int64],
    typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"],
    float,
    float,
]:
    """
    Move documents towards their questions. -> rows (m,), deltas (m, d), gamma, score
    """

def parse_answer(answer: str) -> list[tuple[str, str]]:
    """
    (question, style) of each question in what a model answered, in order.
    """

def partition(
    corpus: numpy.typing.NDArray[numpy.float32],
    queries: numpy.typing.NDArray[numpy.float32],
    *,
    temperature: typing.SupportsFloat | typing.SupportsIndex,
    keep: typing.SupportsInt | typing.SupportsIndex,
    floors: numpy.typing.NDArray[numpy.float32] | None = None,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> tuple[
    list[float],
    typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"],
    typing.Annotated[numpy.typing.NDArray[numpy.int64], "[m, n]"],
]:
    """
    Log partition function (nq,), mean row (nq, d) and best rows (nq, keep) of the softmax; -1
    where fewer are above the floor (nq,) of their query.
    """

def question_features(
    memory: numpy.typing.NDArray[numpy.float32],
    base: numpy.typing.NDArray[numpy.float64],
    p_seen: numpy.typing.NDArray[numpy.float64],
    p_base: numpy.typing.NDArray[numpy.float64],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float64], "[m, n]"]:
    """
    -> (nq, QUESTION_FEATURES)
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

def reached_by(
    set: str, peaks: numpy.typing.NDArray[numpy.int32], k: typing.SupportsInt | typing.SupportsIndex
) -> int: ...
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

def ridge_adapted(
    queries: numpy.typing.NDArray[numpy.float32],
    targets: numpy.typing.NDArray[numpy.float32],
    asked: numpy.typing.NDArray[numpy.float32],
    penalties: numpy.typing.NDArray[numpy.float64],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
def sampled_loss(
    corpus: numpy.typing.NDArray[numpy.float32],
    adapted: numpy.typing.NDArray[numpy.float32],
    offsets: numpy.typing.NDArray[numpy.int64],
    rows: numpy.typing.NDArray[numpy.int64],
    grades: numpy.typing.NDArray[numpy.float32],
    hard: numpy.typing.NDArray[numpy.int64],
    shared: numpy.typing.NDArray[numpy.int64],
    *,
    temperature: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple[float, typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]]:
    """
    Sum of the losses of a batch against sampled negatives, and its gradient (b, d).
    """

def scale_columns(
    set: str,
    values: numpy.typing.NDArray[numpy.float32],
    factors: numpy.typing.NDArray[numpy.float32],
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]: ...
def softmax(
    scores: numpy.typing.NDArray[numpy.float64],
    mask: numpy.typing.NDArray[numpy.bool],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float64], "[m, n]"]:
    """
    Shares (nq, c) of each question's candidates.
    """

def squared_distance(
    set: str, a: numpy.typing.NDArray[numpy.float32], b: numpy.typing.NDArray[numpy.float32]
) -> float: ...
def squared_distance_bf16(
    set: str, a: numpy.typing.NDArray[numpy.float32], b: numpy.typing.NDArray[numpy.uint16]
) -> float: ...
def standardized(
    scores: list[numpy.typing.NDArray[numpy.float32]],
    mask: numpy.typing.NDArray[numpy.bool],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"]:
    """
    Scores (nq, c) of each leg -> (nq * c, legs).
    """

def survey(
    set: str,
    scores: numpy.typing.NDArray[numpy.float32],
    limits: numpy.typing.NDArray[numpy.float32],
) -> tuple[
    typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, 1]"],
    typing.Annotated[numpy.typing.NDArray[numpy.uint32], "[m, 1]"],
]: ...
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

def tokens(text: str, language: str | None) -> list[str]:
    """
    What an index makes of a text, in its order; bytes are read as UTF-8.
    """

def train_contrastive(
    corpus: numpy.typing.NDArray[numpy.float32],
    queries: numpy.typing.NDArray[numpy.float32],
    offsets: numpy.typing.NDArray[numpy.int64],
    rows: numpy.typing.NDArray[numpy.int64],
    grades: numpy.typing.NDArray[numpy.float32],
    *,
    kind: str = "linear",
    width: typing.SupportsInt | typing.SupportsIndex = 32,
    temperature: typing.SupportsFloat | typing.SupportsIndex = 0.05,
    penalty: typing.SupportsFloat | typing.SupportsIndex = 0.01,
    learning_rate: typing.SupportsFloat | typing.SupportsIndex = 0.001,
    epochs: typing.SupportsInt | typing.SupportsIndex = 30,
    batch: typing.SupportsInt | typing.SupportsIndex = 256,
    seed: typing.SupportsInt | typing.SupportsIndex = 0,
    negatives: str = "corpus",
    patience: typing.SupportsInt | typing.SupportsIndex = 5,
    drift: typing.SupportsFloat | typing.SupportsIndex = 3.0,
    shortlist: typing.SupportsInt | typing.SupportsIndex = 24,
    validation: tuple[
        numpy.typing.NDArray[numpy.float32],
        numpy.typing.NDArray[numpy.int64],
        numpy.typing.NDArray[numpy.int64],
        numpy.typing.NDArray[numpy.float32],
    ]
    | None = None,
    initial: dict[str, numpy.typing.NDArray[numpy.float32]] | None = None,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
    progress: typing.Any = None,
) -> dict[str, typing.Any]:
    """
    Learn a residual by InfoNCE; validation is (queries, offsets, rows, grades). -> kind, matrices, loss (epochs,), validation (epochs + 1,), best_epoch, steps, measured, cancelled
    """

def united(
    proposals: list[numpy.typing.NDArray[numpy.int64]],
    *,
    num_threads: typing.SupportsInt | typing.SupportsIndex = 0,
) -> typing.Annotated[numpy.typing.NDArray[numpy.int64], "[m, n]"]:
    """
    Each question's rows once, ascending, -1 padded. -> (nq, c)
    """

def weigh(
    set: str,
    scores: numpy.typing.NDArray[numpy.float32],
    peaks: numpy.typing.NDArray[numpy.float32],
    inverse: typing.SupportsFloat | typing.SupportsIndex,
) -> tuple[
    typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, n]"],
    typing.Annotated[numpy.typing.NDArray[numpy.float32], "[m, 1]"],
]: ...
def wide_dot(
    set: str, a: numpy.typing.NDArray[numpy.float32], b: numpy.typing.NDArray[numpy.float32]
) -> float: ...
def write_artifact(path: str, arrays: collections.abc.Mapping[str, numpy.ndarray]) -> None:
    """
    Writes named (rows, columns) arrays to path, atomically.
    """

MEMORY_FEATURES: int = 7
QUESTION_FEATURES: int = 13
