"""Senses are found in a thread, one word at a time: a new question ends the one before.

Torch computes beside the server, which stays free to answer. What was found is kept for a while, so
that an address that is opened again shows it at once.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rowspace.errors import RowspaceError

KEPT = 16
"""Results."""
Work = Callable[["SenseJob"], dict[str, Any]]
"""What is to be done; it calls `SenseJob.tell` now and then."""

_logger = logging.getLogger("rowspace")


class StoppedError(Exception):
    """The question was taken back."""


class SenseJob:
    """One question on its way.

    Parameters
    ----------
    number : str
        What it is asked for by.
    """

    def __init__(self, number: str) -> None:
        self.number = number
        self.share, self.message = 0.0, "starting"
        self.result: dict[str, Any] | None = None
        self.failure: str | None = None
        self._stop = threading.Event()

    def tell(self, share: float, message: str) -> None:
        """Say how far it is.

        Raises
        ------
        StoppedError
            If nobody wants to know any more.
        """
        if self._stop.is_set():
            raise StoppedError
        self.share, self.message = share, message

    def stop(self) -> None:
        """Take the question back."""
        self._stop.set()

    @property
    def is_stopped(self) -> bool:
        """Whether it was taken back before it was done."""
        return self._stop.is_set() and self.result is None

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to come."""
        return self.result is not None or self.failure is not None or self.is_stopped

    def as_dict(self) -> dict[str, Any]:
        """As the page is told."""
        if self.result is not None:
            return {"state": "done", "id": self.number, "result": self.result}
        if self.failure is not None:
            return {"state": "failed", "id": self.number, "message": self.failure}
        if self.is_stopped:
            return {"state": "stopped", "id": self.number, "message": "another word was asked for"}
        return {
            "state": "computing",
            "id": self.number,
            "share": round(self.share, 3),
            "message": self.message,
        }


class SenseJobs:
    """The questions of late."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, SenseJob] = OrderedDict()
        self._turn = threading.Lock()

    def start(self, number: str, work: Work) -> SenseJob:
        """Begin a question, or go on with the same one; others that are not done are ended."""
        with self._lock:
            known = self._jobs.get(number)
            if known is not None and known.failure is None and not known.is_stopped:
                self._jobs.move_to_end(number)
                return known
            for other in self._jobs.values():
                if not other.is_done:
                    other.stop()
            job = self._jobs[number] = SenseJob(number)
            self._jobs.move_to_end(number)
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)
        threading.Thread(target=self._run, args=(job, work), daemon=True).start()
        return job

    def get(self, number: str) -> SenseJob | None:
        """A question of late; None where it is not known."""
        with self._lock:
            return self._jobs.get(number)

    def _run(self, job: SenseJob, work: Work) -> None:
        try:
            with self._turn:  # the one before may still be at its last batch
                job.tell(0.0, "loading the model")
                job.result = work(job)
        except StoppedError:
            pass
        except RowspaceError as error:
            job.failure = str(error)
        except Exception:
            _logger.exception("finding senses failed")
            job.failure = "finding the senses failed; the server's log says why"
