"""An encoder that computes only when a test lets it, and notes what it was given."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PATIENCE = 30


class GatedEncoder:
    """A text's vector is its length and its number of `a`; texts with `bad` in them fail."""

    dim, fingerprint = 2, "gated"

    def __init__(self, *, is_open: bool = False) -> None:
        self.is_open = is_open
        self.calls: list[list[str]] = []
        self.started, self._go = threading.Semaphore(0), threading.Semaphore(0)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        self.started.release()
        if not self.is_open:
            assert self._go.acquire(timeout=PATIENCE)
        if any("bad" in text for text in texts):
            raise ZeroDivisionError("secret")
        return np.array([[len(text), text.count("a")] for text in texts], np.float32)

    def go(self) -> None:
        """Let one call end."""
        self._go.release()

    def open(self) -> None:
        """Let this call and all others end."""
        self.is_open = True
        self.go()

    def close(self) -> None:
        """From now on let no call end, as if there had been none."""
        self.is_open = False
        self.calls.clear()
        while self.started.acquire(blocking=False):
            pass

    @property
    def texts(self) -> list[str]:
        """All that were given."""
        return [text for call in self.calls for text in call]
