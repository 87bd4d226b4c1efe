"""Batches of masked language modelling: guess the tokens that were hidden.

Devlin et al. (2019), section 3.1 and appendix A.1, https://aclanthology.org/N19-1423: 15% of the
tokens are chosen; of these 80% become [MASK], 10% a random token, 10% stay. Differs from the
paper: a random token is never a special one, and what is hidden changes from step to step (as in
RoBERTa, Liu et al. 2019).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.extras import need
from rowspace.transformer.batches import MASKING, Batches, uniform
from rowspace.transformer.tokenizer import MASK_TOKENS, SubwordTokenizer

if TYPE_CHECKING:
    from torch import Tensor

IGNORED = -100
_SHARE_MASKED = 0.8
_SHARE_RANDOM = 0.1
_IDS_AT_ONCE = 1 << 24
_SMALLEST = np.finfo(np.float64).tiny


def mask_id_of(tokenizer: SubwordTokenizer) -> int:
    """The id of the token that stands where one is hidden.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if tokenizer.mask_id is None:
        raise ConfigError(
            "the tokenizer has no mask token, so nothing can be hidden; "
            f"train one with {MASK_TOKENS[0]} among its special tokens"
        )
    return tokenizer.mask_id


class MaskedBatches:
    """Blocks of a text's tokens with some hidden, and what was there.

    Parameters
    ----------
    ids : (n_tokens,) int array
    tokenizer : SubwordTokenizer
        Its special tokens are never chosen.
    batch_size, block_size : int
        B and T.
    share : float
        Of the tokens of each block that is chosen: to the nearest whole number, and 1 at least.
    whole_words : bool
        Choose all tokens of a word or none. A block may then have some more than its share.
    sample : float, optional
        Choose tokens more frequent than this less often, as word2vec drops them (Mikolov et al.
        2013b, section 2.3): √(sample / frequency) times as often. A function word tells of its
        neighbours, a rare word of what the text is about. By default all are chosen alike.
    mask_id : int, optional
        The token that stands where one is hidden; the tokenizer's own if not given.
    mode, seed
        As in `Batches`.

    Raises
    ------
    ConfigError
        If there is no mask token, or the share or `sample` is not in its range.
    CorpusError
        If the text is not longer than a block.
    """

    def __init__(
        self,
        ids: NDArray[Any],
        tokenizer: SubwordTokenizer,
        batch_size: int,
        block_size: int,
        *,
        share: float = 0.15,
        whole_words: bool = False,
        sample: float | None = None,
        mask_id: int | None = None,
        mode: str = "random",
        seed: int = 1,
    ) -> None:
        if not 0 < share < 1:
            raise ConfigError(f"share is {share}; give a part of the tokens between 0 and 1")
        if sample is not None and not 0 < sample <= 1:
            raise ConfigError(f"sample is {sample}; give a frequency above 0, at most 1, or none")
        self.mask_id = mask_id_of(tokenizer) if mask_id is None else mask_id
        self.batches = Batches(ids, batch_size, block_size, mode=mode, seed=seed)
        self.share = share
        self._is_special = np.zeros(tokenizer.vocab_size, dtype=np.bool_)
        self._is_special[list(tokenizer.special_tokens.values())] = True
        self._ordinary = np.flatnonzero(~self._is_special)
        self._joints = tokenizer.joints if whole_words else None
        self._weights = None if sample is None else _rarity(ids, tokenizer.vocab_size, sample)

    @property
    def steps_per_epoch(self) -> int:
        """As `Batches.steps_per_epoch`."""
        return self.batches.steps_per_epoch

    def batch_at(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of a step, counted from 0.

        Returns
        -------
        (B, T) int64 tensor
            Inputs, some hidden.
        (B, T) int64 tensor
            Targets: the token that was there where one was chosen, else -100.
        """
        torch = need("torch")

        ids = self.batches.blocks_at(step)[:, :-1]  # (B, T)
        random = uniform(self.batches.seed, MASKING, step, 3 * ids.size).reshape(3, *ids.shape)
        chosen = self._choose(ids, random[0])
        targets = np.where(chosen, ids, IGNORED)
        inputs = np.where(chosen, self._hide(ids, random[1], random[2]), ids)
        return torch.from_numpy(inputs), torch.from_numpy(targets)

    def _choose(self, ids: NDArray[np.int64], random: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(B, T) which tokens are chosen: those with the smallest random numbers of their block."""
        special = self._is_special[ids]
        if self._weights is not None:  # Efraimidis & Spirakis (2006), algorithm A
            random = -np.log(np.maximum(random, _SMALLEST)) / self._weights[ids]
        if self._joints is not None:
            random = np.take_along_axis(random, self._word_starts(ids), axis=1)
        random = np.where(special, np.inf, random)
        n_ordinary = (~special).sum(axis=1)  # (B,)
        n_chosen = np.maximum(1, np.rint(self.share * n_ordinary).astype(np.int64))
        last = np.take_along_axis(np.sort(random, axis=1), n_chosen[:, None] - 1, axis=1)
        return (random <= last) & ~special

    def _word_starts(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """(B, T) the place of the first token of each token's word."""
        assert self._joints is not None
        begins, ends = self._joints
        goes_on = np.zeros(ids.shape, dtype=np.bool_)
        goes_on[:, 1:] = begins[ids[:, 1:]] & ends[ids[:, :-1]]
        places = np.where(goes_on, 0, np.arange(ids.shape[1]))
        return np.maximum.accumulate(places, axis=1)

    def _hide(
        self, ids: NDArray[np.int64], what: NDArray[np.float64], which: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """(B, T) what stands in the place of each token if it is chosen."""
        others = self._ordinary[(which * len(self._ordinary)).astype(np.int64)]
        rest = np.where(what < _SHARE_MASKED + _SHARE_RANDOM, others, ids)
        return np.where(what < _SHARE_MASKED, self.mask_id, rest)


def _rarity(ids: NDArray[Any], vocab_size: int, sample: float) -> NDArray[np.float64]:
    """(vocab_size,) how often a token is chosen, against a rare one; at most 1."""
    counts = sum(
        np.bincount(ids[first : first + _IDS_AT_ONCE], minlength=vocab_size)
        for first in range(0, len(ids), _IDS_AT_ONCE)
    )
    frequencies = np.maximum(counts, 1) / len(ids)
    return np.minimum(1.0, np.sqrt(sample / frequencies))
