"""Training pairs out of a corpus alone, without any model.

The corpus is read twice: to count words, and to make pairs. Those that pass the filters go to a
file beside the output; which of them are written, and in which order, is drawn by the seed. Memory
is some 4 kB a pair, for the filters.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rowspace.errors import ConfigError, CorpusError
from rowspace.files import write_atomically
from rowspace.progress import track
from rowspace.sentence.synthesize.filters import Filters
from rowspace.sentence.synthesize.kinds import KINDS as _MAKERS
from rowspace.sentence.synthesize.kinds import Source, TitleNeighbors
from rowspace.sentence.synthesize.leaks import Leaks
from rowspace.sentence.synthesize.paragraphs import paragraphs_of
from rowspace.sentence.synthesize.report import SynthesisReport
from rowspace.sentence.synthesize.synthetic_pair import SyntheticPair
from rowspace.sentence.synthesize.terms import TermWeights
from rowspace.text.corpus import Corpus, Document

KINDS = tuple(_MAKERS)


@dataclass(frozen=True, kw_only=True)
class OfflineConfig:
    """Settings of the pairs that are made without a model."""

    n: int | None = None
    """Pairs, as many of each kind as can be; None for all that there are."""
    kinds: tuple[str, ...] = KINDS
    """Which; see `kinds.py`."""
    seed: int = 1
    min_words: int = 12
    """Shorter paragraphs are left out."""
    max_words: int = 120
    """Longer paragraphs are cut between sentences."""
    n_negatives: int = 1
    """At most so many a pair."""

    def __post_init__(self) -> None:
        if unknown := [kind for kind in self.kinds if kind not in KINDS]:
            raise ConfigError(f"there is no kind {unknown[0]!r}; give some of {', '.join(KINDS)}")
        if not self.kinds:
            raise ConfigError(f"no kind is given; give some of {', '.join(KINDS)}")
        if self.n is not None and self.n < 1:
            raise ConfigError(f"n is {self.n}; give 1 or more")
        if not 1 <= self.min_words <= self.max_words:
            raise ConfigError(
                f"min_words is {self.min_words} and max_words {self.max_words}, which leaves no "
                "paragraph; give 1 or more, and max_words no less than min_words"
            )
        if self.n_negatives < 0:
            raise ConfigError(f"n_negatives is {self.n_negatives}; give 0 or more")


def synthesize_offline(
    corpus: Corpus, out: Path | str, config: OfflineConfig | None = None, leaks: Leaks | None = None
) -> SynthesisReport:
    """Write training pairs made from a corpus.

    Parameters
    ----------
    corpus : Corpus
        It is read twice, so it cannot be stdin.
    out : path
        JSON lines of `anchor`, `positive`, `negatives` and `kind`.
    config : OfflineConfig, optional
    leaks : Leaks, optional
        Texts that no pair may hold.

    Raises
    ------
    CorpusError
        If no pair can be made.
    """
    config = config or OfflineConfig()
    out = Path(out)
    if "-" in corpus.description()["paths"]:
        raise ConfigError("the corpus is read twice, and stdin only once; give a file")
    filters = Filters(leaks)
    with tempfile.TemporaryFile(dir=out.absolute().parent, prefix=".rowspace-") as kept:
        places = _keep(_make(corpus, config), filters, kept)
        chosen = _choose(places, config.n)
        if not chosen:
            raise CorpusError(
                f"no pair could be made of the corpus ({_told(filters)}); give more text, other "
                "kinds, or fewer min_words"
            )
        n_with_negatives = 0
        with write_atomically(out) as file:
            for place in chosen:
                kept.seek(place.offset)
                file.write(kept.readline())
                n_with_negatives += place.has_negatives
    by_kind = {kind: sum(place.kind == kind for place in chosen) for kind in config.kinds}
    return SynthesisReport(
        n_written=len(chosen),
        by_kind=by_kind,
        n_with_negatives=n_with_negatives,
        rejected=dict(filters.rejected.most_common()),
    )


@dataclass(frozen=True, order=True, slots=True)
class _Place:
    """Where an example is in the file, and its lot."""

    lot: int
    offset: int
    kind: str
    has_negatives: bool


def _make(corpus: Corpus, config: OfflineConfig) -> Iterator[tuple[str, int, SyntheticPair]]:
    """(document, lot, example) of all that can be made."""
    terms = TermWeights()
    with track("counting words") as tracker:
        for document in corpus:
            for paragraph in paragraphs_of(document, config.min_words, config.max_words):
                terms.count(paragraph.text)
            tracker.advance(1, note=f"{terms.n_passages:,} paragraphs")
    neighbors = TitleNeighbors(terms)
    with track("making pairs") as tracker:
        for number, document in enumerate(corpus):
            draw = random.Random(f"{config.seed} {number} {document.document_id}")  # noqa: S311
            for example in _examples_of(corpus, document, config, terms, neighbors, draw):
                yield f"{number}", draw.getrandbits(64), example
            tracker.advance(1)


def _examples_of(
    corpus: Corpus,
    document: Document,
    config: OfflineConfig,
    terms: TermWeights,
    neighbors: TitleNeighbors,
    draw: random.Random,
) -> Iterator[SyntheticPair]:
    paragraphs = paragraphs_of(document, config.min_words, config.max_words)
    if not paragraphs:
        return
    title = "" if corpus.is_whole_file(document) else " ".join(document.title.split())
    neighbor = neighbors.exchange(title, paragraphs[0].text)
    source = Source(title, paragraphs, terms, draw, neighbor, config.n_negatives)
    for kind in config.kinds:
        yield from _MAKERS[kind](source)


def _keep(
    made: Iterator[tuple[str, int, SyntheticPair]], filters: Filters, file: IO[bytes]
) -> list[_Place]:
    """Write what the filters accept; tells where each is."""
    places = []
    offset = 0
    for owner, lot, example in made:
        if filters.accept(example, owner):
            places.append(_Place(lot, offset, example.kind, bool(example.negatives)))
            offset += file.write(example.line())
    return places


def _choose(places: Sequence[_Place], n: int | None) -> list[_Place]:
    """`n` of the examples by lot, as many of each kind as can be."""
    if n is None or n >= len(places):
        return sorted(places)
    by_kind: dict[str, list[_Place]] = {}
    for place in sorted(places):
        by_kind.setdefault(place.kind, []).append(place)
    chosen: list[_Place] = []
    left = sorted(by_kind.values(), key=len)
    while left:  # those with few give what they lack to the others
        share = -(-(n - len(chosen)) // len(left))
        chosen += left.pop(0)[:share]
    return sorted(chosen[:n])


def _told(filters: Filters) -> str:
    counts = [f"{count:,} {reason}" for reason, count in filters.rejected.most_common()]
    return "rejected: " + ", ".join(counts) if counts else "it has no paragraph long enough"
