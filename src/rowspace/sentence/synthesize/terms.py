"""How specific words are in a corpus, and the phrases that say what a passage is about."""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable

import numpy as np

from rowspace.text.tokenizer import spanned_words, words

_N_CELLS = 1 << 20  # words share cells by chance, which does little harm
_COMMON = 0.015  # of the passages; words in more are no terms
_NEVER_COMMON = 2  # passages: a word in no more than these is a term in a corpus of any size
_RAREST = 4  # passages: a word that is rarer counts as if it stood in so many
_MOST_WORDS = 3
_JOINT = re.compile(r"[ \-‐’']\Z")


class TermWeights:
    """In how many passages each word stands, in 4 MB whatever the corpus.

    Examples
    --------
    >>> terms = TermWeights()
    >>> for text in ["the tea", "the pot", "the tea pot of Chad"]:
    ...     terms.count(text)
    >>> terms.idf("the") < terms.idf("tea")
    True
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_N_CELLS, dtype=np.int32)
        self.n_passages = 0

    def count(self, text: str) -> None:
        """Count the words of one passage."""
        cells = {_cell(word) for word in words(text)}
        self._counts[list(cells)] += 1
        self.n_passages += 1

    def idf(self, word: str) -> float:
        """Logarithm of the share of passages without the word: 0 for one in all."""
        n_with = max(int(self._counts[_cell(word)]), min(_RAREST, self.n_passages // 4), 1)
        return math.log(max(self.n_passages, 1) / n_with)

    def is_common(self, word: str) -> bool:
        """Whether a word says little: in many passages, of two letters, or a number."""
        if len(word) < 3 and word.isascii():
            return True
        if word.isdecimal() or "_" in word:
            return True
        n_with = int(self._counts[_cell(word)])
        return n_with > max(_COMMON * self.n_passages, _NEVER_COMMON)

    def shared(self, one: Iterable[str], other: Iterable[str]) -> float:
        """Sum of the idf of the terms that two lists of words share."""
        both = set(one) & set(other)
        return sum(self.idf(word) for word in both if not self.is_common(word))

    def phrases(self, text: str, n: int, but: Iterable[str] = ()) -> list[str]:
        """What a passage is about: `n` phrases of one to three terms, the most specific first.

        Runs of terms between other words, as in RAKE (Rose et al. 2010), here by the tf-idf of
        their words. Phrases share no word.

        Parameters
        ----------
        text : str
        n : int
            At most so many.
        but : iterable of str
            Words that are no terms here.
        """
        left_out = set(but)
        found = spanned_words(text)
        counts = Counter(word for word, _ in found)
        scores: dict[str, float] = {}
        run: list[tuple[str, tuple[int, int]]] = []
        for word, span in [*found, ("", (0, 0))]:
            is_term = word and word not in left_out and not self.is_common(word)
            if run and (not is_term or not _JOINT.match(text[run[-1][1][1] : span[0]])):
                if len(run) <= _MOST_WORDS:
                    phrase = text[run[0][1][0] : run[-1][1][1]].lower()
                    weight = sum((1 + math.log(counts[w])) * self.idf(w) for w, _ in run)
                    scores[phrase] = weight / math.sqrt(len(run))
                run = []
            if is_term:
                run.append((word, span))
        return _apart(sorted(scores, key=lambda phrase: (-scores[phrase], phrase)), n)


def _apart(phrases: list[str], n: int) -> list[str]:
    """The first `n` that share no word with one before."""
    kept: list[str] = []
    used: set[str] = set()
    for phrase in phrases:
        if len(kept) == n:
            break
        found = set(words(phrase))
        if not found & used:
            kept.append(phrase)
            used |= found
    return kept


def _cell(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "replace")) % _N_CELLS
