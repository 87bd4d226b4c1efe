"""Phrases: words that stand together more often than by chance, joined to one (new_york).

Mikolov et al. (2013b), section 4, https://arxiv.org/abs/1310.4546, and Bouma (2009), Normalized
(pointwise) mutual information in collocation extraction. Differs from word2phrase.c and gensim:
pairs are counted exactly, where those drop the rare ones when memory is full; a word under the
vocabulary's min_count begins and ends no phrase, but does stand between its neighbours.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import write_json
from rowspace.progress import track
from rowspace.text.pairs import Keys, PairCounts, PairKeys
from rowspace.text.vocabulary import (
    SENTENCE_END,
    TokenIds,
    Vocabulary,
    VocabularyConfig,
    choose_words,
)

DELIMITER = "_"
SCORES = {"original": 10.0, "word2phrase": 100.0, "npmi": 0.5}
"""Each score and its threshold where none is given."""
ENGLISH_CONNECTORS = (
    "a", "an", "the", "for", "of", "with", "without", "at", "from", "to", "in", "on", "by", "and",
    "or",
)  # fmt: skip

_FORMAT = 1
_BLOCK_IDS = 1 << 20
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PhrasesConfig:
    """Which words are joined."""

    passes: int = 1
    """Times the text is gone through; each may join what the one before has joined."""
    score: str = "original"
    """With a, b and ab the counts of two words and of the pair, m `min_count`:
    `original` is (ab - m) / (a b) times the number of different words and pairs, as in gensim;
    `word2phrase` that times the number of all words, as in word2phrase.c;
    `npmi` is the mutual information ln(p(ab) / p(a) p(b)) / -ln p(ab), from -1 to 1."""
    threshold: float | None = None
    """A pair is joined if its score is above. None takes the score's usual one: 10 for `original`,
    100 for `word2phrase`, 0.5 for `npmi`."""
    min_count: int = 5
    """A pair that occurs less often is not joined."""
    connectors: tuple[str, ...] = ()
    """Words that may stand inside a phrase and do not count for its score, as in bank_of_america;
    none begins or ends one. See ENGLISH_CONNECTORS."""

    def __post_init__(self) -> None:
        if self.passes < 1:
            raise ConfigError(f"phrase passes are {self.passes}; give 1 or more")
        if self.score not in SCORES:
            raise ConfigError(f"phrase score is {self.score!r}; give one of {', '.join(SCORES)}")
        if self.min_count < 1:
            raise ConfigError(f"phrase min_count is {self.min_count}; give 1 or more")
        if self.score == "npmi" and not -1 <= self.least <= 1:
            raise ConfigError(
                f"phrase threshold is {self.threshold}; give -1 to 1, the range of npmi"
            )
        if self.score != "npmi" and not 0 < self.least < math.inf:
            raise ConfigError(f"phrase threshold is {self.threshold}; give a number above 0")

    @property
    def least(self) -> float:
        """The threshold."""
        return SCORES[self.score] if self.threshold is None else self.threshold


@dataclass(frozen=True)
class Phrase:
    """Words that are joined to one."""

    parts: tuple[str, ...]
    """The first, any connectors, and the last; joined words themselves from the second pass on."""
    count: int
    """Occurrences of the pair in the text that it was found in, before any pair was joined."""
    score: float

    @property
    def name(self) -> str:
        """The joined word."""
        return DELIMITER.join(self.parts)


class Phrases:
    """Phrases found in a text, to join in any other.

    Parameters
    ----------
    passes : sequence of sequences of Phrase
        What each pass joins.
    config : PhrasesConfig
        What they were found with.

    Examples
    --------
    >>> phrases = Phrases([[Phrase(("new", "york"), 9, 12.5)]], PhrasesConfig())
    >>> phrases.apply(["a", "new", "york", "minute"])
    ['a', 'new_york', 'minute']
    """

    def __init__(self, passes: Sequence[Sequence[Phrase]], config: PhrasesConfig) -> None:
        self.passes = [list(phrases) for phrases in passes]
        self.config = config
        self._names = [{phrase.parts: phrase.name for phrase in found} for found in self.passes]

    def __len__(self) -> int:
        return sum(map(len, self.passes))

    def __iter__(self) -> Iterator[Phrase]:
        for phrases in self.passes:
            yield from phrases

    def apply(self, tokens: Sequence[str]) -> list[str]:
        """Join the phrases of one sentence, from left to right.

        Parameters
        ----------
        tokens : sequence of str
            Words as the tokenizer makes them: `text.tokenizer.words`.

        Returns
        -------
        list of str
        """
        joined = list(tokens)
        for names in self._names:
            joined = list(_joined(joined, names, frozenset(self.config.connectors)))
        return joined

    def join(
        self, vocabulary: Vocabulary, ids: TokenIds, words: VocabularyConfig
    ) -> tuple[Vocabulary, TokenIds]:
        """Join the phrases in a text of which every word has a name; ids are rewritten in place.

        Parameters
        ----------
        vocabulary, ids
            A scan with a min_count of 1.
        words : VocabularyConfig
            Which words are kept in the end.
        """
        for number, phrases in enumerate(self.passes):
            is_last = number == len(self.passes) - 1
            pairs = _pair_keys(vocabulary, self.config)
            vocabulary, ids = _join(vocabulary, ids, phrases, pairs, words, is_last)
        return vocabulary, ids

    def record(self) -> dict[str, Any]:
        """All of it as JSON can hold it; see `from_record`."""
        return {
            "format": _FORMAT,
            "config": dataclasses.asdict(self.config),
            "passes": [[dataclasses.asdict(phrase) for phrase in found] for found in self.passes],
        }

    @classmethod
    def from_record(cls, record: Any) -> Phrases:
        """Read what `record` made, such as `vectors.metadata["phrases"]` of a trained model.

        Raises
        ------
        FormatError
            If it is something else.
        """
        try:
            if record["format"] > _FORMAT:
                raise FormatError(
                    f"the phrases are in format {record['format']}, and this Rowspace reads up to "
                    f"{_FORMAT}; update Rowspace"
                )
            config = dict(record["config"], connectors=tuple(record["config"]["connectors"]))
            passes = [
                [Phrase(tuple(p["parts"]), int(p["count"]), float(p["score"])) for p in found]
                for found in record["passes"]
            ]
            return cls(passes, PhrasesConfig(**config))
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"these are no phrases ({error}); give what save wrote") from error

    def save(self, path: Path | str) -> None:
        """Write them to a JSON file."""
        write_json(path, self.record())

    @classmethod
    def load(cls, path: Path | str) -> Phrases:
        """Read what `save` wrote.

        Raises
        ------
        FormatError
            If it is missing, damaged or something else.
        """
        try:
            return cls.from_record(json.loads(Path(path).read_bytes()))
        except FileNotFoundError as error:
            raise FormatError(f"there is no file {path}; check the path") from error
        except ValueError as error:
            raise FormatError(f"{path}: {error}") from error


def connectors_of(text: str) -> tuple[str, ...]:
    """The connectors that a setting names: `english`, or words with spaces between."""
    return ENGLISH_CONNECTORS if text == "english" else tuple(text.split())


def join_phrases(
    vocabulary: Vocabulary,
    ids: TokenIds,
    config: PhrasesConfig,
    words: VocabularyConfig,
    n_threads: int = 1,
) -> tuple[Vocabulary, TokenIds, Phrases]:
    """Find phrases in token ids and join them; the ids are rewritten in place.

    A phrase that is spelled as a word of the text is that word.

    Parameters
    ----------
    vocabulary, ids
        A scan with `keep_rare`.
    config : PhrasesConfig
    words : VocabularyConfig
        Which words are kept in the end. Words under its min_count are in no phrase.
    n_threads : int

    Returns
    -------
    vocabulary, ids
        Of the text with the phrases joined, counted anew.
    phrases : Phrases
        Each pass's sorted by score.

    References
    ----------
    Mikolov et al. (2013b), section 4, eq. 6.
    """
    passes: list[list[Phrase]] = []
    is_last = False
    while not is_last:
        pairs = _pair_keys(vocabulary, config)
        passes.append(_find(vocabulary, ids, config, pairs, n_threads))
        is_last = len(passes) == config.passes or not passes[-1]
        vocabulary, ids = _join(vocabulary, ids, passes[-1], pairs, words, is_last)
    return vocabulary, ids, Phrases(passes, config)


def write_text(vocabulary: Vocabulary, ids: TokenIds, file: IO[bytes]) -> None:
    """Write the words that token ids stand for: a sentence a line, a space between words."""
    names = np.array([*vocabulary.words, "\n"], dtype=object)  # SENTENCE_END, -1, is the last
    is_new_line = True
    with track("writing text", total=ids.n_ids) as tracker:
        for first in range(0, ids.n_ids, _BLOCK_IDS):
            block = ids.read(first, first + _BLOCK_IDS)
            text = " ".join(names[block]).replace("\n ", "\n").replace(" \n", "\n")
            if not is_new_line and block[0] != SENTENCE_END:
                file.write(b" ")
            file.write(text.encode("utf-8", "surrogateescape"))
            is_new_line = bool(block[-1] == SENTENCE_END)
            tracker.advance(len(block))
    if not is_new_line:
        file.write(b"\n")


def scores_of(
    config: PhrasesConfig,
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    both: NDArray[np.int64],
    n_types: int,
    n_tokens: int,
) -> Floats:
    """The score of pairs.

    Parameters
    ----------
    config : PhrasesConfig
    first, last, both : (n,) int arrays
        Counts of the two words and of the pair.
    n_types : int
        Different words, without connectors, and different pairs.
    n_tokens : int
        All words of the text.

    Returns
    -------
    (n,) float64 array

    References
    ----------
    Mikolov et al. (2013b), eq. 6; Bouma (2009), section 3.
    """
    if config.score == "npmi":
        p_both = both / n_tokens
        return np.log(p_both / (first / n_tokens * (last / n_tokens))) / -np.log(p_both)
    n = n_types if config.score == "original" else n_tokens
    return (both - config.min_count) / (first.astype(np.float64) * last) * n


def _pair_keys(vocabulary: Vocabulary, config: PhrasesConfig) -> PairKeys:
    wanted = set(config.connectors)
    connectors = [row for row, word in enumerate(vocabulary.words) if word in wanted]
    return PairKeys(vocabulary.n_distinct, connectors)


def _find(
    vocabulary: Vocabulary,
    ids: TokenIds,
    config: PhrasesConfig,
    pairs: PairKeys,
    n_threads: int,
) -> list[Phrase]:
    """The pairs above the threshold, best first."""
    n_words = vocabulary.n_distinct - len(pairs.connectors)

    def select(keys: Keys, counts: NDArray[np.int64], n_types: int) -> NDArray[np.int64]:
        """Which pairs score enough if there are so many different words and pairs."""
        firsts, lasts = pairs.ends(keys)
        are_named = (firsts < len(vocabulary)) & (lasts < len(vocabulary))
        able = np.flatnonzero(are_named & (counts >= config.min_count))
        a, b = vocabulary.counts[firsts[able]], vocabulary.counts[lasts[able]]
        scores = scores_of(config, a, b, counts[able], n_types, vocabulary.n_tokens)
        return able[scores > config.least]

    def candidates(keys: Keys, counts: NDArray[np.int64]) -> tuple[int, Any, Any]:
        chosen = select(keys, counts, n_words + counted.n_at_most)  # more types, higher scores
        return len(keys), keys[chosen], counts[chosen]

    with PairCounts(ids, pairs, n_threads) as counted:
        n_pairs, parts, counts_of_parts = zip(*counted.map_parts(candidates), strict=True)
    keys, counts = np.concatenate(parts), np.concatenate(counts_of_parts)
    n_types = n_words + sum(n_pairs)
    chosen = select(keys, counts, n_types)
    keys, counts = keys[chosen], counts[chosen]
    firsts, lasts = pairs.ends(keys)
    scores = scores_of(
        config, vocabulary.counts[firsts], vocabulary.counts[lasts], counts, n_types,
        vocabulary.n_tokens,
    )  # fmt: skip
    found = [
        Phrase(tuple(vocabulary.words[i] for i in row), count, score)
        for row, count, score in zip(
            pairs.decode(keys), counts.tolist(), scores.tolist(), strict=True
        )
    ]
    return sorted(found, key=lambda phrase: (-phrase.score, phrase.parts))


def _join(
    vocabulary: Vocabulary,
    ids: TokenIds,
    phrases: Sequence[Phrase],
    pairs: PairKeys,
    words: VocabularyConfig,
    is_last: bool,
) -> tuple[Vocabulary, TokenIds]:
    """Join one pass's phrases, and choose the words anew."""
    index = {word: row for row, word in enumerate(vocabulary.words)}
    keys: list[int] = []
    new_ids: list[int] = []
    for phrase in phrases:
        rows = [index.get(part, -1) for part in phrase.parts]
        key = None if min(rows) < 0 else pairs.encode(rows)
        if key is not None:
            keys.append(key)
            new_ids.append(index.setdefault(phrase.name, len(index)))
    counts, ids = _rewrite_joined(
        ids, pairs, np.array(keys, np.uint64), np.array(new_ids, np.int32), len(vocabulary),
        len(index) - len(vocabulary),
    )  # fmt: skip
    if not is_last:
        words = VocabularyConfig(min_count=words.min_count, tokenizer=words.tokenizer)
    return choose_words(list(index), counts, ids, words, keep_rare=not is_last)


def _rewrite_joined(
    ids: TokenIds,
    pairs: PairKeys,
    keys: Keys,
    new_ids: NDArray[np.int32],
    n_named: int,
    n_new: int,
) -> tuple[NDArray[np.int64], TokenIds]:
    """Join pairs in place, what is written never passing what is read; the counts by new id."""
    from rowspace.text import phrase_kernels as kernels

    n_slots = 1 << (2 * len(keys) + 1).bit_length()
    slots, places = np.zeros(n_slots, np.uint64), np.full(n_slots, -1, np.int32)
    kernels.fill_slots(keys, slots, places)
    counts = np.zeros(pairs.n_ids + n_new, dtype=np.int64)
    block = max(_BLOCK_IDS, 2 * pairs.most_between + 4)  # longer than what may be left unread
    out = np.empty(min(block, ids.n_ids), dtype=np.int32)
    n_read = n_written = 0
    with track("joining phrases", total=ids.n_ids) as tracker, ids.path.open("r+b") as file:
        while n_read < ids.n_ids:
            read = ids.read(n_read, n_read + block)
            n_done, n_out = kernels.join_pairs(
                read, n_read + len(read) == ids.n_ids, *pairs.arguments, slots, places, new_ids,
                n_named, n_new, counts, out,
            )  # fmt: skip
            file.seek(4 * n_written)
            file.write(out[:n_out].data)
            file.flush()  # before the next block is read, by another file
            n_read += n_done
            n_written += n_out
            tracker.advance(n_done)
        file.truncate(4 * n_written)
    return counts, TokenIds(ids.path, n_written)


def _joined(
    tokens: Sequence[str], names: dict[tuple[str, ...], str], connectors: frozenset[str]
) -> Iterator[str]:
    """One pass over one sentence."""
    waiting: list[str] = []  # a word and the connectors after it
    for token in tokens:
        if waiting and token in connectors:
            waiting.append(token)
        elif token in connectors:
            yield token
        elif waiting and (name := names.get((*waiting, token))) is not None:
            yield name
            waiting = []
        else:
            yield from waiting
            waiting = [token]
    yield from waiting
