"""One vector for each text of a corpus, in a file that grows: memory does not follow the corpus.

Beside `NAME.npy`, `NAME.keys.txt` has the document of each row, so that `rowspace.load` reads both.
As no two keys may be equal there, an id that was there before gets "#2" and so on after it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError, FormatError
from rowspace.files import fsync_file, write_json
from rowspace.machine import return_free_memory
from rowspace.progress import track
from rowspace.space.growing import PROGRESS, GrowingFiles, Rows
from rowspace.space.vocabulary_files import keys_path
from rowspace.text.chunks import Chunk, chunks_of
from rowspace.text.corpus import Corpus
from rowspace.text.runs import remember_run, work_folder
from rowspace.text.sections import SECTIONS

Encode = Callable[[Sequence[str], Sequence[str]], tuple[NDArray[np.float32], int]]
"""Texts and their names to (n_texts, dim) vectors, and how many of the texts were cut."""

VECTORS, KEYS = "vectors", "keys.txt"
DONE = "done.json"
"""Of the work folder: what was counted, once both files are whole and only have to be moved."""


@dataclass(frozen=True)
class EncodingReport:
    """What was encoded."""

    n_texts: int
    """Rows that were written."""
    n_empty: int
    """Documents without text, which have no row."""
    n_truncated: int
    """Texts whose end was not read."""
    n_renamed: int
    """Rows whose document has the id of one before, and so a number after it in the keys."""
    dim: int
    seconds: float
    """Of this run."""
    texts_per_second: float
    """Of this run."""


def encode_corpus(
    encode: Encode,
    corpus: Corpus,
    out: Path | str,
    *,
    dim: int,
    identity: dict[str, Any],
    dtype: str = "float32",
    resume: bool = False,
) -> EncodingReport:
    """Write the vectors of a corpus's texts to `out`, a `.npy` file, a row a text.

    Parameters
    ----------
    encode : callable
        Texts, and what they are called in errors, to their vectors, and how many were cut.
    corpus : Corpus
    out : path
        Ends in .npy. A run works in a folder beside it, which is removed when all is done.
    dim : int
        Length of a vector.
    identity : dict
        What decides the vectors, as JSON can hold it: a run goes on only with the same.
    dtype : {"float32", "float16"}
        Of the file.
    resume : bool
        Go on with the run that is there; it ends with the same bytes.

    Raises
    ------
    ConfigError
        If `out` or the file of its keys exists or `out` does not end in .npy, there is a run that
        did not finish and it is not to be resumed, or it is of other text or settings; or a number
        is NaN, infinite or beyond float16.
    CorpusError
        If the text cannot be read, or there is none.
    FormatError
        If what a run left is damaged.
    """
    out = npy_path(out)
    started = time.monotonic()
    with work_folder(out, resume, (PROGRESS,)) as work:
        is_done = (work / DONE).exists()
        if not is_done:
            check_keys(keys_path(out))
        remember_run(work, corpus, {"dtype": dtype, **identity}, {"sections": SECTIONS}, PROGRESS)
        if is_done:
            counts, n_new = read_done(work / DONE), 0
        else:
            with GrowingFiles(work, {VECTORS: Rows(dtype, (dim,))}, [KEYS]) as files:
                n_before = files.n_rows(VECTORS)
                counts = _encode_all(encode, corpus, files)
                counts["texts"] = files.n_rows(VECTORS)
                n_new = counts["texts"] - n_before
                files.finish()
            if not counts["texts"]:
                shutil.rmtree(work)
                raise no_text()
            check_keys(keys_path(out))
            write_json(work / DONE, counts)
        move(work, out)
    shutil.rmtree(work)
    return report_of(counts, dim, n_new, time.monotonic() - started)


def npy_path(out: Path | str) -> Path:
    """`out` as a path; ConfigError where it does not end in .npy."""
    out = Path(out)
    if out.suffix != ".npy":
        raise ConfigError(f"out is '{out}'; give a name that ends in .npy")
    return out


def no_text() -> CorpusError:
    """The error of a corpus that gave no row."""
    return CorpusError("there is no text to encode; give a corpus that has some")


def report_of(counts: dict[str, int], dim: int, n_new: int, seconds: float) -> EncodingReport:
    """What was counted as a report; `n_new` texts were encoded in these seconds."""
    return EncodingReport(
        n_texts=counts["texts"],
        n_empty=counts["empty"],
        n_truncated=counts["cut"],
        n_renamed=counts["renamed"],
        dim=dim,
        seconds=seconds,
        texts_per_second=n_new / seconds,
    )


def check_keys(keys: Path) -> None:
    """Raise ConfigError rather than write over keys that belong to something else."""
    if keys.exists():
        raise ConfigError(f"{keys} exists; give another --out, or remove it")


def read_done(path: Path) -> dict[str, int]:
    """What was counted by a run whose files have only to be moved."""
    try:
        counts: dict[str, int] = json.loads(path.read_text())
    except ValueError as error:
        raise FormatError(
            f"{path} is damaged ({error}); remove {path.parent} to start anew"
        ) from error
    return counts


def move(work: Path, out: Path) -> None:
    """Give the files their names, those that have not got them yet: the vectors last."""
    if (work / KEYS).exists():
        (work / KEYS).replace(keys_path(out))
    if not (keys_path(out).exists() and (work / f"{VECTORS}.npy").exists()):
        raise FormatError(f"{work} lacks what it is said to hold; remove it to start anew")
    (work / f"{VECTORS}.npy").replace(out)
    fsync_file(out.parent)


def _encode_all(encode: Encode, corpus: Corpus, files: GrowingFiles) -> dict[str, int]:
    """Encode what is left; tells how many documents were empty, cut and so on, of all."""
    state = files.state or {"documents": 0, "bytes": 0, "empty": 0, "cut": 0, "renamed": 0}
    names = UniqueNames(read_keys(files.folder / KEYS))
    with track("encoding", corpus.total_bytes()) as tracker:
        for chunk in chunks_of(corpus, state["documents"]):
            n_cut = append_chunk(encode, chunk, files)
            n_renamed = names.append([one_line(id_) for id_ in chunk.document_ids], files)
            state = {
                "documents": chunk.after,
                "bytes": state["bytes"] + chunk.n_bytes,
                "empty": state["empty"] + chunk.n_empty,
                "cut": state["cut"] + n_cut,
                "renamed": state["renamed"] + n_renamed,
            }
            files.mark(state)
            return_free_memory()  # which the C library keeps, in pieces of many sizes
            tracker.set(state["bytes"], f"{files.n_rows(VECTORS):,} texts")
    return state


def append_chunk(encode: Encode, chunk: Chunk, files: GrowingFiles) -> int:
    """Encode a chunk and add its rows; tells how many texts were cut."""
    vectors, n_cut = encode(chunk.texts, chunk.document_ids)
    files.append(VECTORS, vectors, "the encoder")
    return n_cut


def read_keys(path: Path) -> Iterator[str]:
    """The lines of a file of keys."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as keys:
        for line in keys:
            yield line.removesuffix("\n")


class UniqueNames:
    """Names that were not there before; a hash of each is kept, in about 100 bytes.

    Two names of one hash (64 bits) are taken for the same, which costs one of them a number.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._hashes = set(map(_hash, names))
        self._counts: dict[str, int] = {}

    def of(self, name: str) -> str:
        """The name, or where it was there before with the first number that makes it new."""
        found = name
        while (hashed := _hash(found)) in self._hashes:
            self._counts[name] = self._counts.get(name, 1) + 1
            found = f"{name}#{self._counts[name]}"
        self._hashes.add(hashed)
        return found

    def append(self, names: Sequence[str], files: GrowingFiles) -> int:
        """Write names as keys, made new; tells how many have another number or any."""
        keys = [self.of(name) for name in names]
        files.write(KEYS, "".join(f"{key}\n" for key in keys))
        return sum(map(str.__ne__, names, keys))


def _hash(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def one_line(document_id: str) -> str:
    """A document's id as a line of keys."""
    return " ".join(document_id.splitlines()) if "\n" in document_id else document_id
