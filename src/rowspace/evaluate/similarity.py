"""Word similarity: do the cosines of word pairs rise with people's scores?

Rubenstein & Goodenough (1965); Finkelstein et al. (2002), WordSim-353; Hill et al. (2015),
SimLex-999. Equal to gensim's `KeyedVectors.evaluate_word_pairs` on the same vectors, except that a
line that cannot be read is an error here, where gensim passes over it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rowspace.errors import EvaluationError
from rowspace.evaluate.correlation import correlations
from rowspace.evaluate.lines import as_number, numbered_lines
from rowspace.evaluate.lookup import fold, row_of_words
from rowspace.space.similarity import unit_rows
from rowspace.space.vectors import Vectors
from rowspace.text.streams import bare_suffix

Pair = tuple[str, str, float]
"""Two words and the score that people gave them."""


@dataclass(frozen=True, kw_only=True)
class SimilarityResult:
    """How the vectors agree with people on one set of word pairs."""

    spearman: float
    """Rank correlation in [-1, 1], ties averaged; NaN where all cosines or all scores are equal."""

    pearson: float
    """Linear correlation in [-1, 1]; NaN in the same case."""

    n_pairs: int
    """Pairs in the set."""

    n_scored: int
    """Pairs behind the two numbers: those whose words both have a vector, or all with
    `dummy4unknown`."""

    unknown_words: tuple[str, ...]
    """Words of the set that have no vector, each once, in the set's order."""


def word_similarity(
    vectors: Vectors,
    pairs: Sequence[Pair],
    *,
    case_insensitive: bool = True,
    dummy4unknown: bool = False,
    restrict_vocab: int | None = 300_000,
) -> SimilarityResult:
    """Correlate the cosine of each pair of words with the score that people gave it.

    Parameters
    ----------
    vectors : Vectors
        The most frequent word first.
    pairs : sequence of (word, word, score)
    case_insensitive : bool
        Fold case on both sides; the first, most frequent, variant of a word is taken.
    dummy4unknown : bool
        Give a pair with an unknown word the similarity 0 instead of leaving it out.
    restrict_vocab : int or None
        Know only this many words, the most frequent; None for all.

    Returns
    -------
    SimilarityResult

    Raises
    ------
    EvaluationError
        If fewer than two pairs can be scored, so there is nothing to correlate.

    References
    ----------
    Spearman (1904), "The proof and measurement of association between two things".

    Examples
    --------
    >>> import numpy as np
    >>> from rowspace.space.vectors import Vectors
    >>> matrix = np.array([[1, 0], [1, 1], [0, 1]], dtype=np.float32)
    >>> pairs = [("cat", "dog", 9.0), ("cat", "tax", 1.0), ("dog", "dog", 10.0)]
    >>> word_similarity(Vectors(["cat", "dog", "tax"], matrix), pairs).spearman
    1.0
    """
    rows = row_of_words(vectors.index_to_key[:restrict_vocab], case_insensitive=case_insensitive)
    human: list[float] = []
    model: list[float] = []
    unknown: dict[str, None] = {}
    for first, second, score in pairs:
        found = [
            rows.get(fold(word, case_insensitive=case_insensitive)) for word in (first, second)
        ]
        unknown.update(
            (word, None) for word, row in zip((first, second), found, strict=True) if row is None
        )
        row_a, row_b = found
        if row_a is not None and row_b is not None:
            human.append(score)
            unit_a, unit_b = unit_rows(vectors.matrix[[row_a, row_b]])  # zero rows stay zero
            model.append(float(unit_a @ unit_b))
        elif dummy4unknown:
            human.append(score)
            model.append(0.0)
    if len(human) < 2:
        raise EvaluationError(
            f"only {len(human)} of {len(pairs)} pairs have a vector for both words; "
            "give vectors with a larger vocabulary or pairs from their domain"
        )
    spearman, pearson = correlations(np.array(human), np.array(model))
    return SimilarityResult(
        spearman=spearman,
        pearson=pearson,
        n_pairs=len(pairs),
        n_scored=len(human),
        unknown_words=tuple(unknown),
    )


def read_pairs(path: Path | str) -> list[Pair]:
    """Read word pairs: `word1 TAB word2 TAB score` lines, or the same three columns with commas.

    A `.csv` file is read with commas, every other with tabs. Columns after the third, empty lines
    and lines that start with `#` are passed over, and so is a first line whose third column is
    not a number: a header.

    Returns
    -------
    list of (word, word, score)

    Raises
    ------
    EvaluationError
        If a line has no three columns or its third is no finite number; the message names the line.
    """
    path = Path(path)
    pairs: list[Pair] = []
    for number, fields in _rows(path):
        score = as_number(fields[2]) if len(fields) >= 3 else None
        if score is not None:
            pairs.append((fields[0].strip(), fields[1].strip(), score))
        elif number > 1 or len(fields) < 3:
            raise EvaluationError(
                f"{path.name} line {number} is not `word1 TAB word2 TAB score` (commas in a .csv): "
                f"{' '.join(fields)[:80]!r}; correct or remove it"
            )
    if not pairs:
        raise EvaluationError(f"{path.name} holds no word pairs; give `word1 TAB word2 TAB score`")
    return pairs


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    has_commas = bare_suffix(path) == ".csv"
    for number, line in numbered_lines(path):
        if not line.startswith("#"):
            yield number, next(csv.reader([line])) if has_commas else line.split("\t")
