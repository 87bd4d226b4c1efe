"""word2vec by several workers, whose matrices are averaged a few times an epoch.

A round is some of an epoch's pieces: every worker takes the matrices as they are, trains its share
of the pieces with its own threads, and gives back its matrices in blocks of rows; the workers
combine these, block by block, and the process that asked holds the result. The rows and the
learning rates are those of `static.averaging`.

Ray starts a worker that dies anew, and does its share again from the last average. Where a machine
is gone for good the round is done again by as many workers as there is still room for.
"""

from __future__ import annotations

import importlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ClusterError
from rowspace.progress import Tracker
from rowspace.scale.cluster import Cluster
from rowspace.scale.tasks import unseen
from rowspace.static.averaging import (
    AveragingConfig,
    combine_rows,
    end_of_round,
    share_of_round,
)
from rowspace.static.run import Floats, work_in_threads
from rowspace.static.training import EpochReport, Method, Start, Training, TrainingConfig
from rowspace.text.vocabulary import TokenIds, Vocabulary

MAX_TRIES = 3
"""Of a share whose worker dies, and of a round that loses machines."""
_BLOCK_BYTES = 8 << 20
_LOOK_SECONDS = 2.0


class AveragedTraining(Training):
    """A training run whose pieces the workers of a cluster train."""

    def __init__(
        self,
        cluster: Cluster,
        averaging: AveragingConfig,
        config: TrainingConfig,
        vocabulary: Vocabulary,
        ids: TokenIds,
        method: Method,
        start: Start | None = None,
    ) -> None:
        super().__init__(config, vocabulary, ids, method, start)
        self.cluster = cluster
        self.averaging = averaging
        self.workers: list[Any] = []
        self._sent: list[Any] = []
        """The matrices of now in blocks, where the workers combined them."""
        self._parts = (config, vocabulary, TokenIds(ids.path.absolute(), ids.n_ids), method)

    def run(self, tracker: Tracker, seconds: float | None) -> bool:
        """See `Run`; an interrupt drops the round that it comes in."""
        epoch = self.n_done // self.n_pieces
        last = (epoch + 1) * self.n_pieces
        started = time.monotonic()
        deadline = started + seconds if seconds else math.inf
        try:
            while self.n_done < last:
                self._round()
                tracker.set(self.n_done * self.piece_units, self._note(started, epoch))
                if time.monotonic() >= deadline:
                    break
        finally:
            self.seconds += time.monotonic() - started
            if self.n_done == last:
                self._end_epoch(epoch)
        return self.n_done == last

    def fit(
        self,
        checkpoint: Path | None,
        checkpoint_seconds: float,
        on_epoch_end: Callable[[EpochReport, Any], bool | None] | None,
    ) -> None:
        """See `Run`; its workers end with it."""
        try:
            super().fit(checkpoint, checkpoint_seconds, on_epoch_end)
        finally:
            self._dismiss()

    def _round(self) -> None:
        from ray.exceptions import RayError, RayTaskError

        last = end_of_round(self.n_done, self.n_pieces, self.averaging.sync)
        for _ in range(MAX_TRIES):
            try:
                loss, n_predictions, blocks = self._train_to(last)
                break
            except RayTaskError as error:
                raise _failed(error) from error
            except (RayError, _MachineLostError) as error:
                reason = error
                self._dismiss()
        else:
            raise _failed(reason) from reason

        def take(_: int, __: threading.Event) -> None:
            for block, combined in zip(_blocks_of(self), blocks, strict=True):
                block[:] = combined
            self._count(last - self.n_done, loss, n_predictions)

        work_in_threads(take, 1, lambda: None)  # an interrupt waits, or half would be of before

    def _train_to(self, last: int) -> tuple[float, int, list[Floats]]:
        """One round: its loss, predictions, and the combined blocks."""
        import ray

        if not self.workers:
            self._hire()
        before = self._sent or [ray.put(block) for block in _blocks_of(self)]
        n = len(self.workers)
        trained = [
            worker.train.options(num_returns=1 + len(before)).remote(
                share_of_round(self.n_done, last, number, n), *before
            )
            for number, worker in enumerate(self.workers)
            if share_of_round(self.n_done, last, number, n)
        ]
        reports = self._wait([refs[0] for refs in trained])
        combined = [
            self.workers[place % n].combine.remote(block, *(refs[1 + place] for refs in trained))
            for place, block in enumerate(before)
        ]
        blocks = self._wait(combined)
        # Not beyond an epoch, as Ray keeps what it would make them anew from.
        self._sent = [] if last % self.n_pieces == 0 else combined
        return sum(loss for loss, _ in reports), sum(count for _, count in reports), blocks

    def _wait(self, refs: list[Any]) -> list[Any]:
        """What the tasks return; does not wait for what has no place to run any more."""
        import ray

        while True:
            _, left = ray.wait(refs, num_returns=len(refs), timeout=_LOOK_SECONDS)
            if not left:
                answers: list[Any] = ray.get(refs)
                return answers
            if self._room() < len(self.workers):
                raise _MachineLostError("a machine is gone")

    def _room(self) -> int:
        """For how many workers the cluster has processors now."""
        ray: Any = importlib.import_module("ray")
        return int(ray.cluster_resources().get("CPU", 0)) // self.cluster.threads

    def _hire(self) -> None:
        import ray

        threads, n_workers = self.cluster.threads, min(self.cluster.workers, self._room())
        if not n_workers:
            raise ClusterError(
                f"the cluster has no {threads} processors left for a worker; start a node, then go "
                "on with --resume"
            )
        actor = ray.remote(_Worker).options(
            num_cpus=threads,
            max_restarts=MAX_TRIES,
            max_task_retries=MAX_TRIES,
            scheduling_strategy="SPREAD",
        )
        parts = ray.put(self._parts)
        self.workers = [actor.remote(threads, parts) for _ in range(n_workers)]
        for problem in self._wait([worker.look.remote() for worker in self.workers]):
            if problem:
                raise ClusterError(problem)

    def _dismiss(self) -> None:
        import ray

        for worker in self.workers:
            ray.kill(worker)
        self.workers, self._sent = [], []


class _Worker:
    """The actor: trains its share of a round."""

    def __init__(
        self, n_threads: int, parts: tuple[TrainingConfig, Vocabulary, TokenIds, Method]
    ) -> None:
        self.n_threads = n_threads
        self.training = Training(*parts)

    def look(self) -> str:
        """What hinders it; empty if nothing does."""
        path = self.training.ids.path
        return "" if path.exists() else unseen(path)

    def train(self, numbers: range, *blocks: Floats) -> tuple[Any, ...]:
        """Train on these pieces from these matrices on: (loss, predictions), then the blocks."""
        for mine, given in zip(_blocks_of(self.training), blocks, strict=True):
            mine[:] = given
        upcoming = iter(numbers)
        lock = threading.Lock()
        total = [0.0, 0]

        def work(_: int, stopped: threading.Event) -> None:
            while not stopped.is_set():
                with lock:
                    number = next(upcoming, None)
                if number is None:
                    return
                loss, n_predictions = self.training.train_piece(number)
                with lock:
                    total[0] += loss
                    total[1] += n_predictions

        work_in_threads(work, self.n_threads, lambda: None)
        return tuple(total), *_blocks_of(self.training)

    def combine(self, before: Floats, *after: Floats) -> Floats:
        """Combine one block."""
        return combine_rows(before, after)


class _MachineLostError(Exception):
    """There is less room than there are workers."""


def _failed(error: Exception) -> ClusterError:
    line = " ".join(str(error).split())[:300]
    return ClusterError(
        f"training failed on the cluster ({line}); --resume goes on from the last average that was "
        "saved"
    )


def _blocks_of(training: Training) -> Iterator[NDArray[np.float32]]:
    """Views of the two matrices, (rows, row) each, small enough to be sent one by one."""
    rows = max(1, _BLOCK_BYTES // (4 * training.row))
    for flat in (training.w_in, training.w_out):
        matrix = flat.reshape(-1, training.row)
        for first in range(0, len(matrix), rows):
            yield matrix[first : first + rows]
