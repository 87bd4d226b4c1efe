"""Ctrl-C that waits for the end of a step, so that what is saved is not half of one."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[Callable[[], bool]]:
    """Hold back Ctrl-C (SIGINT) and SIGTERM while the block runs.

    Yields
    ------
    callable
        Tells whether there was one. A second one raises KeyboardInterrupt at once, as does the
        first in a thread other than the main one, where signals cannot be handled.
    """
    is_interrupted = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal is_interrupted
        if is_interrupted:
            raise KeyboardInterrupt
        is_interrupted = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before: dict[int, Any] = {one: signal.signal(one, handle) for one in _SIGNALS}
    try:
        yield lambda: is_interrupted
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
