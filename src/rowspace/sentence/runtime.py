"""What carries out a transformer: batches in, pooled states out. torch here; see also OpenVINO.

A runtime knows neither texts nor prompts, so that each is a file of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rowspace.sentence.batches import Batch
from rowspace.sentence.pooling import pool

if TYPE_CHECKING:
    from rowspace.transformer.hidden_states import HiddenStates

Pooled = tuple[Batch, NDArray[np.float32]]
"""A batch and its (B, K, D) sums."""


class Runtime(Protocol):
    """A transformer that is ready to read."""

    @property
    def dim(self) -> int:
        """D, the length of a state."""

    @property
    def name(self) -> str:
        """What it is, with the precision, as "openvino bfloat16"; part of fingerprints."""

    @property
    def n_rows(self) -> int:
        """Token ids that it has rows for."""

    def run(self, batches: Iterable[Batch]) -> Iterator[Pooled]:
        """Each batch's weighted sums of states, in any order."""


class TorchRuntime:
    """Runs a model in torch.

    Parameters
    ----------
    states : HiddenStates
    poolings : sequence of str
    dtype : str
        What the model computes in.
    n_threads : int, optional
        torch's own number if not given.
    """

    def __init__(
        self,
        states: HiddenStates,
        poolings: Sequence[str],
        *,
        dtype: str = "float32",
        n_threads: int | None = None,
    ) -> None:
        self.states, self.poolings, self.n_threads = states, tuple(poolings), n_threads
        self.name = f"torch {dtype}"

    @property
    def dim(self) -> int:
        """Length of a state."""
        return self.states.dim

    @property
    def n_rows(self) -> int:
        """Token ids that it has rows for."""
        return self.states.n_rows

    def run(self, batches: Iterable[Batch]) -> Iterator[Pooled]:
        """As `Runtime.run`."""
        import torch

        for batch in batches:
            with torch_threads(self.n_threads), torch.inference_mode():
                pooled = self._pooled(batch)
            yield batch, pooled

    def _pooled(self, batch: Batch) -> NDArray[np.float32]:
        import torch

        device = self.states.device
        mask = torch.from_numpy(batch.mask).to(device) if batch.is_padded else None
        token_ids = torch.from_numpy(batch.token_ids).to(device)
        states = self.states.read(token_ids, mask, [self.states.n_layers])[0].float()
        weights = torch.from_numpy(batch.weights).to(device)
        pooled = pool(states, weights, self.poolings).float()  # bfloat16 again under autocast
        found: NDArray[np.float32] = pooled.cpu().numpy()
        return found


@contextlib.contextmanager
def torch_threads(n_threads: int | None) -> Iterator[None]:
    """torch on that many threads for a while; on its own number if None."""
    import torch

    n_before = torch.get_num_threads()
    torch.set_num_threads(n_threads or n_before)
    try:
        yield
    finally:
        torch.set_num_threads(n_before)
