"""A development set: what tells while it trains whether an embedder gets better.

Scored pairs give Spearman's correlation of cosines and scores (Cer et al. 2017); other pairs the
mean reciprocal rank of each anchor's best positive among the positives and negatives of all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import CorpusError, EvaluationError
from rowspace.sentence.encoder import SentenceEncoder, normalized
from rowspace.sentence.example import Example, Kind
from rowspace.sentence.pairs import read_pairs

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

    Raises
    ------
    CorpusError
        If there are fewer than two examples, or their scores are all the same.

    Examples
    --------
    >>> DevelopmentSet([Example("tea", "a drink"), Example("oak", "a tree")], "pairs").metric
    'mrr@10'
    """

    def __init__(self, examples: Sequence[Example], kind: Kind) -> None:
        self.examples, self.kind = list(examples[:MOST]), kind
        if len(self.examples) < 2:
            raise CorpusError(
                f"the development set has {len(self.examples)} examples; give 2 or more"
            )
        if kind == "scored" and len({example.score for example in self.examples}) == 1:
            raise CorpusError(
                f"the development set's scores are all {self.examples[0].score}, and have no order "
                "to compare with; give pairs of different scores"
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

    @property
    def fingerprint(self) -> str:
        """What tells this set from another."""
        content = json.dumps([self.kind, [example.as_json() for example in self.examples]])
        return hashlib.sha256(content.encode()).hexdigest()

    def score(self, encoder: SentenceEncoder) -> float:
        """How good an encoder is, larger is better.

        Raises
        ------
        EvaluationError
            If a vector of its is not finite.
        """
        return self._spearman(encoder) if self.kind == "scored" else self._ranks(encoder)

    def _spearman(self, encoder: SentenceEncoder) -> float:
        from scipy.stats import spearmanr

        prompt = encoder.config.prompts.alike
        anchors = [example.anchor for example in self.examples]
        positives = [example.positive for example in self.examples]
        first = _unit(encoder.encode(anchors, prompt=prompt))
        second = _unit(encoder.encode(positives, prompt=prompt))
        cosines = (first * second).sum(axis=1)
        if np.ptp(cosines) == 0:
            return 0.0  # they order nothing
        return float(spearmanr(cosines, [example.score for example in self.examples]).statistic)

    def _ranks(self, encoder: SentenceEncoder) -> float:
        """A wrong text that is as close as the right one counts as closer."""
        right: dict[str, set[str]] = {}
        for example in self.examples:
            right.setdefault(example.anchor, set()).add(example.positive)
        texts = list(dict.fromkeys(t for example in self.examples for t in example.texts[1:]))
        anchors = list(right)
        cosines = _unit(encoder.encode_query(anchors)) @ _unit(encoder.encode_document(texts)).T
        number = {text: i for i, text in enumerate(texts)}
        total = 0.0
        for row, anchor in zip(cosines, anchors, strict=True):
            own = [number[text] for text in right[anchor]]
            best = row[own].max()
            rank = 1 + int((np.delete(row, own) >= best).sum())
            total += 1 / rank if rank <= RANKS else 0.0
        return total / len(anchors)


def _unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    if not np.isfinite(vectors).all():
        raise EvaluationError("the encoder's vectors have numbers that are not finite")
    return normalized(vectors)
