"""Which row a task's word means, with case folded or not."""

from __future__ import annotations

from collections.abc import Sequence


def fold(word: str, *, case_insensitive: bool) -> str:
    """`word` as tasks compare it: upper case, as gensim folds, or unchanged."""
    return word.upper() if case_insensitive else word


def row_of_words(keys: Sequence[str], *, case_insensitive: bool) -> dict[str, int]:
    """Row of each folded key; of several that fold to one word the first, the most frequent, wins.

    Parameters
    ----------
    keys : sequence of str
        Words by row, the most frequent first.
    case_insensitive : bool
        Fold case on both sides, so that "Paris" finds "paris".

    Returns
    -------
    dict of str to int
        Keyed by `fold(word)`.
    """
    rows: dict[str, int] = {}
    for row, key in enumerate(keys):
        rows.setdefault(fold(key, case_insensitive=case_insensitive), row)
    return rows
