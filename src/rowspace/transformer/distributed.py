"""Several processes that train one model: what `torchrun` starts, and how they meet.

`torchrun --nproc-per-node 2 -m rowspace train …` runs the same command in each process, with its
number and theirs in the environment. Each takes its part of every batch; gradients are summed over
all. Rank 0 alone speaks, looks at held-out data and writes.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed

from rowspace.errors import ClusterError

T = TypeVar("T")
TIMEOUT = datetime.timedelta(minutes=10)
"""After which a process that waits for the others gives up."""


@dataclass(frozen=True)
class World:
    """The processes of a run, and which of them this is."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """Which of n things this process takes: runs as equal as may be, in the order of ranks."""
        first, last = (n * rank // self.size for rank in (self.rank, self.rank + 1))
        return slice(first, last)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of all processes' tensors, in place of this one's."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            distributed.barrier()

    def agreed(self, value: bool) -> bool:
        """Whether any process says so: what all then do, as to stop."""
        return bool(self.sum(torch.tensor(int(value))).item())

    def from_first(self, value: T) -> T:
        """What the first process has, on all."""
        if self.size == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values)
        return values[0]


ALONE = World()


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """The world that `torchrun` started; alone where it did not.

    Raises
    ------
    ClusterError
        If the processes cannot meet.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield ALONE
        return
    try:
        distributed.init_process_group("gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        line = " ".join(str(error).split())[:200]
        raise ClusterError(
            f"the processes of torchrun cannot meet ({line}); look at --rdzv-endpoint and "
            "--master-port"
        ) from error
    try:
        yield World(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
