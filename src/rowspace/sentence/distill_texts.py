"""The texts that a static embedder is distilled on: drawn sentences, words, a teacher's vectors."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import CorpusError, FormatError
from rowspace.files import write_atomically, write_json
from rowspace.progress import track
from rowspace.sentence.distill_config import StaticDistillConfig
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.space.encoding import encode_corpus
from rowspace.text.corpus import Corpus
from rowspace.text.passages import split_sentences
from rowspace.text.tokenizer import words

SENTENCES, VECTORS = "sentences.json", "teacher.npy"
_LINES = "sentences.txt"
_CHARACTERS = range(15, 501)
"""Of a sentence that is drawn."""
_LEAST_TEXTS = 100


@dataclass(frozen=True)
class DistillTexts:
    """Some sentences of a corpus, and its frequent words."""

    sentences: list[str]
    words: list[str]
    """The most frequent first."""


def draw_texts(corpus: Corpus, config: StaticDistillConfig, saved: Path) -> DistillTexts:
    """Read the corpus once, or what was drawn of it before.

    Parameters
    ----------
    corpus : Corpus
    config : StaticDistillConfig
    saved : path
        The file that keeps what was drawn.

    Raises
    ------
    CorpusError
        If there are fewer than 100 sentences of 15 to 500 characters.
    """
    if not saved.exists():
        drawn, counts = _draw(corpus, config)
        if len(drawn) < _LEAST_TEXTS:
            raise CorpusError(
                f"the corpus has {len(drawn):,} sentences of {_CHARACTERS[0]} to "
                f"{_CHARACTERS[-1]} characters; give {_LEAST_TEXTS} or more"
            )
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        frequent = [word for word, count in ordered if count >= config.min_count]
        write_json(saved, {"sentences": drawn, "words": frequent})
    try:
        return DistillTexts(**json.loads(saved.read_text()))
    except (ValueError, TypeError) as error:
        raise FormatError(
            f"{saved} is damaged ({error}); remove {saved.parent} to start anew"
        ) from error


def _draw(corpus: Corpus, config: StaticDistillConfig) -> tuple[list[str], Counter[str]]:
    """Sentences, each with the same chance (Vitter 1985, algorithm R), and counts of words."""
    random = np.random.default_rng(config.seed)
    drawn: list[str] = []
    n_met = 0
    counts: Counter[str] = Counter()
    with track("drawing sentences") as tracker:
        for document in corpus:
            for sentence in split_sentences(corpus.text_of(document)):
                if config.max_words:
                    counts.update(words(sentence))
                if len(sentence) not in _CHARACTERS:
                    continue
                n_met += 1
                if len(drawn) < config.max_texts:
                    drawn.append(sentence)
                elif (place := int(random.integers(n_met))) < config.max_texts:
                    drawn[place] = sentence
            tracker.advance(1, f"{n_met:,} sentences")
    random.shuffle(drawn)
    return drawn, counts


def teacher_vectors(
    teacher: SentenceEncoder, sentences: Sequence[str], work: Path
) -> NDArray[np.float32]:
    """(n, dim) what the teacher makes of sentences, kept in a file that grows in `work`."""
    out = work / VECTORS
    if not out.exists():
        lines = work / _LINES
        with write_atomically(lines) as file:
            file.write("".join(" ".join(text.split()) + "\n" for text in sentences).encode())

        def encode(texts: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.float32], int]:
            vectors = teacher.encode_document(texts, normalize=True)
            return vectors, teacher.n_truncated

        encode_corpus(
            encode,
            Corpus(lines, "lines"),
            out,
            dim=teacher.dim,
            identity={"teacher": teacher.fingerprint},
            resume=True,
        )
    found: NDArray[np.float32] = np.load(out, mmap_mode="r")
    if len(found) != len(sentences):
        raise FormatError(f"{out} has {len(found):,} rows for {len(sentences):,} sentences; "
                          f"remove {work} to start anew")  # fmt: skip
    return found
