"""Where the query's words are in a passage, and the part of it that shows most of them."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rowspace.errors import ConfigError
from rowspace.search.lexical import indexed_words
from rowspace.search.words import Span, WordFinder

ELLIPSIS = "…"


@dataclass(frozen=True)
class Match:
    """One of the query's words in a text."""

    start: int
    end: int
    word: str
    """As the text index has it."""
    weight: float
    """Above 0; more where fewer of the texts that were found have the word."""


class QueryWords:
    """Finds the words of one query in the texts that it found.

    Nothing is computed before a hit is asked for its highlights.

    Parameters
    ----------
    query : str
    language : str or None
        As the space's: what words are stemmed and stopped by.
    texts : sequence of str
        All texts that were found, which tell rare words from frequent ones.
    """

    def __init__(self, query: str, language: str | None, texts: Sequence[str] = ()) -> None:
        self.query, self.language, self._texts = query, language, texts
        self._lock = threading.Lock()
        self._finder: WordFinder | None = None
        self._weights: dict[str, float] = {}

    def __reduce__(self) -> tuple[type[QueryWords], tuple[str, str | None, Sequence[str]]]:
        return QueryWords, (self.query, self.language, self._texts)  # a stemmer cannot be copied

    def find(self, text: str) -> tuple[Match, ...]:
        """Each of the query's words in `text`, in order."""
        with self._lock:
            if self._finder is None:
                self._finder = WordFinder(self.language)
                self._weights = self._weigh(self._finder)
            if not self._weights:
                return ()
            return tuple(
                Match(*span, word, self._weights[word])
                for word, span in self._finder.words(text)
                if word in self._weights
            )

    def _weigh(self, finder: WordFinder) -> dict[str, float]:
        """log(1 + n_texts / n_with_it) of each of the query's words."""
        spelled = {self.query[start:end]: word for word, (start, end) in finder.words(self.query)}
        asked = {spelled[word] for word in indexed_words(list(spelled), self.language)}
        if not asked:
            return {}
        counts = Counter(
            word
            for text in self._texts
            for word in {word for word, _ in finder.words(text)} & asked
        )
        n = max(1, len(self._texts))
        return {word: math.log1p(n / max(1, counts[word])) for word in asked}


def spans_of(matches: Iterable[Match]) -> tuple[Span, ...]:
    """Where the matches are, those that overlap joined."""
    spans: list[Span] = []
    for match in matches:
        if spans and match.start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], match.end))
        else:
            spans.append((match.start, match.end))
    return tuple(spans)


def best_window(text: str, matches: Sequence[Match], n_characters: int) -> Span:
    """The part of at most `n_characters` whose distinct words weigh most; the first of equal ones.

    It begins and ends between words, but for words of a quarter of that and scripts without spaces.
    """
    if n_characters < 1:
        raise ConfigError(f"n_characters is {n_characters}; give 1 or more")
    if len(text) <= n_characters:
        return 0, len(text)
    first, last = _best_run(
        [_widened(text, match, n_characters) for match in matches], n_characters
    )
    room = n_characters - (last - first)
    start = _word_start(text, max(0, first - room // 2), first)
    if len(text) - start < n_characters:  # what is left over at the end goes to the beginning
        start = _word_start(text, len(text) - n_characters, first)
    return start, _word_end(text, start + n_characters, max(last, start + 1))


def _widened(text: str, match: Match, n_characters: int) -> Match:
    """The match with what it hangs together with, as a hyphen or a full stop."""
    start, end = match.start, match.end
    limit = n_characters // 4
    while start > 0 and not text[start - 1].isspace() and match.start - start <= limit:
        start -= 1
    while end < len(text) and not text[end].isspace() and end - match.end <= limit:
        end += 1
    return replace(
        match,
        start=start if match.start - start <= limit else match.start,
        end=end if end - match.end <= limit else match.end,
    )


def _best_run(matches: Sequence[Match], n_characters: int) -> Span:
    """From the first to the last match of the run that weighs most, and is no longer."""
    weights = {match.word: match.weight for match in matches}
    best, span = 0.0, (0, 0)
    inside: Counter[str] = Counter()
    left = 0
    for match in matches:
        inside[match.word] += 1
        while match.end - matches[left].start > n_characters and matches[left] is not match:
            inside[matches[left].word] -= 1
            left += 1
        total = sum(weights[word] for word, n in inside.items() if n)
        if total > best + 1e-9:
            best, span = total, (matches[left].start, match.end)
    return span[0], min(span[1], span[0] + n_characters)


def _word_start(text: str, place: int, limit: int) -> int:
    """The first place from `place` to `limit` where a word begins; `place` if there is none."""
    for start in range(place, limit + 1):
        if (start == 0 or text[start - 1].isspace()) and not text[start].isspace():
            return start
    return place


def _word_end(text: str, place: int, limit: int) -> int:
    """The last place from `place` down to `limit` where a word ends; `place` if there is none."""
    for end in range(min(place, len(text)), limit - 1, -1):
        if (end == len(text) or text[end].isspace()) and not text[end - 1].isspace():
            return end
    return min(place, len(text))


def windowed(text: str, spans: Sequence[Span], window: Span) -> tuple[str, tuple[Span, ...]]:
    """The window's text in one line with ellipses where it is cut, and the spans that are in it."""
    start, end = window
    before = ELLIPSIS if text[:start].strip() else ""
    after = ELLIPSIS if text[end:].strip() else ""
    parts: list[str] = [before]
    places = [0] * (end - start + 1)
    length = len(before)
    was_space = True
    for offset, character in enumerate(text[start:end]):
        places[offset] = length
        is_space = character.isspace()
        if not (is_space and was_space):
            parts.append(" " if is_space else character)
            length += 1
        was_space = is_space
    places[end - start] = length
    shown = [(max(a, start), min(b, end)) for a, b in spans if a < end and b > start]
    return (
        "".join(parts).rstrip() + after,
        tuple((places[a - start], places[b - start]) for a, b in shown),
    )
