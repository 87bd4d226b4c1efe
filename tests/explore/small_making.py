"""`python -m tests.explore.small_making`: makes maps in small steps, and is killed after some."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from rowspace.explore import layouts, placing
from rowspace.explore.layouts import Method
from rowspace.explore.making import main
from rowspace.explore.unfinished import Unfinished
from rowspace.space.similarity import Doubles

layouts.METHODS["tsne"] = Method("t-SNE", 60)
placing.AT_ONCE = 50
left = int(os.environ.get("KILLED_AFTER", "0"))
get = Unfinished.get


def get_and_end(
    pieces: Unfinished, name: str, shape: tuple[int, ...], make: Callable[[], Doubles]
) -> Doubles:
    """Kill this process when the last piece that it may make is kept."""
    global left
    made = get(pieces, name, shape, make)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return made


if __name__ == "__main__":
    Unfinished.get = get_and_end  # type: ignore[method-assign, assignment]
    sys.exit(main())
