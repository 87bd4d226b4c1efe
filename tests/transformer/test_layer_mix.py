from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rowspace.errors import ConfigError
from rowspace.transformer.layer_mix import LayerMix
from tests.naive_contextual import naive_mix


@pytest.mark.parametrize("mix", ["mean", "concat", "none", [0.5, 2.0, -1.0]])
def test_a_mix_is_what_loops_over_numbers_give(mix: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    states = [torch.randn(4, 5, generator=generator) for _ in range(3)]
    mixer = LayerMix.of([0, -1, 2], mix, 6)
    assert mixer.layers == (0, 6, 2)
    found = mixer(states).numpy()
    assert found.shape == (4, mixer.n_vectors * 5)
    for token in range(4):
        expected = naive_mix([state[token].numpy() for state in states], mix)
        np.testing.assert_allclose(found[token], expected, atol=1e-6)


def test_halves_are_mixed_in_float32() -> None:
    states = [torch.tensor([[1.0]]), torch.tensor([[1 / 512]])]
    mixed = LayerMix.of([0, 1], [1.0, 1.0], 1)([state.bfloat16() for state in states])
    assert mixed.dtype == torch.float32
    assert float(mixed) == 1 + 1 / 512  # bfloat16 has 8 bits


@pytest.mark.parametrize("layers", [-1, np.int64(-1), [-1], np.array([-1]), range(4, 5), (4,)])
def test_layers_may_be_given_as_any_whole_numbers(layers: Any) -> None:
    assert LayerMix.of(layers, "mean", 4).layers == (4,)


@pytest.mark.parametrize(
    ("layers", "mix", "message"),
    [
        (5, "mean", r"there is no layer 5; give 0 \(the embeddings\) to 4, or -1 .* to -5"),
        (-6, "mean", "there is no layer -6"),
        ([], "mean", "layers is empty; give one layer or more"),
        ("last", "mean", "layers is 'last'; give a whole number"),
        (1.5, "mean", r"layers is 1\.5; give a whole number"),
        (-1, "sum", "mix is 'sum'; give mean, concat, none, or a weight a layer"),
        (-1, 5, "mix is 5; give mean, concat, none, or a weight a layer"),
        (-1, ["a"], r"mix is \['a'\]; give mean, concat, none, or a weight a layer"),
        (-1, [None], r"mix is \[None\]; give mean"),
        ([0, 1], [1.0], "mix has 1 weights and there are 2 layers; give one each"),
        ([0], [float("nan")], r"mix is \[nan\]; give finite weights"),
    ],
)
def test_layers_that_are_not_there_say_so(layers: Any, mix: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LayerMix.of(layers, mix, 4)
