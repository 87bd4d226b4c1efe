"""Vectors of words where they occur in a corpus of any size, in a folder that can be mapped.

The corpus is read in chunks, and what they give is added to arrays on the disk, so that memory does
not follow the corpus. A run can be stopped at any moment and goes on where it was.
"""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError, FormatError, RowspaceError, VocabularyError
from rowspace.files import fsync_file, write_json
from rowspace.machine import return_free_memory
from rowspace.progress import track
from rowspace.space.growing import PROGRESS, GrowingFiles, Rows
from rowspace.text.chunks import Chunk, chunks_of
from rowspace.text.corpus import Corpus
from rowspace.text.runs import FILES, SETTINGS, remember_run, work_folder
from rowspace.text.sections import SECTIONS
from rowspace.transformer.contextual import ContextualEncoder
from rowspace.transformer.layer_mix import LayerMix, Mix
from rowspace.transformer.occurrences import Occurrences
from rowspace.transformer.reading_options import Pooling, check_on_truncate, check_pooling
from rowspace.transformer.wanted_words import Found, WantedWords, fold_word

DTYPES = ("float32", "float16")
_CONFIG, _REPORT, _WORDS = "config.json", "report.json", "words.json"
_FORMAT = 1
_PIECE_BYTES = 1 << 26
"""Of the vectors that are in memory at once."""
_LONG_TEXT_PIECES = 4
"""Pieces' vectors of one long text that are in memory at once: it is cut into tokens anew for each
such share, which takes time."""


@dataclass(frozen=True)
class ExtractionReport:
    """What an extraction read and wrote, all runs together."""

    n_rows: int
    """Vectors."""
    n_texts: int
    """Documents that were looked through, empty ones apart."""
    n_read: int
    """Those that a wanted word occurs in."""
    n_empty: int
    n_truncated: int
    """Of those read, how many were longer than the model reads."""
    n_lost: int
    """Occurrences that have no vector: they stand where a text was cut, or are no token."""


@dataclass(frozen=True)
class Extraction:
    """Occurrences of words and their vectors, mapped from a folder that `extract` made."""

    vectors: NDArray[Any]
    """(n, dim) float32 or float16, or (n, n_layers, dim) where layers were not mixed."""
    text_ids: NDArray[np.int64]
    """(n,) the document of each, by its place in the corpus, from 0; never falling."""
    spans: NDArray[np.int64]
    """(n, 2) its first character in the document's text, and the one after its last."""
    word_ids: NDArray[np.int32]
    """(n,) the word of each, as a place in `words`."""
    words: list[str]
    """In lower case."""
    config: dict[str, Any]
    """What was asked for."""
    report: ExtractionReport
    seconds: float = 0.0
    """Of the run that made it, where it was made just now."""
    texts_per_second: float = 0.0
    """Of that run: what one before it had read is not counted."""

    def __len__(self) -> int:
        return len(self.vectors)

    def rows_of(self, word: str) -> NDArray[np.int64]:
        """The rows of a word, in whatever case.

        Raises
        ------
        VocabularyError
            If it was not among the wanted words, or does not occur.
        """
        try:
            word_id = self.words.index(fold_word(word))
        except ValueError:
            raise VocabularyError(
                f"the word {word!r} is none of the {len(self.words):,} that were extracted"
            ) from None
        return np.flatnonzero(self.word_ids == word_id)


def extract(
    encoder: ContextualEncoder,
    corpus: Corpus | Path | str | Iterable[Path | str],
    out: Path | str,
    words: Sequence[str] | None = None,
    *,
    layers: int | Sequence[int] = -1,
    mix: Mix = "mean",
    subword_pooling: Pooling = "mean",
    on_truncate: str = "warn",
    limit: int | None = None,
    dtype: str = "float32",
    resume: bool = False,
) -> Extraction:
    """Write the vectors of words where they occur in a corpus to a folder.

    Parameters
    ----------
    encoder : ContextualEncoder
    corpus : path, paths or Corpus
        Each document is a text; `Corpus(path, "lines")` takes each line for one.
    out : path
        The folder to make. A run works in another beside it until all is done.
    words : sequence of str, optional
        Words or phrases, in whatever case; every word if not given.
    layers, mix, subword_pooling, on_truncate
        As `ContextualEncoder.contextual` takes them. With "warn", how many texts were cut is said
        once, at the end.
    limit : int, optional
        Times that a word is taken, the first ones.
    dtype : {"float32", "float16"}
        Of the vectors on the disk.
    resume : bool
        Go on with the run that is there. It ends with the same bytes as one that was never
        stopped, given the same number of threads on the same machine.

    Returns
    -------
    Extraction
        As `open_extraction` gives it.

    Raises
    ------
    ConfigError
        If a setting cannot be, `out` exists, there is a run that did not finish and it is not to
        be resumed, or it is of other text or settings.
    CorpusError
        If the text cannot be read, there is none, or one is too long and that is an error.
    VocabularyError
        If no wanted word occurs.

    Examples
    --------
    ::

        found = extract(encoder, Corpus("text.txt", "lines"), "bank.occurrences", ["bank"])
        found.vectors[found.rows_of("bank")].shape  # (12, 768)
    """
    started = time.monotonic()
    wanted = WantedWords(words, limit)
    mixer = LayerMix.of(layers, mix, encoder.n_layers)
    _check(subword_pooling, on_truncate, dtype)
    out, corpus = Path(out), corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    settings = {
        "words": None if words is None else wanted.words,
        "layers": list(mixer.layers),
        "mix": mixer.mix if isinstance(mixer.mix, str) else list(mixer.mix),
        "subword_pooling": subword_pooling,
        "on_truncate": on_truncate,
        "limit": limit,
        "dtype": dtype,
        "encoder": encoder.fingerprint,
    }
    with work_folder(out, resume, (PROGRESS,)) as work:
        more = {"format": _FORMAT, "sections": SECTIONS}
        remember_run(work, corpus, settings, more, PROGRESS)
        with GrowingFiles(work, _arrays(mixer, encoder.dim, dtype), []) as files:
            run = _Run(encoder, wanted, mixer, subword_pooling, on_truncate, files)
            report = run.read(corpus)
            files.finish()
        if not report.n_rows:
            shutil.rmtree(work)  # all was read, and the same again would find nothing again
            raise _nothing_found(report)
        content = {"format": _FORMAT, "corpus": corpus.description(), **settings}
        write_json(work / _CONFIG, content)
        write_json(work / _REPORT, asdict(report))
        write_json(work / _WORDS, wanted.words)
        work.rename(out)  # whole, whenever the run is killed: what it was made by goes later
    fsync_file(out.parent)
    for name in (SETTINGS, FILES, PROGRESS):
        (out / name).unlink(missing_ok=True)
    _warn(report, encoder)
    seconds = time.monotonic() - started
    return replace(
        open_extraction(out), seconds=seconds, texts_per_second=run.n_texts_read / seconds
    )


def open_extraction(folder: Path | str) -> Extraction:
    """Map what `extract` wrote.

    Raises
    ------
    FormatError
        If it is no such folder, or damaged.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / _CONFIG).read_text())
        report = ExtractionReport(**json.loads((folder / _REPORT).read_text()))
        words = json.loads((folder / _WORDS).read_text())
        vectors, text_ids, spans, word_ids = arrays = [
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("vectors", "text_ids", "spans", "word_ids")
        ]
        version = config["format"]
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise FormatError(f"{folder} holds no whole extraction ({error}); make it again") from error
    if version != _FORMAT:
        raise FormatError(
            f"{folder} is an extraction of format {version}, this Rowspace reads {_FORMAT}; use a "
            "newer Rowspace"
        )
    if {len(array) for array in arrays} != {report.n_rows}:
        raise FormatError(f"{folder} has arrays of several lengths; make it again")
    return Extraction(vectors, text_ids, spans, word_ids, words, config, report)


def _check(pooling: str, on_truncate: str, dtype: str) -> None:
    """Raise ConfigError for what cannot be, before anything is read."""
    check_on_truncate(on_truncate)
    check_pooling(pooling)
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; give one of {', '.join(DTYPES)}")


def _nothing_found(report: ExtractionReport) -> RowspaceError:
    if not report.n_texts:
        return CorpusError("there is no text to read; give a corpus that has some")
    return VocabularyError(
        f"none of the wanted words could be read in {report.n_texts:,} texts; give words that occur"
    )


def _arrays(mixer: LayerMix, dim: int, dtype: str) -> dict[str, Rows]:
    n = mixer.n_vectors
    return {
        "vectors": Rows(dtype, (n, dim) if mixer.mix == "none" else (n * dim,)),
        "text_ids": Rows("int64"),
        "spans": Rows("int64", (2,)),
        "word_ids": Rows("int32"),
    }


def _warn(report: ExtractionReport, encoder: ContextualEncoder) -> None:
    if report.n_truncated:
        lost = f", with {report.n_lost:,} wanted words" if report.n_lost else ""
        warnings.warn(
            f"{report.n_truncated:,} of the {report.n_read:,} texts read are longer than "
            f"{encoder.max_length:,} tokens, and the rest was not read{lost}; "
            "on_truncate='chunk' reads all",
            stacklevel=3,
        )


@dataclass
class _Piece:
    """Texts that go through the model together."""

    texts: list[str]
    numbers: list[int]
    names: list[str]
    found: list[list[Found]]
    goes_on: bool = False
    """Whether it is more of the one text of the piece before."""


class _Run:
    """One run through a corpus, from where the files are."""

    def __init__(
        self,
        encoder: ContextualEncoder,
        wanted: WantedWords,
        mixer: LayerMix,
        pooling: Pooling,
        on_truncate: str,
        files: GrowingFiles,
    ) -> None:
        self.encoder, self.wanted, self.mixer = encoder, wanted, mixer
        self.pooling, self.on_truncate, self.files = pooling, on_truncate, files
        names = ("after", "bytes", "texts", "read", "empty", "cut", "lost")
        self.counts = dict.fromkeys(names, 0)
        if files.state:
            self.counts |= files.state["counts"]
            wanted.go_on(files.state["words"], files.state["n_found"])
        self._n_before = self.counts["texts"]

    @property
    def n_texts_read(self) -> int:
        """Texts that this run went through."""
        return self.counts["texts"] - self._n_before

    def read(self, corpus: Corpus) -> ExtractionReport:
        """Go through what is left of the corpus."""
        with track("reading", corpus.total_bytes()) as tracker:
            for chunk in chunks_of(corpus, self.counts["after"]):
                self._read_chunk(chunk)
                self.files.mark(self._state())
                return_free_memory()  # which the C library keeps, in pieces of many sizes
                tracker.set(self.counts["bytes"], f"{self.files.n_rows('vectors'):,} vectors")
        counts = self.counts
        return ExtractionReport(
            n_rows=self.files.n_rows("vectors"),
            n_texts=counts["texts"],
            n_read=counts["read"],
            n_empty=counts["empty"],
            n_truncated=counts["cut"],
            n_lost=counts["lost"],
        )

    def _state(self) -> dict[str, Any]:
        return {
            "counts": dict(self.counts),
            "words": list(self.wanted.words),
            "n_found": list(self.wanted.n_found),
        }

    def _read_chunk(self, chunk: Chunk) -> None:
        for piece in self._pieces(chunk):
            self._read_piece(piece)
        self.counts["after"] = chunk.after
        self.counts["bytes"] += chunk.n_bytes
        self.counts["texts"] += len(chunk.texts)
        self.counts["empty"] += chunk.n_empty

    def _pieces(self, chunk: Chunk) -> Iterator[_Piece]:
        """Texts that wanted words occur in, as many as their vectors leave room for."""
        room = max(1, _PIECE_BYTES // (4 * self.mixer.n_vectors * self.encoder.dim))
        piece, n_found = _Piece([], [], [], []), 0
        rows = zip(chunk.texts, chunk.numbers, chunk.document_ids, strict=True)
        for text, number, name in rows:
            found = self.wanted.find(text)
            if len(found) > _LONG_TEXT_PIECES * room:
                if piece.texts:
                    yield piece
                    piece, n_found = _Piece([], [], [], []), 0
                yield from _shares(text, number, name, found, _LONG_TEXT_PIECES * room)
                continue
            if not found:
                continue
            piece.texts.append(text)
            piece.numbers.append(number)
            piece.names.append(name)
            piece.found.append(found)
            n_found += len(found)
            if n_found >= room:
                yield piece
                piece, n_found = _Piece([], [], [], []), 0
        if piece.texts:
            yield piece

    def _read_piece(self, piece: _Piece) -> None:
        occurrences = Occurrences.of([word[:2] for word in found] for found in piece.found)
        kept, vectors = self.encoder.vectors_at(
            piece.texts,
            occurrences,
            layers=self.mixer.layers,
            mix=self.mixer.mix,
            subword_pooling=self.pooling,
            on_truncate=self.on_truncate,
            names=piece.names,
        )
        word_ids = np.array([word.word_id for found in piece.found for word in found])
        self.files.append("vectors", vectors.vectors, self._source())
        self.files.append("text_ids", np.array(piece.numbers)[vectors.text_ids])
        self.files.append("spans", vectors.spans)
        self.files.append("word_ids", word_ids[kept])
        if not piece.goes_on:
            self.counts["read"] += len(piece.texts)
            self.counts["cut"] += vectors.n_truncated
        self.counts["lost"] += len(occurrences) - len(kept)

    def _source(self) -> str:
        """What gave the vectors, for an error."""
        layers = ", ".join(map(str, self.mixer.layers))
        return (
            f"the model's layer {layers}"
            if len(self.mixer.layers) == 1
            else f"one of the model's layers {layers}"
        )


def _shares(text: str, number: int, name: str, found: list[Found], most: int) -> Iterator[_Piece]:
    """One long text, a piece for so many of its words at a time."""
    for start in range(0, len(found), most):
        share = found[start : start + most]
        yield _Piece([text], [number], [name], [share], goes_on=start > 0)
