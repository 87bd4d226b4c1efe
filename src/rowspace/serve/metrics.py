"""What a server counts, for Prometheus: `/metrics`.

Names and units follow https://prometheus.io/docs/practices/naming/. Labels are routes' templates
and statuses, never what a client sent. Of several workers each writes its counts to files that all
of them map, so that any worker tells of all: the client library's multiprocess mode.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from rowspace.errors import RowspaceError
from rowspace.search.commit import read_commit
from rowspace.search.space import Space
from rowspace.serve.batching import Batcher
from rowspace.serve.life import Life
from rowspace.serve.worker_process import WorkerProcess

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
TOKENS = (16, 64, 256, 1024, 2048, 4096, 8192, 16384, 65536)


SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder of the counts of several workers, for the client library."""


class Metrics:
    """Counts of one application, or of all workers' where `SHARED` is set.

    Parameters
    ----------
    space : Space, optional
        Whose passages and version are told.
    """

    def __init__(self, space: Space | None = None) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "rowspace_requests",
            "Requests that were answered; the status 499 is of clients that left.",
            ("route", "method", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "rowspace_request_duration_seconds",
            "From a request's first line to its answer's last byte.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        )
        self._refusals = Counter(
            "rowspace_refusals",
            "Requests that were refused, by the code in the answer.",
            ("code",),
            registry=registry,
        )
        self._running = Gauge(
            "rowspace_requests_running",
            "Requests that are being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._tokens = Counter("rowspace_tokens", "Tokens that were encoded.", registry=registry)
        self._queue = Gauge(
            "rowspace_queue_tokens",
            "Tokens that wait or are computed.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._batch_texts = Histogram(
            "rowspace_batch_texts",
            "Texts that were encoded together.",
            buckets=SIZES,
            registry=registry,
        )
        self._batch_tokens = Histogram(
            "rowspace_batch_tokens",
            "Tokens that were encoded together.",
            buckets=TOKENS,
            registry=registry,
        )
        self._life: Life | None = None
        self._batcher: Batcher | None = None
        self._process: WorkerProcess | None = None
        if SHARED in os.environ:
            self._process = WorkerProcess(registry)
            self.registry = registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            ProcessCollector(registry=registry)
        if space is not None:
            registry.register(_OfSpace(space))

    def finished(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, code: str) -> None:
        """Count a request that was refused."""
        self._refusals.labels(code).inc()

    def encoded(self, n_texts: int, n_tokens: int) -> None:
        """Count a batch."""
        self._tokens.inc(n_tokens)
        self._batch_texts.observe(n_texts)
        self._batch_tokens.observe(n_tokens)

    def watch(self, life: Life, batcher: Batcher) -> None:
        """Ask these each time the metrics are read, and be told of each batch."""
        self._life, self._batcher = life, batcher
        batcher.on_batch(self.encoded)

    def refresh(self) -> None:
        """See what is now; a worker does so often, since the others tell of it too."""
        if self._life is not None and self._batcher is not None:
            self._running.set(self._life.running)
            self._queue.set(self._batcher.stats.queued_tokens)
        if self._process is not None:
            self._process.refresh()

    def text(self) -> bytes:
        """As Prometheus reads it."""
        self.refresh()
        return generate_latest(self.registry)


class _OfSpace(Collector):
    """What a space holds, by its last finished write."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def collect(self) -> Iterator[Any]:
        try:
            commit = read_commit(self._space.path)
        except RowspaceError:  # `/ready` tells of it
            return
        for name, text, value in (
            ("rowspace_space_passages", "Passages of the space.", commit.passages),
            ("rowspace_space_documents", "Documents of the space.", commit.documents),
            ("rowspace_space_version", "Version of the space's store.", commit.version),
        ):
            yield GaugeMetricFamily(name, text, value=value)


def routes(metrics: Metrics) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["health"])

    @router.get("/metrics")
    def read_metrics() -> Response:
        """Counts for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
