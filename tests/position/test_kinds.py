from __future__ import annotations

import functools
import subprocess
import sys

import pytest
import torch

from rowspace import position
from rowspace.errors import ConfigError
from rowspace.position import POSITIONS, Linear, RelativeBias, RoPE, make_position

make = functools.partial(make_position, dim=16, head_dim=8, n_heads=2, max_length=32)


@pytest.mark.parametrize("name", POSITIONS)
def test_every_kind_is_made_and_tells_two_orders_apart_or_is_none(name: str) -> None:
    made = make(name)
    x, q = torch.randn(1, 4, 16), torch.randn(1, 2, 4, 8)
    positions = torch.arange(4)
    placement = made.place(positions, positions, 4, torch.float32)
    changed = not torch.equal(made.embed(x, positions), x) or placement.bias is not None
    if placement.turn_queries is not None:
        assert placement.turn_queries(q).shape == q.shape
        changed = changed or not torch.equal(placement.turn_queries(q), q)
    assert changed == (name != "none")


def test_settings_reach_the_method() -> None:
    scaling = Linear(2.0)
    made = make("rope-interleaved", base=5e5, scaling=scaling, rotary_dim=4, precision="float32")
    assert isinstance(made, RoPE)
    assert (made.base, made.scaling, made.rotary_dim) == (5e5, scaling, 4)
    assert (made.layout, made.precision) == ("interleaved", "float32")
    encoder = make("t5", causal=False)
    assert isinstance(encoder, RelativeBias)
    assert encoder.bidirectional


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="'rotary' is not known; known are: none, learned, sinus"):
        make("rotary")
    with pytest.raises(ConfigError, match="'alibi' has no scaling and no rotary_dim; leave them"):
        make("alibi", scaling=Linear(2.0))


def test_every_public_name_has_a_docstring() -> None:
    for name in position.__all__:
        assert getattr(position, name).__doc__, name


def test_without_torch_the_extra_to_install_is_named() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from rowspace.errors import MissingExtraError\n"
        "try:\n    from rowspace.position import RoPE\n"
        "except MissingExtraError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == (
        "rowspace.position needs torch, which is not installed; "
        "run: pip install 'rowspace[torch]'\n"
    )
