"""Word similarity: see `rowspace.evaluate.similarity`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import Items
from rowspace.evaluate.compare.scorers.scoring import checked, digest, share_known
from rowspace.evaluate.similarity import Pair, read_pairs
from rowspace.evaluate.sts import row_cosines
from rowspace.evaluate.tasks import Kind

_VERSION = 1


@dataclass
class SimilarityScorer:
    """Spearman's correlation over all pairs of words.

    Nothing is left out, so that all models are scored on the same pairs: one with an unknown word
    has cosine 0. `eval` leaves such pairs out; where all words are known, both are equal.
    """

    name: str
    path: Path
    kind: Kind = "similarity"

    @functools.cached_property
    def fingerprint(self) -> str:
        """As `Scorer.fingerprint`."""
        return digest(self.kind, _VERSION, [self.path])

    @functools.cached_property
    def task(self) -> list[Pair]:
        """Read once.

        Raises
        ------
        EvaluationError
            If it cannot be.
        """
        return read_pairs(self.path)

    def score(self, model: Contender) -> Items:
        """As `Scorer.score`."""
        pairs = self.task
        rows = {
            word: row for row, word in enumerate(dict.fromkeys(w for p in pairs for w in p[:2]))
        }
        found = row_cosines(
            model.words(list(rows)), [rows[pair[0]] for pair in pairs], [rows[p[1]] for p in pairs]
        )
        n_unknown = int(found.is_zero.sum())
        note = f"{n_unknown:,} of {len(pairs):,} pairs have an unknown word, counted as cosine 0"
        return checked(
            Items(
                statistic="spearman",
                columns={
                    "human": np.array([score for *_, score in pairs]),
                    "model": found.cosines,
                },
                metric="Spearman",
                coverage=share_known(found.is_zero),
                notes=(note,) if n_unknown else (),
            )
        )
