"""Occurrences of words and the senses that people gave them, read from files.

Loureiro, Rezaee, Pilehvar & Camacho-Collados (2021), https://aclanthology.org/2021.cl-2.14:
CoarseWSD-20. Senseval's lexical samples: hard, interest, line, serve. Pilehvar &
Camacho-Collados (2019), https://aclanthology.org/N19-1128: WiC.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.lines import numbered_lines

Line = TypeVar("Line")

TEST_SHARE = 1 / 3
"""Of the occurrences of each sense, where a word's file has no split."""
_SPLIT_SEED = 0  # one test part for all: scores of two models are of the same occurrences

_COARSE = "`sense TAB index TAB sentence`"
_WIC = "`label TAB lemma TAB pos TAB index1 TAB index2 TAB sentence1 TAB sentence2`, label T or F"
_SENSEVAL = '`{"sense": "…", "index": 3, "tokens": ["…"]}`'


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A word in its sentence."""

    tokens: tuple[str, ...]
    index: int
    """Of the word among the tokens, from 0."""
    sense: str = ""

    @property
    def word(self) -> str:
        """The word as it stands there."""
        return self.tokens[self.index]


@dataclass(frozen=True, kw_only=True)
class SenseTask:
    """One word's occurrences: those that examples are drawn from, and those to be classified."""

    name: str
    train: tuple[Occurrence, ...]
    test: tuple[Occurrence, ...]


@dataclass(frozen=True, kw_only=True)
class WordPair:
    """Two occurrences of a lemma, and whether they have one sense."""

    lemma: str
    first: Occurrence
    second: Occurrence
    is_same: bool


def read_coarse_wsd(train: Path | str, test: Path | str, name: str) -> SenseTask:
    """Read a word of CoarseWSD-20: `sense TAB index TAB sentence`, with a header or without.

    Parameters
    ----------
    train, test : path
        May be packed (.gz, .xz, .zst). Tokens are what stands between spaces.
    name : str
        The word.

    Raises
    ------
    EvaluationError
        If a line cannot be read, which the message names, or a file has none.
    CorpusError
        If a file is missing or its packed data damaged.
    """
    parts = [
        _read(Path(path), _coarse_line, _COARSE, may_have_header=True) for path in (train, test)
    ]
    return SenseTask(name=name, train=tuple(parts[0]), test=tuple(parts[1]))


def read_senseval(path: Path | str, name: str) -> SenseTask:
    """Read a lexical sample of Senseval: a line of JSON with sense, index and tokens for each.

    It has no split: a third of each sense, always the same, is the test part. Sentences that are
    there several times are all in one part.

    Parameters
    ----------
    path : path
        May be packed (.gz, .xz, .zst).
    name : str
        The word.

    Raises
    ------
    EvaluationError
        If a line cannot be read, which the message names, or there is none.
    CorpusError
        If the file is missing or its packed data damaged.
    """
    occurrences = _read(Path(path), _senseval_line, _SENSEVAL)
    first = {_place(o): o.sense for o in reversed(occurrences)}
    is_held = stratified(list(first.values()), TEST_SHARE, _SPLIT_SEED, n_left=1)
    held = {place for place, is_test in zip(first, is_held, strict=True) if is_test}
    return SenseTask(
        name=name,
        train=tuple(o for o in occurrences if _place(o) not in held),
        test=tuple(o for o in occurrences if _place(o) in held),
    )


def _place(occurrence: Occurrence) -> tuple[tuple[str, ...], int]:
    return occurrence.tokens, occurrence.index


def read_wic(path: Path | str) -> list[WordPair]:
    """Read pairs of Word-in-Context: label, lemma, pos, two indices and two sentences, by tabs.

    Parameters
    ----------
    path : path
        With a header or without; may be packed (.gz, .xz, .zst).

    Raises
    ------
    EvaluationError
        If a line cannot be read, which the message names, or there is none.
    CorpusError
        If the file is missing or its packed data damaged.
    """
    return _read(Path(path), _wic_line, _WIC, may_have_header=True)


def stratified(
    senses: Sequence[str], share: float, seed: int, *, n_left: int = 0
) -> NDArray[np.bool_]:
    """A part of the occurrences with about this share of each sense, one at least.

    `n_left` of each sense stay out of it whatever the share, so with 1 none is taken of a sense
    that occurs once.

    Examples
    --------
    >>> senses = ["a", "a", "a", "a", "b"]
    >>> int(stratified(senses, 0.5, seed=0).sum())
    3
    >>> int(stratified(senses, 0.5, seed=0, n_left=1).sum())
    2
    """
    drawn = np.zeros(len(senses), dtype=bool)
    rng = np.random.default_rng(seed)
    labels = np.array(senses)
    for sense in sorted(set(senses)):
        places = rng.permutation(np.flatnonzero(labels == sense))
        n = min(max(1, round(share * len(places))), len(places) - n_left)
        drawn[places[: max(0, n)]] = True
    return drawn


def by_frequency(senses: Sequence[str]) -> list[str]:
    """The senses, the most frequent first, equal ones by name."""
    counts = Counter(senses)
    return sorted(counts, key=lambda sense: (-counts[sense], sense))


def _read(
    path: Path, parse: Callable[[str], Line], shape: str, *, may_have_header: bool = False
) -> list[Line]:
    found = list(_parsed(path, parse, shape, may_have_header))
    if not found:
        raise EvaluationError(f"{path.name} holds no occurrence; give lines of {shape}")
    return found


def _parsed(
    path: Path, parse: Callable[[str], Line], shape: str, may_have_header: bool
) -> Iterator[Line]:
    for place, (number, line) in enumerate(numbered_lines(path)):
        if place == 0 and may_have_header and _is_header(line):
            continue
        try:
            yield parse(line)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise EvaluationError(
                f"{path.name} line {number} is not {shape}, with the index that of a token: "
                f"{line[:80]!r}; correct or remove it"
            ) from error


def _is_header(line: str) -> bool:
    """Whether a first line has no index, as all below have one, damaged ones too."""
    return not any(field.strip().lstrip("-").isdecimal() for field in line.split("\t"))


def _coarse_line(line: str) -> Occurrence:
    sense, index, sentence = line.split("\t")
    return _occurrence(sentence.split(), int(index), sense)


def _senseval_line(line: str) -> Occurrence:
    record = json.loads(line)
    return _occurrence(record["tokens"], record["index"], record["sense"])


def _wic_line(line: str) -> WordPair:
    label, lemma, _, index1, index2, sentence1, sentence2 = line.split("\t")
    return WordPair(
        lemma=lemma,
        first=_occurrence(sentence1.split(), int(index1)),
        second=_occurrence(sentence2.split(), int(index2)),
        is_same={"T": True, "F": False}[label],
    )


def _occurrence(tokens: Any, index: Any, sense: Any = "") -> Occurrence:
    """What the values of a line say; raises ValueError where they cannot be."""
    is_whole = isinstance(index, int) and not isinstance(index, bool)
    if not (isinstance(tokens, list) and is_whole and isinstance(sense, str)):
        raise ValueError
    if not (0 <= index < len(tokens) and all(isinstance(token, str) for token in tokens)):
        raise ValueError
    if not tokens[index].strip():
        raise ValueError
    return Occurrence(tuple(tokens), index, sense)
