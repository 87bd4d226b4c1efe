"""A fixed sample of a data folder's texts: to measure speed on, and to fit what needs no labels.

It does not depend on which tasks are asked for, so that scores of a model that is fitted on it hold
for any choice of tasks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rowspace.evaluate.beir import read_retrieval_task
from rowspace.evaluate.sentence_data import read_sentence_task
from rowspace.evaluate.tasks import Task, find_tasks

N_TEXTS, N_QUERIES = 2_000, 200


@dataclass(frozen=True)
class Texts:
    """What models are measured and fitted on."""

    documents: list[str]
    queries: list[str]

    @property
    def digest(self) -> str:
        """Of all of them."""
        return hashlib.sha256(json.dumps([self.documents, self.queries]).encode()).hexdigest()


def sample_texts(
    data: Path | str, n_texts: int = N_TEXTS, n_queries: int = N_QUERIES, split: str = "test"
) -> Texts:
    """Draw texts from a data folder: documents and queries of retrieval, or sentences.

    Parameters
    ----------
    data : path
    n_texts, n_queries : int
        At most so many of each, equally many of each task as far as they go.
    split : str

    Returns
    -------
    Texts
        Sentences, where there is no retrieval; nothing, where there are no such tasks either. A
        task that cannot be read is passed over: its score says why.
    """
    retrieval = list(_read(data, "retrieval", lambda task: _of_retrieval(task, split)))
    found = retrieval or list(_read(data, "sts", lambda task: _of_sentences(task, split)))
    return Texts(
        _draw([documents for documents, _ in found], n_texts),
        _draw([queries for _, queries in found], n_queries),
    )


def _read(
    data: Path | str, kind: str, read: Callable[[Task], tuple[list[str], list[str]]]
) -> Iterator[tuple[list[str], list[str]]]:
    tasks, _ = find_tasks(data, [kind])  # type: ignore[list-item]
    for task in tasks:
        with contextlib.suppress(Exception):  # whatever is wrong with a file
            yield read(task)


def _of_retrieval(task: Task, split: str) -> tuple[list[str], list[str]]:
    found = read_retrieval_task(task.path, split)
    return list(found.documents.values()), [found.queries[one] for one in found.judged_queries]


def _of_sentences(task: Task, split: str) -> tuple[list[str], list[str]]:
    pairs = read_sentence_task(task.path, split).pairs
    return [first for first, *_ in pairs], [second for _, second, *_ in pairs]


def _draw(lists: Sequence[Sequence[str]], n_wanted: int) -> list[str]:
    """As many of each list as fit, those of the shorter ones first."""
    rng = np.random.default_rng(0)
    drawn: list[str] = []
    by_length = sorted(({text: None for text in texts if text.strip()} for texts in lists), key=len)
    for place, texts in enumerate(by_length):
        share = (n_wanted - len(drawn)) // (len(by_length) - place)
        known = list(texts)
        rows = rng.permutation(len(known))[:share]
        drawn += [known[row] for row in sorted(rows)]
    return drawn
