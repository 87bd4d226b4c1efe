"""Maps are made in a process beside the server, which stays free to answer.

The process is a new Python (never a fork), works at a low priority, is told what to do by a line on
its standard input, and tells how far it is by lines on its standard output. It ends when its input
does, so it never outlives the server. One works at a time; what else is asked for waits until the
page asks again. What is made of points that have changed since is ended when their map is asked
for anew. A failure is told once, to whoever asks next, and then it may be asked for anew.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from typing import IO, Any

from rowspace.errors import SpaceError

MODULE = "rowspace.explore.making"

_REMEMBERED = 16  # failures that nobody has asked for yet

_logger = logging.getLogger("rowspace")


class LayoutError(SpaceError):
    """A map that could not be made."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be made: groups of some points, and a map where a method is named."""

    path: str
    """Of the subject."""
    kind: str
    model: str
    fingerprint: str
    """Of the points, which must be the same when the process reads them."""
    method: str | None
    seed: int

    def replaces(self, other: Task) -> bool:
        """Whether the other is of the same points before they changed, so nobody waits for it."""
        same = (self.path, self.kind, self.model) == (other.path, other.kind, other.model)
        return same and self.fingerprint != other.fingerprint


@dataclass(frozen=True)
class Computing:
    """How far something is that is not there yet."""

    share: float
    """In [0, 1]."""
    message: str

    def as_dict(self) -> dict[str, Any]:
        """As the page is told."""
        return {"state": "computing", "share": round(self.share, 3), "message": self.message}


class Jobs:
    """The process that makes maps.

    Parameters
    ----------
    module : str
        What it runs, by `python -m`.
    """

    def __init__(self, module: str = MODULE) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._running: _Job | None = None
        self._failures: dict[Task, str] = {}
        atexit.register(self.close)

    def ask(self, task: Task) -> Computing:
        """How far a task is, which is begun if nothing else is being made.

        Raises
        ------
        LayoutError
            If it failed since it was last asked for.
        """
        with self._lock:
            self._clear()
            if task in self._failures:
                raise LayoutError(self._failures.pop(task))
            if self._running is not None and task.replaces(self._running.task):
                self._end()
            if self._running is None:
                self._running = _Job(task, self._module)
            elif self._running.task != task:
                return Computing(0.0, "waiting for another map")
            return self._running.state

    def _clear(self) -> None:
        """Take note of what ended."""
        job = self._running
        if job is not None and job.process.poll() is not None:
            job.close()
            if job.failure is not None:
                self._failures[job.task] = job.failure
                while len(self._failures) > _REMEMBERED:
                    del self._failures[next(iter(self._failures))]
            self._running = None

    def close(self) -> None:
        """End what is being made."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._running is not None:
            self._running.end()
            self._running = None


class _Job:
    """One process at work."""

    def __init__(self, task: Task, module: str) -> None:
        self.task = task
        self.state = Computing(0.0, "starting")
        self.failure: str | None = None
        self._ended = False
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                start_new_session=True,  # Ctrl-C is for the server, which ends this one
            )
        except OSError as error:
            self._said.close()
            raise LayoutError(
                f"the process that makes maps could not be started ({error}); ask again"
            ) from error
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it ended at once, which the reader finds
            self.process.stdin.write(json.dumps(asdict(task)).encode() + b"\n")
            self.process.stdin.flush()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        """Follow what it tells until it ends."""
        assert self.process.stdout is not None
        told: dict[str, Any] = {}
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                if "share" in told:
                    self.state = Computing(told["share"], told["message"])
        code = self.process.wait()
        if not self._ended and (code != 0 or "done" not in told):
            what = told.get("error")
            if what is None:
                what = f"the process that made it ended with {code}"
                _logger.error("%s%s", what, self._last_line())
            self.failure = f"the map could not be made: {what}; ask for it again"
        self._said.close()

    def _last_line(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return f" ({lines[-1][:300]})" if lines else ""

    def end(self) -> None:
        """End it now."""
        self._ended = True
        self.process.kill()
        self.close()

    def close(self) -> None:
        """Let go of what it was spoken with through, when it has ended."""
        self.process.wait()
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
