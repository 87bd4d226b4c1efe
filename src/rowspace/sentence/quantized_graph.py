"""A transformer's graph in int8: its linear layers multiply bytes, the rest stays as it was.

Jacob et al. (2018), https://arxiv.org/abs/1712.05877, section 2.1. The activation before a layer is
one of 256 even steps of a range that is found on sample texts, with a step at exactly 0; a weight
is one of 255 of its output's range, around 0. OpenVINO's low-precision transformations run what
stands behind `FakeQuantize` in bytes. Embeddings, norms and attention scores are not quantised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.progress import track
from rowspace.sentence.runtime_openvino import core, openvino

_LEVELS = 256
_LARGEST = 127
"""Of a weight's byte; -128 is left out, so that 0 is in the middle."""


@dataclass(frozen=True)
class Range:
    """The values that an activation takes."""

    low: float
    high: float

    def with_zero(self) -> Range:
        """The range of 256 even steps that has one at exactly 0."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        step = (high - low) / (_LEVELS - 1) or 1.0
        below = round(-low / step)
        return Range(-below * step, (_LEVELS - 1 - below) * step)


def quantize_graph(graph: Path, token_ids: Sequence[Sequence[int]], n_poolings: int) -> Any:
    """A graph whose linear layers multiply bytes.

    Parameters
    ----------
    graph : Path
        The .xml of an export.
    token_ids : sequence of sequence of int
        Texts to find the ranges of activations by, some dozen, as the model reads them.
    n_poolings : int

    Returns
    -------
    openvino.Model

    Raises
    ------
    ConfigError
        If the model has no linear layer.
    """
    ops = openvino().opset8
    model = core().read_model(graph)
    layers = _linear_layers(model)
    if not layers:
        raise ConfigError(f"{graph} has no linear layer to quantise; give another dtype")
    for layer, found in zip(layers, activation_ranges(graph, token_ids, n_poolings), strict=True):
        low, high = (np.float32(end) for end in (found.with_zero().low, found.with_zero().high))
        activation = ops.fake_quantize(layer.input_value(0), low, high, low, high, _LEVELS)
        layer.input(0).replace_source_output(activation.output(0))
        axis = 1 if layer.get_attributes()["transpose_b"] else 0  # over which is summed
        levels, step = weight_levels(layer.input_value(1).get_node().data, axis)
        weight = ops.multiply(ops.convert(ops.constant(levels), "f32"), ops.constant(step))
        layer.input(1).replace_source_output(weight.output(0))
    return model


def weight_levels(
    weight: NDArray[np.float32], axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A layer's weights as bytes, and what a step of each output's is worth.

    Parameters
    ----------
    weight : (n_out, n_in) float32 array, or (n_in, n_out)
    axis : int
        That of the inputs.

    Returns
    -------
    levels : int8 array, shaped as `weight`
    step : float32 array, 1 long along `axis`
    """
    weight = weight.astype(np.float32)
    largest = np.abs(weight).max(axis=axis, keepdims=True)
    step = (np.where(largest > 0, largest, 1) / _LARGEST).astype(np.float32)
    return np.rint(weight / step).astype(np.int8), step


def activation_ranges(
    graph: Path, token_ids: Sequence[Sequence[int]], n_poolings: int
) -> list[Range]:
    """The least and greatest value that goes into each linear layer."""
    library = openvino()
    ops, model = library.opset8, core().read_model(graph)
    ends = [
        ops.result(end(layer.input_value(0), np.array([0, 1, 2]), False))
        for layer in _linear_layers(model)
        for end in (ops.reduce_min, ops.reduce_max)
    ]
    watched = library.Model(ends, model.get_parameters(), "ranges")
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core().compile_model(watched, "CPU", settings)
    found = []
    with track("measuring activations", len(token_ids)) as tracker:
        for inputs in _inputs(token_ids, n_poolings):
            values = compiled(inputs)
            found.append([float(values[i]) for i in range(len(ends))])
            tracker.advance()
    values = np.array(found)  # (n_texts, 2 n_layers)
    lows, highs = values[:, 0::2].min(axis=0), values[:, 1::2].max(axis=0)
    return [Range(*pair) for pair in zip(lows.tolist(), highs.tolist(), strict=True)]


def _inputs(token_ids: Sequence[Sequence[int]], n_poolings: int) -> Iterator[list[NDArray[Any]]]:
    """Each text as a batch of its own, without padding."""
    for ids in token_ids:
        yield [
            np.array([ids], dtype=np.int64),
            np.ones((1, len(ids)), dtype=np.bool_),
            np.ones((1, n_poolings, len(ids)), dtype=np.float32),
        ]


def _linear_layers(model: Any) -> list[Any]:
    """The products of activations, (B, T, D), with a matrix of weights."""
    return [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() == "MatMul"
        and node.input_value(1).get_node().get_type_name() == "Constant"
        and len(node.input_value(1).get_shape()) == 2
        and len(node.input_value(0).get_partial_shape()) == 3
        and not node.get_attributes()["transpose_a"]
    ]
