"""Hard negatives: texts that a model puts near an anchor, and that are not right for it.

What is nearest of all is often right and only unlabelled, so it is passed over: by rank, or as in
NV-Retriever (Moreira et al. 2024, https://arxiv.org/abs/2407.15831, section 3: TopK-PercPos) by a
score that is too near the positive's. Cosines are exact. A text is never a negative of an anchor
that it is a positive of, nor of itself; case and white space do not tell texts apart.

The texts are held in memory, their vectors in files where a folder for them is given: then a run
that was interrupted goes on where it was.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.files import remember
from rowspace.progress import track
from rowspace.sentence.example import Example, text_key
from rowspace.space.encoder import Encoder
from rowspace.space.growing import GrowingFiles, Rows
from rowspace.space.similarity import nearest_rows, row_norms, unit_rows

Sampling = Literal["top", "random"]
SAMPLINGS: tuple[str, ...] = get_args(Sampling)

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_TEXTS_AT_ONCE = 1024
_EXAMPLES_AT_ONCE = 256
_VECTORS = "vectors"


@dataclass(frozen=True, kw_only=True)
class MiningConfig:
    """Which of the texts near an anchor become its negatives."""

    n_negatives: int = 5
    """Of each example, at most."""

    ranks: tuple[int, int] = (0, 200)
    """How many of the nearest are passed over, and how many are looked at."""

    relative_margin: float | None = 0.05
    """A negative's score s is below p - margin · |p|, where p is the positive's."""

    absolute_margin: float | None = None
    """A negative's score is below p - margin."""

    max_score: float | None = None
    """A negative's score is below this."""

    sampling: str = "top"
    """The nearest of what is left (top), or any of it (random)."""

    seed: int = 0
    """Of random sampling."""

    with_scores: bool = False
    """Keep the cosines of the positive and the negatives; a teacher's always are."""

    def __post_init__(self) -> None:
        if self.n_negatives < 1:
            raise ConfigError(f"n_negatives is {self.n_negatives}; give 1 or more")
        first, last = self.ranks
        if not 0 <= first < last:
            raise ConfigError(f"ranks is {first}-{last}, which holds none; give such as 10-210")
        for name in ("relative_margin", "absolute_margin", "max_score"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ConfigError(f"{name} is {value}; give a number")
        if self.relative_margin is not None and not 0 <= self.relative_margin < 1:
            raise ConfigError(f"relative_margin is {self.relative_margin}; give 0 or more, below 1")
        if self.sampling not in SAMPLINGS:
            raise ConfigError(f"sampling is {self.sampling!r}; give one of {', '.join(SAMPLINGS)}")


@dataclass(frozen=True)
class Mined:
    """Examples with their negatives, and what was not found."""

    examples: list[Example]
    """As many as were given, in order; those without any negative too."""
    n_short: int
    """Examples with fewer negatives than wanted, those with none too."""
    n_without: int
    """Examples with none."""
    n_texts: int
    """Different texts that were searched."""


def mine_negatives(
    examples: Sequence[Example],
    corpus_texts: Iterable[str],
    encoder: Encoder,
    config: MiningConfig | None = None,
    *,
    teacher: Encoder | None = None,
    folder: Path | None = None,
) -> Mined:
    """Give each example negatives out of a corpus and the positives of all examples.

    Parameters
    ----------
    examples : sequence of Example
        Negatives and scores that they have are replaced.
    corpus_texts : iterable of str
        May be empty: then the positives of other anchors are searched.
    encoder : Encoder
        Finds what is near. `encode_query` and `encode_document` are used where it has them.
    config : MiningConfig, optional
    teacher : Encoder, optional
        Scores what was found in the encoder's place: by its cosines the margins are measured, and
        they are kept with the examples, as MarginMSE wants them.
    folder : Path, optional
        Where vectors are kept; a run on the same texts goes on with what is there.

    Raises
    ------
    ConfigError
        If a vector has NaN in it, or `folder` holds a run on other texts or of another model.

    Examples
    --------
    >>> from rowspace.sentence.example import Example
    >>> class Lengths:
    ...     dim, fingerprint = 2, "lengths"
    ...     def encode(self, texts):
    ...         return np.array([[len(text), 10.0] for text in texts], np.float32)
    >>> mined = mine_negatives([Example("tea", "oak")], ["elms", "chestnuts"], Lengths(),
    ...                        MiningConfig(n_negatives=1, relative_margin=0.01))
    >>> mined.examples[0].negatives
    ('chestnuts',)
    """
    config = config or MiningConfig()
    texts = _Texts(examples, corpus_texts)
    finder = _embed(encoder, texts, folder and folder / "model")
    scorer = finder if teacher is None else _embed(teacher, texts, folder and folder / "teacher")
    keeps_scores = config.with_scores or teacher is not None
    found: list[Example] = []
    with track("mining negatives", total=len(examples)) as tracker:
        for start in range(0, len(examples), _EXAMPLES_AT_ONCE):
            part = range(start, min(start + _EXAMPLES_AT_ONCE, len(examples)))
            near = finder.nearest(texts, part, config.ranks)
            for number, rows in zip(part, near, strict=True):
                scores = scorer.cosines(texts, number, rows)
                chosen = _choose(rows, scores, number, config)
                found.append(_with(examples[number], texts, chosen, scores, rows, keeps_scores))
            tracker.advance(len(part))
    counts = np.array([len(example.negatives) for example in found], np.int64)
    n_short = int((counts < config.n_negatives).sum())
    return Mined(found, n_short, int((counts == 0).sum()), len(texts.documents))


def _choose(
    rows: NDArray[np.int64], scores: Doubles, number: int, config: MiningConfig
) -> list[int]:
    """Places in `rows` of an example's negatives; `scores` has the positive's before theirs."""
    places = np.flatnonzero(scores[1:] < _limit(float(scores[0]), config))
    if config.sampling == "random" and len(places) > config.n_negatives:
        random = np.random.default_rng((config.seed, number))
        places = np.sort(random.choice(places, config.n_negatives, replace=False))
    chosen: list[int] = places[: config.n_negatives].tolist()
    return chosen


def _limit(positive: float, config: MiningConfig) -> float:
    """What a negative's score has to be below."""
    limits = [np.inf]
    if config.relative_margin is not None:
        limits.append(positive - config.relative_margin * abs(positive))
    if config.absolute_margin is not None:
        limits.append(positive - config.absolute_margin)
    if config.max_score is not None:
        limits.append(config.max_score)
    return min(limits)


def _with(
    example: Example,
    texts: _Texts,
    chosen: list[int],
    scores: Doubles,
    rows: NDArray[np.int64],
    keeps_scores: bool,
) -> Example:
    negatives = tuple(texts.documents[rows[place]] for place in chosen)
    kept = (scores[0], *(scores[1 + place] for place in chosen)) if keeps_scores else ()
    return replace(
        example, negatives=negatives, score=None, scores=tuple(round(float(s), 6) for s in kept)
    )


class _Texts:
    """The different texts of a run, and for each example which are which.

    Parameters
    ----------
    examples : sequence of Example
    corpus_texts : iterable of str
        What has no text in it is passed over.
    """

    def __init__(self, examples: Sequence[Example], corpus_texts: Iterable[str]) -> None:
        self.documents: list[str] = []
        self.queries: list[str] = []
        row_of: dict[int, int] = {}
        query_of: dict[int, int] = {}

        def row(text: str) -> int:
            return _number(text, row_of, self.documents)

        pairs = [(_number(e.anchor, query_of, self.queries), row(e.positive)) for e in examples]
        for text in corpus_texts:
            if text.strip():
                row(text)
        self.query = np.array([query for query, _ in pairs], np.int64)
        self.positive = np.array([positive for _, positive in pairs], np.int64)
        self._right: list[set[int]] = [set() for _ in self.queries]
        for query, positive in pairs:
            self._right[query].add(positive)
        for key, query in query_of.items():
            if key in row_of:
                self._right[query].add(row_of[key])

    def right(self, part: range) -> NDArray[np.int64]:
        """(len(part), most) rows that are no negatives of each example, -1 where there is none."""
        sets = [sorted(self._right[query]) for query in self.query[part.start : part.stop]]
        rows = np.full((len(sets), max(map(len, sets))), -1, np.int64)
        for place, found in enumerate(sets):
            rows[place, : len(found)] = found
        return rows


def _number(text: str, numbers: dict[int, int], texts: list[str]) -> int:
    """The number of a text among `texts`, where it is put if it is new."""
    number = numbers.setdefault(text_key(" ".join(text.split()).casefold()), len(texts))
    if number == len(texts):
        texts.append(text)
    return number


@dataclass(frozen=True)
class _Vectors:
    """The vectors of a run's texts by one encoder."""

    queries: Floats
    documents: Floats
    norms: Floats
    """Of the documents."""

    def nearest(
        self, texts: _Texts, part: range, ranks: tuple[int, int]
    ) -> Iterator[NDArray[np.int64]]:
        """Of each example, the rows of these ranks that are not right for it."""
        found, _ = nearest_rows(
            self.documents,
            self.queries[texts.query[part.start : part.stop]],
            ranks[1],
            norms=self.norms,
            exclude=texts.right(part),
        )
        for rows in found[:, ranks[0] :]:
            yield rows[rows >= 0]

    def cosines(self, texts: _Texts, number: int, rows: NDArray[np.int64]) -> Doubles:
        """Cosines of an example's anchor with its positive, and then with each of the rows."""
        wanted = np.concatenate([texts.positive[number : number + 1], rows])
        query = self.queries[texts.query[number : number + 1]]
        cosines: Doubles = unit_rows(self.documents[wanted]) @ unit_rows(query)[0]
        return cosines


def _embed(encoder: Encoder, texts: _Texts, folder: Path | None) -> _Vectors:
    as_query = getattr(encoder, "encode_query", encoder.encode)
    as_document = getattr(encoder, "encode_document", encoder.encode)
    queries = _encode(as_query, texts.queries, encoder, folder and folder / "queries")
    documents = _encode(as_document, texts.documents, encoder, folder and folder / "documents")
    return _Vectors(queries, documents, row_norms(documents))


def _encode(
    encode: Callable[[Sequence[str]], NDArray[Any]],
    texts: list[str],
    encoder: Encoder,
    folder: Path | None,
) -> Floats:
    """The vectors of texts, (n, dim); memory-mapped where a folder is given."""
    if folder is None:
        vectors = np.empty((len(texts), encoder.dim), np.float32)
        for start, found in _blocks(encode, texts, encoder, 0):
            vectors[start : start + len(found)] = found
        return vectors
    folder.mkdir(parents=True, exist_ok=True)
    if not remember(folder / "settings.json", {"of": encoder.fingerprint, "texts": _digest(texts)}):
        raise ConfigError(
            f"{folder} holds vectors of other texts or another model; give the same, or remove it"
        )
    with GrowingFiles(folder, {_VECTORS: Rows("float32", (encoder.dim,))}) as files:
        for _, found in _blocks(encode, texts, encoder, files.n_rows(_VECTORS)):
            files.append(_VECTORS, found, "the encoder")
            files.mark({})
        files.finish()
    mapped: Floats = np.load(folder / f"{_VECTORS}.npy", mmap_mode="r")
    return mapped


def _blocks(
    encode: Callable[[Sequence[str]], NDArray[Any]],
    texts: list[str],
    encoder: Encoder,
    first: int,
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Where each block of vectors begins, and the block; says once how many texts were cut."""
    n_truncated = 0
    with track("encoding", total=len(texts)) as tracker:
        tracker.set(first)
        for start in range(first, len(texts), _TEXTS_AT_ONCE):
            with warnings.catch_warnings():  # one of its own for each block
                warnings.filterwarnings("ignore", message=".* longer than .* the rest was not")
                found = encode(texts[start : start + _TEXTS_AT_ONCE])
            n_truncated += getattr(encoder, "n_truncated", 0)
            if not np.isfinite(found).all():
                raise ConfigError(
                    "the encoder gave a vector with NaN or infinity in it; compute in float32"
                )
            yield start, found
            tracker.advance(len(found))
    if n_truncated:
        warnings.warn(
            f"the ends of {n_truncated:,} of {len(texts) - first:,} texts were not read, as the "
            "model reads no more; shorter texts make better pairs",
            stacklevel=2,
        )


def _digest(texts: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()
