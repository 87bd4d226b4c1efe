"""Arrays on the disk that grow, and go on where they were: more rows than memory has room for.

A `.npy` file has its length in its first bytes. Here these have room for any, and are written when
the array is done; until then a file beside the arrays says how far they are whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.files import fsync_file, write_json

PROGRESS = "progress.json"
SAVE_SECONDS = 10.0
_HEADER_BYTES = 128
_MAGIC = b"\x93NUMPY\x01\x00"


@dataclass(frozen=True)
class Rows:
    """What an array is made of."""

    dtype: str
    shape: tuple[int, ...] = ()
    """Of one row."""

    @property
    def n_bytes(self) -> int:
        """Of one row."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=np.int64))


class GrowingFiles:
    """Files of a folder that grow together: arrays `NAME.npy`, and lines of text.

    Parameters
    ----------
    folder : Path
        Where they are, or will be. What was written after the last `save` is dropped.
    arrays : mapping of str to Rows
        By name, without the suffix.
    texts : sequence of str
        Names of files of text.

    Raises
    ------
    FormatError
        If what is there is damaged.
    """

    def __init__(self, folder: Path, arrays: Mapping[str, Rows], texts: Sequence[str] = ()) -> None:
        self.folder, self.arrays = folder, arrays
        progress = _read_progress(folder / PROGRESS)
        self.state: dict[str, Any] = progress.get("state", {})
        """What the last `mark` said."""
        self._sizes = dict.fromkeys([f"{name}.npy" for name in arrays], _HEADER_BYTES)
        self._sizes |= dict.fromkeys(texts, 0)
        self._sizes |= progress.get("sizes", {})
        self._is_new = not progress
        self._files = {
            name: _open_at(folder / name, size, is_new=self._is_new)
            for name, size in self._sizes.items()
        }
        self._saved = time.monotonic()
        self._pause = SAVE_SECONDS

    def append(self, name: str, rows: NDArray[Any], source: str = "the model") -> None:
        """Add rows to an array, in its own type.

        Raises
        ------
        ConfigError
            If a number is NaN or infinite, which is said of the `source`, or beyond float16.
        """
        kind = self.arrays[name]
        _check_finite(rows, self.n_rows(name), source)
        with np.errstate(over="ignore"):
            written = np.ascontiguousarray(rows, dtype=kind.dtype)
        if written.dtype == np.float16 and not np.isfinite(written).all():
            raise ConfigError("a vector holds values beyond float16 (65,504); save as float32")
        self._files[f"{name}.npy"].write(written.data)

    def write(self, name: str, text: str) -> None:
        """Add to a file of text."""
        self._files[name].write(text.encode("utf-8", "surrogateescape"))

    def n_rows(self, name: str) -> int:
        """Rows of an array so far."""
        n_bytes = self._files[f"{name}.npy"].tell() - _HEADER_BYTES
        return n_bytes // self.arrays[name].n_bytes

    def mark(self, state: dict[str, Any]) -> None:
        """Say that all files are whole as they are now, and save them now and then.

        Parameters
        ----------
        state : dict
            How far things are, as JSON can hold it; not to be changed afterwards.
        """
        self.state = state
        self._sizes = {name: file.tell() for name, file in self._files.items()}
        self._is_new = False
        if time.monotonic() - self._saved >= self._pause:
            self.save()

    def save(self) -> None:
        """Put on the disk what was marked last."""
        if self._is_new:
            return
        started = time.monotonic()
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        write_json(self.folder / PROGRESS, {"sizes": self._sizes, "state": self.state})
        self._saved = time.monotonic()
        self._pause = max(SAVE_SECONDS, 20 * (self._saved - started))

    def finish(self) -> None:
        """Save, and write the arrays' first bytes, so that they are `.npy` files."""
        self.save()
        for name, kind in self.arrays.items():
            file = self._files[f"{name}.npy"]
            shape = (self.n_rows(name), *kind.shape)
            file.seek(0)
            file.write(_header(np.dtype(kind.dtype), shape))
        self._close()
        for name in self._files:
            fsync_file(self.folder / name)

    def _close(self) -> None:
        with contextlib.ExitStack() as stack:  # closes all, though one may find the disk full
            for file in self._files.values():
                stack.callback(file.close)

    def __enter__(self) -> GrowingFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and not isinstance(error, OSError):  # as that the disk is full
            self.save()
        self._close()


def _check_finite(rows: NDArray[Any], n_before: int, source: str) -> None:
    """Raise ConfigError for NaN and infinity, which no later step could mend."""
    is_wrong = ~np.isfinite(rows)
    if is_wrong.any():
        place = tuple(np.argwhere(is_wrong)[0])
        raise ConfigError(
            f"{source} gave a vector (row {n_before + int(place[0]):,}) with {rows[place]} in it; "
            "compute in float32 or bfloat16, and if that is so already, mend the model"
        )


def _open_at(path: Path, size: int, *, is_new: bool) -> IO[bytes]:
    """A file to write on from its byte `size`."""
    path.touch()
    if not is_new and path.stat().st_size < size:
        raise FormatError(
            f"{path} is shorter than when it was saved; remove {path.parent} to start anew"
        )
    file = path.open("r+b")
    file.truncate(size)
    file.seek(size)
    return file


def _read_progress(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        progress: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise FormatError(
            f"{path} is damaged ({error}); remove {path.parent} to start anew"
        ) from error
    return progress


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The first bytes of a `.npy` file, version 1.0, with room for any length."""
    fields = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    room = _HEADER_BYTES - len(_MAGIC) - 2
    text = repr(fields).encode().ljust(room - 1) + b"\n"
    return _MAGIC + room.to_bytes(2, "little") + text
