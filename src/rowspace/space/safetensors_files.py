"""One `.safetensors` file of vectors and keys; also a bare embedding matrix with a vocabulary.

Rowspace's file holds "vectors" (n, dim), "keys" (uint8: each key in UTF-8, with a NUL after it)
and, where known, "counts" (n,) int64; the metadata are JSON under "rowspace" in `__metadata__`. To
read the keys anywhere: `bytes(tensor).decode().split("\\0")[:-1]`.
A file without "keys" is someone's embedding matrix: its only matrix, or the one with a usual name,
with its words in a vocabulary file beside it (see `vocabulary_files`).
Format: https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import write_atomically
from rowspace.progress import track
from rowspace.space import vocabulary_files
from rowspace.space.compress import CompressedVectors
from rowspace.space.loading import check_memory
from rowspace.space.numpy_files import cast, make_vectors
from rowspace.space.vectors import Vectors

_DTYPES = {
    "F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2",
    "U8": "u1", "I8": "i1", "I32": "<i4", "I64": "<i8",
}  # fmt: skip
_FLOATS = ("F16", "F32", "F64", "BF16")
_LONGEST_HEADER = 100_000_000  # the limit of the safetensors library
_BYTES_AT_ONCE = 1 << 24
_MATRIX_NAMES = ("vectors", "embeddings", "embedding", "matrix", "weight")
MATRIX_ENDINGS = (
    "word_embeddings.weight",
    "embed_tokens.weight",
    "wte.weight",
    "embedding.weight",
    "embeddings.token.weight",
)
"""How the names of token tables in transformers end."""


class Tensor(NamedTuple):
    """Where a tensor is in a file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


def read(path: Path, limit: int | None, mmap: bool) -> Vectors:
    """Read vectors and keys; see `rowspace.space.formats.load`."""
    tensors, metadata = read_header(path)
    if "compressed" in metadata:
        return CompressedVectors.load(path, limit).decompress()
    name = _find_matrix(path, tensors)
    n_rows, dim = tensors[name].shape
    n = min(n_rows, limit or n_rows)
    if "keys" in tensors:
        keys, counts = read_keys(path, tensors, n_rows)[:n], None
        if "counts" in tensors:
            counts = np.array(map_tensor(path, tensors["counts"]))[:n]
    else:
        keys, counts = vocabulary_files.read(vocabulary_files.find(path), n_rows, path)
        keys, counts = keys[:n], None if counts is None else counts[:n]
    rows = map_tensor(path, tensors[name])[:n]
    if tensors[name].dtype != "F32" or not mmap:
        check_memory(path, n, dim)
        rows = to_float32(rows, tensors[name].dtype)
    try:
        extra = json.loads(metadata.get("rowspace", "null"))
    except ValueError as error:
        raise FormatError(f"{path}: its metadata are damaged ({error}); save it again") from error
    return make_vectors(path, keys, rows, counts, extra if isinstance(extra, dict) else None)


def read_header_text(path: Path) -> bytes:
    """The JSON that says which tensors are where, from byte 8 on.

    Raises
    ------
    FormatError
        If the file is too short for it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, _LONGEST_HEADER):
            raise FormatError(
                f"{path}: {size:,} bytes are too few for its header; it is truncated or not "
                "safetensors: copy or save it again"
            )
        return file.read(length)


def read_header(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file and its metadata.

    Raises
    ------
    FormatError
        If it is truncated or no safetensors file.
    """
    size, text = path.stat().st_size, read_header_text(path)
    length = len(text)
    tensors = {}
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__", None) or {}
        for name, value in header.items():
            begin, end = map(int, value["data_offsets"])
            shape = tuple(map(int, value["shape"]))
            tensors[name] = Tensor(str(value["dtype"]), shape, 8 + length + begin)
            n_bytes = _n_bytes(tensors[name])
            if begin < 0 or min(shape, default=0) < 0 or n_bytes not in (None, end - begin):
                raise FormatError(
                    f"{path}: bytes {begin}..{end} cannot be the tensor {name!r} of shape {shape}"
                )
            if 8 + length + end > size:
                raise FormatError(
                    f"{path}: truncated; {name!r} ends at byte {8 + length + end:,} of {size:,}: "
                    "copy or save it again"
                )
    except FormatError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{path}: its header (bytes 8 to {8 + length:,}) is damaged; copy or save it again"
        ) from error
    return tensors, metadata


def map_tensor(path: Path, tensor: Tensor) -> NDArray[Any]:
    """A tensor, mapped and not read.

    Raises
    ------
    FormatError
        If its numbers are of a type that is not read.
    """
    if tensor.dtype not in _DTYPES:
        known = ", ".join(_DTYPES)
        raise FormatError(f"{path} has a tensor of dtype {tensor.dtype}; save it as one of {known}")
    return np.memmap(path, _DTYPES[tensor.dtype], "r", tensor.offset, tensor.shape)


def read_keys(path: Path, tensors: dict[str, Tensor], n_rows: int) -> list[str]:
    """The keys, decoded."""
    if tensors["keys"].dtype != "U8":
        raise FormatError(f"{path}: 'keys' has dtype {tensors['keys'].dtype}; save it as U8")
    n_bytes = int(np.prod(tensors["keys"].shape))
    text = map_tensor(path, tensors["keys"]).tobytes() if n_bytes else b""
    keys = text.decode("utf-8", "surrogateescape").split("\0")
    if keys.pop() or len(keys) != n_rows:
        raise FormatError(
            f"{path}: {len(keys):,} keys for {n_rows:,} rows; it is damaged: save it again"
        )
    return keys


def write(vectors: Vectors, path: Path, dtype: str = "float32") -> None:
    """Write vectors, keys, counts and metadata as one file."""
    tensors: dict[str, NDArray[Any]] = {"vectors": cast(vectors, dtype)}
    if vectors.counts is not None:
        tensors["counts"] = vectors.counts
    tensors["keys"] = encode_keys(vectors)
    try:
        metadata = json.dumps(vectors.metadata)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the metadata cannot be written as JSON ({error})") from error
    write_tensors(path, tensors, {"rowspace": metadata})


def encode_keys(vectors: Vectors) -> NDArray[np.uint8]:
    """The keys as bytes, each with a NUL after it."""
    wrong = next((key for key in vectors if "\0" in key), None)
    if wrong is not None:
        raise ConfigError(
            f"the key {wrong!r} holds a NUL, which ends a key in this format; save as a folder "
            "(format='rowspace')"
        )
    text = "".join(f"{key}\0" for key in vectors)
    return np.frombuffer(text.encode("utf-8", "surrogateescape"), dtype=np.uint8)


def write_tensors(path: Path, tensors: dict[str, NDArray[Any]], metadata: dict[str, str]) -> None:
    """Write arrays as a safetensors file, a row block at a time. Wide types go first, to align."""
    kinds = {np.dtype(kind): name for name, kind in _DTYPES.items() if name != "BF16"}
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, array in tensors.items():
        header[name] = {
            "dtype": kinds[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start on a multiple of 8
    with write_atomically(path) as file, track("writing vectors", total=end) as tracker:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            step = max(1, _BYTES_AT_ONCE * len(array) // max(1, array.nbytes))
            for start in range(0, len(array), step):
                block = np.ascontiguousarray(array[start : start + step])
                file.write(block.data)
                tracker.advance(block.nbytes)


def _n_bytes(tensor: Tensor) -> int | None:
    """Bytes a tensor takes; None for types that are not read here."""
    if tensor.dtype not in _DTYPES:
        return None
    n = np.dtype(_DTYPES[tensor.dtype]).itemsize
    for length in tensor.shape:
        n *= length
    return n


def _find_matrix(path: Path, tensors: dict[str, Tensor]) -> str:
    """The tensor that holds the vectors."""
    matrices = [
        name
        for name, tensor in tensors.items()
        if len(tensor.shape) == 2 and tensor.dtype in _FLOATS and min(tensor.shape) > 0
    ]
    usual = [name for name in _MATRIX_NAMES if name in matrices]
    usual += [name for name in matrices if name.endswith(MATRIX_ENDINGS)]
    if usual or len(matrices) == 1:
        return (usual or matrices)[0]
    held = ", ".join(f"{name} {tensor.shape}" for name, tensor in list(tensors.items())[:5])
    raise FormatError(
        f"{path}: holds {len(matrices)} matrices of floats ({held or 'no tensors'}); save the one "
        "with a row a word alone, as 'vectors'"
    )


def to_float32(rows: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """Numbers of a tensor as `map_tensor` gives them, copied; `dtype` is the file's name for it."""
    if dtype == "BF16":  # the upper half of a float32
        return (rows.astype(np.uint32) << 16).view(np.float32)
    return np.array(rows, dtype=np.float32)
