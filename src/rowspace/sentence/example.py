"""One training example: an anchor, what should lie close to it, and what should not."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import CorpusError
from rowspace.files import write_atomically

Kind = Literal["pairs", "triplets", "scored", "margins"]
"""What a set of examples holds: pairs alone, negatives too, scored pairs, or a teacher's scores."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text, one that should lie close to it, and perhaps negatives and scores.

    Examples
    --------
    >>> Example("hot drink", "Tea is leaves in hot water.", scores=(0.8,)).kind
    'margins'
    """

    anchor: str
    positive: str
    negatives: tuple[str, ...] = ()
    score: float | None = None
    """How close the pair is, by people; beside one negative, a teacher's margin."""
    scores: tuple[float, ...] = ()
    """A teacher's scores, of the positive and then of each negative; empty if there are none."""

    @property
    def kind(self) -> Kind:
        """What this example alone holds."""
        if self.scores or (self.score is not None and self.negatives):
            return "margins"
        if self.score is not None:
            return "scored"
        return "triplets" if self.negatives else "pairs"

    @property
    def margins(self) -> tuple[float, ...]:
        """By how much the teacher puts the positive above each negative."""
        if self.scores:
            return tuple(self.scores[0] - score for score in self.scores[1:])
        return () if self.score is None else (self.score,) * len(self.negatives)

    @property
    def texts(self) -> tuple[str, ...]:
        """The anchor, the positive and the negatives."""
        return (self.anchor, self.positive, *self.negatives)

    def as_json(self) -> dict[str, Any]:
        """The fields that are not empty."""
        fields: dict[str, Any] = {"anchor": self.anchor, "positive": self.positive}
        if self.negatives:
            fields["negatives"] = self.negatives
        if self.score is not None:
            fields["score"] = self.score
        if self.scores:
            fields["scores"] = self.scores
        return fields


def kind_of(examples: Iterable[Example], name: str = "the examples") -> Kind:
    """What examples hold, together: the loss that can be trained on them follows from it.

    Some may lack negatives, but none a score that the others have.

    Raises
    ------
    CorpusError
        If there are none, or only some have scores.
    """
    return kind_by_counts(count_kinds(example.kind for example in examples), name)


def kind_by_counts(counts: dict[Kind, int], name: str) -> Kind:
    """The kind of a set, by how many examples are of each kind alone."""
    n = sum(counts.values())
    if not n:
        raise CorpusError(f"{name} has no example in it; give some pairs")
    n_with_score = counts["margins"] + counts["scored"]
    if n_with_score not in (0, n):
        raise CorpusError(
            f"{name} has a score on {n_with_score:,} of {n:,} examples; give one on all or on none"
        )
    if counts["margins"] and counts["scored"]:
        raise CorpusError(
            f"{name} has {counts['scored']:,} scored pairs and {counts['margins']:,} with a "
            "teacher's scores of negatives; put them into two files"
        )
    if n_with_score:
        return "margins" if counts["margins"] else "scored"
    return "triplets" if counts["triplets"] else "pairs"


def count_kinds(kinds: Iterable[Kind]) -> dict[Kind, int]:
    """How many examples are of each kind alone."""
    counts: dict[Kind, int] = {"pairs": 0, "triplets": 0, "scored": 0, "margins": 0}
    for kind in kinds:
        counts[kind] += 1
    return counts


@dataclass(frozen=True)
class TextKeys:
    """Hashes of the texts of many examples: what tells that two share one, in little memory."""

    starts: NDArray[np.int64]
    """(n + 1,) where the keys of each example begin."""
    keys: NDArray[np.uint64]
    """Of each example: its anchor's, its positive's, its negatives'."""
    lengths: NDArray[np.int32]
    """(n,) characters of an example's longest text."""

    def __len__(self) -> int:
        return len(self.lengths)


def text_key(text: str) -> int:
    """64 bits of a text's hash, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class TextKeyList:
    """The hashes of examples' texts, gathered one example at a time."""

    def __init__(self) -> None:
        self._starts = array("q", [0])
        self._keys = array("Q")
        self._lengths = array("i")

    def append(self, example: Example) -> None:
        """Add the next example."""
        texts = example.texts
        self._keys.extend(text_key(text) for text in texts)
        self._starts.append(len(self._keys))
        self._lengths.append(max(map(len, texts)))

    def whole(self) -> TextKeys:
        """All of them."""
        return TextKeys(
            np.frombuffer(self._starts, np.int64),
            np.frombuffer(self._keys, np.uint64),
            np.frombuffer(self._lengths, np.int32),
        )


def text_keys(examples: Iterable[Example]) -> TextKeys:
    """The hashes of the examples' texts, for the sampler."""
    found = TextKeyList()
    for example in examples:
        found.append(example)
    return found.whole()


def joined_keys(parts: Sequence[TextKeys]) -> TextKeys:
    """The keys of several sets, one after the other."""
    offsets = np.cumsum([0, *(len(part.keys) for part in parts)])
    starts = [part.starts[:-1] + offset for part, offset in zip(parts, offsets, strict=False)]
    return TextKeys(
        np.concatenate([*starts, offsets[-1:]]),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.lengths for part in parts]),
    )


def write_pairs(examples: Iterable[Example], path: Path | str) -> int:
    """Write examples as JSON lines, all or nothing; returns how many.

    Raises
    ------
    CorpusError
        If there are none.
    """
    n = 0
    with write_atomically(path) as file:
        for line in _lines(examples):
            file.write(line)
            n += 1
        if not n:
            raise CorpusError(f"there is no example to write to {path}; give other text")
    return n


def _lines(examples: Iterable[Example]) -> Iterator[bytes]:
    for example in examples:
        yield json.dumps(example.as_json(), ensure_ascii=False).encode() + b"\n"
