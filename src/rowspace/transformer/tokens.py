"""A corpus as token ids in memory-mapped files: one to train on and one held out.

Documents are streamed through a tokenizer, each followed by its end-of-text token. The files are
whole once the JSON that describes them is there; a second run with the same text, tokenizer and
share takes them as they are, and one that was killed starts anew.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError, FormatError
from rowspace.files import fsync_file, write_json
from rowspace.progress import Tracker, track
from rowspace.text.corpus import Corpus
from rowspace.transformer.documents import parts_of
from rowspace.transformer.tokenizer import SubwordTokenizer

TRAIN, HELD_OUT, DESCRIPTION = "train.ids", "held_out.ids", "tokens.json"
PIECE_BYTES = 1 << 10
_BATCH_CHUNKS = 1 << 10
_BLOCK_IDS = 1 << 20
_VERSION = 1


@dataclass(frozen=True)
class TokenFile:
    """Token ids in a file of uint16, or of uint32 where the vocabulary has more than 65,536."""

    path: Path
    n_tokens: int
    """End-of-text tokens included."""
    n_documents: int
    """Documents that begin in it."""
    n_bytes: int
    """Of the text, in UTF-8."""
    n_words: int
    """Of the text: what stands between spaces."""
    vocab_size: int
    tokenizer: str
    """The fingerprint of the tokenizer."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of an id."""
        return np.dtype(np.uint16 if self.vocab_size <= 1 << 16 else np.uint32)

    def open(self) -> NDArray[Any]:
        """The ids, memory-mapped: (n_tokens,) uint16 or uint32 array.

        Raises
        ------
        FormatError
            If the file is not there or has another length.
        """
        self.check()
        if self.n_tokens == 0:
            return np.empty(0, dtype=self.dtype)
        return np.asarray(np.memmap(self.path, dtype=self.dtype, mode="r", shape=(self.n_tokens,)))

    def check(self) -> None:
        """Raise FormatError where the file has not the bytes its description says."""
        wanted = self.n_tokens * self.dtype.itemsize
        found = self.path.stat().st_size if self.path.exists() else None
        if found != wanted:
            has = "is not there" if found is None else f"has {found:,} bytes and not {wanted:,}"
            raise FormatError(f"the tokens {self.path} {has}; remove {self.path.parent}")

    def counts(self) -> NDArray[np.int64]:
        """(vocab_size,) occurrences of each token."""
        ids = self.open()
        counts = np.zeros(self.vocab_size, dtype=np.int64)
        for first in range(0, self.n_tokens, _BLOCK_IDS):
            counts += np.bincount(ids[first : first + _BLOCK_IDS], minlength=self.vocab_size)
        return counts

    def bits_per_byte(self, loss: float) -> float:
        """A loss in nats per token as bits per byte, which tokenizers can be compared by."""
        return loss / math.log(2) * self.n_tokens / max(self.n_bytes, 1)

    def word_perplexity(self, loss: float) -> float:
        """A loss in nats per token as perplexity per word, which tokenizers can be compared by."""
        return math.exp(min(loss * self.n_tokens / max(self.n_words, 1), 700.0))


def write_tokens(corpus: Corpus, tokenizer: SubwordTokenizer, path: Path | str) -> TokenFile:
    """Write the ids of a whole corpus to a file, or take it as it is where nothing changed.

    Parameters
    ----------
    corpus : Corpus
        Read once.
    tokenizer : SubwordTokenizer
    path : path
        Of the file; its description is beside it, with `.json` at the end.

    Raises
    ------
    CorpusError
        If the corpus is empty or cannot be read.
    VocabularyError
        If it has a character that a vocabulary of characters has not.
    """
    path = Path(path)
    return _Files(path.with_name(path.name + ".json"), (path.name,)).make(corpus, tokenizer, 0.0)[0]


def prepare_tokens(
    corpus: Corpus, tokenizer: SubwordTokenizer, folder: Path | str, held_out: float = 0.05
) -> tuple[TokenFile, TokenFile]:
    """Write the ids of a corpus to two files, to train on and to measure the loss on.

    What is held out is whole documents from all over the corpus, short ones with their
    neighbours. Where these are too few or too long to come near the share, it is the text's end.
    The same corpus gives the same two, whatever the tokenizer where it can cut a text, so that
    losses per byte compare.

    Parameters
    ----------
    corpus : Corpus
        Read once.
    tokenizer : SubwordTokenizer
    folder : path
        Gets train.ids, held_out.ids and tokens.json.
    held_out : float
        Share of the text, from 0 to 0.5.

    Returns
    -------
    (TokenFile, TokenFile)
        To train on, and held out.

    Raises
    ------
    ConfigError
        If the share is not from 0 to 0.5.
    CorpusError, VocabularyError
        As `write_tokens`.
    """
    if not 0 <= held_out <= 0.5:
        raise ConfigError(f"held_out is {held_out}; give a share from 0 (none) to 0.5")
    files = _Files(Path(folder) / DESCRIPTION, (TRAIN, HELD_OUT))
    train, other = files.make(corpus, tokenizer, held_out)
    return train, other


def load_tokens(folder: Path | str) -> tuple[TokenFile, TokenFile]:
    """Read what `prepare_tokens` wrote.

    Raises
    ------
    FormatError
        If the folder has none, or they are damaged.
    """
    train, held_out = _Files(Path(folder) / DESCRIPTION, (TRAIN, HELD_OUT)).read()
    return train, held_out


@dataclass(frozen=True)
class _Files:
    """One or two files of ids, and the JSON that describes them."""

    description: Path
    names: tuple[str, ...]

    def make(self, corpus: Corpus, tokenizer: SubwordTokenizer, share: float) -> list[TokenFile]:
        made_from = _made_from(corpus, tokenizer, share)
        if found := self._unchanged(made_from):
            return found
        folder = self.description.parent
        folder.mkdir(parents=True, exist_ok=True)
        self.description.unlink(missing_ok=True)  # what it describes is about to go
        partial = folder / f".{self.names[0]}.partial"
        try:
            with partial.open("wb") as file, track("tokenizing", corpus.total_bytes()) as tracker:
                pieces = _Encoder(tokenizer, file, tracker).run(corpus)
            held_out, how = pieces.choose(share)
            files = self._split(partial, pieces, held_out, tokenizer)
        finally:
            partial.unlink(missing_ok=True)
        self._describe(made_from, how, files)
        return files

    def read(self) -> list[TokenFile]:
        try:
            described = json.loads(self.description.read_text())
            files = [self._file(name, described["files"][name]) for name in self.names]
        except FileNotFoundError as error:
            raise FormatError(f"there is no {self.description}; make the tokens first") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"{self.description} is damaged ({error}); remove it, to make the tokens anew"
            ) from error
        for file in files:
            file.check()
        return files

    def _file(self, name: str, numbers: dict[str, Any]) -> TokenFile:
        return TokenFile(path=self.description.parent / name, **numbers)

    def _unchanged(self, made_from: dict[str, Any]) -> list[TokenFile] | None:
        """What is there, if it was made from the same."""
        if not made_from["sizes"]:  # stdin could be anything
            return None
        try:
            files = self.read()
            same = json.loads(self.description.read_text())["made_from"] == made_from
        except (FormatError, KeyError):
            return None
        return files if same else None

    def _split(
        self,
        partial: Path,
        pieces: _Pieces,
        held_out: NDArray[np.bool_],
        tokenizer: SubwordTokenizer,
    ) -> list[TokenFile]:
        """Copy the ids of the pieces into the files; a single file just takes its name."""
        folder = self.description.parent
        files = []
        for name, chosen in zip(self.names, (~held_out, held_out), strict=False):
            numbers = pieces.totals(chosen) | {
                "vocab_size": tokenizer.vocab_size,
                "tokenizer": tokenizer.fingerprint,
            }
            files.append(self._file(name, numbers))
        if files[0].n_tokens == sum(pieces.n_tokens):
            partial.replace(folder / self.names[0])
            for file in files[1:]:
                file.path.unlink(missing_ok=True)
                file.path.touch()
        else:
            ends = np.cumsum(pieces.n_tokens) * files[0].dtype.itemsize
            for file, chosen in zip(files, (~held_out, held_out), strict=True):
                _copy_pieces(partial, file.path, ends, chosen)
        return files

    def _describe(self, made_from: dict[str, Any], how: str, files: list[TokenFile]) -> None:
        for file in files:
            fsync_file(file.path)
        numbers = {file.path.name: _numbers(file) for file in files}
        write_json(
            self.description,
            {
                "made_from": made_from,
                "held_out_is": how,
                "dtype": str(files[0].dtype),
                "files": numbers,
            },
        )


def _made_from(corpus: Corpus, tokenizer: SubwordTokenizer, share: float) -> dict[str, Any]:
    """What must be equal for the files to be used again."""
    return {
        "version": _VERSION,
        "corpus": corpus.description(),
        "sizes": corpus.sizes(),
        "tokenizer": tokenizer.fingerprint,
        "held_out": share,
    }


def _numbers(file: TokenFile) -> dict[str, Any]:
    numbers = dataclasses.asdict(file)
    del numbers["path"]
    return numbers


def _copy_pieces(source: Path, target: Path, ends: NDArray[np.int64], chosen: Any) -> None:
    """Copy the bytes of the chosen pieces, which end at `ends`, one run of them after another."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]])))
    starts = np.concatenate([[0], ends])
    target.unlink(missing_ok=True)  # whoever has mapped the old file keeps it whole
    with source.open("rb") as reading, target.open("wb") as writing:
        for first, last in edges.reshape(-1, 2):
            reading.seek(int(starts[first]))
            _copy_bytes(reading, writing, int(starts[last] - starts[first]))


def _copy_bytes(reading: IO[bytes], writing: IO[bytes], n_bytes: int) -> None:
    while n_bytes > 0:
        n_bytes -= writing.write(reading.read(min(n_bytes, 1 << 22)))


class _Pieces:
    """The text in pieces that go into one file or the other: runs of short documents, or parts of
    long ones, of about a thousand bytes or more."""

    def __init__(self) -> None:
        self.n_tokens, self.n_bytes = array("q"), array("q")
        self.n_words, self.n_documents = array("q"), array("q")
        self.starts = array("b")
        """Whether it begins where a document begins."""

    def add(self, chunk: _Chunk, n_tokens: int) -> None:
        if not self._has_room_for(chunk):
            for column in (self.n_tokens, self.n_bytes, self.n_words, self.n_documents):
                column.append(0)
            self.starts.append(chunk.starts)
        self.n_tokens[-1] += n_tokens
        self.n_bytes[-1] += len(chunk.text.encode())
        self.n_words[-1] += len(chunk.text.split())
        self.n_documents[-1] += chunk.starts

    def _has_room_for(self, chunk: _Chunk) -> bool:
        """Whether it belongs to the last piece: never a document's start to an older one's end."""
        if not self.starts or self.n_bytes[-1] >= PIECE_BYTES:
            return False
        return bool(self.starts[-1]) or not chunk.starts

    def totals(self, chosen: NDArray[np.bool_]) -> dict[str, int]:
        names = ("n_tokens", "n_documents", "n_bytes", "n_words")
        return {name: int(np.asarray(getattr(self, name))[chosen].sum()) for name in names}

    def choose(self, share: float) -> tuple[NDArray[np.bool_], str]:
        """Which pieces are held out, and whether they are "documents" or the text's "end"."""
        n_bytes = np.asarray(self.n_bytes)  # not tokens: the text is the same for any tokenizer
        wanted = share * n_bytes.sum()
        if share == 0:
            return np.zeros(len(n_bytes), dtype=np.bool_), "nothing"
        group = np.cumsum(np.asarray(self.starts)) - 1  # (n_pieces,) a document, or a run of them
        held_out = _spread(np.bincount(group, weights=n_bytes), share)[group]
        if wanted / 2 <= n_bytes[held_out].sum() <= 2 * wanted:
            return held_out, "documents"
        if len(n_bytes) == 1:
            raise CorpusError(
                f"the text is one piece of {n_bytes[0]:,} bytes, which leaves nothing to train on; "
                "give more text, or 0 for held_out"
            )
        after = np.cumsum(n_bytes[::-1])[::-1]  # bytes from each piece to the end
        first = 1 + int(np.argmin(np.abs(after[1:] - wanted)))
        return np.arange(len(n_bytes)) >= first, "end"


def _spread(sizes: NDArray[Any], share: float) -> NDArray[np.bool_]:
    """Take one whenever less than the share was taken so far, so that they lie all over."""
    taken = np.zeros(len(sizes), dtype=np.bool_)
    owed = 0.0
    for i, size in enumerate(sizes.tolist()):
        owed += share * size
        if owed >= size / 2:
            taken[i] = True
            owed -= size
    return taken


@dataclass(frozen=True)
class _Chunk:
    """A document, or some of one, that is encoded at once."""

    text: str
    starts: bool
    ends: bool


@dataclass(frozen=True)
class _Encoder:
    """Writes the ids of a corpus to a file."""

    tokenizer: SubwordTokenizer
    file: IO[bytes]
    tracker: Tracker

    def run(self, corpus: Corpus) -> _Pieces:
        pieces = _Pieces()
        dtype = np.uint16 if self.tokenizer.vocab_size <= 1 << 16 else np.uint32
        end = [] if self.tokenizer.end_id is None else [self.tokenizer.end_id]
        for chunks in _batches(self._chunks(corpus)):
            rows = self.tokenizer.encode_documents([chunk.text for chunk in chunks])
            for chunk, row in zip(chunks, rows, strict=True):
                ids = np.array(row + end if chunk.ends else row, dtype=dtype)
                self.file.write(ids.data)
                pieces.add(chunk, len(ids))
            n_bytes = sum(len(chunk.text) for chunk in chunks)
            self.tracker.advance(n_bytes, f"{self.file.tell() // ids.itemsize / 1e6:.1f} M tokens")
        if not pieces.starts:
            raise CorpusError("the corpus has no text in it; give some")
        return pieces

    def _chunks(self, corpus: Corpus) -> Iterator[_Chunk]:
        for part in parts_of(corpus):
            texts = list(self.tokenizer.chunks(part.text))
            for number, text in enumerate(texts):
                starts = part.starts and number == 0
                yield _Chunk(text, starts, part.ends and number == len(texts) - 1)


def _batches(chunks: Iterator[_Chunk]) -> Iterator[list[_Chunk]]:
    while batch := list(itertools.islice(chunks, _BATCH_CHUNKS)):
        yield batch
