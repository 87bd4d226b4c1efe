"""Documents in place of passages: each by its best passage, with the others that were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def group_rows(ranked: Sequence[int], documents: Mapping[int, str]) -> list[list[int]]:
    """The rows of each document, documents and rows in the order of the ranking.

    Parameters
    ----------
    ranked : sequence of int
        Row ids, best first, each once.
    documents : mapping of int to str
        The document of each row.

    Examples
    --------
    >>> group_rows([4, 2, 9], {2: "b", 4: "a", 9: "a"})
    [[4, 9], [2]]
    """
    groups: dict[str, list[int]] = {}
    for row_id in ranked:
        groups.setdefault(documents[row_id], []).append(row_id)
    return list(groups.values())
