"""A word to its senses: sentences that have it, vectors of each place, groups, a map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import VocabularyError
from rowspace.explore.watched_states import WatchedStates
from rowspace.search.space import Space
from rowspace.text.passages import split_sentences

if TYPE_CHECKING:
    from rowspace.transformer.contextual import ContextualEncoder, WordVectors
    from rowspace.transformer.senses.find import Senses

MOST_PASSAGES = 400
"""That are searched for the word."""
MOST_OCCURRENCES = 160
"""That are read, which with `CONTEXT` bounds what a question costs."""
CONTEXT = 240
"""Characters of a sentence that are read, and shown; of a longer one those around the word."""
Tell = Callable[[float, str], None]


@dataclass(frozen=True)
class Sentences:
    """Sentences, and where each comes from."""

    texts: list[str]
    sources: dict[str, str]
    """By sentence: the title or source of its document."""


def from_space(space: Space, word: str) -> Sentences:
    """The sentences of the passages that a search by words finds, best passage first.

    Raises
    ------
    VocabularyError
        If no passage has the word.
    """
    sources: dict[str, str] = {}
    for hit in space.search(word, k=MOST_PASSAGES, mode="lexical"):
        for sentence in split_sentences(hit.text):
            sources.setdefault(sentence, hit.title or hit.source or hit.document_id)
    if not sources:
        raise VocabularyError(f"no passage has {word!r}; give another word, or sentences")
    return Sentences(list(sources), sources)


def from_text(text: str) -> Sentences:
    """The sentences of a text."""
    return Sentences([one for line in text.splitlines() for one in split_sentences(line)], {})


def find(
    encoder: ContextualEncoder,
    word: str,
    sentences: Sentences,
    *,
    n_senses: int | None,
    hidden: bool,
    tell: Tell,
) -> dict[str, Any]:
    """The senses of a word as the page shows them; `tell` may end it."""
    from rowspace.transformer.contextual import ContextualEncoder
    from rowspace.transformer.senses.find import find_senses

    texts, sources = _with_word(sentences, word)
    watched = ContextualEncoder(
        WatchedStates(encoder.states, _progress(len(texts), tell)),
        encoder.tokenizer,
        max_length=encoder.max_length,
    )
    senses = find_senses(
        watched, word, texts, n_senses=n_senses, hidden=hidden, max_occurrences=MOST_OCCURRENCES
    )
    tell(0.97, "placing them on a map")
    return describe(senses, sources)


def _with_word(sentences: Sentences, word: str) -> tuple[list[str], dict[str, str]]:
    """The sentences that have the word, long ones cut around it, and where each comes from.

    All of them where none has it, so that a near word can be named.
    """
    from rowspace.transformer.occurrences import find_word
    from rowspace.transformer.senses.excerpt import cut_around

    found: dict[str, str] = {}
    for text in sentences.texts:
        for span in find_word(text, word):
            cut = cut_around(text, span, CONTEXT)
            short = text if len(text) <= CONTEXT else cut.before + cut.word + cut.after
            found.setdefault(short.strip("…"), sentences.sources.get(text, ""))
    return list(found) or sentences.texts, found


def _progress(n_texts: int, tell: Tell) -> Callable[[int], None]:
    """Tells of the texts that are read: once for the word, once more for the words around."""
    total, done = 2 * min(n_texts, MOST_OCCURRENCES), 0

    def before(n: int) -> None:
        nonlocal done
        tell(min(0.95, done / max(1, total)), f"reading {min(n_texts, MOST_OCCURRENCES)} sentences")
        done += n

    return before


def describe(senses: Senses, sources: dict[str, str]) -> dict[str, Any]:
    """Senses as JSON can hold them, each occurrence with its place on a map in [-1, 1]."""
    from rowspace.transformer.senses.excerpt import cut_around
    from rowspace.transformer.senses.page import draw_senses, heading, reason

    drawn = draw_senses(senses)
    found = senses.found
    points = []
    for row, dot in enumerate(drawn.dots):
        cut = cut_around(found.sentences[row], found.spans[row], CONTEXT)
        points.append(
            {
                "x": round(2 * dot.x / drawn.width - 1, 4),
                "y": round(1 - 2 * dot.y / drawn.height, 4),
                "sense": dot.sense,
                "margin": round(float(senses.margins[row]), 4),
                "before": cut.before,
                "word": cut.word,
                "after": cut.after,
                "source": sources.get(found.sentences[row], ""),
            }
        )
    return {
        "word": senses.word,
        "n_occurrences": found.n_occurrences,
        "n_read": len(senses.vectors),
        "n_repeated": found.n_repeated,
        "silhouette": senses.silhouette,
        "reason": reason(senses),
        "map": drawn.method,
        "points": points,
        "senses": [
            {
                "name": heading(senses, sense),
                "size": sense.size,
                "share": sense.share,
                "typical": sense.typical,
                "around": [word for word, _ in sense.around],
                "near": [{"word": word, "cosine": cosine} for word, cosine in sense.near],
            }
            for sense in senses.senses
        ],
    }


def compare(encoder: ContextualEncoder, word: str, a: str, b: str) -> dict[str, Any]:
    """The cosine of a word's vectors in two sentences, at each layer from the embeddings on.

    Where it stands several times in one, the first counts. Beside it, what cosines are worth in
    this model: the mean of those between different words of the two sentences, since contextual
    vectors lie in a narrow cone (Ethayarajh 2019, https://aclanthology.org/D19-1006).

    Raises
    ------
    VocabularyError
        If it does not stand in both.
    """
    layers = range(encoder.n_layers + 1)
    read = encoder.contextual([a, b], word, layers=layers, mix="none")
    rows = [int(np.flatnonzero(read.text_ids == number)[0]) for number in (0, 1)]
    first, second = _units(read.vectors[rows])  # (n_layers + 1, dim) each
    every = encoder.contextual([a, b], layers=layers, mix="none")
    return {
        "word": word,
        "cosines": _rounded(np.einsum("ld,ld->l", first, second)),
        "others": _rounded(_between_others(every, [a, b])),
        "spans": [read.spans[row].tolist() for row in rows],
    }


def _between_others(every: WordVectors, texts: list[str]) -> NDArray[np.float64]:
    """(n_layers + 1,) the mean cosine of a word of one text and a different one of the other."""
    names = np.array(
        [
            texts[number][start:end].casefold()
            for number, (start, end) in zip(every.text_ids, every.spans, strict=True)
        ]
    )
    is_first = every.text_ids == 0
    differs = names[is_first][:, None] != names[~is_first][None]
    if not differs.any():
        return np.full(every.vectors.shape[1], np.nan)
    units = _units(every.vectors)  # (n, n_layers + 1, dim)
    cosines = np.einsum("ild,jld->ijl", units[is_first], units[~is_first])
    means: NDArray[np.float64] = cosines[differs].mean(axis=0)
    return means


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Vectors of length 1 along the last axis; zeros stay."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def _rounded(values: NDArray[np.float64]) -> list[float | None]:
    return [round(float(value), 5) if np.isfinite(value) else None for value in values]
