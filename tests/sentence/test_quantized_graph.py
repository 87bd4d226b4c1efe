"""int8: steps and ranges against torch, the graph that runs, and the export that is kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
openvino = pytest.importorskip("openvino")

from rowspace.errors import CorpusError  # noqa: E402
from rowspace.files import sha256  # noqa: E402
from rowspace.sentence import load_encoder, quantize_model  # noqa: E402
from rowspace.sentence.exports import exported  # noqa: E402
from rowspace.sentence.quantized_graph import (  # noqa: E402
    Range,
    activation_ranges,
    quantize_graph,
    weight_levels,
)
from rowspace.transformer.load_encoder import load_states  # noqa: E402
from tests.transformer.small_encoders import TEXTS, write_encoder  # noqa: E402

IDS = [[2, 7, 30, 8, 3], [2, 3], [2, 11, 60, 9, 9, 12, 40, 3]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("bert") / "bert", "bert")


@pytest.mark.parametrize("axis", [0, 1])
def test_weights_are_as_torch_rounds_them(axis: int) -> None:
    weight = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    weight[2, :] = weight[:, 3] = 0
    levels, step = weight_levels(weight, axis)
    scales = torch.from_numpy(step).flatten()
    expected = torch.fake_quantize_per_channel_affine(
        torch.from_numpy(weight), scales, torch.zeros(len(scales), dtype=torch.int32), 1 - axis,
        -127, 127,
    )  # fmt: skip
    np.testing.assert_allclose(levels * step, expected.numpy(), atol=1e-6)
    largest = np.abs(weight).max(axis=axis)
    np.testing.assert_array_equal(np.abs(levels).max(axis=axis), np.where(largest > 0, 127, 0))


@pytest.mark.parametrize(("low", "high"), [(-0.17, 5.3), (-3.0, 2.9), (0.5, 2.0), (-2.0, -1.0)])
def test_a_range_has_a_step_at_zero_and_covers_what_was_seen(low: float, high: float) -> None:
    found = Range(low, high).with_zero()
    step = (found.high - found.low) / 255
    assert abs(found.low / step - round(found.low / step)) < 1e-9
    assert found.low <= low + step / 2
    assert found.high >= high - step / 2
    assert found.low <= 0 <= found.high
    values = torch.linspace(low, high, 99)
    near = torch.fake_quantize_per_tensor_affine(values, step, round(-found.low / step), 0, 255)
    assert (near - values).abs().max() <= step / 2 + 1e-6
    assert Range(0.0, 0.0).with_zero().high > 0


def test_ranges_are_what_goes_into_torchs_layers(folder: Path) -> None:
    states = load_states(folder)
    seen: dict[str, list[Any]] = {}
    for name, module in states.model.named_modules():  # type: ignore[attr-defined]
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(
                lambda _, inputs, name=name: seen.setdefault(name, []).append(inputs[0])
            )
    with torch.inference_mode():
        for ids in IDS:
            states.read(torch.tensor([ids]), None, [states.n_layers])
    expected = [
        (min(float(x.min()) for x in xs), max(float(x.max()) for x in xs)) for xs in seen.values()
    ]
    found = activation_ranges(exported(folder, ["mean"]).graph, IDS, 1)
    np.testing.assert_allclose(
        sorted((one.low, one.high) for one in found), sorted(expected), atol=1e-5
    )


def test_every_linear_layer_multiplies_bytes(folder: Path) -> None:
    model = quantize_graph(exported(folder, ["mean"]).graph, IDS, 1)
    products = [node for node in model.get_ops() if node.get_type_name() == "MatMul"]
    quantised = [
        node
        for node in products
        if node.input_value(0).get_node().get_type_name() == "FakeQuantize"
    ]
    assert len(quantised) == 2 * 4  # two blocks: qkv, out, up, down
    for node in quantised:
        levels = node.input_value(1).get_node().input_value(0).get_node().input_value(0).get_node()
        assert levels.get_element_type().get_type_name() == "i8"


def test_vectors_in_int8_are_near_and_always_float32(folder: Path) -> None:
    exact = load_encoder(folder, dtype="float32").encode(TEXTS)
    encoder = load_encoder(folder, dtype="int8")
    found = encoder.encode(TEXTS)
    assert found.dtype == np.float32
    cosines = (found * exact).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(exact, axis=1)
    assert cosines.mean() > 0.98  # random weights, which are harder than trained ones
    assert not np.allclose(found, exact, atol=1e-4)
    assert encoder.embedding.runtime.name == "openvino int8"  # type: ignore[attr-defined]


def test_texts_of_ones_own_make_the_export_anew(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    load_encoder(copy, dtype="int8")
    graph = copy / "rowspace-openvino-int8" / "model.bin"
    before = sha256(graph)
    load_encoder(copy, dtype="int8")
    assert sha256(graph) == before
    assert quantize_model(copy, ["bank"]) == graph.parent
    after = sha256(graph), sha256(graph.with_name("model.xml"))
    assert after[0] != before
    load_encoder(copy, dtype="int8")
    assert (sha256(graph), sha256(graph.with_name("model.xml"))) == after
    with pytest.raises(CorpusError, match="no text has a token"):
        quantize_model(copy, [])
    with pytest.raises(CorpusError, match="text 1 is 3, which is no text"):
        quantize_model(copy, ["a", 3])  # type: ignore[list-item]
