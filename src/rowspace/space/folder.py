"""Rowspace's own vector folder: `vectors.safetensors` and `vectors.json`.

The matrix is the tensor "vectors" of a safetensors file, which is mapped, so nothing of it is read
until it is touched; other tensors in the file are another's business. The JSON holds the keys,
counts and metadata. Both carry one digest of keys and matrix, so a folder of which only one file
was replaced before a crash is told from a whole one. Nothing is unpickled.
safetensors: https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import write_atomically, write_folder_atomically
from rowspace.progress import Tracker, track
from rowspace.space.safetensors_files import read_header_text
from rowspace.space.similarity import Floats
from rowspace.space.vectors import Vectors

FORMAT = 1
MATRIX, KEYS = FILES = ("vectors.safetensors", "vectors.json")

_DTYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}
_BYTES_AT_ONCE = 1 << 24


def is_in(path: Path) -> bool:
    """Whether vectors, or a part of them, are in the folder `path` itself."""
    return (path / MATRIX).exists() or (path / KEYS).exists()


def find(path: Path) -> Path:
    """The folder that holds the vectors: `path`, or that of a space's model, its default first.

    Raises
    ------
    FormatError
        If neither does.
    """
    for candidate in (path, *models_of(path), path / "model"):
        if is_in(candidate):
            return candidate
    if (path / "space.json").exists():
        raise FormatError(
            f"the space {str(path)!r} has no vectors of words: a sentence encoder made it, which "
            "gives whole texts theirs; search it, or give a folder of word vectors"
        )
    raise FormatError(f"the folder {str(path)!r} holds no {MATRIX}; give a folder that save wrote")


def models_of(space: Path) -> list[Path]:
    """The folders of a space's models as its last write tells, the default one first.

    None where it is no space, or one that tells no models, whose only one is in `model/`.
    """
    try:
        commit = json.loads((space / "commit.json").read_bytes())
        default, models = commit["model"], commit["models"]
        names = sorted(models, key=lambda name: name != default)
        return [space / models[name]["folder"] for name in names]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def read(path: Path, limit: int | None, mmap: bool) -> Vectors:
    """Read the folder `path`; see `rowspace.space.formats.load`."""
    matrix, digest = _map_matrix(path / MATRIX)
    content = _read_keys(path / KEYS)
    if digest is not None and content.get("digest") not in (None, digest):
        raise FormatError(
            f"{MATRIX} and {KEYS} in {str(path)!r} were not written together, so a save was cut "
            "short; save the vectors again"
        )
    keys, counts = content["keys"], content.get("counts")
    if len(keys) != len(matrix):
        raise FormatError(
            f"{path / KEYS}: {len(keys):,} keys for the {len(matrix):,} rows of {MATRIX}; "
            "save the vectors again"
        )
    rows: NDArray[Any] = matrix[:limit]
    try:
        return Vectors(
            keys[:limit],
            rows if mmap else np.array(rows),
            None if counts is None else np.array(counts, dtype=np.int64)[:limit],
            content.get("metadata"),
        )
    except (ConfigError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{path}: {error}") from error


def _map_matrix(path: Path) -> tuple[np.memmap[Any, Any], str | None]:
    """The tensor "vectors" of a safetensors file, mapped, and the file's digest if it has one."""
    if not path.exists():
        raise FormatError(f"{path} is missing; save the vectors again")
    size, text = path.stat().st_size, read_header_text(path)
    length = len(text)
    try:
        header = json.loads(text)
        tensor = header["vectors"]
        rows, dim = map(int, tensor["shape"])
        kind, (begin, end) = tensor["dtype"], map(int, tensor["data_offsets"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{path}: its header (bytes 8 to {8 + length:,}) names no matrix 'vectors'; give a "
            "folder that save wrote"
        ) from error
    if kind not in _DTYPES:
        raise FormatError(
            f"{path}: 'vectors' has dtype {kind}; convert it to one of {', '.join(_DTYPES)}"
        )
    dtype = np.dtype(_DTYPES[kind])
    offset = 8 + length + begin
    if min(rows, dim) < 1 or begin < 0 or end - begin != rows * dim * dtype.itemsize:
        raise FormatError(f"{path}: bytes {begin}..{end} cannot be a matrix of {rows} x {dim}")
    if 8 + length + end > size:
        raise FormatError(
            f"{path}: truncated; 'vectors' ends at byte {8 + length + end:,} of {size:,}: "
            "copy or save it again"
        )
    matrix: np.memmap[Any, Any] = np.memmap(path, dtype, "r", offset, (rows, dim))
    metadata = header.get("__metadata__")
    return matrix, metadata.get("digest") if isinstance(metadata, dict) else None


def _read_keys(path: Path) -> dict[str, Any]:
    """The content of `vectors.json`, of a format this version knows."""
    if not path.exists():
        raise FormatError(f"{path} is missing, so the rows have no keys; save the vectors again")
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise FormatError(f"{path}: not JSON ({error}); save the vectors again") from error
    version = content.get("format") if isinstance(content, dict) else None
    if not isinstance(version, int) or not isinstance(content.get("keys"), list):
        raise FormatError(f"{path}: has no 'format' and 'keys'; give a folder that save wrote")
    if version > FORMAT:
        raise FormatError(
            f"{path}: written in format {version}, and this Rowspace reads up to {FORMAT}; "
            "update Rowspace"
        )
    known: dict[str, Any] = content
    return known


def write(vectors: Vectors, path: Path) -> None:
    """Write the folder `path`; files of others that are in it stay as they are."""
    others = [entry for entry in path.iterdir() if entry.name not in FILES] if path.is_dir() else []
    if path.exists() and not path.is_dir():
        raise ConfigError(
            f"{str(path)!r} is a file; give a folder, or a suffix that names a format"
        )
    keys, digest = _encode_keys(vectors)
    if not others:
        with write_folder_atomically(path) as temporary:
            with (temporary / MATRIX).open("wb") as file:
                _write_matrix(vectors.matrix, digest, file)
            (temporary / KEYS).write_bytes(keys)
        return
    with write_atomically(path / MATRIX) as matrix, write_atomically(path / KEYS) as rest:
        _write_matrix(vectors.matrix, digest, matrix)
        rest.write(keys)


def _encode_keys(vectors: Vectors) -> tuple[bytes, str]:
    """The JSON file's bytes and the digest that goes into both files."""
    digest = hashlib.sha256()
    with track("hashing vectors", total=vectors.matrix.nbytes) as tracker:
        for block in _byte_blocks(vectors.matrix, tracker):
            digest.update(block)
    digest.update("\0".join(vectors.index_to_key).encode("utf-8", "surrogatepass"))
    content = {
        "format": FORMAT,
        "metadata": vectors.metadata,
        "digest": digest.hexdigest(),
        "counts": None if vectors.counts is None else vectors.counts.tolist(),
        "keys": vectors.index_to_key,
    }
    try:
        text = json.dumps(content, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the metadata cannot be written as JSON ({error})") from error
    try:
        return text.encode() + b"\n", digest.hexdigest()
    except UnicodeEncodeError:  # keys that were not UTF-8: lone surrogates are written as \udcxx
        return json.dumps(content).encode() + b"\n", digest.hexdigest()


def _write_matrix(matrix: Floats, digest: str, file: IO[bytes]) -> None:
    """The safetensors file of one tensor, "vectors"."""
    header = json.dumps(
        {
            "__metadata__": {"digest": digest},
            "vectors": {
                "dtype": "F32",
                "shape": list(matrix.shape),
                "data_offsets": [0, matrix.nbytes],
            },
        },
        separators=(",", ":"),
    ).encode()
    header += b" " * (-len(header) % 8)  # the matrix starts on a multiple of 8
    file.write(struct.pack("<Q", len(header)) + header)
    with track("writing vectors", total=matrix.nbytes) as tracker:
        for block in _byte_blocks(matrix, tracker):
            file.write(block)


def _byte_blocks(matrix: Floats, tracker: Tracker) -> Any:
    """The matrix's rows as little-endian bytes, some MB at a time."""
    step = max(1, _BYTES_AT_ONCE // (4 * matrix.shape[1]))
    for start in range(0, len(matrix), step):
        block = np.ascontiguousarray(matrix[start : start + step], dtype="<f4")
        yield block.data
        tracker.advance(block.nbytes)
