"""Texts cut to what a model reads at once: whole, cut short, or as windows that overlap.

A window begins every half of its length, and a token is read in the one that shows most of what
stands around it.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError
from rowspace.transformer.tokenized import Tokenized


@dataclass(frozen=True)
class Window:
    """A stretch of a text's tokens that a model reads at once."""

    text_id: int
    first: int
    """The text's own token that it begins with."""
    after: int
    """The text's own token after its last."""
    n_before: int
    """Special tokens before those."""
    ids: NDArray[np.int64]
    """(T,) special tokens included."""

    def place_of(self, token: int) -> int:
        """Where one of the text's own tokens stands in `ids`."""
        return token - self.first + self.n_before


def window_starts(n_tokens: int, room: int) -> list[int]:
    """Where windows of `room` tokens begin so that all are read, each half anew.

    Examples
    --------
    >>> window_starts(10, 4)
    [0, 2, 4, 6]
    """
    if n_tokens <= room:
        return [0]
    step = max(1, room // 2)
    return [*range(0, n_tokens - room, step), n_tokens - room]


def cut(
    text_id: int,
    tokenized: Tokenized,
    max_length: int | None,
    on_truncate: str,
    name: str | None = None,
) -> list[Window]:
    """The windows of one text.

    Parameters
    ----------
    text_id : int
    tokenized : Tokenized
    max_length : int or None
        Tokens that a model reads at once, special ones included; None for any number.
    on_truncate : {"warn", "error", "chunk"}
        What is made of a longer text: its beginning, an error, or windows.
    name : str, optional
        Of the text, for the error; its number if not given.

    Raises
    ------
    CorpusError
        If it is too long, and that is an error.
    ConfigError
        If there is no room for a token between the special ones.
    """
    before, after = list(tokenized.before), list(tokenized.after)
    n_special = len(before) + len(after)
    room = len(tokenized) if max_length is None else max_length - n_special
    if room < min(1, len(tokenized)):
        raise ConfigError(
            f"max_length is {max_length}, and {n_special} special tokens leave no room for text; "
            f"give {n_special + 1} or more"
        )
    starts = window_starts(len(tokenized), room)
    if len(starts) > 1 and on_truncate == "error":
        which = text_id if name is None else name
        raise CorpusError(
            f"text {which} has {len(tokenized) + n_special:,} tokens, and the model reads "
            f"{max_length:,}; shorten it, or give on_truncate='chunk' (or 'warn', to cut it)"
        )
    if on_truncate != "chunk":
        starts = starts[:1]
    windows = []
    for start in starts:
        own = tokenized.ids[start : start + room]
        ids = np.array([*before, *own, *after], dtype=np.int64)
        windows.append(Window(text_id, start, start + len(own), len(before), ids))
    return windows


def best_window(
    windows: Sequence[Window], first: int, after: int, of_text: range | None = None
) -> int | None:
    """Which window shows most around the tokens from `first` to before `after`.

    Parameters
    ----------
    windows : sequence of Window
    first, after : int
    of_text : range, optional
        Which windows are the text's, as `cut` gave them; all if not given.

    Returns
    -------
    int or None
        None where no window has all of these tokens.
    """
    low, high = (0, len(windows)) if of_text is None else (of_text.start, of_text.stop)
    room = windows[low].after - windows[low].first
    # A window is the better the nearer its middle is to theirs: one of the two on either side.
    at = bisect.bisect_right(windows, first + after - room, low, high, key=lambda w: 2 * w.first)
    margins = {
        i: min(first - windows[i].first, windows[i].after - after)
        for i in range(max(low, at - 1), min(high, at + 1))
    }
    best = max(margins, key=margins.__getitem__)
    return best if margins[best] >= 0 else None
