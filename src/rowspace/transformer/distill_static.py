"""Static vectors out of a transformer: a word's is the mean of its vectors in many sentences.

Bommasani, Davis & Cardie (2020), https://aclanthology.org/2020.acl-main.431: "aggregated" with the
mean, tokens of a word pooled by the mean.
Differs from the paper: the sentences are not drawn, but the first that have the word.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError, FormatError, VocabularyError
from rowspace.files import write_folder_atomically, write_json
from rowspace.progress import Tracker, track
from rowspace.space import folder
from rowspace.space.transforms import all_but_the_top
from rowspace.space.vectors import Vectors
from rowspace.text.corpus import Corpus
from rowspace.text.normalize import normalize
from rowspace.text.passages import split_sentences
from rowspace.text.runs import readable_twice, remember_run, work_folder
from rowspace.text.tokenizer import spanned_words, word_spans
from rowspace.text.tokenizer import words as words_of
from rowspace.transformer.contextual import ContextualEncoder
from rowspace.transformer.distill_config import DistillConfig
from rowspace.transformer.interrupts import deferred_interrupts
from rowspace.transformer.layer_mix import LayerMix

CHECKPOINT, VOCABULARY = "checkpoint", "vocabulary.json"
_TEXTS_AT_ONCE = 64
_CHECKPOINT_SECONDS = 60.0

_Span = tuple[int, int]


def distill_static(
    encoder: ContextualEncoder,
    corpus: Corpus | Path | str,
    config: DistillConfig | None = None,
    *,
    words: Sequence[str] | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    **settings: Any,
) -> Vectors:
    """Give each word the mean of its vectors in the sentences of a corpus.

    The corpus is gone through twice, once to count words. What is held is a sum and two counts a
    word, and what counting takes, however long the corpus is. A sentence with no word that is
    still wanted is not read by the model.

    Parameters
    ----------
    encoder : ContextualEncoder
        The teacher.
    corpus : path or Corpus
    config : DistillConfig, optional
    words : sequence of str, optional
        The words wanted, in place of the most frequent ones; single words, no phrases.
    out : path, optional
        A folder of vectors to be made. The run works in another beside it, with `.training` at its
        end, which is removed when all is done. Without, nothing is saved.
    resume : bool
        Go on with the run that is there. It ends with the same vectors as one that was never
        stopped.
    **settings
        The config's fields, where no config is given.

    Returns
    -------
    Vectors
        The most frequent word first, with the words' counts in the corpus; with given words, in
        their order, and counts of the sentences averaged. A word that was not met is left out.

    Raises
    ------
    VocabularyError
        If no word is frequent enough, or none of the words given occurs.
    ConfigError
        If a setting cannot be, `out` exists, there is a run that did not finish and it is not to
        be resumed, or it is of other text or settings; if a word given is none or several; or if
        `remove_top` would leave nothing of as few words as there are: the run is kept then, to be
        resumed with less.
    CorpusError
        If the text cannot be read.
    FormatError
        If the checkpoint is damaged.
    KeyboardInterrupt
        After Ctrl-C; the run is saved.

    Examples
    --------
    ::

        encoder = rowspace.load_encoder("models/bert").words
        vectors = distill_static(encoder, "corpus.txt", max_words=10_000, remove_top=2)
        vectors.most_similar("bank", topn=3)
    """
    config = _config_of(config, settings)
    dim = encoder.dim * LayerMix.of(config.layers, config.mix, encoder.n_layers).n_vectors
    if config.remove_top >= dim:
        raise ConfigError(f"remove_top is {config.remove_top}, of {dim} numbers; give less")
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    if out is None:
        with tempfile.TemporaryDirectory(prefix="rowspace-") as work:
            return _distill_in(encoder, corpus, config, words, Path(work), dim)
    out = Path(out)
    with work_folder(out, resume, (CHECKPOINT,)) as place:
        vectors = _distill_in(encoder, corpus, config, words, place, dim)
        folder.write(vectors, out)
    shutil.rmtree(place)
    return vectors


def _config_of(config: DistillConfig | None, settings: dict[str, Any]) -> DistillConfig:
    if config is not None and settings:
        raise ConfigError("give a config or settings, not both")
    try:
        return config or DistillConfig(**settings)
    except TypeError as error:
        names = ", ".join(field.name for field in dataclasses.fields(DistillConfig))
        raise ConfigError(f"{error}; the settings are {names}") from error


def _distill_in(
    encoder: ContextualEncoder,
    corpus: Corpus,
    config: DistillConfig,
    words: Sequence[str] | None,
    work: Path,
    dim: int,
) -> Vectors:
    """Distill in a work folder, from where it was."""
    settings = json.loads(json.dumps(dataclasses.asdict(config)))
    del settings["remove_top"]  # which decides nothing till the end, and may be another then
    asked = None if words is None else _asked(words, config)
    digest = None if asked is None else hashlib.sha256("\0".join(asked).encode()).hexdigest()
    more = {"teacher": encoder.fingerprint, "words": digest}
    remember_run(work, corpus, settings, more, VOCABULARY)
    corpus = readable_twice(corpus, work)
    vocabulary = _vocabulary(corpus, config, asked, work / VOCABULARY)
    _check_remove_top(config, len(vocabulary.words))
    run = _Run(encoder, vocabulary, config, dim)
    run.fit(corpus, work / CHECKPOINT)
    if config.remove_top and run.n_met and config.remove_top >= run.n_met - 1:
        run.save(work / CHECKPOINT)  # so that it can be resumed with less
    return run.vectors()


def _asked(words: Sequence[str], config: DistillConfig) -> list[str]:
    """The words given as they are looked up, each once."""
    if isinstance(words, str):
        raise ConfigError("words is one string; give a list of them")
    if not words:
        raise ConfigError("there are no words; give one or more, or None for the frequent ones")
    return [*dict.fromkeys(_spelled(word, config) for word in words)]


def _spelled(word: str, config: DistillConfig) -> str:
    bare = normalize(word).strip()
    if word_spans(bare) != [(0, len(bare))]:
        parts = words_of(bare)
        what = f"is {len(parts)} words in a text" if len(parts) > 1 else "is no word in a text"
        raise ConfigError(f"{word!r} {what}; give single words, of letters and digits alone")
    return bare if config.case_sensitive else words_of(bare)[0]


def _check_remove_top(config: DistillConfig, n_words: int) -> None:
    """Raise where so many directions are all that so few words have: noise would be left."""
    if config.remove_top and config.remove_top >= n_words - 1:
        hint = f"{n_words - 2} or less" if n_words > 2 else "0"
        raise ConfigError(
            f"remove_top is {config.remove_top}, and of {n_words:,} words it would leave nothing; "
            f"give {hint}, or more words"
        )


@dataclass(frozen=True)
class _Vocabulary:
    words: list[str]
    counts: list[int] | None
    """In the corpus; None where the words were given."""
    n_sentences: int | None


def _vocabulary(
    corpus: Corpus, config: DistillConfig, asked: list[str] | None, saved: Path
) -> _Vocabulary:
    """The words to find vectors for; counted once, and then kept in a file."""
    if not saved.exists():
        found = _Vocabulary(asked, None, None) if asked is not None else _count(corpus, config)
        write_json(saved, dataclasses.asdict(found))
    try:
        return _Vocabulary(**json.loads(saved.read_text()))
    except (ValueError, TypeError) as error:
        raise FormatError(
            f"{saved} is damaged ({error}); remove {saved.parent} to start anew"
        ) from error


def _count(corpus: Corpus, config: DistillConfig) -> _Vocabulary:
    counter: Counter[str] = Counter()
    n_sentences = 0
    with track("counting words") as tracker:
        for sentence in _sentences(corpus):
            counter.update(word for word, _ in _found_words(sentence, config))
            n_sentences += 1
            tracker.advance()
    if not counter:
        raise CorpusError("the corpus has no word in it; give some text")
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    kept = [item for item in ordered if item[1] >= config.min_count][: config.max_words]
    if not kept:
        raise VocabularyError(
            f"no word occurs {config.min_count} times in {counter.total():,} tokens; lower "
            "min_count or give more text"
        )
    return _Vocabulary([word for word, _ in kept], [n for _, n in kept], n_sentences)


def _sentences(corpus: Corpus) -> Iterator[str]:
    for document in corpus:
        yield from split_sentences(corpus.text_of(document))


def _found_words(sentence: str, config: DistillConfig) -> list[tuple[str, _Span]]:
    if not config.case_sensitive:
        return spanned_words(sentence)
    return [(sentence[start:end], (start, end)) for start, end in word_spans(sentence)]


class _Run:
    """The sums so far, and how far the text was gone through for them.

    Between two batches it is whole, and can be saved: what has been collected for the next batch
    changes nothing before that was read.
    """

    def __init__(
        self, encoder: ContextualEncoder, vocabulary: _Vocabulary, config: DistillConfig, dim: int
    ) -> None:
        self.encoder, self.vocabulary, self.config = encoder, vocabulary, config
        n_words = len(vocabulary.words)
        self.rows = {word: row for row, word in enumerate(vocabulary.words)}
        self.sums = np.zeros((n_words, dim))
        self.counts = np.zeros(n_words, dtype=np.int64)
        """Vectors in each sum."""
        self.taken = np.zeros(n_words, dtype=np.int64)
        """Occurrences looked at: also those that the tokenizer left out."""
        self.n_done = 0
        """Sentences gone through."""

    def fit(self, corpus: Corpus, checkpoint: Path) -> None:
        """Go through the text to its end, or till every word has enough."""
        if checkpoint.exists():
            self.restore(checkpoint)
        sentences = islice(_sentences(corpus), self.n_done, None)
        saved = time.monotonic()
        with (
            track("distilling", total=self.vocabulary.n_sentences) as tracker,
            deferred_interrupts() as is_interrupted,
        ):
            for _ in self._batches(sentences, tracker):
                if is_interrupted():
                    self.save(checkpoint)
                    raise KeyboardInterrupt
                if time.monotonic() - saved >= _CHECKPOINT_SECONDS:
                    self.save(checkpoint)
                    saved = time.monotonic()

    def _batches(self, sentences: Iterable[str], tracker: Tracker) -> Iterator[None]:
        """Read the sentences that have a wanted word; stops after each sentence, read or not."""
        batch: list[tuple[str, dict[_Span, int]]] = []
        coming: Counter[int] = Counter()  # occurrences in the batch
        n_done = self.n_done
        for sentence in sentences:
            n_done += 1
            spans = self._wanted(sentence, coming)
            if spans:
                batch.append((sentence, spans))
            if len(batch) == _TEXTS_AT_ONCE:
                self._read(batch, n_done)
                batch, coming = [], Counter()
                tracker.set(self.n_done, f"{self._n_full():,} words have enough")
                if self._n_full() == len(self.taken):
                    return
            yield
        if batch:
            self._read(batch, n_done)

    def _wanted(self, sentence: str, coming: Counter[int]) -> dict[_Span, int]:
        """Places of words that have not enough yet, with the words' rows."""
        spans = {}
        for word, span in _found_words(sentence, self.config):
            row = self.rows.get(word)
            if row is not None and self.taken[row] + coming[row] < self.config.max_occurrences:
                coming[row] += 1
                spans[span] = row
        return spans

    def _read(self, batch: Sequence[tuple[str, dict[_Span, int]]], n_done: int) -> None:
        """Add the vectors of the words wanted in these sentences."""
        config = self.config
        found = self.encoder.contextual(
            [sentence for sentence, _ in batch],  # every word: one may be none to the tokenizer
            layers=config.layers,
            mix=config.mix,
            subword_pooling=config.subword_pooling,
            on_truncate="chunk",
        )
        rows = np.array(
            [
                batch[text_id][1].get((start, end), -1)
                for text_id, (start, end) in zip(
                    found.text_ids.tolist(), found.spans.tolist(), strict=True
                )
            ],
            dtype=np.int64,
        )
        is_wanted = rows >= 0
        np.add.at(self.sums, rows[is_wanted], found.vectors[is_wanted])
        np.add.at(self.counts, rows[is_wanted], 1)
        for _, spans in batch:
            np.add.at(self.taken, list(spans.values()), 1)
        self.n_done = n_done

    def _n_full(self) -> int:
        return int((self.taken >= self.config.max_occurrences).sum())

    @property
    def n_met(self) -> int:
        """Words that have a vector."""
        return int(np.count_nonzero(self.counts))

    def vectors(self) -> Vectors:
        """The means, of the words that were met."""
        met = np.flatnonzero(self.counts)
        if not len(met):
            raise VocabularyError(
                f"none of the {len(self.counts):,} words occurs in the text; give other words, or "
                "more text"
            )
        vocabulary, config = self.vocabulary, self.config
        _check_remove_top(config, len(met))
        means = (self.sums[met] / self.counts[met, None]).astype(np.float32)
        counts = self.counts if vocabulary.counts is None else np.array(vocabulary.counts)
        vectors = Vectors(
            [vocabulary.words[row] for row in met.tolist()],
            means,
            counts[met],
            {"method": "distilled", "config": json.loads(json.dumps(dataclasses.asdict(config)))},
        )
        if config.remove_top:
            return all_but_the_top(vectors.matrix, config.remove_top).transform(vectors)
        return vectors

    # Checkpoints

    def save(self, checkpoint: Path) -> None:
        """Write the state, replacing an older one when it is safe on the disk."""
        with write_folder_atomically(checkpoint) as temporary:
            for name, array in self._arrays().items():
                np.save(temporary / f"{name}.npy", array)
            (temporary / "state.json").write_text(json.dumps({"n_done": self.n_done}))

    def restore(self, checkpoint: Path) -> None:
        """Go on from what `save` wrote."""
        try:
            for name, array in self._arrays().items():
                saved = np.load(checkpoint / f"{name}.npy", allow_pickle=False)
                if saved.shape != array.shape:
                    raise ValueError(f"{name} has the shape {saved.shape}, not {array.shape}")
                array[:] = saved
            self.n_done = int(json.loads((checkpoint / "state.json").read_text())["n_done"])
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise FormatError(
                f"the checkpoint {checkpoint} is damaged ({error}); remove it to start anew"
            ) from error

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"sums": self.sums, "counts": self.counts, "taken": self.taken}
