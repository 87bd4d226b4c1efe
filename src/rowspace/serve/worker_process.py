"""What one process among several takes, for Prometheus."""

from __future__ import annotations

import os
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

_STATM = Path("/proc/self/statm")


class WorkerProcess:
    """The processor time of all workers together, the memory of each, and how many there are.

    Parameters
    ----------
    registry : CollectorRegistry
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Counter(
            "process_cpu_seconds",
            "Processor time of all workers, those that ended included.",
            registry=registry,
        )
        self._memory = Gauge(
            "process_resident_memory_bytes",
            "Resident memory of a worker; mapped files that several share count in each.",
            registry=registry,
            multiprocess_mode="liveall",
        )
        workers = Gauge(
            "rowspace_workers",
            "Processes that are there to answer.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        workers.set(1)
        self._told = 0.0

    def refresh(self) -> None:
        """See what this process takes now."""
        seconds = time.process_time()
        self._seconds.inc(seconds - self._told)
        self._told = seconds
        if _STATM.exists():  # of Linux
            pages = int(_STATM.read_text().split()[1])
            self._memory.set(pages * os.sysconf("SC_PAGE_SIZE"))
