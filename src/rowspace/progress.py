"""One progress bar on stderr, silent when stderr is not a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


_is_on = False  # two bars would write over each other


class Tracker:
    """What a step calls to say how far it is; does nothing when no bar is shown."""

    def __init__(self, bar: Progress | None = None, task: TaskID | None = None) -> None:
        self._bar = bar
        self._task = task

    def advance(self, n: float = 1, note: str | None = None) -> None:
        """Move on by `n` units; `note` is shown at the end of the line (a speed, a loss)."""
        self._update(advance=n, note=note)

    def set(self, completed: float, note: str | None = None) -> None:
        """Say that `completed` units are done."""
        self._update(completed=completed, note=note)

    @property
    def is_shown(self) -> bool:
        """Whether there is a bar that someone may look at."""
        return self._bar is not None

    def say(self, text: str) -> None:
        """Print a line above the bar; does nothing when no bar is shown."""
        if self._bar is not None:
            from rich.text import Text

            self._bar.console.print(Text(" ".join(text.split())))

    def _update(
        self,
        advance: float | None = None,
        completed: float | None = None,
        note: str | None = None,
    ) -> None:
        if self._bar is None or self._task is None:
            return
        self._bar.update(self._task, advance=advance, completed=completed)
        if note is not None:
            self._bar.update(self._task, note=note)


@contextlib.contextmanager
def track(description: str, total: float | None = None) -> Iterator[Tracker]:
    """Show a bar for one step while the block runs; none inside another's.

    Parameters
    ----------
    description : str
        What is being done, in the present: "counting words".
    total : float or None
        Units of work; None where it is not known, which shows a pulse.
    """
    global _is_on
    if _is_on or not sys.stderr.isatty():
        yield Tracker()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    _is_on = True
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            yield Tracker(bar, bar.add_task(description, total=total, note=""))
    finally:
        _is_on = False


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """Show no bar while the block runs: another process shows it."""
    global _is_on
    before, _is_on = _is_on, True
    try:
        yield
    finally:
        _is_on = before
