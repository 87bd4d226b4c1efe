"""What each layer of a transformer makes of words: how contextual they are, how even the space is.

Ethayarajh (2019), https://aclanthology.org/D19-1006, on a sample: some words in several sentences,
and some whole sentences. Mu & Viswanath (2018), https://openreview.net/forum?id=HkuGJ3kCb, and Su
et al. (2021), https://arxiv.org/abs/2103.15316: what evens the space again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rowspace.errors import ConfigError, CorpusError
from rowspace.progress import track
from rowspace.space.contextual_geometry import Contextuality, measure_contextuality
from rowspace.space.geometry import Finding
from rowspace.space.isotropy import Isotropy, measure_isotropy
from rowspace.space.similarity import Floats, Rows
from rowspace.space.transforms import AffineMap, all_but_the_top, whiten
from rowspace.text.tokenizer import spanned_words
from rowspace.transformer.contextual import ContextualEncoder
from rowspace.transformer.layer_mix import LayerMix

MAX_WORDS = 200
MAX_OCCURRENCES = 10
N_SENTENCES = 200
MIN_CONTEXTS = 5
"""Sentences that a word of the sample is in, at least; as the paper's."""
_TEXTS_AT_ONCE = 32
_ROWS_AN_AXIS = 10
"""Vectors to whiten one axis by: with fewer, all are made alike that only this sample has."""
_HIGH_COSINE = 0.5

_Place = tuple[int, int, int]  # text, first character, the one after the last


@dataclass(frozen=True)
class Measures:
    """One layer's vectors, as they are or mended."""

    contextuality: Contextuality
    isotropy: Isotropy

    def as_dict(self) -> dict[str, Any]:
        """The figures by name."""
        return {"contextuality": self.contextuality.as_dict(), "isotropy": vars(self.isotropy)}


@dataclass(frozen=True)
class LayerGeometry:
    """What was measured of a layer."""

    layer: int
    """0 is the embeddings."""
    raw: Measures
    all_but_the_top: Measures
    """Without their mean and strongest directions."""
    whitened: Measures

    @property
    def mended(self) -> dict[str, Measures]:
        """The vectors as they are, and what evens them, by name."""
        return {
            "raw": self.raw, "all_but_the_top": self.all_but_the_top, "whitened": self.whitened,
        }  # fmt: skip


@dataclass(frozen=True)
class LayersGeometry:
    """What was measured of a model, layer by layer."""

    layers: list[LayerGeometry]
    dim: int
    n_texts: int
    """Sentences that were drawn from."""
    n_words: int
    """Whose self-similarity was measured."""
    n_occurrences: int
    """Of those words."""
    n_sentences: int
    """Of which all words were measured."""
    n_sentence_words: int
    n_removed: int
    """Directions that all-but-the-top took out."""
    n_whitened: int
    """Axes that whitening kept, at most."""


@dataclass(frozen=True)
class Sample:
    """Occurrences to measure."""

    places: list[_Place]
    """In the order of the texts."""
    word_ids: Rows
    """(n,) which word each is."""
    word_rows: Rows
    """The occurrences of the words drawn."""
    sentence_rows: Rows
    """All words of the sentences drawn."""

    @property
    def text_ids(self) -> Rows:
        """(n,) the text of each."""
        return np.array([place[0] for place in self.places], dtype=np.int64)

    def without(self, is_missing: Sequence[bool]) -> Sample:
        """The sample less the occurrences that could not be read."""
        kept = ~np.asarray(is_missing, dtype=np.bool_)
        new_rows = np.cumsum(kept) - 1

        def renumbered(rows: Rows) -> Rows:
            return np.asarray(new_rows[rows[kept[rows]]], dtype=np.int64)

        return Sample(
            [place for place, is_kept in zip(self.places, kept, strict=True) if is_kept],
            self.word_ids[kept],
            renumbered(self.word_rows),
            renumbered(self.sentence_rows),
        )


def measure_layers(
    encoder: ContextualEncoder,
    texts: Sequence[str],
    *,
    layers: Sequence[int] | None = None,
    max_words: int = MAX_WORDS,
    max_occurrences: int = MAX_OCCURRENCES,
    n_sentences: int = N_SENTENCES,
    min_contexts: int = MIN_CONTEXTS,
    seed: int = 0,
) -> LayersGeometry:
    """Measure the layers of a model on a sample of words in sentences.

    What it holds is the sample's vectors of all layers: at most `max_words` times
    `max_occurrences`, and the words of `n_sentences`, however many texts there are. A text that
    nothing was drawn of is not read.

    Parameters
    ----------
    encoder : ContextualEncoder
    texts : sequence of str
        Sentences.
    layers : sequence of int, optional
        All by default; 0 is the embeddings, -1 the last.
    max_words : int
        Words drawn of those in at least `min_contexts` texts.
    max_occurrences : int
        Occurrences drawn of each, at most one a text.
    n_sentences : int
        Texts drawn to measure all words of.
    min_contexts : int
    seed : int
        Of what is drawn.

    Raises
    ------
    CorpusError
        If no word is in `min_contexts` texts.
    ConfigError
        If a setting cannot be.

    Examples
    --------
    >>> encoder = rowspace.load_encoder("models/bert")
    >>> found = measure_layers(encoder, sentences)
    >>> found.layers[12].raw.contextuality.self_similarity
    0.62
    """
    asked = range(encoder.n_layers + 1) if layers is None else layers
    chosen = sorted(set(LayerMix.of(tuple(asked), "none", encoder.n_layers).layers))
    sample = draw_sample(
        texts,
        max_words=max_words,
        max_occurrences=max_occurrences,
        n_sentences=n_sentences,
        min_contexts=min_contexts,
        seed=seed,
    )
    states, sample = _read(encoder, texts, chosen, sample)
    found = []
    with track("measuring layers", total=len(chosen)) as tracker:
        for layer, matrix in zip(chosen, states, strict=True):
            found.append(_measure_layer(layer, matrix, sample, seed))
            tracker.advance()
    return LayersGeometry(
        layers=found,
        dim=encoder.dim,
        n_texts=len(texts),
        n_words=len(np.unique(sample.word_ids[sample.word_rows])),
        n_occurrences=len(sample.word_rows),
        n_sentences=len(np.unique(sample.text_ids[sample.sentence_rows])),
        n_sentence_words=len(sample.sentence_rows),
        n_removed=-(-encoder.dim // 100),
        n_whitened=_n_whitened(len(sample.places), encoder.dim),
    )


def draw_sample(
    texts: Sequence[str],
    *,
    max_words: int,
    max_occurrences: int,
    n_sentences: int,
    min_contexts: int,
    seed: int,
) -> Sample:
    """Draw words that are in several texts, and whole texts; see `measure_layers`."""
    least = {"max_words": 1, "max_occurrences": 2, "n_sentences": 2, "min_contexts": 2}
    given = {
        "max_words": max_words,
        "max_occurrences": max_occurrences,
        "n_sentences": n_sentences,
        "min_contexts": min_contexts,
    }
    for name, value in given.items():
        if value < least[name]:
            raise ConfigError(f"{name} is {value}; give {least[name]} or more")
    rng = np.random.default_rng(seed)
    found = [spanned_words(text) for text in texts]
    contexts: dict[str, dict[int, _Place]] = {}
    for text_id, words in enumerate(found):
        for word, span in words:
            contexts.setdefault(word, {}).setdefault(text_id, (text_id, *span))
    frequent = sorted(word for word, places in contexts.items() if len(places) >= min_contexts)
    if not frequent:
        raise CorpusError(
            f"no word is in {min_contexts} of the {len(texts):,} texts; give more text"
        )
    word_places = [
        place
        for i in _draw(rng, len(frequent), max_words)
        for place in _drawn_of(rng, list(contexts[frequent[i]].values()), max_occurrences)
    ]
    whole = [text_id for text_id, words in enumerate(found) if len(words) > 1]
    sentence_places = [
        (whole[i], *span)
        for i in _draw(rng, len(whole), n_sentences)
        for _, span in found[whole[i]]
    ]
    places = sorted({*word_places, *sentence_places})
    rows = {place: row for row, place in enumerate(places)}
    word_of = {
        (text_id, *span): word
        for text_id in {p[0] for p in places}
        for word, span in found[text_id]
    }
    numbers = {word: i for i, word in enumerate(contexts)}
    return Sample(
        places,
        np.array([numbers[word_of[place]] for place in places], dtype=np.int64),
        np.array(sorted(rows[place] for place in word_places), dtype=np.int64),
        np.array(sorted(rows[place] for place in sentence_places), dtype=np.int64),
    )


def _draw(rng: np.random.Generator, n: int, most: int) -> list[int]:
    """Some of n numbers, rising."""
    drawn: list[int] = np.sort(rng.choice(n, min(n, most), replace=False)).tolist()
    return drawn


def _drawn_of(rng: np.random.Generator, places: list[_Place], most: int) -> Iterator[_Place]:
    return (places[i] for i in _draw(rng, len(places), most))


def _read(
    encoder: ContextualEncoder, texts: Sequence[str], layers: Sequence[int], sample: Sample
) -> tuple[Floats, Sample]:
    """(n_layers, n, dim) vectors of the sample, less what the tokenizer leaves out."""
    rows = {place: row for row, place in enumerate(sample.places)}
    text_ids = sorted({place[0] for place in sample.places})
    states = np.zeros((len(layers), len(rows), encoder.dim), dtype=np.float32)
    is_missing = [True] * len(rows)
    with track("reading sentences", total=len(text_ids)) as tracker:
        for start in range(0, len(text_ids), _TEXTS_AT_ONCE):
            ids = text_ids[start : start + _TEXTS_AT_ONCE]
            read = encoder.contextual(
                [texts[i] for i in ids], layers=layers, mix="none", on_truncate="chunk"
            )
            places = zip(read.text_ids.tolist(), read.spans.tolist(), strict=True)
            for vector, (text_id, (first, after)) in zip(read.vectors, places, strict=True):
                row = rows.get((ids[text_id], first, after))
                if row is not None:
                    states[:, row] = vector
                    is_missing[row] = False
            tracker.advance(len(ids))
    if any(is_missing):
        return states[:, ~np.array(is_missing)], sample.without(is_missing)
    return states, sample


def _measure_layer(layer: int, matrix: Floats, sample: Sample, seed: int) -> LayerGeometry:
    text_ids = sample.text_ids

    def measured(vectors: Floats) -> Measures:
        return Measures(
            measure_contextuality(
                vectors,
                sample.word_ids,
                text_ids,
                word_rows=sample.word_rows,
                sentence_rows=sample.sentence_rows,
                seed=seed,
            ),
            measure_isotropy(vectors[sample.sentence_rows]),
        )

    return LayerGeometry(
        layer,
        measured(matrix),
        measured(all_but_the_top(matrix).apply(matrix)),
        measured(_whitening(matrix).apply(matrix)),
    )


def _n_whitened(n: int, dim: int) -> int:
    return max(1, min(dim, n // _ROWS_AN_AXIS))


def _whitening(matrix: Floats) -> AffineMap:
    """Whitening to no more axes than there are vectors to tell them by."""
    whole = whiten(matrix)
    n = _n_whitened(*matrix.shape)
    return dataclasses.replace(whole, matrix=whole.matrix[:, :n], target=whole.target[:n])


def findings(geometry: LayersGeometry) -> list[Finding]:
    """The figures in plain words, one a line."""
    layers = geometry.layers
    return [_shared(layers), *_words(layers), _sentences(layers), _static(layers), *_mended(layers)]


def _shared(layers: Sequence[LayerGeometry]) -> Finding:
    most = max(layers, key=lambda found: found.raw.contextuality.baseline)
    cosine = most.raw.contextuality.baseline
    if cosine >= _HIGH_COSINE:
        says = "its vectors share a direction, so compare by cosine only after mending"
    else:
        says = "no layer's vectors share more of a direction"
    return Finding(
        "random words",
        f"mean cosine {cosine:.2f} at layer {most.layer}",
        f"{says}; 0 is no preferred direction, nearer to 0 is more even",
    )


def _words(layers: Sequence[LayerGeometry]) -> list[Finding]:
    def adjusted(found: LayerGeometry) -> float:
        return found.raw.contextuality.adjusted_self_similarity

    most, least = max(layers, key=adjusted), min(layers, key=adjusted)
    return [
        Finding(
            "most static",
            f"layer {most.layer}, self-similarity {adjusted(most):.2f} above random",
            "here a word's vector changes least from sentence to sentence",
        ),
        Finding(
            "most contextual",
            f"layer {least.layer}, self-similarity {adjusted(least):.2f} above random",
            "here a word's vector is most of all its sentence's; neither end is better, and senses "
            "want context, dictionaries want words",
        ),
    ]


def _sentences(layers: Sequence[LayerGeometry]) -> Finding:
    most = max(layers, key=lambda found: found.raw.contextuality.adjusted_intra_sentence)
    return Finding(
        "words of a sentence",
        f"{most.raw.contextuality.adjusted_intra_sentence:.2f} above random at layer {most.layer}",
        "cosine with their sentence's mean; high where words take on the sentence's topic",
    )


def _static(layers: Sequence[LayerGeometry]) -> Finding:
    def explained(found: LayerGeometry) -> float:
        return found.raw.contextuality.adjusted_explainable

    most, last = max(layers, key=explained), layers[-1]
    return Finding(
        "a static vector explains",
        f"{last.raw.contextuality.explainable:.0%} at layer {last.layer}, "
        f"{explained(last):.0%} above random",
        f"of a word's vectors, by one direction for all sentences; most at layer {most.layer}: "
        f"{explained(most):.0%} above random",
    )


def _mended(layers: Sequence[LayerGeometry]) -> list[Finding]:
    worst = max(layers, key=lambda found: found.raw.contextuality.baseline)
    raw = worst.raw
    names: tuple[tuple[str, Measures], ...] = (
        ("all-but-the-top", worst.all_but_the_top),
        ("whitening", worst.whitened),
    )
    return [
        Finding(
            f"after {name}",
            f"mean cosine {mended.contextuality.baseline:z.2f}, IsoScore "
            f"{mended.isotropy.isoscore:.2f} at layer {worst.layer}",
            f"{raw.contextuality.baseline:.2f} and {raw.isotropy.isoscore:.2f} before; a word is "
            f"{mended.contextuality.adjusted_self_similarity:.2f} nearer to itself than to others, "
            f"{raw.contextuality.adjusted_self_similarity:.2f} before",
        )
        for name, mended in names
    ]


def to_record(geometry: LayersGeometry) -> dict[str, Any]:
    """Everything measured as what JSON can hold."""
    record = {
        field.name: getattr(geometry, field.name)
        for field in dataclasses.fields(geometry)
        if field.name != "layers"
    }
    layers = [
        {"layer": found.layer} | {name: m.as_dict() for name, m in found.mended.items()}
        for found in geometry.layers
    ]
    return record | {"layers": layers}
