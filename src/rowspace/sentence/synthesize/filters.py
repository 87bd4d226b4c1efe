"""Which pairs are kept: none that repeats another, none that a test set holds."""

from __future__ import annotations

import hashlib
from collections import Counter

from rowspace.sentence.synthesize.leaks import Leaks
from rowspace.sentence.synthesize.minhash import NearDuplicates
from rowspace.sentence.synthesize.synthetic_pair import SyntheticPair, plain_form


class Filters:
    """Decides on one pair after the other, and counts what it rejects by reason."""

    def __init__(self, leaks: Leaks | None = None) -> None:
        self._leaks = leaks
        self._anchors: set[bytes] = set()
        self._positives: dict[bytes, str] = {}
        self._near_anchors = NearDuplicates((1, 2))
        self._near_positives = NearDuplicates((3,))
        self.rejected: Counter[str] = Counter()

    def accept(self, pair: SyntheticPair, owner: str) -> bool:
        """Whether the pair is kept.

        Parameters
        ----------
        pair : SyntheticPair
        owner : str
            What its positive is of: those of one owner may be alike.
        """
        anchor, positive = plain_form(pair.anchor), plain_form(pair.positive)
        reason = self._flaw(pair, anchor, positive)
        if reason is None:
            reason = self._repeats(pair, anchor, positive, owner)
        if reason is not None:
            self.rejected[reason] += 1
        return reason is None

    def _flaw(self, pair: SyntheticPair, anchor: str, positive: str) -> str | None:
        """What is amiss with the pair by itself."""
        if not anchor or not positive:
            return "no words"
        if anchor == positive:
            return "anchor and positive are one"
        if positive in map(plain_form, pair.negatives):
            return "positive and negative are one"
        if self._leaks is not None and self._leaks.holds(pair):
            return "is in a test set"
        return None

    def _repeats(self, pair: SyntheticPair, anchor: str, positive: str, owner: str) -> str | None:
        """What the pair repeats; if nothing, it is remembered."""
        key_of_anchor, key_of_positive = _key(anchor), _key(positive)
        if key_of_anchor in self._anchors:
            return "repeats an anchor"
        of_anchor = self._near_anchors.sign(anchor)
        if self._near_anchors.find(of_anchor) is not None:
            return "nearly repeats an anchor"
        first_owner = self._positives.get(key_of_positive)
        if first_owner not in (None, owner):
            return "repeats a positive"
        if first_owner is None:
            of_positive = self._near_positives.sign(positive)
            if self._near_positives.find(of_positive, but=owner) is not None:
                return "nearly repeats a positive"
            self._near_positives.add(of_positive, owner)
            self._positives[key_of_positive] = owner
        self._anchors.add(key_of_anchor)
        self._near_anchors.add(of_anchor, owner)
        return None


def _key(plain: str) -> bytes:
    """What a text is remembered by; it is shorter than most."""
    return hashlib.blake2b(plain.encode("utf-8", "replace"), digest_size=16).digest()
