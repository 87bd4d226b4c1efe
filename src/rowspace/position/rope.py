"""RoPE: queries and keys are turned by their positions, so that scores see only distances.

Su et al. (2021), https://arxiv.org/abs/2104.09864. No table is kept: each forward pass works out
its own from its positions, and all layers share it. So there is nothing that `.to(bfloat16)`, the
meta device or another offset could spoil (docs/decisions/position.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from rowspace.errors import ConfigError
from rowspace.position.base import Placement, Position, Rotation
from rowspace.position.rotation import check_rotation, cos_and_sin, make_rotation
from rowspace.position.scaling import Scaling

PRECISIONS = {"float64": torch.float64, "float32": torch.float32}


class RoPE(Position):
    """Rotary position embedding.

    Parameters
    ----------
    head_dim : int
        Of one head's queries and keys; even.
    base : float
        The slowest pair turns once in about 2 pi * base tokens.
    layout : {"half", "interleaved"}
        Which values make a pair: i and i + rotary_dim/2 (Hugging Face's LLaMA, Mistral, Qwen,
        NeoX), or 2i and 2i + 1 (Meta's LLaMA, GPT-J). The wrong one gives gibberish, and no error.
    rotary_dim : int, optional
        Values turned, from the first on; the rest stay as they are. All, by default.
    scaling : Scaling, optional
        For texts longer than those of training.
    precision : {"float64", "float32"}
        What angles are worked out in. float64 is right to the last bit of float32 at any position.
        float32 is the order of operations that nearly all checkpoints were trained with and
        `transformers` runs: frequencies and their products with positions in float32, .0003 off at
        8,000 tokens. Weights read from such a checkpoint want it, to give the same logits.

    Raises
    ------
    ConfigError
        If `head_dim` or `rotary_dim` is odd, `base` is not a finite number above 1, or the scaling
        does not fit them. A turn raises it for vectors of another head_dim.

    Examples
    --------
    >>> import torch
    >>> positions = torch.arange(3)
    >>> placement = RoPE(head_dim=4).place(positions, positions, 3, torch.float32)
    >>> placement.turn_queries(torch.ones(1, 1, 3, 4)).shape
    torch.Size([1, 1, 3, 4])
    """

    head_dim: int

    def __init__(
        self,
        head_dim: int,
        *,
        base: float = 10_000.0,
        layout: str = "half",
        rotary_dim: int | None = None,
        scaling: Scaling | None = None,
        precision: str = "float64",
    ) -> None:
        super().__init__()
        rotary_dim = head_dim if rotary_dim is None else rotary_dim
        check_rotation(head_dim, rotary_dim, layout, base)
        if precision not in PRECISIONS:
            raise ConfigError(f"precision is {precision!r}; give one of {', '.join(PRECISIONS)}")
        if not isinstance(scaling, Scaling | None):
            raise ConfigError(
                f"scaling is {scaling!r}; give one of rowspace.position, such as Linear(4.0), or "
                "what scaling_from reads from a config.json's dict"
            )
        self.head_dim, self.rotary_dim = head_dim, rotary_dim
        self.base, self.layout, self.precision = base, layout, precision
        self.scaling = scaling or Scaling()
        self.scaling.check(rotary_dim)
        self.turns_all_keys = self.scaling.depends_on_length

    def changes(self, old_length: int, new_length: int) -> bool:
        """See `Position.changes`."""
        if not self.scaling.depends_on_length:
            return False
        old, new = (
            (
                self.scaling.frequencies(self.base, self.rotary_dim, length).tolist(),
                self.scaling.temperature(length),
            )
            for length in (old_length, new_length)
        )
        return old != new

    def place(
        self, query_positions: Tensor, key_positions: Tensor, length: int, dtype: torch.dtype
    ) -> Placement:
        """Turns of queries and of keys; see `Position.place`."""
        queries = self.rotation(query_positions, length, dtype)
        if not self.turns_all_keys or _is_same(key_positions, query_positions):
            return Placement(turn_queries=queries, turn_keys=queries)
        return Placement(queries, self.rotation(key_positions, length, dtype))

    def rotation(self, positions: Tensor, length: int, dtype: torch.dtype) -> Rotation:
        """The turn of vectors at `positions`, in a text of `length` tokens."""
        cos, sin = self.tables(positions, length, dtype)
        return make_rotation(cos, sin, self.head_dim, self.layout)

    def tables(self, positions: Tensor, length: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosine and sine for each position and pair: (T, rotary_dim/2) or (B, 1, T, rotary_dim/2).

        float32, or float64 where `dtype` is float64.
        """
        frequencies = self.scaling.frequencies(
            self.base, self.rotary_dim, length, PRECISIONS[self.precision]
        )
        return cos_and_sin(positions, frequencies, self.scaling.temperature(length), dtype)


def _is_same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors view the same memory; a slice of all of a tensor is another object."""
    if a is b or torch.compiler.is_compiling():  # a graph has no addresses
        return a is b
    return (a.data_ptr(), a.shape, a.stride()) == (b.data_ptr(), b.shape, b.stride())
