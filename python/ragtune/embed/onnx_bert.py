"""Write a BERT encoder as an ONNX graph of the operators that onnxruntime runs fastest.

b texts of s tokens each, h hidden size. Input: `ids` int32 (b, s), no padding, so that attention
needs no mask. Output: `pooled` float32 (b, 1, h), the mean of a text's token vectors or the first.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragtune.embed.checks import require

GRAPH_VERSION = 1  # part of the cache key: count up when the graph changes
_MICROSOFT = "com.microsoft"
_OPSETS = {"": 17, _MICROSOFT: 1}
_IR_VERSION = 8

Weights = Mapping[str, NDArray[np.float32]]


def build_graph(weights: Weights, config: Mapping[str, Any], pooling: str) -> bytes:
    """Return the serialised ONNX model.

    Args:
        weights: Tensors by their names in the safetensors file.
        config: The content of config.json.
        pooling: `mean` or `cls`.

    Raises:
        ValueError: A tensor is missing, or the graph would exceed ONNX's 2 GiB.
        ImportError: The package onnx is missing.
    """
    return _Graph(weights, config, pooling).serialized()


class _Graph:
    """The nodes and initializers collected so far."""

    def __init__(self, weights: Weights, config: Mapping[str, Any], pooling: str) -> None:
        self._onnx = require("onnx", "local")
        self._config = config
        # A BertForSomething keeps its encoder under "bert.".
        self._weights = {name.removeprefix("bert."): array for name, array in weights.items()}
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []
        hidden = self._embeddings()
        for layer in range(int(config["num_hidden_layers"])):
            hidden = self._layer(hidden, f"encoder.layer.{layer}.")
        self._pool(hidden, pooling)

    def serialized(self) -> bytes:
        helper, types = self._onnx.helper, self._onnx.TensorProto
        size = int(self._config["hidden_size"])
        ids = helper.make_tensor_value_info("ids", types.INT32, ["b", "s"])
        output = helper.make_tensor_value_info("pooled", types.FLOAT, ["b", 1, size])
        graph = helper.make_graph(self._nodes, "bert", [ids], [output], self._initializers)
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        if model.ByteSize() >= 2**31:
            raise ValueError(f"model: expected less than 2 GiB, got {model.ByteSize()} bytes")
        return bytes(model.SerializeToString())

    def _embeddings(self) -> str:
        prefix = "embeddings."
        # Every token is of type 0, so its vector can be part of the position's.
        positions = self._weight(prefix + "position_embeddings.weight")
        positions = positions + self._weight(prefix + "token_type_embeddings.weight")[0]
        words = self._constant("words", self._weight(prefix + "word_embeddings.weight"))
        norm = self._norm_constants(prefix + "LayerNorm")
        inputs = ["ids", "", words, self._constant("positions", positions), "", *norm]
        epsilon = self._epsilon()
        self._node("EmbedLayerNormalization", inputs, "embedded", _MICROSOFT, epsilon=epsilon)
        return "embedded"

    def _layer(self, hidden: str, prefix: str) -> str:
        projected = [
            self._linear(hidden, f"{prefix}attention.self.{name}", bias=False)
            for name in ("query", "key", "value")
        ]
        parts = [
            self._weight(f"{prefix}attention.self.{n}.bias") for n in ("query", "key", "value")
        ]
        bias = self._constant(prefix + "qkv.bias", np.concatenate(parts))
        attended = self._node(
            "MultiHeadAttention",
            [*projected, bias],
            prefix + "attended",
            _MICROSOFT,
            num_heads=int(self._config["num_attention_heads"]),
        )
        attended = self._linear(attended, prefix + "attention.output.dense")
        hidden = self._add_and_norm(attended, hidden, prefix + "attention.output.LayerNorm")
        wide = self._linear(hidden, prefix + "intermediate.dense", bias=False)
        wide_bias = self._bias(prefix + "intermediate.dense")
        wide = self._node("BiasGelu", [wide, wide_bias], prefix + "gelu", _MICROSOFT)
        narrow = self._linear(wide, prefix + "output.dense")
        return self._add_and_norm(narrow, hidden, prefix + "output.LayerNorm")

    def _pool(self, hidden: str, pooling: str) -> None:
        if pooling == "mean":
            self._node("ReduceMean", [hidden], "pooled", axes=[1], keepdims=1)
        else:
            first = self._constant("first", np.zeros(1, dtype=np.int64))
            self._node("Gather", [hidden, first], "pooled", axis=1)

    def _linear(self, inputs: str, name: str, *, bias: bool = True) -> str:
        kernel = self._constant(name + ".kernel", self._weight(name + ".weight").T)
        product = self._node("MatMul", [inputs, kernel], name + ".product")
        if not bias:
            return product
        return self._node("Add", [product, self._bias(name)], name + ".sum")

    def _add_and_norm(self, inputs: str, residual: str, name: str) -> str:
        # SkipLayerNormalization would be one node, but its loop is scalar: five times slower.
        total = self._node("Add", [inputs, residual], name + ".residual")
        norm = self._norm_constants(name)
        epsilon = self._epsilon()
        return self._node("LayerNormalization", [total, *norm], name + ".norm", epsilon=epsilon)

    def _norm_constants(self, name: str) -> list[str]:
        # Checkpoints converted from TensorFlow call them gamma and beta.
        gamma = "weight" if f"{name}.weight" in self._weights else "gamma"
        beta = "bias" if f"{name}.bias" in self._weights else "beta"
        return [
            self._constant(f"{name}.{kind}", self._weight(f"{name}.{kind}"))
            for kind in (gamma, beta)
        ]

    def _bias(self, name: str) -> str:
        return self._constant(name + ".bias", self._weight(name + ".bias"))

    def _epsilon(self) -> float:
        return float(self._config.get("layer_norm_eps", 1e-12))

    def _weight(self, name: str) -> NDArray[np.float32]:
        if name not in self._weights:
            raise ValueError(f"model.safetensors: expected a tensor {name}, got none")
        return np.asarray(self._weights[name], dtype=np.float32)

    def _constant(self, name: str, array: NDArray[np.generic]) -> str:
        tensor = self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        self._initializers.append(tensor)
        return name

    def _node(
        self,
        operator: str,
        inputs: list[str],
        output: str,
        domain: str = "",
        **attributes: float | list[int],
    ) -> str:
        outputs = [output]
        if operator == "EmbedLayerNormalization":
            outputs.append("")
        node = self._onnx.helper.make_node(operator, inputs, outputs, domain=domain, **attributes)
        self._nodes.append(node)
        return output
