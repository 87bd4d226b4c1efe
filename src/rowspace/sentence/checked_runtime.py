"""A runtime whose sums have the same bits however many pieces are computed together.

What a piece comes to must not depend on those beside it where an encoder is deterministic. Most
kernels do each row's sums in one order whatever the number of rows, but none says so. So a shape is
tried when it first comes: its rows together and each alone. Where any bit differs, pieces of that
shape are computed one at a time from then on; so what a piece alone comes to always counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from rowspace.sentence.batches import Batch
from rowspace.sentence.runtime import Pooled, Runtime


class CheckedRuntime:
    """Runs batches that `batches_of` gives with `is_fixed`.

    Parameters
    ----------
    runtime : Runtime
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._is_alike: dict[tuple[int, ...], bool] = {}

    def run(self, batches: Iterable[Batch]) -> Iterator[Pooled]:
        """As `Runtime.run`."""
        return self.runtime.run(self._sure(batches))

    def _sure(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            shape = batch.token_ids.shape
            if shape[0] > 1 and shape not in self._is_alike:
                together, alone = self._sums([batch]), self._sums(batch.singles())
                self._is_alike[shape] = np.array_equal(together, alone)
            if shape[0] == 1 or self._is_alike[shape]:
                yield batch
            else:
                yield from batch.singles()

    def _sums(self, batches: Iterable[Batch]) -> NDArray[np.float32]:
        found = list(self.runtime.run(batches))
        order = np.argsort(np.concatenate([batch.rows for batch, _ in found]))
        return np.concatenate([sums for _, sums in found])[order]
