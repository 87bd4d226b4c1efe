"""The occurrences of a word in a stream of sentences: all, or an even sample of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from rowspace.errors import ConfigError, CorpusError, VocabularyError
from rowspace.progress import track
from rowspace.text.tokenizer import words
from rowspace.transformer.occurrences import Span, find_word

MAX_OCCURRENCES = 1000
_TELL_EVERY = 1000


@dataclass(frozen=True)
class Collected:
    """Occurrences of a word, in the order of the text."""

    sentences: list[str]
    """(n,) that of each occurrence."""
    spans: list[Span]
    n_occurrences: int
    """Before a sample was taken."""
    n_sentences: int
    """That were read."""
    n_repeated: int
    """Sentences with the word that had been read before, and were left out."""


@dataclass
class _Reservoir:
    """An even sample of a stream of unknown length (Vitter 1985, algorithm R)."""

    most: int
    generator: np.random.Generator
    kept: list[tuple[int, Span, str]] = field(default_factory=list)
    n_seen: int = 0

    def add(self, item: tuple[int, Span, str]) -> None:
        self.n_seen += 1
        if len(self.kept) < self.most:
            self.kept.append(item)
        elif (place := int(self.generator.integers(self.n_seen))) < self.most:
            self.kept[place] = item


def collect(
    sentences: Iterable[str], word: str, most: int = MAX_OCCURRENCES, seed: int = 0
) -> Collected:
    """Find a word or phrase in sentences, each different one once.

    Parameters
    ----------
    sentences : iterable of str
        Read once, and not kept but for those with the word.
    word : str
    most : int
        Of more occurrences an even sample is kept.
    seed : int
        Of the sample.

    Raises
    ------
    VocabularyError
        If the word does not occur.
    CorpusError
        If there is no sentence.
    ConfigError
        If `most` is below 1, or the word is empty.
    """
    if isinstance(sentences, str):
        raise ConfigError("sentences is one string; give a list of them")
    if most < 1:
        raise ConfigError(f"max_occurrences is {most}; give 1 or more")
    reservoir = _Reservoir(most, np.random.default_rng(seed))
    seen, others = set[str](), set[str]()
    number, n_repeated = 0, 0
    with track(f"looking for {word}") as tracker:
        for number, sentence in enumerate(sentences, start=1):
            spans = find_word(sentence, word)
            if not reservoir.n_seen and not spans:
                others.update(words(sentence))  # to name a near one, should it never come
            elif spans and sentence in seen:
                n_repeated += 1
            elif spans:
                seen.add(sentence)
                for span in spans:
                    reservoir.add((number, span, sentence))
            if number % _TELL_EVERY == 0:
                tracker.advance(_TELL_EVERY, note=f"{reservoir.n_seen:,} in {number:,} sentences")
    if not reservoir.n_seen:
        raise _not_found(word, number, others)
    kept = sorted(reservoir.kept)
    return Collected(
        [sentence for _, _, sentence in kept],
        [span for _, span, _ in kept],
        reservoir.n_seen,
        number,
        n_repeated,
    )


def _not_found(word: str, n_sentences: int, others: set[str]) -> Exception:
    if not n_sentences:
        return CorpusError("there is no sentence to read; give text that is not empty")
    near = difflib.get_close_matches(word.lower(), others, n=1)
    instead = f"{near[0]!r} does" if near else "give another word, or more text"
    read = "the one sentence" if n_sentences == 1 else f"the {n_sentences:,} sentences"
    return VocabularyError(f"{word!r} does not occur in {read} that were read; {instead}")
