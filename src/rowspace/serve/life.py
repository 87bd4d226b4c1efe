"""How far along its life a server is: what runs now, and whether it takes on more."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Life:
    """The state of a server that its guard, its signals and `/ready` share."""

    running: int = 0
    """Requests that are being answered."""
    sending: int = 0
    """Connections whose client has not read all of an answer; counted while it drains."""
    drains_since: float | None = None
    """When it was told to end (monotonic seconds); None while it takes requests."""
    started: float = field(default_factory=time.monotonic)

    @property
    def draining(self) -> bool:
        """Whether it ends as soon as what runs is answered."""
        return self.drains_since is not None

    def drain(self) -> None:
        """Take on no more; a second call changes nothing."""
        if self.drains_since is None:
            self.drains_since = time.monotonic()

    def is_over(self, seconds: float) -> bool:
        """Whether a drain has nothing more to wait for, or has lasted `seconds`."""
        if self.drains_since is None:
            return False
        is_idle = not self.running and not self.sending
        return is_idle or time.monotonic() - self.drains_since > seconds
