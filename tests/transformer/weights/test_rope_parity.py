"""Every scaling of RoPE against `transformers`, from within the trained length to far beyond it.

Our tables come from the settings of a `config.json` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from rowspace.errors import FormatError  # noqa: E402
from rowspace.transformer.model import LanguageModel  # noqa: E402
from rowspace.transformer.weights import config_from, load_pretrained  # noqa: E402
from tests.transformer import foreign as theirs  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transformer.foreign import Make

ORIGINAL = "original_max_position_embeddings"
N_PAIRS = 6
SHORT = [1.0 + 0.05 * i for i in range(N_PAIRS)]
LONG = [1.0 + 0.9 * i for i in range(N_PAIRS)]
SCALINGS: dict[str, dict[str, Any]] = {
    "default": {"rope_type": "default"},
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
    "yarn": {"rope_type": "yarn", "factor": 8.0},
    "yarn, attention factor": {"rope_type": "yarn", "factor": 8.0, "attention_factor": 1.3},
    "yarn, mscale": {"rope_type": "yarn", "factor": 8.0, "mscale": 0.7, "mscale_all_dim": 1.1},
    "yarn, mscale alone": {"rope_type": "yarn", "factor": 8.0, "mscale": 0.7},
    "yarn, not truncated": {"rope_type": "yarn", "factor": 8.0, "truncate": False},
    "yarn, betas": {"rope_type": "yarn", "factor": 8.0, "beta_fast": 6, "beta_slow": 0.5},
    "yarn, original length": {"rope_type": "yarn", "factor": 2.0, ORIGINAL: 32},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        ORIGINAL: 32,
    },
    "longrope": {
        "rope_type": "longrope",
        "short_factor": SHORT,
        "long_factor": LONG,
        ORIGINAL: 32,
    },
    "longrope, factor": {
        "rope_type": "longrope",
        "short_factor": SHORT,
        "long_factor": LONG,
        "factor": 16.0,
    },
    "longrope, attention factor": {
        "rope_type": "longrope",
        "short_factor": SHORT,
        "long_factor": LONG,
        "factor": 16.0,
        "attention_factor": 1.2,
    },
}
LENGTHS = (32, 33, 64, 65, 512)


def _language_model(folder: Path) -> LanguageModel:
    model = load_pretrained(folder)
    assert isinstance(model, LanguageModel)
    return model


def _as_of_old(config: dict[str, Any]) -> None:
    """A config.json as transformers 4 wrote it."""
    scaling = config.pop("rope_parameters")
    config["rope_theta"] = scaling.pop("rope_theta")
    scaling["type"] = scaling.pop("rope_type")
    config["rope_scaling"] = None if scaling["type"] == "default" else scaling


@pytest.mark.parametrize("scaling", SCALINGS.values(), ids=SCALINGS)
def test_logits_are_theirs_at_every_length(foreign: Make, scaling: dict[str, Any]) -> None:
    folder = foreign("llama", rope_parameters={"rope_theta": 10_000.0, **scaling})
    model = load_pretrained(folder)
    for length in LENGTHS:
        ids = theirs.text(length)
        expected = theirs.logits(folder, ids)
        with torch.no_grad():
            torch.testing.assert_close(model(ids), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in SCALINGS if name != "default"])
def test_a_scaling_changes_the_logits(foreign: Make, name: str) -> None:
    settings = [{"rope_theta": 10_000.0, **SCALINGS[kind]} for kind in (name, "default")]
    scaled, plain = (load_pretrained(foreign("llama", rope_parameters=one)) for one in settings)
    ids = theirs.text(200)
    with torch.no_grad():
        assert (scaled(ids) - plain(ids)).abs().max() > 0.01


@pytest.mark.parametrize("scaling", SCALINGS.values(), ids=SCALINGS)
def test_a_config_of_old_is_read_as_one_of_today(copied: Make, scaling: dict[str, Any]) -> None:
    folder = copied("llama", rope_parameters={"rope_theta": 5000.0, **scaling})
    ids = theirs.text(200)
    with torch.no_grad():
        today = load_pretrained(folder)(ids)
        theirs.edit_config(folder, _as_of_old)
        old = load_pretrained(folder)(ids)
    assert torch.equal(old, today)
    torch.testing.assert_close(old, theirs.logits(folder, ids), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["dynamic", "longrope", "yarn"])
@pytest.mark.parametrize("n_padding", [5, 200])
def test_padding_on_the_left_changes_no_word(foreign: Make, name: str, n_padding: int) -> None:
    folder = foreign("llama", rope_parameters={"rope_theta": 10_000.0, **SCALINGS[name]})
    ids, mask = theirs.text(240, 2), torch.ones(2, 240, dtype=torch.bool)
    mask[:, :5] = mask[0, :n_padding] = False  # so that no text is as long as the batch
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    expected = theirs.logits(folder, ids, attention_mask=mask.long(), position_ids=positions)
    with torch.no_grad():
        ours = load_pretrained(folder)(ids, mask=mask)
    torch.testing.assert_close(ours[mask], expected[mask], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["dynamic", "longrope"])
def test_a_cache_gives_the_full_pass_when_the_text_outgrows_the_training(
    foreign: Make, name: str
) -> None:
    folder = foreign("llama", rope_parameters={"rope_theta": 10_000.0, **SCALINGS[name]})
    model, ids = _language_model(folder), theirs.text(80)
    cache = model.new_cache()
    with torch.no_grad():
        model(ids[:, :25], cache=cache)
        for end in range(26, 81, 6):
            last = model(ids[:, cache.n_tokens : end], cache=cache)[:, -1]
            expected = theirs.logits(folder, ids[:, :end])[:, -1]
            torch.testing.assert_close(last, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SCALINGS)
def test_a_cache_gives_the_full_pass_where_no_scaling_switches(foreign: Make, name: str) -> None:
    folder = foreign("llama", rope_parameters={"rope_theta": 10_000.0, **SCALINGS[name]})
    model, ids = _language_model(folder), theirs.text(60)
    cache = model.new_cache()
    with torch.no_grad():
        steps = [model(part, cache=cache) for part in torch.split(ids, [40, 1, 7, 12], dim=1)]
    torch.testing.assert_close(
        torch.cat(steps, dim=1), theirs.logits(folder, ids), rtol=0, atol=1e-5
    )


def test_phi3s_trained_length_goes_before_that_in_the_scaling(foreign: Make) -> None:
    rope = {"rope_theta": 10_000.0, **SCALINGS["longrope"], ORIGINAL: 7}
    folder = foreign(
        "phi3", pad_token_id=0, original_max_position_embeddings=48, rope_parameters=rope
    )
    model = load_pretrained(folder)
    for length in (40, 48, 49, 90):
        ids = theirs.text(length)
        with torch.no_grad():
            ours = model(ids)
        torch.testing.assert_close(ours, theirs.logits(folder, ids), rtol=0, atol=1e-5)


def test_partial_rotary_goes_with_a_scaling(foreign: Make) -> None:
    rope = {"rope_theta": 10_000.0, **SCALINGS["longrope"], "partial_rotary_factor": 0.5}
    rope |= {"short_factor": SHORT[:3], "long_factor": LONG[:3]}
    folder = foreign(
        "phi3", pad_token_id=0, original_max_position_embeddings=48, rope_parameters=rope
    )
    model = load_pretrained(folder)
    for length in (40, 90):
        ids = theirs.text(length)
        with torch.no_grad():
            ours = model(ids)
        torch.testing.assert_close(ours, theirs.logits(folder, ids), rtol=0, atol=1e-5)


def _llama(**settings: Any) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "vocab_size": 97,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        **settings,
    }


def test_the_first_name_of_longrope_is_known() -> None:
    scaling = {"type": "su", "short_factor": SHORT, "long_factor": LONG}
    config = config_from(_llama(rope_scaling=scaling))
    assert config.position_settings["scaling"]["rope_type"] == "longrope"


def test_a_scaling_that_is_not_known_is_named(copied: Make) -> None:
    folder = copied("llama")
    theirs.edit_config(
        folder, lambda config: config.update(rope_parameters={"rope_type": "spiral", "factor": 2})
    )
    with pytest.raises(FormatError, match="type 'spiral' is not known; known are: default, linear"):
        load_pretrained(folder)


def test_a_rope_for_each_kind_of_layer_is_refused() -> None:
    rope = {"full_attention": {"rope_type": "default"}, "sliding_attention": {}}
    with pytest.raises(FormatError, match=r"layers otherwise than others \(full_attention, "):
        config_from(_llama(rope_parameters=rope))
