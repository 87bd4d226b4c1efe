"""Batches of token ids that follow from the seed and the step alone.

A run that was killed goes on with the very batches it would have had: there is no iterator whose
state could be lost. Random numbers are the raw output of Philox (Salmon et al. 2011), a cipher of
(seed, step), which no version of numpy may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError
from rowspace.extras import need

if TYPE_CHECKING:
    from torch import Tensor

MODES = ("random", "epoch", "in_order")
_BATCH, _SHUFFLE, MASKING = range(3)


def raw_random(seed: int, stream: int, step: int, n: int) -> NDArray[np.uint64]:
    """(n,) random 64-bit numbers of one step; each stream has others."""
    philox = np.random.Philox(key=seed, counter=[0, step, stream, 0])
    numbers: NDArray[np.uint64] = philox.random_raw(n)
    return numbers


def uniform(seed: int, stream: int, step: int, n: int) -> NDArray[np.float64]:
    """(n,) random numbers from 0 to 1, 1 excluded."""
    high = raw_random(seed, stream, step, n) >> np.uint64(11)  # as many bits as a float64 holds
    return high.astype(np.float64) * 2.0**-53


class Batches:
    """Blocks of a text's tokens, each with the tokens that follow.

    Parameters
    ----------
    ids : (n_tokens,) int array
        As `TokenFile.open` gives them.
    batch_size : int
        Blocks a batch, B.
    block_size : int
        Tokens a block, T.
    mode : {"random", "epoch", "in_order"}
        `random` begins each block anywhere. `epoch` goes through all disjoint blocks in a random
        order, then in another. `in_order` goes through them as they stand, and around. The last
        tokens, fewer than a block, are in no block of these two.
    seed : int

    Raises
    ------
    ConfigError
        If a size is below 1, the seed is negative or the mode is not known.
    CorpusError
        If the text is shorter than a block and the token after it.

    Examples
    --------
    >>> batches = Batches(np.arange(10), batch_size=2, block_size=3, mode="in_order")
    >>> inputs, targets = batches.batch_at(0)
    >>> inputs.tolist(), targets.tolist()
    ([[0, 1, 2], [3, 4, 5]], [[1, 2, 3], [4, 5, 6]])
    """

    def __init__(
        self,
        ids: NDArray[Any],
        batch_size: int,
        block_size: int,
        *,
        mode: str = "random",
        seed: int = 1,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("block_size", block_size)):
            if value < 1:
                raise ConfigError(f"{name} is {value}; give 1 or more")
        if mode not in MODES:
            raise ConfigError(f"mode is {mode!r}; give one of {', '.join(MODES)}")
        if seed < 0:
            raise ConfigError(f"seed is {seed}; give 0 or more")
        if len(ids) <= block_size:
            raise CorpusError(
                f"the text has {len(ids):,} tokens, and a block of {block_size:,} takes "
                f"{block_size + 1:,} with the one that follows; {_remedy(len(ids))}"
            )
        self.ids = np.asarray(ids)  # a view: indexing a memmap itself is slower
        self.batch_size = batch_size
        self.block_size = block_size
        self.mode = mode
        self.seed = seed
        self._offsets = np.arange(block_size + 1)
        self._order: tuple[int, NDArray[np.int64]] | None = None

    @property
    def n_blocks(self) -> int:
        """Disjoint blocks of the text."""
        return (len(self.ids) - 1) // self.block_size

    @property
    def steps_per_epoch(self) -> int:
        """Batches in which every block occurs once; the last may begin the next epoch."""
        return -(-self.n_blocks // self.batch_size)

    def batch_at(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of a step, counted from 0.

        Returns
        -------
        (B, T) int64 tensor
            Inputs.
        (B, T) int64 tensor
            Targets: the token after each.
        """
        torch = need("torch")

        blocks = torch.from_numpy(self.blocks_at(step))  # (B, T + 1)
        return blocks[:, :-1].contiguous(), blocks[:, 1:].contiguous()

    def blocks_at(self, step: int) -> NDArray[np.int64]:
        """(B, T + 1) int64 array: the blocks of a step, each with the token that follows."""
        starts = self.starts_at(step)
        blocks: NDArray[np.int64] = self.ids[starts[:, None] + self._offsets].astype(np.int64)
        return blocks

    def starts_at(self, step: int) -> NDArray[np.int64]:
        """(B,) int64 array: where in the text each block of a step begins."""
        if self.mode == "random":
            n_starts = len(self.ids) - self.block_size
            random = uniform(self.seed, _BATCH, step, self.batch_size)
            return (random * n_starts).astype(np.int64)
        places = step * self.batch_size + np.arange(self.batch_size)
        epochs, blocks = np.divmod(places, self.n_blocks)
        if self.mode == "epoch":
            for epoch in np.unique(epochs):
                chosen = epochs == epoch
                blocks[chosen] = self._order_of(int(epoch))[blocks[chosen]]
        return blocks * self.block_size

    def _order_of(self, epoch: int) -> NDArray[np.int64]:
        """(n_blocks,) the blocks in their order of one epoch."""
        if self._order is None or self._order[0] != epoch:
            random = raw_random(self.seed, _SHUFFLE, epoch, self.n_blocks)
            self._order = epoch, np.argsort(random, kind="stable")
        return self._order[1]


def _remedy(n_tokens: int) -> str:
    if n_tokens < 2:
        return "give more text"
    return f"give more text, or a block_size of {n_tokens - 1:,} or less"
