"""Runtimes whose sums depend on how many pieces are computed together are found out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from rowspace.sentence.batches import Batch, batches_of
from rowspace.sentence.checked_runtime import CheckedRuntime
from rowspace.sentence.reading import Pieces
from rowspace.sentence.runtime import Pooled


class Sums:
    """Sums token ids; where more than `most` rows are computed together, slightly wrong."""

    dim, name, n_rows = 1, "sums", 100

    def __init__(self, most: int) -> None:
        self.most, self.heights = most, list[int]()

    def run(self, batches: Iterable[Batch]) -> Iterator[Pooled]:
        done: list[Pooled] = []
        for batch in batches:
            n = len(batch.rows)
            self.heights.append(n)
            sums = batch.token_ids.sum(axis=1, dtype=np.float32)[:, None, None]
            done.append((batch, sums + np.float32(n > self.most)))
        return reversed(done)  # any order is allowed


def found(runtime: CheckedRuntime, lengths: list[int]) -> list[float]:
    ids = [[i + 1] * n for i, n in enumerate(lengths)]
    pieces = Pieces(ids, np.arange(len(ids)), np.array(lengths), 0)
    sums = np.full(len(ids), np.nan)
    for batch, own in runtime.run(batches_of(pieces, ["mean"], is_fixed=True)):
        sums[batch.rows] = own[:, 0, 0]
    return sums.tolist()


@pytest.mark.parametrize(("most", "expected"), [(100, {1, 2, 4, 8}), (4, {1, 2, 4}), (1, {1})])
def test_pieces_are_computed_together_only_if_that_changes_nothing(
    most: int, expected: set[int]
) -> None:
    lengths = [3, 20, 5, *[4] * 12, 20, 20, 7]
    sums = Sums(most)
    runtime = CheckedRuntime(sums)
    exact = [float((i + 1) * n) for i, n in enumerate(lengths)]
    assert found(runtime, lengths) == exact
    sums.heights.clear()
    assert found(runtime, lengths) == exact
    assert set(sums.heights) == expected  # each shape was tried before
