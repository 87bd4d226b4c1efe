"""What a build did, as one HTML page that needs nothing else: no network, no other file.

Everything shown is computed here and in `space` (`plots`, `wordmap`); the template only places it.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rowspace.search.filters import KEYWORDS
from rowspace.space.pages import page_template, write_page
from rowspace.space.plots import Plot, epoch_plot, rank_plot
from rowspace.space.sample import frequency_order
from rowspace.space.similarity import Rows, unit_rows
from rowspace.space.vectors import Neighbors, Vectors
from rowspace.space.wordmap import clusters, draw_map, map_rows
from rowspace.version import __version__

if TYPE_CHECKING:
    from rowspace.search.build import BuildReport
    from rowspace.static.training import EpochReport

N_COMPARED = 12
N_NEIGHBORS = 6
N_FREQUENT = 20
N_LISTED = 12
"""Files, skipped files and the like that are listed before "and more"."""


def write_report(
    path: Path, name: str, report: BuildReport, vectors: Vectors | None, before: Vectors | None
) -> None:
    """Write the page, atomically.

    Parameters
    ----------
    path : Path
    name : str
        What the space is called.
    report : BuildReport
    vectors : Vectors, optional
        The word vectors that the space searches with; None where it has a sentence encoder.
    before : Vectors, optional
        The same words before training; None where nothing was trained.
    """
    html = render_report(name, report, vectors, before, datetime.now(UTC))
    write_page(path, html)


def render_report(
    name: str, report: BuildReport, vectors: Vectors | None, before: Vectors | None, made: datetime
) -> str:
    """The page as text."""
    of_model = _of_encoder(report) if vectors is None else _of_words(report, vectors, before)
    return page_template("rowspace.search", "report.html").render(
        name=name,
        report=report,
        read=report.read,
        n_listed=N_LISTED,
        where=example_filter(report.read.field_types),
        found_again=report.found_again,
        seconds=report.seconds,
        total_seconds=sum(report.seconds.values()),
        version=__version__,
        made=made,
        **of_model,
    )


def _of_words(report: BuildReport, vectors: Vectors, before: Vectors | None) -> dict[str, Any]:
    """What the page shows of word vectors."""
    rows = map_rows(vectors)
    groups = clusters(unit_rows(vectors.matrix[rows]))
    return {
        "has_words": True,
        "vocabulary": describe_vocabulary(vectors),
        "training": describe_training(report.epochs, vectors.metadata),
        "map": draw_map(vectors, rows, groups),
        "comparisons": compare_neighbors(vectors, before, content_words(vectors, rows, groups)),
        "is_compared": before is not None,
        "settings": settings(vectors.metadata),
        "dim": vectors.dim,
    }


def _of_encoder(report: BuildReport) -> dict[str, Any]:
    """What the page shows of a sentence encoder, which has no words to look at."""
    told = [(key.replace("_", " "), _shortened(value)) for key, value in report.encoder.items()]
    return {"has_words": False, "map": None, "settings": told, "dim": report.dim}


# --- What was read -------------------------------------------------------------------------------


def example_filter(field_types: Mapping[str, str]) -> str | None:
    """`--where` and a filter on the first field, as typed into a shell; None without fields.

    Examples
    --------
    >>> example_filter({"year": "int"})
    "--where 'year >= 1'"
    """
    values = {"int": ">= 1", "float": ">= 0.5", "bool": "= true", "string": 'contains "a word"'}
    for name, kind in field_types.items():
        plain = re.fullmatch(r"[^\W\d]\w*", name) and name.lower() not in KEYWORDS
        quoted = name if plain else "`" + name.replace("`", "``") + "`"
        return "--where " + shlex.quote(f"{quoted} {values[kind]}")
    return None


# --- Vocabulary and training ---------------------------------------------------------------------


@dataclass(frozen=True)
class VocabularyView:
    """The words, as the page shows them."""

    frequent: list[tuple[str, int, float]]
    """(word, occurrences, share of all)."""
    first: list[str]
    """Words without counts, in the order of the file; empty where there are counts."""
    lowest: int
    n_lowest: int
    plot: Plot | None


def describe_vocabulary(vectors: Vectors) -> VocabularyView:
    """The most frequent words, the rarest, and how counts fall in between."""
    if vectors.counts is None or vectors.counts.max() < 1:
        return VocabularyView([], vectors.index_to_key[:N_FREQUENT], 0, 0, None)
    order, total = frequency_order(vectors), int(vectors.counts.sum())
    counts = vectors.counts[order]
    counts = counts[counts > 0]
    frequent = [
        (vectors.index_to_key[row], int(n), int(n) / total)
        for row, n in zip(order[:N_FREQUENT], counts[:N_FREQUENT], strict=False)
    ]
    n_lowest = int((counts == counts[-1]).sum())
    return VocabularyView(frequent, [], int(counts[-1]), n_lowest, rank_plot(counts.tolist()))


@dataclass(frozen=True)
class TrainingView:
    """The epochs, as the page shows them."""

    loss: Plot | None
    """None where no epoch has a finite loss."""
    speed: Plot
    n_not_finite: int
    start: float | None
    """Loss before training, (n_negative + 1) ln 2, where n_negative is known."""
    n_negative: int


def describe_training(
    epochs: Sequence[EpochReport], metadata: Mapping[str, Any]
) -> TrainingView | None:
    """Loss and speed by epoch; None where nothing was trained."""
    if not epochs:
        return None
    n_negative = _config(metadata).get("n_negative", 0)
    start = (n_negative + 1) * math.log(2) if n_negative else None
    reference = (start, f"before training {start:.2f}") if start is not None else None
    losses = [(e.epoch, e.loss) for e in epochs if math.isfinite(e.loss)]
    speeds = [(e.epoch, e.words_per_second) for e in epochs]
    return TrainingView(
        loss=epoch_plot(losses, "Loss", "mean loss per prediction (nats)", reference)
        if losses
        else None,
        speed=epoch_plot(speeds, "Speed", "words per second"),
        n_not_finite=len(epochs) - len(losses),
        start=start,
        n_negative=n_negative,
    )


def settings(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the vectors were made, as names and short values."""
    flat = {k: v for k, v in metadata.items() if k != "config"} | _config(metadata)
    return [(str(key), _shortened(value)) for key, value in flat.items()]


def _config(metadata: Mapping[str, Any]) -> dict[str, Any]:
    config = metadata.get("config")
    return dict(config) if isinstance(config, Mapping) else {}


def _shortened(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 120 else text[:119] + "…"


# --- Neighbours before and after -----------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """A word with its nearest neighbours after training, and before it where that is known."""

    word: str
    after: Neighbors
    before: Neighbors

    def rows(self) -> Iterable[tuple[tuple[str, float], tuple[str, float] | None]]:
        """(after, before) by rank."""
        padded = [*self.before, *[None] * len(self.after)]
        return zip(self.after, padded, strict=False)


def content_words(vectors: Vectors, rows: Rows, groups: Rows, n: int = N_COMPARED) -> list[str]:
    """Words to show neighbours of: frequent ones from every part of the map.

    The clusters take turns and give their most frequent word of five letters or more that is
    not an English function word; where these run out, any word on the map.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    words = np.array([vectors.index_to_key[row] for row in rows], dtype=object)
    is_content = np.array([len(w) >= 5 and w.lower() not in ENGLISH_STOP_WORDS for w in words])
    turn = np.zeros(len(rows), dtype=np.int64)  # how many of its cluster come before a word
    for group in range(groups.max() + 1):
        for members in (groups == group) & is_content, (groups == group) & ~is_content:
            turn[members] = np.arange(members.sum())
    chosen = np.lexsort((groups, turn, ~is_content))[:n]
    return [str(word) for word in words[np.sort(chosen)]]


def compare_neighbors(
    vectors: Vectors, before: Vectors | None, words: Sequence[str]
) -> list[Comparison]:
    """The neighbours of each word in both spaces; none where there is only one word."""
    if len(vectors) < 2:
        return []
    frequent = vectors.n_frequent(2)  # a word seen once has hardly a place yet
    after = vectors.most_similar_batch(list(words), N_NEIGHBORS, frequent)
    first: list[Neighbors] = [[] for _ in words]
    if before is not None:
        first = before.most_similar_batch(list(words), N_NEIGHBORS, frequent)
    return [Comparison(*found) for found in zip(words, after, first, strict=True)]
