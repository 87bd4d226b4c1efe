"""The main job: text in, a searchable space out.

Read → train → encode → store → report; or, with a sentence encoder, copy it → read → encode → store
→ report. Each step leaves its result in SPACE/.build, so a build that was stopped goes on with the
step it was in (training: with the piece of text it was at; a sentence encoder: with the passage).
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import (
    ConfigError,
    CorpusError,
    FormatError,
    MissingExtraError,
    SpaceError,
    VocabularyError,
)
from rowspace.files import WriterLock, fsync_tree, remember, write_json
from rowspace.progress import track
from rowspace.search.fusion import dense_weight_of
from rowspace.search.index.cached import IndexRecord
from rowspace.search.lexical import check_language
from rowspace.search.manifest import is_space
from rowspace.search.reading import Reading, ReadReport, read_passages, report_from
from rowspace.search.space import Space, open_space
from rowspace.search.store import content
from rowspace.search.writer import FillStore, create_space, create_space_of
from rowspace.sentence.kinds import holds_word_vectors
from rowspace.space.encoder import Encoder
from rowspace.space.formats import load
from rowspace.space.history import History, history_of, save_history
from rowspace.space.vectors import Vectors
from rowspace.static.sif import SIFEncoder
from rowspace.static.training import EpochReport
from rowspace.static.word2vec import Word2Vec, Word2VecConfig, initial_vectors
from rowspace.storage.address import is_address
from rowspace.text.corpus import Corpus
from rowspace.text.passages import Passage
from rowspace.text.runs import SETTINGS
from rowspace.text.sections import SECTIONS, sections_of
from rowspace.text.vocabulary import load_scan

if TYPE_CHECKING:
    from rowspace.sentence.encoder import SentenceEncoder

TRAINED_WORDS = 20_000_000
SMALL_CORPUS_WORDS = 10_000_000
WORD2VEC_DEFAULTS: dict[str, Any] = {"window": 20, "dim": 200}
"""Passages are found by topic, which wide windows learn. docs/decisions/fusion.md"""

READ, ENCODING = "read.json", "encoding"
"""Of the work folder: what was read; the vectors of all passages."""
_KEPT = "kept.json"
"""Of the work folder: the space's model/ is the whole copy of the given one."""
NOTHING_TO_GO_ON_WITH = (
    CorpusError,
    VocabularyError,
    ConfigError,
    FormatError,
    MissingExtraError,
)
"""Errors of a first try after which there is nothing that a second could go on with."""
_BATCH = 1024
_SAMPLE = 20_000
_PROBES = 200


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """Settings of a build."""

    word2vec: Mapping[str, Any] = field(default_factory=dict)
    """Fields of Word2VecConfig that are to differ from WORD2VEC_DEFAULTS. Without `epochs`, as
    many are run as train on about 20 million words, 5 to 40; without `min_count`, every word has
    a vector in a corpus of up to 10 million words, those that occur 5 times in a larger one."""
    model: str | None = None
    """What to use instead of training: word vectors, anything that `rowspace.load` reads; or a
    sentence encoder, a folder or a hub's name that `rowspace.load_encoder` reads."""
    passage_words: int = 120
    """The most words in a passage."""
    language: str | None = "english"
    """What the text index stems and stops words by; None for neither."""
    dense_weight: float | None = None
    """How much meaning counts in a hybrid search, beside 1 for words; if not given, 0.2 with word
    vectors and 0.5 with a sentence encoder."""

    def __post_init__(self) -> None:
        if self.model is not None and self.word2vec:
            raise ConfigError("give a model to use or settings to train one, not both")
        if self.passage_words < 1:
            raise ConfigError(f"passage_words is {self.passage_words}; give 1 or more")
        if self.dense_weight is not None and self.dense_weight < 0:
            raise ConfigError(f"dense_weight is {self.dense_weight}; give 0 or more")
        check_language(self.language)
        _word2vec_config(self.word2vec, n_words=1)


@dataclass
class BuildReport:
    """What a build did, as shown in report.html."""

    read: ReadReport
    epochs: list[EpochReport]
    encoder_kind: str
    n_vocabulary: int
    n_trained_words: int
    seconds: dict[str, float]
    found_again: dict[str, float]
    """Share of probe sentences whose passage is among the first ten, by mode of search."""
    n_probes: int
    dim: int = 0
    """Length of a vector."""
    encoder: dict[str, Any] = field(default_factory=dict)
    """What the space tells of its encoder."""
    index: IndexRecord | None = None
    """What finds the nearest vectors, and how well; None where all are compared."""


def build(
    corpus: Corpus | Path | str | Iterable[Path | str],
    out: Path | str,
    *,
    resume: bool = False,
    config: BuildConfig | None = None,
    **settings: Any,
) -> Space:
    """Turn text into a space that can be searched and looked at.

    Parameters
    ----------
    corpus : path, paths or Corpus
        Files, folders, or `-` for stdin.
    out : path or str
        The space's folder, made here; or its address, as `s3://bucket/docs.space`, to which it
        is copied when it is whole.
    resume : bool
        Go on with a build of the same corpus and settings that was stopped.
    config : BuildConfig, optional
    **settings
        Fields of BuildConfig, instead of `config`.

    Returns
    -------
    Space

    Raises
    ------
    CorpusError
        If the text cannot be read, or two documents have one id.
    VocabularyError
        If no word is frequent enough.
    SpaceError
        If there is a space already, an unfinished one without `resume`, or the disk is full.
    SpaceLockedError
        If another process builds the same space.
    """
    if config is None:
        config = BuildConfig(**settings)
    elif settings:
        raise ConfigError("give a config or settings, not both")
    if not isinstance(corpus, Corpus):
        corpus = Corpus(corpus)
    if is_address(out):
        from rowspace.search.remote.building import build_at

        return build_at(str(out), resume, lambda folder: Build(corpus, folder, config).run(resume))
    return Build(corpus, Path(out), config).run(resume)


class Build:
    """One build; each step is skipped where its result is there already."""

    def __init__(self, corpus: Corpus, out: Path, config: BuildConfig) -> None:
        self.corpus = corpus
        self.out = out
        self.config = config
        self.work = out / ".build"
        self.done = out / ".build.done"
        self.passages = self.work / "passages.jsonl"
        self.text = self.work / "text.txt"
        self.given: Vectors | None = None
        self.is_sentence = config.model is not None and not holds_word_vectors(config.model)
        self.snapshots: History | None = None
        self.seconds: dict[str, float] = {}

    def run(self, resume: bool) -> Space:
        """Do all steps that are left."""
        shutil.rmtree(self.done, ignore_errors=True)
        if not resume and self.work.exists():
            with self._lock():  # or else it is running
                raise SpaceError(
                    f"{self.out} holds a build that did not finish; add --resume to go on with "
                    "it, or remove the folder to start anew"
                )
        self.check_out()
        if self.config.model is not None and not self.is_sentence:
            self.given = load(self.config.model)
        is_new, is_first = not self.out.exists(), not self.work.exists()
        self.work.mkdir(parents=True, exist_ok=True)
        try:
            with self._lock():
                self.remember_settings({"sections": SECTIONS} if self.is_sentence else {})
                space = self._run_steps()
        except NOTHING_TO_GO_ON_WITH:
            if is_first:
                self.clear(is_new=is_new)
            raise
        self.end()
        return space

    def check_out(self) -> None:
        """Raise SpaceError where no space can be made."""
        if is_space(self.out) and not self.work.exists():
            raise SpaceError(
                f"{self.out} is a space already; give another --out, or `rowspace add` to it"
            )
        if self.out.is_file():
            raise SpaceError(f"{self.out} is a file; give the name of a folder to make")

    def clear(self, *, is_new: bool) -> None:
        """Remove what was made, with the space's folder where that is new."""
        if self._is_kept():
            shutil.rmtree(self.out / "model")
        shutil.rmtree(self.out if is_new else self.work)

    def end(self) -> None:
        """Say that the space is whole."""
        self.work.rename(self.done)  # in one step: the space is whole now, whatever comes
        shutil.rmtree(self.done, ignore_errors=True)

    def _lock(self) -> WriterLock:
        return WriterLock(self.work / "lock", what=f"the build of {self.out}")

    def _run_steps(self) -> Space:
        if self.is_sentence:
            return self.run_with_sentence_encoder()
        read = self._read()
        vectors, before, epochs = self._train(read)
        encoder = self._encoder(vectors)

        def encode(passages: list[Passage], _: int) -> NDArray[np.float32]:
            return encoder.encode([content(p.title, p.text) for p in passages])

        self._store(encoder, encoder.kind, encode, read, {"words": len(vectors)})
        return self._report(read, vectors, before, epochs)

    def run_with_sentence_encoder(self) -> Space:
        """Read, encode and store, each where that is left to do."""
        encoder = self.kept_encoder()
        read = self._read()
        if not is_space(self.out):
            self._store_encoded(encoder, read)
        return self._report(read, None, None, [])

    def run_with_store(self, fill: FillStore, n_truncated: int) -> Space:
        """As `run_with_sentence_encoder`, of a store that `fill` makes of what is encoded."""
        encoder = self.kept_encoder()
        read = self._read()
        if not is_space(self.out):
            started = time.monotonic()
            settings = self._space_settings(
                "sentence", read, self._details(encoder, read, n_truncated)
            )
            create_space_of(self.out, encoder, fill, **settings)
            self.seconds["store"] = time.monotonic() - started
        return self._report(read, None, None, [])

    def remember_settings(self, more: dict[str, Any]) -> None:
        """Write down what the build is of, with what else decides it, or check that it is that."""
        settings = {
            "corpus": self.corpus.description(),
            "config": dataclasses.asdict(self.config),
            **more,
        }
        if not remember(self.work / SETTINGS, settings):
            raise SpaceError(
                f"{self.out} was begun with another corpus or other settings; give the same ones, "
                "or remove the folder to start anew"
            )

    def _read(self) -> ReadReport:
        """Documents to passages (for the store) and lines of text (for training)."""
        if (self.work / READ).exists():
            return report_from(read_json(self.work / READ))
        started = time.monotonic()
        reading = Reading()
        sections = sections_of(self.corpus)
        reading.report.skipped = list(self.corpus.skipped)
        with (
            self.passages.open("w", encoding="utf-8", errors="surrogatepass") as passages,
            self.text.open("w", encoding="utf-8", errors="replace") as text,
            track("reading") as tracker,
        ):
            for section in sections:
                max_words = self.config.passage_words
                for passage in read_passages(self.corpus, section, max_words, reading):
                    write_passage(passage, passages)
                    _write_text(passage, text)
                    if passage.position == 0:
                        tracker.advance(note=f"{reading.report.n_documents:,} documents")
        reading.report.seconds = time.monotonic() - started
        return self.finish_reading(reading)

    def finish_reading(self, reading: Reading) -> ReadReport:
        """Write down what was read, once all passages are in their file."""
        report = reading.report
        if report.n_documents == 0:
            raise CorpusError("the corpus has no document with text in it; give some text")
        report.field_types = reading.types.types()
        fsync_tree(self.work)
        write_json(self.work / READ, dataclasses.asdict(report))
        return report

    def _train(self, read: ReadReport) -> tuple[Vectors, Vectors | None, list[EpochReport]]:
        """The word vectors, as they were before training, and the losses; or a given model."""
        started = time.monotonic()
        if self.given is not None:
            self.snapshots = history_of(str(self.config.model), self.given)
            return self.given, None, []
        trainer = Word2Vec(_word2vec_config(self.config.word2vec, read.n_words))
        folder = self.work / "training"
        vectors = trainer.fit_in(Corpus(self.text), folder)
        self.snapshots = trainer.snapshots
        vocabulary, _ = load_scan(folder / "vocabulary.json")
        self.seconds["train"] = time.monotonic() - started
        return vectors, initial_vectors(vocabulary, trainer.config), trainer.history

    def _encoder(self, vectors: Vectors) -> SIFEncoder:
        folder = self.out / "model"
        if (folder / "encoder.json").exists() and is_space(self.out):
            return SIFEncoder.load(folder)
        encoder = SIFEncoder.from_vectors(vectors, self._sample_texts())
        encoder.save(folder)
        save_history(self.snapshots, folder)
        return encoder

    def _is_kept(self) -> bool:
        return (self.work / _KEPT).exists()

    def kept_encoder(self) -> SentenceEncoder:
        """The space's copy of the given model, made before anything that takes long."""
        from rowspace.search.kept_encoder import keep
        from rowspace.sentence.loading import load_encoder

        folder = self.out / "model"
        if self._is_kept():
            return load_encoder(folder)
        assert self.config.model is not None
        encoder = keep(self.config.model, folder)
        write_json(self.work / _KEPT, {"fingerprint": encoder.fingerprint})
        return encoder

    def _store_encoded(self, encoder: SentenceEncoder, read: ReadReport) -> None:
        """Encode, which can be stopped and gone on with, then store."""
        from rowspace.search.kept_encoder import encode_passages

        started = time.monotonic()
        vectors, n_truncated = encode_passages(
            encoder, self._staged(), read.sections, self.work / ENCODING
        )
        self.seconds["encode"] = time.monotonic() - started

        def slices(passages: list[Passage], start: int) -> NDArray[np.float32]:
            return vectors[start : start + len(passages)]

        self._store(encoder, "sentence", slices, read, self._details(encoder, read, n_truncated))

    def _details(
        self, encoder: SentenceEncoder, read: ReadReport, n_truncated: int
    ) -> dict[str, Any]:
        """What is told of a sentence encoder; a warning tells of passages that it did not read."""
        from rowspace.search.kept_encoder import describe

        if n_truncated:
            warnings.warn(
                f"{n_truncated:,} of {read.n_passages:,} passages are longer than the "
                f"{encoder.max_length:,} tokens that the model reads, and their ends are found by "
                "their words alone; build with fewer passage_words (--passage-words)",
                stacklevel=6,
            )
        name = Path(str(self.config.model)).name
        return {"model": name, **describe(encoder), "truncated": n_truncated}

    def _sample_texts(self) -> Iterator[str]:
        """Texts spread over the whole corpus, for what is common to all of it."""
        n_passages = read_json(self.work / READ)["n_passages"]
        step = max(1, n_passages // _SAMPLE)
        for number, passage in enumerate(self._staged()):
            if number % step == 0:
                yield content(passage.title, passage.text)

    def _staged(self) -> Iterator[Passage]:
        with self.passages.open(encoding="utf-8", errors="surrogatepass") as file:
            for line in file:
                yield Passage(**json.loads(line))

    def _store(
        self,
        encoder: Encoder,
        kind: str,
        encode: Callable[[list[Passage], int], NDArray[np.float32]],
        read: ReadReport,
        details: dict[str, Any],
    ) -> None:
        """Write the store; `encode` gets passages and the number of the first one of them."""
        if is_space(self.out):
            return
        started = time.monotonic()
        with track("storing", total=read.n_passages) as tracker:

            def batches() -> Iterator[tuple[list[Passage], NDArray[np.float32]]]:
                start = 0
                for passages in _in_batches(self._staged()):
                    yield passages, encode(passages, start)
                    start += len(passages)
                    tracker.advance(len(passages))

            create_space(
                self.out,
                encoder,
                batches(),
                **self._space_settings(kind, read, details),
            )
        step = "store" if self.is_sentence else "encode and store"
        self.seconds[step] = time.monotonic() - started

    def _space_settings(
        self, kind: str, read: ReadReport, details: dict[str, Any]
    ) -> dict[str, Any]:
        """What `create_space` is told beside the rows."""
        return {
            "encoder_kind": kind,
            "field_types": read.field_types,
            "language": self.config.language,
            "max_words": self.config.passage_words,
            "dense_weight": self._dense_weight(),
            "details": details,
        }

    def _dense_weight(self) -> float:
        if self.config.dense_weight is not None:
            return self.config.dense_weight
        return dense_weight_of("sentence" if self.is_sentence else "sif")

    def _report(
        self,
        read: ReadReport,
        vectors: Vectors | None,
        before: Vectors | None,
        epochs: list[EpochReport],
    ) -> Space:
        from rowspace.search.probe import found_again
        from rowspace.search.report import write_report

        space = open_space(self.out)
        started = time.monotonic()
        index = space.index()
        self.seconds["index"] = time.monotonic() - started
        started = time.monotonic()
        probes = list(_evenly(self._staged(), read.n_passages, _PROBES))
        rates, n_probes = found_again(space, probes)
        self.seconds["measure"] = time.monotonic() - started
        report = BuildReport(
            read=read,
            epochs=epochs,
            encoder_kind=space.manifest.encoder.kind,
            n_vocabulary=0 if vectors is None else len(vectors),
            n_trained_words=_n_trained_words(vectors),
            seconds={"read": read.seconds, **self.seconds},
            found_again=rates,
            n_probes=n_probes,
            index=index,
            dim=space.manifest.encoder.dim,
            encoder=dict(space.manifest.encoder.details),
        )
        write_report(self.out / "report.html", self.out.name, report, vectors, before)
        return space


def _word2vec_config(settings: Mapping[str, Any], n_words: int) -> Word2VecConfig:
    by_size = {
        "epochs": min(40, max(5, round(TRAINED_WORDS / max(n_words, 1)))),
        "min_count": 1 if n_words <= SMALL_CORPUS_WORDS else 5,
    }
    config = Word2Vec(**{**by_size, **WORD2VEC_DEFAULTS, **settings}).config
    if config.phrases:
        raise ConfigError(
            f"phrases is {config.phrases}, and a space's passages are read word by word; leave it "
            "out"
        )
    return config


def _n_trained_words(vectors: Vectors | None) -> int:
    return 0 if vectors is None or vectors.counts is None else int(vectors.counts.sum())


def _write_text(passage: Passage, file: IO[str]) -> None:
    """Put a passage's text where training takes it from."""
    if passage.position == 0 and passage.title:
        file.write(passage.title + "\n")
    file.write(passage.text + "\n")


def write_passage(passage: Passage, file: IO[str]) -> None:
    """Put a passage where the store takes it from: a line of JSON."""
    file.write(json.dumps(dataclasses.asdict(passage)) + "\n")


def _in_batches(passages: Iterator[Passage]) -> Iterator[list[Passage]]:
    batch: list[Passage] = []
    for passage in passages:
        batch.append(passage)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _evenly(passages: Iterator[Passage], n: int, n_wanted: int) -> Iterator[Passage]:
    step = max(1, n // n_wanted)
    for number, passage in enumerate(passages):
        if number % step == 0:
            yield passage


def read_json(file: Path) -> Any:
    """What a file of the work folder says; FormatError if it is damaged."""
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise FormatError(
            f"{file} is damaged ({error}); remove {file.parent.parent} to start anew"
        ) from error
