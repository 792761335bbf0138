"""A model as one checksummed file: what was learned, and the corpus if it is at hand.

The container proves that a file is what was written; that its contents make sense is checked
here once more, since a file may come from anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragtune import _core
from ragtune.arrays import as_matrix, unit_rows
from ragtune.calibration import Calibration
from ragtune.features import LEGS, Line
from ragtune.full_model import FullModel, StoredQuestions
from ragtune.fusion import Fusion, SeenExpert, Trust
from ragtune.legs import Lexical, Matrix, Sources
from ragtune.lesson import Lesson, kernel_of
from ragtune.model import Model
from ragtune.overlay import Overlay
from ragtune.report import Report
from ragtune.types import CorruptFileError

FORMAT = 3  # 2 knew less of a question; 1 held an adapter and its report alone

Arrays = dict[str, NDArray[Any]]


def write(model: Model, path: str | Path) -> None:
    """Write a model; its sources go along if their vectors are in memory.

    Raises:
        RuntimeError: The file cannot be written.
    """
    about: dict[str, Any] = {"format": FORMAT, "dimension": model.dimension}
    arrays: Arrays = {"space": _column(np.frombuffer(model.space, dtype=np.uint8))}
    about["adapter"] = model.learned.kind
    arrays |= _under("adapter", model.learned.matrices())
    arrays["adapter.report"] = _text(model.adapter_report.to_json())
    if model.full_report is not None:
        arrays["report"] = _text(model.full_report.to_json())
    if model.full is not None:
        about["full"] = _write_full(model.full, arrays)
        if model.full.adapter is not model.learned:
            about["full"]["adapter"] = model.full.adapter.kind
            arrays |= _under("full.adapter", model.full.adapter.matrices())
    if model.overlay is not None:
        about["gamma"] = model.overlay.gamma
        arrays["overlay.rows"] = _column(model.overlay.rows)
        arrays["overlay.deltas"] = model.overlay.deltas
    _write_curve("chances", model.calibration, arrays)
    if model.sources is not None and isinstance(model.sources.vectors, Matrix):
        about["sources"] = _write_sources(model.sources, arrays)
    arrays["about"] = _text(json.dumps(about))
    _core.write_artifact(str(path), arrays)


def read(path: str | Path, corpus_embeddings: ArrayLike | None = None) -> Model:
    """Read what `write` wrote; `corpus_embeddings` (n, d) take the place of stored ones.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptFileError: It is not what was written, or not a model.
        ValueError: The corpus has another dimension.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: expected a model file")
    arrays: Arrays = _core.read_artifact(str(path))
    try:
        about = json.loads(_string(arrays["about"]))
        if about["format"] != FORMAT:
            raise ValueError(f"format: expected {FORMAT}, got {about['format']}")
        dimension = int(about["dimension"])
        adapter = _adapter(about["adapter"], dimension, _within("adapter", arrays, "report"))
        report = Report.from_json(_string(arrays["adapter.report"]))
        space = arrays["space"].tobytes()
        full = _read_full(about["full"], adapter, arrays) if "full" in about else None
        full_report, overlay = None, None
        if full is not None or "report" in arrays:
            full_report = Report.from_json(_string(arrays["report"]))
        if "gamma" in about:
            rows = np.ascontiguousarray(arrays["overlay.rows"].ravel(), dtype=np.int64)
            deltas = as_matrix(arrays["overlay.deltas"], "overlay", dimension=dimension)
            overlay = Overlay(rows, deltas, float(about["gamma"]))
        calibration = _read_curve("chances", arrays)
        sources = _read_sources(about["sources"], arrays) if "sources" in about else None
        _check_dimensions(dimension, full, sources)
    except (KeyError, TypeError, ValueError, AttributeError, UnicodeDecodeError) as error:
        raise CorruptFileError(f"{path}: not a model: {error!r}") from None
    if corpus_embeddings is not None:
        corpus = as_matrix(corpus_embeddings, "corpus_embeddings", dimension=dimension)
        lexical, parts = (sources.lexical, sources.parts) if sources else (None, None)
        sources = Sources(Matrix(unit_rows(corpus)), lexical, parts)
    return Model(
        adapter,
        report,
        sources=sources,
        full=full,
        full_report=full_report,
        overlay=overlay,
        calibration=calibration,
        space=space,
    )


def _check_dimensions(dimension: int, full: FullModel | None, sources: Sources | None) -> None:
    if full is not None and full.questions is not None:
        as_matrix(full.questions.vectors, "questions", dimension=dimension)
    if sources is not None:
        assert isinstance(sources.vectors, Matrix)
        as_matrix(sources.vectors.corpus, "corpus", dimension=dimension)


# -- adapter ------------------------------------------------------------------------------------


def _adapter(kind: str, dimension: int, matrices: Arrays) -> Any:
    if kind == "identity":
        return _core.Adapter.identity(dimension)
    adapter = _core.Adapter.residual(kind, matrices)
    if adapter.dimensions != dimension:
        raise ValueError(f"adapter: expected {dimension} dimensions, got {adapter.dimensions}")
    return adapter


# -- fusion -------------------------------------------------------------------------------------


def _write_full(full: FullModel, arrays: Arrays) -> dict[str, Any]:
    fusion = full.fusion
    about: dict[str, Any] = {"names": list(fusion.names)}
    arrays["fusion"] = _column(fusion.weights)
    arrays["baseline"] = _column(full.baseline.weights)
    _write_curve("fusion.chances", fusion.calibration, arrays)
    _write_curve("baseline.chances", full.baseline.calibration, arrays)
    if fusion.seen is not None:
        seen = fusion.seen
        line = {"intercept": seen.line.intercept, "slope": seen.line.slope}
        about["seen"] = {"shift": seen.shift, "line": line}
        arrays["seen.base"], arrays["seen.weights"] = _column(seen.base), _column(seen.weights)
        for name in ("mean", "deviation", "weights"):
            arrays[f"trust.{name}"] = _column(getattr(seen.trust, name))
    if full.questions is not None:
        stored = full.questions
        about["language"] = stored.language
        arrays["questions.vectors"] = stored.vectors
        arrays["questions.rows"] = _column(stored.rows)
        if stored.texts is not None:
            arrays |= _under("questions", _packed(stored.texts))
    if full.lesson is not None:
        lesson = full.lesson
        linear = lesson.kernel.linear if lesson.kernel else 0.0
        about["lesson"] = {"penalty": lesson.penalty, "alpha": lesson.alpha, "linear": linear}
        arrays |= {"lesson.queries": lesson.queries, "lesson.shifts": lesson.shifts}
        arrays["lesson.asked"] = _column(lesson.asked)
        if lesson.texts is not None:
            arrays |= _under("lesson", _packed(lesson.texts))
    return about


def _read_lesson(about: Mapping[str, Any], adapter: Any, arrays: Arrays) -> Lesson:
    queries, shifts = (
        as_matrix(arrays[f"lesson.{name}"], name, dimension=adapter.dimensions)
        for name in ("queries", "shifts")
    )
    asked = np.ascontiguousarray(arrays["lesson.asked"].ravel(), dtype=np.int64)
    if not len(queries) == len(shifts) == len(asked):
        raise ValueError(f"lesson: expected {len(queries)} pairs, got {len(shifts)}")
    has_texts = "lesson.bytes" in arrays
    texts = _unpacked(_within("lesson", arrays), len(asked)) if has_texts else None
    penalty, alpha, linear = (float(about[name]) for name in ("penalty", "alpha", "linear"))
    return Lesson(queries, shifts, asked, texts, penalty, alpha, kernel_of(adapter, linear))


def _read_full(about: Mapping[str, Any], adapter: Any, arrays: Arrays) -> FullModel:
    if "adapter" in about:
        own = _within("full.adapter", arrays)
        adapter = _adapter(about["adapter"], adapter.dimensions, own)
    names = tuple(about["names"])
    if not set(names) <= set(LEGS):
        raise ValueError(f"names: expected among {LEGS}, got {names}")
    weights, baseline = (_vector(arrays[key], len(names)) for key in ("fusion", "baseline"))
    seen, questions, memory = None, None, None
    if "language" in about:
        vectors = np.ascontiguousarray(arrays["questions.vectors"], dtype=np.float32)
        rows = np.ascontiguousarray(arrays["questions.rows"].ravel(), dtype=np.int64)
        has_texts = "questions.bytes" in arrays
        texts = _unpacked(_within("questions", arrays), len(rows)) if has_texts else None
        questions = StoredQuestions(vectors, rows, texts, str(about["language"]))
        memory = questions.memory()
    if "seen" in about:
        if memory is None:
            raise ValueError("questions: expected with the expert for seen documents, got none")
        line = Line(
            float(about["seen"]["line"]["intercept"]), float(about["seen"]["line"]["slope"])
        )
        asked = _core.QUESTION_FEATURES
        trust = Trust(
            _vector(arrays["trust.mean"], asked),
            _vector(arrays["trust.deviation"], asked),
            _vector(arrays["trust.weights"], asked + 1),
        )
        shift = float(about["seen"]["shift"])
        base = _vector(arrays["seen.base"], len(names))
        longer = _vector(arrays["seen.weights"], len(names) + _core.MEMORY_FEATURES)
        seen = SeenExpert(base, longer, line, trust, shift)
    fusion = Fusion(names, weights, seen, _read_curve("fusion.chances", arrays))
    mix = Fusion(names, baseline, None, _read_curve("baseline.chances", arrays))
    lesson = None
    if "lesson" in about:
        lesson = _read_lesson(about["lesson"], adapter, arrays)
    return FullModel(fusion, mix, adapter, questions, memory, lesson)


def _write_curve(name: str, curve: Calibration | None, arrays: Arrays) -> None:
    if curve is not None:
        arrays[f"{name}.x"], arrays[f"{name}.y"] = _column(curve.x), _column(curve.y)


def _read_curve(name: str, arrays: Arrays) -> Calibration | None:
    if f"{name}.x" not in arrays:
        return None
    x = _vector(arrays[f"{name}.x"])
    y = _vector(arrays[f"{name}.y"], len(x))
    if not len(x) or (np.diff(x) <= 0).any() or (np.diff(y) < 0).any() or y[0] < 0 or y[-1] > 1:
        raise ValueError(f"{name}: expected a curve in [0, 1] that never falls")
    return Calibration(x, y)


# -- sources ------------------------------------------------------------------------------------


def _write_sources(sources: Sources, arrays: Arrays) -> dict[str, Any]:
    about: dict[str, Any] = {}
    assert isinstance(sources.vectors, Matrix)
    arrays["corpus"] = sources.vectors.corpus
    if sources.lexical is not None:
        about["language"] = sources.lexical.language
        for name, index in sources.lexical.indexes.items():
            arrays |= _under(name, index.arrays())
    if sources.parts is not None:
        about["parts"] = True
        codes, scales, rows = sources.parts.stored()
        arrays |= {"parts.codes": codes, "parts.scales": _column(scales)}
        arrays["parts.rows"] = _column(rows)
    return about


def _read_sources(about: Mapping[str, Any], arrays: Arrays) -> Sources:
    corpus = as_matrix(arrays["corpus"], "corpus")
    lexical, parts = None, None
    if "language" in about:
        lexical = Lexical(str(about["language"]))
        lexical.indexes = {
            name: _core.Bm25.from_arrays(_within(name, arrays)) for name in lexical.indexes
        }
    if about.get("parts"):
        scales, rows = (arrays[f"parts.{name}"].ravel() for name in ("scales", "rows"))
        parts = _core.Parts.restored(corpus.shape[1], arrays["parts.codes"], scales, rows)
    return Sources(Matrix(corpus), lexical, parts)


# -- small things -------------------------------------------------------------------------------


def _column(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values).reshape(-1, 1)


def _vector(column: NDArray[Any], length: int | None = None) -> NDArray[np.float64]:
    values = np.ascontiguousarray(column.ravel(), dtype=np.float64)
    if length is not None and len(values) != length:
        raise ValueError(f"weights: expected {length}, got {len(values)}")
    if not np.isfinite(values).all():
        raise ValueError("weights: expected finite values")
    return values


def _text(text: str) -> NDArray[np.uint8]:
    return _column(np.frombuffer(text.encode(), dtype=np.uint8))


def _string(column: NDArray[Any]) -> str:
    return column.tobytes().decode()


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {f"{prefix}.{name}": np.ascontiguousarray(a) for name, a in arrays.items()}


def _within(prefix: str, arrays: Arrays, without: str = "") -> Arrays:
    """The arrays under a prefix, by the rest of their names."""
    start = f"{prefix}."
    found = {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)}
    return {name: a for name, a in found.items() if name != without}


def _packed(texts: list[str]) -> Arrays:
    """Texts as one run of UTF-8 and the end of each."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    joined = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    return {"bytes": _column(joined), "ends": _column(ends)}


def _unpacked(arrays: Arrays, count: int) -> list[str]:
    joined, ends = arrays["bytes"].tobytes(), arrays["ends"].ravel()
    starts = np.concatenate([[0], ends[:-1]])
    if len(ends) != count or (ends < starts).any() or (count and ends[-1] != len(joined)):
        raise ValueError(f"questions: expected {count} texts in order, got {len(ends)}")
    pieces = zip(starts.tolist(), ends.tolist(), strict=True)
    return [joined[a:b].decode("utf-8", "surrogatepass") for a, b in pieces]
