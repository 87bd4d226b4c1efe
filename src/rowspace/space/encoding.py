"""One vector for each text of a corpus, in a file that grows: memory does not follow the corpus.

Beside `NAME.npy`, `NAME.keys.txt` has the document of each row, so that `rowspace.load` reads both.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, CorpusError
from rowspace.files import fsync_file
from rowspace.progress import track
from rowspace.space.growing import PROGRESS, GrowingFiles, Rows
from rowspace.space.vocabulary_files import keys_path
from rowspace.text.chunks import chunks_of
from rowspace.text.corpus import Corpus
from rowspace.text.runs import remember_run, work_folder

Encode = Callable[[Sequence[str], Sequence[str]], tuple[NDArray[np.float32], int]]
"""Texts and their names to (n_texts, dim) vectors, and how many of the texts were cut."""

_VECTORS, _KEYS = "vectors", "keys.txt"


@dataclass(frozen=True)
class EncodingReport:
    """What was encoded."""

    n_texts: int
    """Rows that were written."""
    n_empty: int
    """Documents without text, which have no row."""
    n_truncated: int
    """Texts whose end was not read."""
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
        If `out` exists or does not end in .npy, there is a run that did not finish and it is not
        to be resumed, or it is of other text or settings; or a number is beyond float16.
    CorpusError
        If the text cannot be read, or there is none.
    """
    out = Path(out)
    if out.suffix != ".npy":
        raise ConfigError(f"out is '{out}'; give a name that ends in .npy")
    started = time.monotonic()
    arrays = {_VECTORS: Rows(dtype, (dim,))}
    with work_folder(out, resume, (PROGRESS,)) as work:
        remember_run(work, corpus, {"dtype": dtype, **identity}, {}, PROGRESS)
        with GrowingFiles(work, arrays, [_KEYS]) as files:
            n_before = files.n_rows(_VECTORS)
            counts = _encode_all(encode, corpus, files)
            n_texts = files.n_rows(_VECTORS)
            files.finish()
        if not n_texts:
            shutil.rmtree(work)
            raise CorpusError("there is no text to encode; give a corpus that has some")
        for written, name in ((work / _KEYS, keys_path(out)), (work / f"{_VECTORS}.npy", out)):
            written.replace(name)
    fsync_file(out.parent)
    shutil.rmtree(work)
    seconds = time.monotonic() - started
    speed = (n_texts - n_before) / seconds
    return EncodingReport(n_texts, counts["empty"], counts["cut"], dim, seconds, speed)


def _encode_all(encode: Encode, corpus: Corpus, files: GrowingFiles) -> dict[str, int]:
    """Encode what is left; tells how many documents were empty and how many cut, of all."""
    state = files.state or {"documents": 0, "bytes": 0, "empty": 0, "cut": 0}
    with track("encoding", corpus.total_bytes()) as tracker:
        for chunk in chunks_of(corpus, state["documents"]):
            vectors, n_cut = encode(chunk.texts, chunk.document_ids)
            files.append(_VECTORS, vectors)
            files.write(_KEYS, "".join(f"{_one_line(name)}\n" for name in chunk.document_ids))
            state = {
                "documents": chunk.after,
                "bytes": state["bytes"] + chunk.n_bytes,
                "empty": state["empty"] + chunk.n_empty,
                "cut": state["cut"] + n_cut,
            }
            files.mark(state)
            tracker.set(state["bytes"], f"{files.n_rows(_VECTORS):,} texts")
    return state


def _one_line(document_id: str) -> str:
    return " ".join(document_id.splitlines()) if "\n" in document_id else document_id
