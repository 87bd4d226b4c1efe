"""What each layer of a transformer makes of words: how contextual they are, how even the space is.

Ethayarajh (2019), https://aclanthology.org/D19-1006, on a sample: some words in several sentences,
and some whole sentences. Mu & Viswanath (2018), https://openreview.net/forum?id=HkuGJ3kCb, and Su
et al. (2021), https://arxiv.org/abs/2103.15316: what evens the space again.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
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
_LEAST_AXES = 20
"""To whiten, or all there are: a few axes of many tell nothing of the space."""
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
    """NaN where there are too few vectors to whiten by; `n_whitened` is 0 then."""

    @property
    def mended(self) -> dict[str, Measures]:
        """The vectors as they are, and what evens them, by name; whitened ones if there are any."""
        found = {"raw": self.raw, "all_but_the_top": self.all_but_the_top}
        if math.isnan(self.whitened.isotropy.isoscore):
            return found
        return found | {"whitened": self.whitened}


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
    """Axes that whitening kept, at most; 0 where the sample is too small for any."""


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

    Beside the texts, what it holds is the sample's vectors of all layers: at most `max_words` times
    `max_occurrences`, and the words of `n_sentences`, however many texts there are; and a count of
    each word's texts. A text that nothing was drawn of is not read by the model.

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
    ::

        encoder = rowspace.load_encoder("models/bert").words
        found = measure_layers(encoder, sentences)
        found.layers[12].raw.contextuality.self_similarity  # 0.62
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
    """Draw words that are in several texts, and whole texts; see `measure_layers`.

    The texts are gone through twice: to count, and to find what was drawn.
    """
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
    counts: Counter[str] = Counter()  # of the texts that a word is in
    whole: list[int] = []
    for text_id, text in enumerate(texts):
        found = spanned_words(text)
        counts.update({word for word, _ in found})
        if len(found) > 1:
            whole.append(text_id)
    frequent = sorted(word for word, n in counts.items() if n >= min_contexts)
    if not frequent:
        raise CorpusError(
            f"no word is in {min_contexts} of the {len(texts):,} texts; give more text"
        )
    drawn = [frequent[i] for i in _draw(rng, len(frequent), max_words)]
    wanted = {word: set(_draw(rng, counts[word], max_occurrences)) for word in drawn}
    sentences = {whole[i] for i in _draw(rng, len(whole), n_sentences)}
    return _found(texts, wanted, sentences)


def _found(texts: Sequence[str], wanted: dict[str, set[int]], sentences: set[int]) -> Sample:
    """The places of words, each in some of the texts it is in, and of all words of some texts."""
    places: list[_Place] = []
    word_ids: list[int] = []
    word_rows: list[int] = []
    sentence_rows: list[int] = []
    numbers: dict[str, int] = {}
    n_before: Counter[str] = Counter()  # texts with a word, so far
    for text_id, text in enumerate(texts):
        is_whole = text_id in sentences
        seen: set[str] = set()
        for word, span in spanned_words(text):
            is_wanted = False
            if word in wanted and word not in seen:
                seen.add(word)
                is_wanted = n_before[word] in wanted[word]
                n_before[word] += 1
            if is_wanted:
                word_rows.append(len(places))
            if is_whole:
                sentence_rows.append(len(places))
            if is_wanted or is_whole:
                places.append((text_id, *span))
                word_ids.append(numbers.setdefault(word, len(numbers)))
    return Sample(
        places,
        np.array(word_ids, dtype=np.int64),
        np.array(word_rows, dtype=np.int64),
        np.array(sentence_rows, dtype=np.int64),
    )


def _draw(rng: np.random.Generator, n: int, most: int) -> list[int]:
    """Some of n numbers, rising."""
    drawn: list[int] = np.sort(rng.choice(n, min(n, most), replace=False)).tolist()
    return drawn


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

    n_whitened = _n_whitened(*matrix.shape)
    return LayerGeometry(
        layer,
        measured(matrix),
        measured(all_but_the_top(matrix).apply(matrix)),
        measured(_whitening(matrix, n_whitened).apply(matrix)) if n_whitened else _NOT_MEASURED,
    )


_NOT_MEASURED = Measures(
    Contextuality(**{field.name: math.nan for field in dataclasses.fields(Contextuality)}),
    Isotropy(**{field.name: math.nan for field in dataclasses.fields(Isotropy)}),
)


def _n_whitened(n: int, dim: int) -> int:
    n_axes = min(dim, n // _ROWS_AN_AXIS)
    return n_axes if n_axes >= min(dim, _LEAST_AXES) else 0


def _whitening(matrix: Floats, n: int) -> AffineMap:
    """Whitening to no more axes than there are vectors to tell them by."""
    whole = whiten(matrix)
    return dataclasses.replace(whole, matrix=whole.matrix[:, :n], target=whole.target[:n])


def findings(geometry: LayersGeometry) -> list[Finding]:
    """The figures in plain words, one a line."""
    layers = geometry.layers
    return [
        _shared(layers),
        *_words(layers),
        _sentences(layers),
        _static(layers),
        *_mended(geometry),
    ]


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


def _mended(geometry: LayersGeometry) -> list[Finding]:
    worst = max(geometry.layers, key=lambda found: found.raw.contextuality.baseline)
    found = [_after("all-but-the-top", worst, worst.all_but_the_top)]
    if geometry.n_whitened:
        return [*found, _after("whitening", worst, worst.whitened)]
    n = min(geometry.dim, _LEAST_AXES)
    left_out = Finding(
        "after whitening",
        "not measured",
        f"the sample is too small: {n} axes take {n * _ROWS_AN_AXIS} words; give more text",
    )
    return [*found, left_out]


def _after(name: str, layer: LayerGeometry, mended: Measures) -> Finding:
    raw = layer.raw
    return Finding(
        f"after {name}",
        f"mean cosine {mended.contextuality.baseline:z.2f}, IsoScore "
        f"{mended.isotropy.isoscore:.2f} at layer {layer.layer}",
        f"{raw.contextuality.baseline:.2f} and {raw.isotropy.isoscore:.2f} before; a word is "
        f"{mended.contextuality.adjusted_self_similarity:.2f} nearer to itself than to others, "
        f"{raw.contextuality.adjusted_self_similarity:.2f} before",
    )


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
