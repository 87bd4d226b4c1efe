"""A folder of files that were slow to load, kept so that they can be mapped at once.

It is `$XDG_CACHE_HOME/rowspace/vectors` (or `~/.cache/...`), with a folder for each path and limit:
the vectors, keys, hashes of these and norms as one safetensors file, and `source.json`, which says
what file they were read from: its path, size, times of change (of its content, and of anything
about it, which nobody can set back), and a digest of its first and last 64 kB, all as they were
before it was read. If any of that differs the entry is not used, and `load(..., cache=True)` makes
it anew in its place. Writes are crash-safe; an entry whose files are not whole is not used.
Removing the folder, or `clear()`, is always safe.

Nothing is stored unless asked for, as an entry is as large as its vectors.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from rowspace.errors import RowspaceError
from rowspace.files import write_folder_atomically, write_json
from rowspace.space import safetensors_files
from rowspace.space.key_index import KeyIndex
from rowspace.space.vectors import Vectors

FORMAT = 2
_VECTORS, _SOURCE = "vectors.safetensors", "source.json"
_ENDS = 1 << 16
_SPARE = 1 << 30  # bytes of the disk that the cache leaves free


def folder() -> Path:
    """Where the cache is."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "rowspace" / "vectors"


def find(path: Path, limit: int | None, format: str | None, mmap: bool = True) -> Vectors | None:
    """The vectors of a file, if they are stored and the file has not changed since.

    An entry of the whole file answers a limit too.
    """
    for stored in dict.fromkeys([None, limit]):
        entry = _entry(path, stored, format)
        try:
            if json.loads((entry / _SOURCE).read_bytes()) != describe(path, stored, format):
                continue
            return _read(entry / _VECTORS, limit, mmap)
        except (OSError, ValueError, KeyError, RowspaceError):
            continue
    return None


def store(vectors: Vectors, path: Path, source: dict[str, Any]) -> bool:
    """Store the vectors of a file, if the disk has room; warns where they cannot be stored.

    Parameters
    ----------
    vectors : Vectors
    path : Path
    source : dict
        What `describe` said of the file before it was read.

    Returns
    -------
    bool
        Whether they are stored. Nothing is, of vectors that are more than keys and a matrix.
    """
    if type(vectors) is not Vectors:
        return False
    limit, format = source["limit"], source["format"]
    entry = _entry(path, limit, format)
    needed = vectors.matrix.nbytes + 64 * len(vectors)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(entry.parent).free
        if needed + _SPARE > free:
            _warn(f"{needed / 1e9:,.1f} GB wanted, {free / 1e9:,.1f} GB free in {entry.parent}")
            return False
        if describe(path, limit, format) != source:
            _warn(f"{path} changed while it was read; load it again")
            return False
        with write_folder_atomically(entry) as temporary:
            tensors: dict[str, Any] = {"vectors": vectors.matrix, "norms": vectors.norms}
            if vectors.counts is not None:
                tensors = {"counts": vectors.counts, **tensors}
            if vectors.index is not None:
                tensors["hashes"] = vectors.index.hashes.view(np.int64)
            tensors["keys"] = safetensors_files.encode_keys(vectors)
            safetensors_files.write_tensors(temporary / _VECTORS, tensors, {})
            write_json(temporary / _SOURCE, source)
    except (OSError, RowspaceError) as error:
        _warn(str(error))
        return False
    return True


def describe(path: Path, limit: int | None, format: str | None) -> dict[str, Any]:
    """What must be equal for an entry to be of this file as it is now."""
    status = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_ENDS))
        file.seek(max(0, status.st_size - _ENDS))
        digest.update(file.read(_ENDS))
    return {
        "cache": FORMAT,
        "path": str(path.resolve()).encode(errors="replace").decode(),
        "size": status.st_size,
        "changed": [status.st_mtime_ns, status.st_ctime_ns],
        "digest": digest.hexdigest(),
        "limit": limit,
        "format": format,
    }


def clear() -> int:
    """Remove all that is stored; returns the bytes that were freed."""
    freed = 0
    if folder().is_dir():
        freed = sum(file.stat().st_size for file in folder().rglob("*") if file.is_file())
        shutil.rmtree(folder())
    return freed


def _warn(reason: str) -> None:
    warnings.warn(f"not stored in the cache: {reason}", stacklevel=4)


def _entry(path: Path, limit: int | None, format: str | None) -> Path:
    name = hashlib.sha256(f"{path.resolve()}\0{limit}\0{format}".encode(errors="replace"))
    return folder() / f"{path.name[:80]}-{name.hexdigest()[:16]}"


def _read(path: Path, limit: int | None, mmap: bool) -> Vectors:
    """The stored vectors; keys are decoded when one is first asked for."""
    tensors, _ = safetensors_files.read_header(path)
    n_rows = tensors["vectors"].shape[0]
    n = min(n_rows, limit or n_rows)
    matrix = safetensors_files.map_tensor(path, tensors["vectors"])[:n]
    norms = np.array(safetensors_files.map_tensor(path, tensors["norms"])[:n])
    counts = None
    if "counts" in tensors:
        counts = np.array(safetensors_files.map_tensor(path, tensors["counts"])[:n])
    index = None
    if "hashes" in tensors:
        hashes = safetensors_files.map_tensor(path, tensors["hashes"])
        index = KeyIndex(hashes[:n].view(np.uint64))
    rows = matrix if mmap else np.array(matrix)
    if limit is not None:
        keys = safetensors_files.read_keys(path, tensors, n_rows)[:n]
        return Vectors.prepared(keys, rows, norms=norms, counts=counts, index=index)
    blob = safetensors_files.map_tensor(path, tensors["keys"])  # outlives the file

    def read_keys() -> list[str]:
        return blob.tobytes().decode("utf-8", "surrogateescape").split("\0")[:-1]

    return Vectors.prepared(read_keys, rows, norms=norms, counts=counts, index=index)
