"""The vector files Rowspace reads and writes: one line each in `FORMATS`.

A file is read as what its first bytes say it is; `save` chooses by suffix, a folder being
Rowspace's own. A format is a module with a reader `(path, limit, mmap) -> Vectors` and a writer
`(vectors, path) -> None`, which takes a dtype too where the format has a choice; both are imported
when they are used. Text and word2vec's binary may be packed (.gz, .xz, .zst, .bz2).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rowspace.errors import ConfigError, FormatError
from rowspace.space import cache as caches
from rowspace.space import folder
from rowspace.space.sources import COMPRESSED, bare_suffix, is_packed, sniff
from rowspace.space.vectors import Vectors


@dataclass(frozen=True)
class Format:
    """How one kind of vector file is recognised, read and written."""

    name: str
    suffixes: tuple[str, ...]
    """Lower-case, with the dot; the empty suffix is a folder."""
    module: str
    reader: str
    writer: str
    holds: tuple[str, ...] = ()
    """What it keeps beside keys and vectors: "counts", "metadata", "subwords"."""
    packs: bool = False
    """Whether the file may be compressed."""
    dtypes: tuple[str, ...] = ("float32",)
    """Number types it can be written with."""
    for_subwords: bool = False
    """Whether its suffix means this format where vectors have subwords, and else another one."""

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.suffixes) if any(self.suffixes) else 'a folder'})"

    def read(self, path: Path, limit: int | None, mmap: bool) -> Vectors:
        """Read the first `limit` vectors, or all, mapped where the format allows it."""
        if is_packed(path) and not self.packs:
            raise FormatError(f"{path}: {self.name} files are read unpacked only; unpack it first")
        vectors: Vectors = self._function(self.reader)(path, limit, mmap)
        return vectors

    def write(self, vectors: Vectors, path: Path, dtype: str = "float32") -> None:
        """Write vectors; `path` holds all of them, or what it held before."""
        if is_packed(path) and not self.packs:
            raise ConfigError(
                f"{self.name} files are not written as {path.suffix}; leave out that suffix"
            )
        if dtype not in self.dtypes:
            raise ConfigError(
                f"{self.name} files hold {' or '.join(self.dtypes)}, not {dtype}; leave it out, or "
                "save as safetensors or numpy"
            )
        chosen = {"dtype": dtype} if len(self.dtypes) > 1 else {}
        self._function(self.writer)(vectors, path, **chosen)

    def _function(self, name: str) -> Any:
        return getattr(importlib.import_module(f"rowspace.space.{self.module}"), name)


_HALVES = ("float32", "float16")
_ALL = ("counts", "metadata")
_W2V = "word2vec_files"

FORMATS = (
    Format("rowspace", ("",), "folder", "read", "write", _ALL),
    Format("word2vec", (".txt", ".vec"), _W2V, "read_text", "write_text", packs=True),
    Format("word2vec-binary", (".bin",), _W2V, "read_binary", "write_binary", packs=True),
    Format("glove", (".glove",), "glove_files", "read", "write", packs=True),
    Format(
        "fasttext", (".bin", ".ftz"), "fasttext_files", "read_bin", "write_bin",
        ("counts", "subwords"), for_subwords=True,
    ),
    Format(
        "fasttext-text", (".vec",), _W2V, "read_text", "write_fasttext_text", packs=True,
        for_subwords=True,
    ),
    Format("numpy", (".npy",), "numpy_files", "read_npy", "write_npy", dtypes=_HALVES),
    Format("npz", (".npz",), "numpy_files", "read_npz", "write_npz", ("counts",), dtypes=_HALVES),
    Format(
        "safetensors", (".safetensors",), "safetensors_files", "read", "write", _ALL,
        dtypes=_HALVES,
    ),
)  # fmt: skip
NAMES = tuple(format.name for format in FORMATS)

MODEL = "model.safetensors"
_MAPPED = ("rowspace", "fasttext", "numpy", "safetensors")


def load(
    path: Path | str,
    *,
    limit: int | None = None,
    mmap: bool = True,
    format: str | None = None,
    cache: bool | None = None,
) -> Vectors:
    """Read vectors from a file or a folder.

    Parameters
    ----------
    path : path
        A folder that `save` wrote, a space (its `model/` is read), a transformer's folder (its
        table of tokens is), or a file of any format in `FORMATS`, recognised by its content and,
        where that could be two, by its suffix.
    limit : int, optional
        Read only the first so many vectors, the most frequent words in most files.
    mmap : bool
        Map the matrix of a folder, `.npy`, `.safetensors` or fastText `.bin` instead of reading
        it: loading takes no time and the memory is shared between processes. Other formats are
        always read into memory.
    format : str, optional
        Name of the format, believed whatever the file looks like.
    cache : bool, optional
        For formats that are not mapped. True stores what was read in the user's cache folder
        (as large as the vectors; see `rowspace.space.cache`), so that next time it is mapped at
        once. None, the default, uses what is stored there and stores nothing. False does neither.

    Raises
    ------
    FormatError
        If nothing is there, or it is damaged or another format; the message says where.
    ConfigError
        If the format or the limit makes no sense, or memory cannot hold the vectors.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}, so nothing is read; give 1 or more")
    if format is not None:
        _named(format)
    if not path.exists():
        raise FormatError(f"there is no file or folder {str(path)!r}; check the path")
    if path.name in folder.FILES and all((path.parent / name).exists() for name in folder.FILES):
        path = path.parent
    if path.is_dir() and (path / MODEL).exists() and not folder.is_in(path):
        path = path / MODEL  # a transformer's, whose table of tokens is read
    if path.is_dir():
        return folder.read(folder.find(path), limit, mmap)
    if cache is not False and (stored := caches.find(path, limit, format, mmap)):
        return stored
    found = recognise(path, format)
    if not cache or found.name in _MAPPED:
        return found.read(path, limit, mmap)
    source = caches.describe(path, limit, format)
    vectors = found.read(path, limit, mmap)
    caches.store(vectors, path, source)
    return vectors


def save(
    vectors: Vectors, path: Path | str, format: str | None = None, dtype: str = "float32"
) -> None:
    """Write vectors so that `path` holds either all of them or what it held before.

    Parameters
    ----------
    vectors : Vectors
    path : path
        Its suffix names the format; no suffix, or an existing folder, means "rowspace". `.bin` and
        `.vec` are fastText's for vectors with subwords and word2vec's for others. Text and
        word2vec's binary are compressed where a .gz, .xz, .zst or .bz2 follows.
    format : str, optional
        A name in `FORMATS`. "rowspace" and "safetensors" keep counts and metadata, "fasttext"
        subwords; the others keep keys and vectors only, "fasttext-text" 5 digits of them.
    dtype : {"float32", "float16"}
        float16 halves a "numpy", "npz" or "safetensors" file and keeps 3 digits.

    Raises
    ------
    ConfigError
        If the format is unknown, or cannot hold one of the keys.
    """
    path = Path(path)
    found = choose(vectors, path, format)
    path.parent.mkdir(parents=True, exist_ok=True)
    found.write(vectors, path, dtype)


def recognise(path: Path, format: str | None = None) -> Format:
    """The format that a file is read as, or a folder."""
    if path.is_dir():
        return FORMATS[0]
    return _named(format or sniff(path))


def choose(vectors: Vectors, path: Path, format: str | None = None) -> Format:
    """The format that `save` writes these vectors to `path` in."""
    if format is not None:
        return _named(format)
    if path.is_dir():
        return FORMATS[0]
    suffix = bare_suffix(path)
    fitting = [known for known in FORMATS if suffix in known.suffixes]
    if path.suffix.lower() in COMPRESSED:
        fitting = [known for known in fitting if any(known.suffixes)]
    if not fitting:
        known = "; ".join(map(str, FORMATS))
        raise ConfigError(
            f"the suffix {path.suffix!r} of {path.name!r} names no format; known are {known}: "
            "rename the file or give format="
        )
    subwords = hasattr(vectors, "bucket")
    return next((f for f in fitting if f.for_subwords == subwords), fitting[0])


def dropped(vectors: Vectors, format: Format) -> list[str]:
    """What of these vectors a format cannot hold: "counts", "metadata", "subwords"."""
    kept = {"fasttext", "method", "n_tokens"} if "subwords" in format.holds else set()
    has = {
        "counts": vectors.counts is not None,
        "metadata": bool(vectors.metadata.keys() - kept),
        "subwords": hasattr(vectors, "bucket"),
    }
    return [what for what, there in has.items() if there and what not in format.holds]


def _named(name: str) -> Format:
    for known in FORMATS:
        if known.name == name:
            return known
    raise ConfigError(f"format {name!r} is unknown; known are {'; '.join(map(str, FORMATS))}")
