"""NumPy's files: a `.npy` matrix with its keys beside it, or a `.npz` with both.

`name.npy` goes with `name.keys.txt`, one key a line, and is mapped. A `.npz` holds "vectors",
"keys" (text) and, where known, "counts". Nothing is unpickled: an array of Python objects is
refused.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError, RowspaceError
from rowspace.files import write_atomically
from rowspace.space import vocabulary_files
from rowspace.space.loading import check_memory
from rowspace.space.vectors import Vectors

_VECTOR_NAMES = ("vectors", "embeddings", "matrix", "weight", "arr_0")
_KEY_NAMES = ("keys", "words", "vocab", "vocabulary", "index_to_key", "arr_1")
_DTYPES = ("float16", "float32")


def read_npy(path: Path, limit: int | None, mmap: bool) -> Vectors:
    """Read a matrix and the keys beside it; see `rowspace.space.formats.load`."""
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise _unreadable(path, error) from error
    _check_matrix(path, "the array", matrix)
    beside = vocabulary_files.find(path)
    keys, counts = vocabulary_files.read(beside, len(matrix), path)
    rows: NDArray[Any] = matrix[:limit]
    if not mmap or rows.dtype != np.float32:
        check_memory(path, *rows.shape)
        rows = np.array(rows, dtype=np.float32)
    return make_vectors(path, keys[:limit], rows, None if counts is None else counts[:limit])


def read_npz(path: Path, limit: int | None, mmap: bool) -> Vectors:
    """Read matrix and keys from one file; see `rowspace.space.formats.load`."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            matrix = _pick(path, arrays, _VECTOR_NAMES, "vectors")
            keys = _pick(path, arrays, _KEY_NAMES, "keys")
            counts = arrays["counts"][:limit] if "counts" in arrays else None
    except (ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        if isinstance(error, RowspaceError):
            raise
        raise _unreadable(path, error) from error
    _check_matrix(path, "'vectors'", matrix)
    if keys.dtype.kind not in "US" or keys.shape != (len(matrix),):
        raise FormatError(
            f"{path}: 'keys' has type {keys.dtype} and shape {keys.shape} for {len(matrix):,} "
            "rows; save them as one array of text"
        )
    words = keys[:limit].tolist()
    if keys.dtype.kind == "S":
        words = [word.decode("utf-8", "surrogateescape") for word in words]
    rows = np.array(matrix[:limit], dtype=np.float32)
    return make_vectors(path, words, rows, counts)


def write_npy(vectors: Vectors, path: Path, dtype: str = "float32") -> None:
    """Write `path` and the keys beside it: first whole, then under their names, one by one."""
    keys = vocabulary_files.write(vectors)
    with (
        write_atomically(vocabulary_files.keys_path(path)) as words,
        write_atomically(path) as file,
    ):
        # Not np.save, whose error on a full disk does not say what it is.
        matrix = np.ascontiguousarray(cast(vectors, dtype))
        header = np.lib.format.header_data_from_array_1_0(matrix)
        np.lib.format.write_array_header_1_0(file, header)
        file.write(matrix.data)
        words.write(keys)


def write_npz(vectors: Vectors, path: Path, dtype: str = "float32") -> None:
    """Write one uncompressed file of "vectors", "keys" and "counts"."""
    longest = max(map(len, vectors))
    if 4 * longest * len(vectors) > max(1 << 28, 2 * vectors.matrix.nbytes):
        raise ConfigError(
            f"a key has {longest:,} letters, and .npz makes room for as many in each of "
            f"{len(vectors):,}; save as .npy or .safetensors, or drop that key"
        )
    wrong = next((key for key in vectors if key.endswith("\0")), None)
    if wrong is not None:
        raise ConfigError(f"the key {wrong!r} ends in a NUL, which .npz drops; save as a folder")
    arrays: dict[str, Any] = {"vectors": cast(vectors, dtype), "keys": np.array(list(vectors))}
    if vectors.counts is not None:
        arrays["counts"] = vectors.counts
    with write_atomically(path) as file:
        np.savez(file, **arrays)


def cast(vectors: Vectors, dtype: str) -> NDArray[Any]:
    """The matrix as float32 or float16.

    Raises
    ------
    ConfigError
        If the type is another, or a value is beyond float16.
    """
    if dtype not in _DTYPES:
        raise ConfigError(f"dtype {dtype!r} is unknown; give one of {', '.join(_DTYPES)}")
    if dtype == "float32":
        return vectors.matrix
    with np.errstate(over="ignore"):
        half = vectors.matrix.astype(np.float16)
    wrong = np.flatnonzero(~np.isfinite(half).all(axis=1))
    if len(wrong):
        raise ConfigError(
            f"the vector of {vectors.index_to_key[wrong[0]]!r} holds values beyond float16 "
            "(65,504); save as float32"
        )
    return half


def make_vectors(
    path: Path, keys: list[str], matrix: NDArray[Any], counts: Any = None, metadata: Any = None
) -> Vectors:
    """Vectors of what a file held; what does not fit together is the file's fault."""
    try:
        return Vectors(keys, matrix, counts, metadata)
    except (RowspaceError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: {error}") from error


def _pick(path: Path, arrays: Any, names: tuple[str, ...], what: str) -> NDArray[Any]:
    found = next((name for name in names if name in arrays), None)
    if found is None:
        raise FormatError(
            f"{path}: holds {', '.join(map(repr, arrays.files))} and no {what!r}; save it with "
            "arrays 'vectors' and 'keys'"
        )
    array: NDArray[Any] = arrays[found]
    return array


def _check_matrix(path: Path, what: str, matrix: NDArray[Any]) -> None:
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu" or 0 in matrix.shape:
        raise FormatError(
            f"{path}: {what} has type {matrix.dtype} and shape {matrix.shape}; save a matrix of "
            "numbers, a row a key"
        )


def _unreadable(path: Path, error: Exception) -> FormatError:
    if "pickle" in str(error) or "Python objects" in str(error):
        return FormatError(
            f"{path}: holds Python objects, which only pickle reads, and a pickle is a program; "
            "save the words as an array of text (dtype=str)"
        )
    return FormatError(f"{path}: damaged or cut short ({error}); copy or save it again")
