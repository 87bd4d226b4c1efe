"""What takes seconds is made in a thread, once, while the page asks how far it is.

What is made stays in memory, the last few of them. A failure is told once, to whoever asks next;
then it may be asked for anew.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from rowspace.errors import RowspaceError
from rowspace.explore.jobs import Computing, LayoutError
from rowspace.explore.layout_methods import Tell

Made = TypeVar("Made")

_logger = logging.getLogger("rowspace")


class Background(Generic[Made]):
    """Makes things in threads, one at a time.

    Parameters
    ----------
    keep : int
        How many stay in memory.
    """

    def __init__(self, keep: int = 4) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._made: dict[Hashable, Made] = {}
        self._states: dict[Hashable, Computing] = {}
        self._failures: dict[Hashable, RowspaceError] = {}

    def ask(self, key: Hashable, make: Callable[[Tell], Made]) -> Made | Computing:
        """What `make(tell)` gives, or how far it is.

        Raises
        ------
        RowspaceError
            If it failed since it was last asked for.
        """
        with self._lock:
            if key in self._made:
                return self._made[key]
            if key in self._failures:
                raise self._failures.pop(key)
            if key not in self._states:
                self._states[key] = Computing(0.0, "starting")
                threading.Thread(target=self._run, args=(key, make), daemon=True).start()
            return self._states[key]

    def _run(self, key: Hashable, make: Callable[[Tell], Made]) -> None:
        def tell(share: float, message: str) -> None:
            self._states[key] = Computing(share, message)

        try:
            with self._one_at_a_time:
                made = make(tell)
        except Exception as error:
            _logger.exception("what the explorer asked for could not be made")
            with self._lock:
                self._failures[key] = _told(error)
                del self._states[key]
            return
        with self._lock:
            self._made[key] = made
            del self._states[key]
            while len(self._made) > self._keep:
                del self._made[next(iter(self._made))]


def _told(error: Exception) -> RowspaceError:
    if isinstance(error, RowspaceError):
        return error
    return LayoutError(f"this could not be made ({type(error).__name__}: {error}); ask again")
