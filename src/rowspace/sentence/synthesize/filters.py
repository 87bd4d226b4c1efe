"""Which examples are kept: none that repeats another, none that a test set holds."""

from __future__ import annotations

from collections import Counter

from rowspace.sentence.synthesize.example import Example, plain_form
from rowspace.sentence.synthesize.leaks import Leaks
from rowspace.sentence.synthesize.minhash import NearDuplicates


class Filters:
    """Decides on one example after the other, and counts what it rejects by reason."""

    def __init__(self, leaks: Leaks | None = None) -> None:
        self._leaks = leaks
        self._anchors: set[str] = set()
        self._positives: dict[str, str] = {}
        self._near_anchors = NearDuplicates((1, 2))
        self._near_positives = NearDuplicates((3,))
        self.rejected: Counter[str] = Counter()

    def accept(self, example: Example, owner: str) -> bool:
        """Whether the example is kept.

        Parameters
        ----------
        example : Example
        owner : str
            What its positive is of: those of one owner may be alike.
        """
        reason = self._reason(example, owner)
        if reason is not None:
            self.rejected[reason] += 1
            return False
        self._anchors.add(plain_form(example.anchor))
        self._near_anchors.add(example.anchor, owner)
        plain = plain_form(example.positive)
        if plain not in self._positives:
            self._positives[plain] = owner
            self._near_positives.add(example.positive, owner)
        return True

    def _reason(self, example: Example, owner: str) -> str | None:
        anchor, positive = plain_form(example.anchor), plain_form(example.positive)
        if not anchor or not positive:
            return "no words"
        if anchor == positive:
            return "anchor and positive are one"
        if positive in map(plain_form, example.negatives):
            return "positive and negative are one"
        if anchor in self._anchors:
            return "repeats an anchor"
        if self._leaks is not None and self._leaks.holds(example):
            return "is in a test set"
        if self._near_anchors.find(example.anchor) is not None:
            return "nearly repeats an anchor"
        if self._positives.get(positive, owner) != owner:
            return "repeats a positive"
        if self._near_positives.find(example.positive, but=owner) is not None:
            return "nearly repeats a positive"
        return None
