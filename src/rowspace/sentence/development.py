"""A development set: what tells while it trains whether an embedder gets better.

Scored pairs give Spearman's correlation of cosines and scores (Cer et al. 2017); other pairs the
mean reciprocal rank of each anchor's positive among the positives and negatives of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import CorpusError, EvaluationError
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.sentence.example import Example, Kind
from rowspace.sentence.pairs import read_pairs
from rowspace.space.similarity import row_norms

MOST = 2000
"""Examples that are looked at."""
RANKS = 10


class DevelopmentSet:
    """Examples that nothing is learned from.

    Parameters
    ----------
    examples : sequence of Example
    kind : Kind
        "scored", or anything else for ranks.
    """

    def __init__(self, examples: Sequence[Example], kind: Kind) -> None:
        self.examples, self.kind = list(examples[:MOST]), kind
        if len(self.examples) < 2:
            raise CorpusError(
                f"the development set has {len(self.examples)} examples; give 2 or more"
            )

    @classmethod
    def read(cls, path: Path | str, split: str = "dev") -> DevelopmentSet:
        """A file of pairs, or a folder in BEIR's layout, of which the judgements `split` count."""
        examples = read_pairs(path, split)[0]
        return cls(examples, examples.kind)

    @property
    def metric(self) -> str:
        """What `score` gives."""
        return "spearman" if self.kind == "scored" else f"mrr@{RANKS}"

    def score(self, encoder: SentenceEncoder) -> float:
        """How good an encoder is, larger is better.

        Raises
        ------
        EvaluationError
            If its vectors are no numbers.
        """
        value = self._spearman(encoder) if self.kind == "scored" else self._ranks(encoder)
        if not np.isfinite(value):
            raise EvaluationError(f"the development set's {self.metric} is {value}")
        return value

    def _spearman(self, encoder: SentenceEncoder) -> float:
        from scipy.stats import spearmanr

        first = _unit(encoder.encode_query([example.anchor for example in self.examples]))
        second = _unit(encoder.encode_query([example.positive for example in self.examples]))
        scores = [example.score for example in self.examples]
        return float(spearmanr((first * second).sum(axis=1), scores).statistic)

    def _ranks(self, encoder: SentenceEncoder) -> float:
        right: dict[str, set[str]] = {}
        for example in self.examples:
            right.setdefault(example.anchor, set()).add(example.positive)
        texts = list(dict.fromkeys(t for example in self.examples for t in example.texts[1:]))
        anchors = list(right)
        scores = _unit(encoder.encode_query(anchors)) @ _unit(encoder.encode_document(texts)).T
        number = {text: i for i, text in enumerate(texts)}
        total = 0.0
        for row, anchor in zip(scores, anchors, strict=True):
            best = max(row[number[text]] for text in right[anchor])
            rank = 1 + int((row > best).sum())
            total += 1 / rank if rank <= RANKS else 0.0
        return total / len(anchors)


def _unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    norms = row_norms(vectors)
    return (vectors / np.where(norms > 0, norms, 1)[:, None]).astype(np.float32)
