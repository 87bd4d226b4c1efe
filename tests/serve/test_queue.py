"""The queue: every text once and in order, batches of a budget, nobody starved."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rowspace.serve.queue import FairQueue, Job

BUDGET = 64


class Counted:
    """Texts of which only the tokens are known."""

    def __init__(self, tokens: list[int]) -> None:
        self.n_tokens: NDArray[np.int64] = np.array(tokens)


def job(tokens: list[int]) -> Job:
    return Job(cast("Any", None), cast("Any", Counted(tokens)), lambda _: None)


def run_dry(queue: FairQueue) -> list[list[tuple[Job, int, int]]]:
    batches = []
    while slices := queue.take():
        batches.append([(part.job, part.start, part.stop) for part in slices])
        for part in slices:
            queue.computed(part, np.zeros((part.stop - part.start, 1), np.float32))
    return batches


def test_every_text_is_in_one_batch_in_order_and_within_the_budget() -> None:
    draw = np.random.default_rng(0)
    jobs = [job(draw.integers(0, 100, draw.integers(1, 60)).tolist()) for _ in range(30)]
    queue = FairQueue(10**9, BUDGET)
    for one in jobs:
        assert queue.reserve(one.n_tokens)
        queue.add(one)
    assert queue.n_tokens == sum(max(1, n) for one in jobs for n in one.work.n_tokens.tolist())
    taken: dict[Job, int] = dict.fromkeys(jobs, 0)
    for batch in run_dry(queue):
        n_tokens = 0
        for one, start, stop in batch:
            assert start == taken[one]
            taken[one] = stop
            n_tokens += int(one.tokens[start:stop].sum())
        assert n_tokens <= BUDGET or sum(stop - start for _, start, stop in batch) == 1
    assert taken == {one: one.n for one in jobs}
    assert queue.n_tokens == 0
    assert all(len(one.vectors) == one.n for one in jobs)


def test_a_large_request_goes_on_beside_a_stream_of_small_ones() -> None:
    queue, large = FairQueue(80 * 8, BUDGET), job([8] * 20)
    queue.reserve(large.n_tokens)
    queue.add(large)
    n_batches = 0
    while not large.is_over:
        for _ in range(16):  # twice what a batch holds
            if queue.reserve(8):
                queue.add(job([8]))
        for part in queue.take():
            queue.computed(part, np.zeros((part.stop - part.start, 1), np.float32))
        n_batches += 1
    assert n_batches <= 20 * 80 / 8  # a turn for each text, after 80 others, 8 to a batch


def test_a_job_given_up_between_batches_gives_its_room_back() -> None:
    queue, one, other = FairQueue(1000, 8), job([1] * 100), job([3])
    queue.reserve(one.n_tokens)
    queue.add(one)
    (first,) = queue.take()
    assert (first.start, first.stop) == (0, 8)
    queue.reserve(other.n_tokens)
    queue.add(other)
    queue.drop(one)
    queue.computed(first, np.zeros((8, 1), np.float32))
    assert queue.n_tokens == 3
    assert [(part.job, part.stop) for part in queue.take()] == [(other, 1)]


def test_a_request_is_refused_that_does_not_fit_but_where_it_is_alone() -> None:
    queue = FairQueue(10, 8)
    assert queue.reserve(11)
    assert not queue.reserve(1)
    queue.release(11)
    assert queue.reserve(4)
    assert queue.reserve(6)
    assert not queue.reserve(1)
