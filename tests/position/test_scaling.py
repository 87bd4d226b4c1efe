from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from rowspace.errors import ConfigError
from rowspace.position import (
    NTK,
    DynamicNTK,
    Linear,
    Llama3,
    LongRoPE,
    RoPE,
    Scaling,
    YaRN,
    scaling_from,
)
from tests.naive_position import (
    naive_dynamic,
    naive_frequencies,
    naive_llama3,
    naive_ntk,
    naive_yarn,
)

BASE, DIM, MAX, ORIGINAL = 500_000.0, 64, 32_768, 8192
SHORT = [1.0 + i / 100 for i in range(DIM // 2)]
LONG = [1.0 + i for i in range(DIM // 2)]


@pytest.mark.parametrize(
    ("scaling", "length", "right"),
    [
        (Scaling(), 1, naive_frequencies(BASE, DIM)),
        (Linear(4.0), 1, [theta / 4 for theta in naive_frequencies(BASE, DIM)]),
        (NTK(4.0), 1, naive_ntk(BASE, DIM, 4.0)),
        (DynamicNTK(2.0, 100), 100, naive_frequencies(BASE, DIM)),
        (DynamicNTK(2.0, 100), 101, naive_dynamic(BASE, DIM, 2.0, 100, 101)),
        (DynamicNTK(2.0, 100), 700, naive_dynamic(BASE, DIM, 2.0, 100, 700)),
        (YaRN(4.0, 8192), 1, naive_yarn(BASE, DIM, 4.0, 8192, 32, 1, True)),
        (
            YaRN(16.0, 4096, beta_fast=24, beta_slow=2, truncate=False),
            1,
            naive_yarn(BASE, DIM, 16.0, 4096, 24, 2, False),
        ),
        (Llama3(), 1, naive_llama3(BASE, DIM, 8, 1, 4, 8192)),
        (Llama3(32.0, 0.5, 6.0, 2048), 1, naive_llama3(BASE, DIM, 32, 0.5, 6, 2048)),
    ],
)
def test_frequencies_are_what_the_formula_says(
    scaling: Scaling, length: int, right: list[float]
) -> None:
    found = scaling.frequencies(BASE, DIM, length)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(right, rel=1e-12)


def test_longrope_takes_the_long_factors_beyond_the_trained_length() -> None:
    scaling = LongRoPE(tuple(SHORT), tuple(LONG), 100, factor=4.0)
    theta = naive_frequencies(BASE, DIM)
    for length, factors in ((1, SHORT), (100, SHORT), (101, LONG)):
        right = [t / f for t, f in zip(theta, factors, strict=True)]
        assert scaling.frequencies(BASE, DIM, length).tolist() == pytest.approx(right, rel=1e-12)
        assert scaling.temperature(length) == pytest.approx(
            math.sqrt(1 + math.log(4) / math.log(100))
        )


CHECKPOINTS: list[dict[str, Any]] = [
    {"rope_type": "linear", "factor": 4.0},
    {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
     "original_max_position_embeddings": ORIGINAL},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": ORIGINAL},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": ORIGINAL,
     "truncate": False, "beta_fast": 16.0, "beta_slow": 2.0},
    {"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 4096,
     "mscale": 1.0, "mscale_all_dim": 0.707},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": ORIGINAL,
     "attention_factor": 1.25},
    {"rope_type": "yarn", "factor": None, "original_max_position_embeddings": ORIGINAL},
    {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG,
     "original_max_position_embeddings": ORIGINAL},
    {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG, "factor": 3.0,
     "original_max_position_embeddings": ORIGINAL, "attention_factor": 1.5},
]  # fmt: skip


@pytest.mark.parametrize("length", [1, ORIGINAL, ORIGINAL + 1, MAX, MAX + 1, 5 * MAX])
@pytest.mark.parametrize("parameters", CHECKPOINTS)
def test_a_checkpoint_is_scaled_as_transformers_scales_it(
    parameters: dict[str, Any], length: int
) -> None:
    config = LlamaConfig(
        hidden_size=DIM,
        num_attention_heads=1,
        max_position_embeddings=MAX,
        rope_parameters={"rope_theta": BASE, **parameters},
    )
    scaling = scaling_from(parameters, max_length=MAX)
    assert scaling is not None
    at = torch.tensor(length)  # as its forward pass has it
    theirs, temperature = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](config, None, seq_len=at)
    # The last bits too, or logits would part at a thousand tokens.
    assert torch.equal(scaling.frequencies(BASE, DIM, length, torch.float32), theirs)
    assert scaling.temperature(length) == pytest.approx(temperature, rel=1e-12)
    exact = scaling.frequencies(BASE, DIM, length)
    torch.testing.assert_close(exact.float(), theirs, rtol=2e-6, atol=0)


def test_a_checkpoint_without_scaling_has_none() -> None:
    assert scaling_from(None) is None
    assert scaling_from({}) is None
    assert scaling_from({"rope_type": "default", "rope_theta": 1e6}) is None
    assert scaling_from({"rope_theta": 1e6}) is None


def test_ntk_has_a_name_of_our_own() -> None:
    assert scaling_from({"rope_type": "ntk", "factor": 2.0}, max_length=64) == NTK(2.0)


def test_older_names_are_read() -> None:
    assert scaling_from({"type": "linear", "factor": 2.0}) == Linear(2.0)
    config = {"type": "su", "short_factor": SHORT, "long_factor": LONG}
    scaling = scaling_from(config, max_length=131_072, original_length=4096)
    assert scaling == LongRoPE(tuple(SHORT), tuple(LONG), 4096, factor=32.0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"rope_type": "magic"},
            "type 'magic' is not known; known are: default, linear, dynamic, yarn, llama3",
        ),
        ({"rope_type": "linear"}, "has no 'factor'; add it"),
        ({"rope_type": "dynamic", "factor": 2.0}, "has no 'original_max_position_embeddings'"),
        ({"rope_type": "linear", "factor": 0.5}, "factor is 0.5"),
        ({"rope_type": "ntk"}, "has no 'factor'; add it"),
        ({"rope_type": "linear", "factor": "2"}, "factor is '2'; give a number"),
        ({"rope_type": "linear", "factor": math.nan}, "factor is nan; give a number"),
        (
            {"rope_type": "dynamic", "factor": 2.0, "original_max_position_embeddings": [8]},
            r"original_max_position_embeddings is \[8\]; give a number",
        ),
        (
            {"rope_type": "longrope", "short_factor": ["1"], "long_factor": [1.0]},
            r"short_factor is \['1'\]; give a list of numbers",
        ),
        (
            {"rope_type": "longrope", "short_factor": [1.0], "long_factor": 2.0},
            "long_factor is 2.0; give a list of numbers",
        ),
        ({"rope_type": ["linear"]}, r"type \['linear'\] is not known"),
        ("linear", "scaling is 'linear'; give it as a config.json does"),
        ([{"rope_type": "linear"}], r"scaling is \[\{'rope_type': 'linear'\}\]; give it as a"),
        ({"full_attention": {"rope_type": "default"}}, "differ by layer .full_attention."),
    ],
)
def test_a_checkpoint_that_cannot_be_scaled_says_why(config: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scaling_from(config)


def test_a_single_pair_cannot_be_scaled_by_ntk() -> None:
    for scaling in (NTK(2.0), DynamicNTK(2.0, 16)):
        with pytest.raises(ConfigError, match="divides by dim - 2, and the rotary dimension is 2"):
            RoPE(8, rotary_dim=2, scaling=scaling)
        with pytest.raises(ConfigError, match="give 4 or more, or Linear scaling"):
            scaling.frequencies(1e4, 2, 100)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="factor is nan"):
        Linear(math.nan)
    with pytest.raises(ConfigError, match="factor is '2'; give how many times longer"):
        NTK("2")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="original_length is 0"):
        DynamicNTK(2.0, 0)
    with pytest.raises(ConfigError, match=r"beta_fast is 1\.0 and beta_slow 32\.0"):
        YaRN(2.0, 64, beta_fast=1.0, beta_slow=32.0)
    with pytest.raises(ConfigError, match=r"high_freq_factor is 1\.0"):
        Llama3(high_freq_factor=1.0)
    with pytest.raises(ConfigError, match="short_factors has 3 factors for 4 pairs of 8"):
        RoPE(8, scaling=LongRoPE((1.0,) * 3, (1.0,) * 4, 16))
    with pytest.raises(ConfigError, match=r"long_factors has 0\.0"):
        LongRoPE((1.0,) * 4, (0.0,) * 4, 16)


def test_yarn_scores_grow_by_the_square_of_its_temperature() -> None:
    positions = torch.tensor([3])
    placement = RoPE(8, scaling=YaRN(4.0, 64)).place(positions, positions, 4, torch.float64)
    assert placement.turn_queries is not None
    x = torch.randn(1, 1, 1, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turned = placement.turn_queries(x)
    m = 0.1 * math.log(4) + 1
    assert float((turned * turned).sum()) == pytest.approx(m**2 * float((x * x).sum()))
