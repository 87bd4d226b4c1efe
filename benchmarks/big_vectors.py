"""A word2vec binary as large as GoogleNews-vectors-negative300.bin, made by rule.

Its layout is that file's: no newline after a row, words and phrases joined by `_`, some of letters
beyond ASCII. The vectors have neighbourhoods, as those of words have: each is noise around one of
20,000 centers, more or less near to it, and they differ in length. Words and vectors mean nothing;
the same arguments give the same file.
"""

from __future__ import annotations

import argparse
import itertools
import os
from pathlib import Path

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from benchmarks.common import CACHE
from rowspace.files import write_atomically
from rowspace.machine import available_memory

ROWS, DIM = 3_000_000, 300
_N_CENTERS = 20_000
_AT_ONCE = 1 << 14
_STARTS = ["b", "ch", "d", "f", "gr", "h", "k", "l", "m", "n", "p", "qu", "r", "s", "t", "v", "ž"]
_SYLLABLES = ["".join(parts) for parts in itertools.product(_STARTS, "aeioué")]


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The arguments of the benchmarks that use such a file."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--dim", type=int, default=DIM)
    parser.add_argument("--folder", type=Path, default=CACHE, help="where the file is made")
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def fitting_rows(rows: int, dim: int, n_copies: float) -> int:
    """`rows`, or as many as memory holds so many copies of, which is said."""
    available = available_memory()
    if available is None:
        return rows
    fits = int(0.9 * available / (n_copies * (4 * dim + 200)))
    if fits < rows:
        print(f"memory holds {n_copies} copies of {fits:,} rows only, not of {rows:,}")
    return min(rows, fits)


def blas() -> str:
    """What the products of numpy, and so gensim's, run on, and with what set."""
    info = threadpoolctl.threadpool_info()
    found = [each for each in info if each["user_api"] == "blas" and "numpy" in each["filepath"]]
    names = [
        f"{each['internal_api']} {each['version']} {each.get('architecture')} with "
        f"{each['num_threads']} threads"
        for each in found
    ]
    core = os.environ.get("OPENBLAS_CORETYPE", "not set")
    return f"numpy's BLAS: {', '.join(names)}, OPENBLAS_CORETYPE {core}"


def big_file(folder: Path, rows: int, dim: int) -> Path:
    """The file in `folder`, made where it is not there."""
    path = folder / f"big-{rows}-{dim}.bin"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, rows, dim)
    return path


def word(number: int) -> str:
    """A word of its own for each number; two in five are phrases."""
    syllables = [_SYLLABLES[number % len(_SYLLABLES)]]
    while number := number // len(_SYLLABLES):
        syllables.append(_SYLLABLES[number % len(_SYLLABLES)])
    text = "".join(syllables)
    if len(text) % 5 < 2:
        return f"{text.title()}_{_SYLLABLES[len(text)].title()}"
    return text


def _write(path: Path, rows: int, dim: int) -> None:
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((_N_CENTERS, dim), dtype=np.float32)
    with write_atomically(path) as file:
        file.write(b"%d %d\n" % (rows, dim))
        for start in range(0, rows, _AT_ONCE):
            n = min(_AT_ONCE, rows - start)
            words = [word(start + i).encode() for i in range(n)]
            pairs = zip(words, _vectors(rng, centers, n), strict=True)
            file.write(b"".join(b"%b %b" % (text, row.tobytes()) for text, row in pairs))


def _vectors(rng: np.random.Generator, centers: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    dim = centers.shape[1]
    matrix = rng.standard_normal((n, dim), dtype=np.float32)
    place = (rng.random(n) ** 2 * len(centers)).astype(np.int64)  # some have far more around them
    matrix += centers[place] * rng.uniform(0.2, 1.2, (n, 1)).astype(np.float32)
    matrix *= rng.uniform(0.5, 6.0, (n, 1)).astype(np.float32) / np.float32(np.sqrt(dim))
    return matrix
