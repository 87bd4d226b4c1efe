"""Batches of example numbers in which no text stands twice, the same for the same seed.

With in-batch negatives a text that stands twice in a batch would be its own negative. So an
example goes into the first batch that has room and none of its texts; what clashes comes later in
the epoch, not at random. Each source (a file) has batches of its own: a batch that mixes sources
is told apart by style alone. An epoch can be gone on with at any batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.sentence.example import TextKeys, joined_keys

Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """How examples are put into batches."""

    batch_size: int = 64
    """Examples of a batch; the last ones of a source may be fewer, at least half."""

    seed: int = 0
    """Of the order; each epoch has another."""

    temperature: float = 1.0
    """Of several sources: batches in proportion to size^(1/temperature). At 1 an epoch has each
    example once; above it small sources come again and large ones in part."""

    distinct_texts: bool = True
    """No text twice in a batch. A loss without in-batch negatives, as of scored pairs, does not
    need it."""

    pool_batches: int = 0
    """Examples of like length go together: this many batches' worth are sorted by it. Saves
    padding; 0 does not sort."""

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise ConfigError(
                f"batch_size is {self.batch_size}, so no example has another; give 2 or more"
            )
        if not self.temperature >= 1:
            raise ConfigError(f"temperature is {self.temperature}; give 1 or more")
        if self.pool_batches < 0:
            raise ConfigError(f"pool_batches is {self.pool_batches}; give 0 or more")


class BatchSampler:
    """Yields the batches of an epoch as example numbers, and knows where it is.

    Parameters
    ----------
    sources : sequence of TextKeys
        Of each source; examples are numbered through, source after source.
    config : BatchConfig

    Raises
    ------
    ConfigError
        If there is no example.

    Examples
    --------
    >>> from rowspace.sentence.example import Example, text_keys
    >>> keys = text_keys([Example("tea", "a drink"), Example("oak", "a tree"),
    ...                   Example("tea", "leaves"), Example("elm", "a tree")])
    >>> sampler = BatchSampler([keys], BatchConfig(batch_size=2))
    >>> sorted(sorted(batch.tolist()) for batch in sampler) in ([[0, 1], [2, 3]], [[0, 3], [1, 2]])
    True
    >>> sampler.state()["epoch"]
    1
    """

    def __init__(self, sources: Sequence[TextKeys], config: BatchConfig) -> None:
        if not sum(map(len, sources)):
            raise ConfigError("there is no example to make batches of; give some")
        self.config = config
        self.epoch = 0
        self.batch = 0
        """The next one of the epoch."""
        keys = joined_keys(sources)
        ids: list[tuple[int, ...]] = [()] * len(keys)
        if config.distinct_texts:
            ids = shared_texts(keys)
        ends = np.cumsum([len(source) for source in sources])
        self._sources = [
            _Source(int(end) - len(source), ids[int(end) - len(source) : int(end)], source.lengths)
            for source, end in zip(sources, ends, strict=True)
        ]
        self._plan_epoch()

    def _plan_epoch(self) -> None:
        wanted = self._batches_wanted()
        batches: list[Numbers] = []
        self.n_left_out = 0
        """Examples that found no batch in this epoch, as their texts are too frequent."""
        for place, (source, n_wanted) in enumerate(zip(self._sources, wanted, strict=True)):
            found, n_left_out = source.batches(self.config, self.epoch, place, n_wanted)
            batches += found
            self.n_left_out += n_left_out
        order = _random(self.config.seed, self.epoch).permutation(len(batches))
        self._batches = [batches[i] for i in order]

    def _batches_wanted(self) -> list[int | None]:
        """Of each source; None where every example comes once."""
        if self.config.temperature == 1 or len(self._sources) == 1:
            return [None] * len(self._sources)
        sizes = np.array([len(source.ids) for source in self._sources], np.float64)
        total = np.ceil(sizes / self.config.batch_size).sum()
        weights = sizes ** (1 / self.config.temperature)
        return [int(n) for n in np.maximum(np.rint(total * weights / weights.sum()), 1)]

    def __len__(self) -> int:
        """Batches of this epoch, those that are done too."""
        return len(self._batches)

    def __iter__(self) -> Iterator[Numbers]:
        """The batches that are left of this epoch; after the last it is the next epoch."""
        while self.batch < len(self._batches):
            self.batch += 1
            yield self._batches[self.batch - 1]
        self.epoch, self.batch = self.epoch + 1, 0
        self._plan_epoch()

    def state(self) -> dict[str, Any]:
        """Where it is, as JSON can hold it: the batch after those that were yielded."""
        return {"epoch": self.epoch, "batch": self.batch, "of": self._description()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken.

        Raises
        ------
        ConfigError
            If it was taken with other settings or as many other examples.
        """
        if state["of"] != self._description():
            raise ConfigError(
                f"the batches were begun with {state['of']} and are now {self._description()}; "
                "give the same settings and examples, or start anew"
            )
        self.epoch, self.batch = state["epoch"], state["batch"]
        self._plan_epoch()

    def _description(self) -> dict[str, Any]:
        return {
            "sizes": [len(source.ids) for source in self._sources],
            **dataclasses.asdict(self.config),
        }


@dataclass(frozen=True)
class _Source:
    """The examples of one file."""

    first: int
    """The number of its first example."""
    ids: list[tuple[int, ...]]
    """Of each example, the texts that others have too."""
    lengths: NDArray[np.int32]

    def batches(
        self, config: BatchConfig, epoch: int, place: int, n_wanted: int | None
    ) -> tuple[list[Numbers], int]:
        """Batches of an epoch, and how many examples were left out; `n_wanted` by going around."""
        found: list[Numbers] = []
        n_left_out = n_around = 0
        while n_around == 0 or (n_wanted is not None and 0 < len(found) < n_wanted):
            random = _random(config.seed, epoch, place, n_around)
            order = self._order(random, config)
            batches, n = without_clashes(order, self.ids, config.batch_size)
            found += [batches[i] + self.first for i in random.permutation(len(batches))]
            n_left_out += n
            n_around += 1
        return found[:n_wanted], n_left_out

    def _order(self, random: np.random.Generator, config: BatchConfig) -> Numbers:
        order = random.permutation(len(self.ids))
        n_pool = config.pool_batches * config.batch_size
        if not n_pool:
            return order
        pools = [order[i : i + n_pool] for i in range(0, len(order), n_pool)]
        return np.concatenate(
            [pool[np.argsort(self.lengths[pool], kind="stable")] for pool in pools]
        )


def without_clashes(
    order: Numbers, ids: Sequence[tuple[int, ...]], batch_size: int
) -> tuple[list[Numbers], int]:
    """Put examples into the first batch that has room and shares no text with them.

    A batch that stays under half full is left out, unless it is the only one; so is one of a
    single example. Takes one pass: for every text the batch after its last one is kept, and full
    batches are skipped as in a union-find.

    Parameters
    ----------
    order : (n,) int
        Numbers of examples, as they are tried.
    ids : sequence of tuple of int
        By an example's number, its texts that others have too, numbered from 0.

    Returns
    -------
    batches : list of (b,) int, b <= batch_size
    n_left_out : int
    """
    earliest = [0] * (1 + max((max(each) for each in ids if each), default=-1))
    batches: list[list[int]] = [[]]
    following = [0]  # of each batch: itself while it has room, else one that may have
    for example in order.tolist():
        texts = ids[example]
        place = _with_room(following, max((earliest[text] for text in texts), default=0))
        while place >= len(batches):
            batches.append([])
            following.append(len(following))
        batches[place].append(example)
        if len(batches[place]) == batch_size:
            following[place] = place + 1
        for text in texts:
            earliest[text] = place + 1
    n_least = max(2, (batch_size + 1) // 2) if len(batches) > 1 else 2
    kept = [np.array(batch, np.int64) for batch in batches if len(batch) >= n_least]
    return kept, len(order) - sum(map(len, kept))


def _with_room(following: list[int], place: int) -> int:
    """The first batch from `place` on that is not full; perhaps one that is not there yet."""
    while place < len(following) and following[place] != place:
        if following[place] < len(following):  # halve the way for the next time
            following[place] = following[following[place]]
        place = following[place]
    return place


def shared_texts(keys: TextKeys) -> list[tuple[int, ...]]:
    """Of each example, numbers of its texts that stand in others too."""
    _, inverse, counts = np.unique(keys.keys, return_inverse=True, return_counts=True)
    number = np.where(counts > 1, np.cumsum(counts > 1) - 1, -1)[inverse]
    nothing: tuple[int, ...] = ()
    found = [nothing] * len(keys)
    owner = np.repeat(np.arange(len(keys)), np.diff(keys.starts))
    where = np.flatnonzero(number >= 0)
    for example, text in zip(owner[where].tolist(), number[where].tolist(), strict=True):
        found[example] = (*found[example], text)
    return found


def _random(*seeds: int) -> np.random.Generator:
    return np.random.default_rng(seeds)
