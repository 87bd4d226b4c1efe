"""Several processes that train one model: what `torchrun` starts, and how they meet.

`torchrun --nproc-per-node 2 -m rowspace train …` runs the same command in each process, with its
number and theirs in the environment. Each takes its part of every batch; gradients are summed over
all. Rank 0 alone prepares, looks at held-out data, writes and speaks; an error is told once, by
the process that met it.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed
from torch.distributed.rendezvous import rendezvous

from rowspace.errors import ClusterError, ConfigError
from rowspace.progress import no_bars

T = TypeVar("T")
TIMEOUT = datetime.timedelta(minutes=30)
"""After which a process gives up waiting for the others' part of a step. One that ended is noticed
at once; this is for a machine that is gone without a word."""
PATIENCE = datetime.timedelta(days=30)
"""The same where the first process does alone what takes its time, as reading the text."""
_TURN_SECONDS = 1.0
"""For the first process to say what all met, and for another to say it before all are ended:
`torchrun` ends all as soon as one has ended."""
_ERRORS = "rowspace/errors"


@dataclass(frozen=True)
class World:
    """The processes of a run, and which of them this is."""

    rank: int = 0
    size: int = 1
    patient: Any = None
    """The torch group in which to wait for the first process."""

    @property
    def is_first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """Which of n things this process takes: runs as equal as may be, in the order of ranks."""
        first, last = (n * rank // self.size for rank in (self.rank, self.rank + 1))
        return slice(first, last)

    def check_batch(self, batch_size: int) -> None:
        """Raise ConfigError if there is not a text for each process in a batch."""
        if batch_size < self.size:
            raise ConfigError(
                f"batch_size is {batch_size}, and {self.size} processes share it; give "
                f"{self.size} or more, or start fewer processes"
            )

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of all processes' tensors, dense or sparse, in place of this one's."""
        if self.size > 1:
            with _in_touch():
                distributed.all_reduce(tensor)
        return tensor

    def rows(self, tensor: Tensor) -> Tensor:
        """The rows of all processes' tensors, in the order of ranks; each has as many as it has.

        Parameters
        ----------
        tensor : (n, …) tensor
            Of the same type and width in all processes.

        Returns
        -------
        (sum of n, …) tensor
            Without gradient.
        """
        if self.size == 1:
            return tensor
        lengths = torch.zeros(self.size, dtype=torch.int64)
        lengths[self.rank] = len(tensor)
        self.sum(lengths)
        padded = tensor.new_zeros(int(lengths.max()), *tensor.shape[1:])
        padded[: len(tensor)] = tensor
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        with _in_touch():
            distributed.all_gather(parts, padded)
        return torch.cat([part[:n] for part, n in zip(parts, lengths.tolist(), strict=True)])

    def wait(self) -> None:
        """Until all processes are here, however long that takes."""
        if self.size > 1:
            with _in_touch():
                distributed.barrier(group=self.patient)

    def agreed(self, value: bool) -> bool:
        """Whether any process says so: what all then do, as to stop."""
        return bool(self.sum(torch.tensor(int(value))).item())

    def from_first(self, value: T) -> T:
        """What the first process has, on all; the others wait for it."""
        if self.size == 1:
            return value
        values = [value]
        with _in_touch():
            distributed.broadcast_object_list(values, src=0, group=self.patient)
        return values[0]

    def check_seen(self, path: Path) -> None:
        """Raise ClusterError if this process does not see what the first one wrote."""
        if not path.exists():
            raise ClusterError(
                f"process {self.rank} sees no {path}, which the first one wrote; give an --out in "
                "a folder that every machine sees under the same name"
            )

    def check_alike(self, what: str, value: object, weights: Iterable[Tensor]) -> None:
        """Raise ClusterError unless all have the same, or their steps would be of nothing.

        Parameters
        ----------
        what : str
            What they were given, for the error.
        value : object
            Equal in all processes, to the last bit.
        weights : iterable of tensor
            Equal but for rounding.
        """
        if self.size == 1:
            return
        sums = [float(weight.detach().sum(dtype=torch.float64)) for weight in weights]
        first, sums_of_first = self.from_first((value, sums))
        is_alike = first == value and len(sums) == len(sums_of_first)
        is_alike = is_alike and np.allclose(sums, sums_of_first, rtol=1e-6, equal_nan=True)
        if self.agreed(not is_alike):
            raise ClusterError(
                f"not all processes were given the same {what}; give them the same command and "
                "files"
            )


ALONE = World()


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """The world that `torchrun` started; alone where it did not.

    While the block runs, only the first process shows progress and warnings. An error ends all
    processes with status 1, and one of them says why: the one that met it first. In the others it
    becomes SystemExit.

    Raises
    ------
    ClusterError
        If the processes cannot meet, or one of them ended.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    store, world = _find_store()
    try:
        world = _meet(store, world)
        with contextlib.nullcontext() if world.is_first else _silence():
            yield world
    except (Exception, KeyboardInterrupt) as error:
        if _speaks(store, world, error):
            if isinstance(error, KeyboardInterrupt) and not world.is_first:
                raise KeyboardInterrupt(
                    f"process {world.rank} was interrupted; start all again with --resume"
                ) from None
            raise
        time.sleep(_TURN_SECONDS)
        raise SystemExit(130 if isinstance(error, KeyboardInterrupt) else 1) from None
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


class _Store(Protocol):
    """Numbers by name that all processes see, of torch."""

    def add(self, key: str, amount: int, /) -> int: ...


def _find_store() -> tuple[Any, World]:
    """What all processes see, and which of them this is."""
    with _meeting():
        store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
    return store, World(rank, size)


def _meet(store: Any, world: World) -> World:
    with _meeting():
        distributed.init_process_group(
            "gloo", store=store, rank=world.rank, world_size=world.size, timeout=TIMEOUT
        )
        return replace(world, patient=distributed.new_group(timeout=PATIENCE))


@contextlib.contextmanager
def _meeting() -> Iterator[None]:
    """Say what to do where torch finds no way."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise ClusterError(
            f"the processes of torchrun cannot meet ({_line(error)}); look at --rdzv-endpoint, and "
            "give the network's name in GLOO_SOCKET_IFNAME where a machine has several"
        ) from error


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with no_bars(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _speaks(store: _Store, world: World, error: BaseException) -> bool:
    """Whether this process is to say why all end; of those that met the error, the first."""
    if not world.is_first and not isinstance(error, ClusterError):
        time.sleep(_TURN_SECONDS)
    try:
        return int(store.add(_ERRORS, 1)) == 1
    except RuntimeError:  # the store is gone with the machine that kept it
        return True


@contextlib.contextmanager
def _in_touch() -> Iterator[None]:
    """Say that a process is gone where torch says that a connection is."""
    try:
        yield
    except RuntimeError as error:
        raise ClusterError(
            f"a process of the run ended or is out of reach ({_line(error)}); start all again "
            "with --resume"
        ) from error


def _line(error: Exception) -> str:
    """What torch says, without the place in its own source and its advice."""
    line = re.sub(r"^\[[^]]*\.cc:\d+\] ", "", " ".join(str(error).split()))
    return line.split(". ")[0][:200]
