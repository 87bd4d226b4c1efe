"""The vector files Rowspace reads and writes: one line each in `FORMATS`.

`load` and `save` choose by suffix, a folder being Rowspace's own. A format is a module with a
reader `(path, limit, mmap) -> Vectors` and a writer `(vectors, path) -> None`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rowspace.errors import ConfigError, FormatError
from rowspace.space import fasttext_files, folder, word2vec_files
from rowspace.space.subword import SubwordVectors
from rowspace.space.vectors import Vectors


@dataclass(frozen=True)
class Format:
    """How one kind of vector file is recognised, read and written."""

    name: str
    suffixes: tuple[str, ...]
    """Lower-case, with the dot; the empty suffix is a folder."""
    read: Callable[[Path, int | None, bool], Vectors]
    write: Callable[[Vectors, Path], None]

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.suffixes) if any(self.suffixes) else 'a folder'})"


FORMATS = (
    Format("rowspace", ("",), folder.read, folder.write),
    Format("word2vec", (".txt", ".vec"), word2vec_files.read_text, word2vec_files.write_text),
    Format("word2vec-binary", (".bin",), word2vec_files.read_binary, word2vec_files.write_binary),
    Format("fasttext", (".bin", ".ftz"), fasttext_files.read_bin, fasttext_files.write_bin),
)
_FASTTEXT = FORMATS[-1]

FILES = [format for format in FORMATS if any(format.suffixes)]


def load(
    path: Path | str,
    *,
    limit: int | None = None,
    mmap: bool = True,
    format: str | None = None,
) -> Vectors:
    """Read vectors from a file or a folder.

    Parameters
    ----------
    path : path
        A folder that `save` wrote, a space (its `model/` is read), or a file whose suffix names
        its format.
    limit : int, optional
        Read only the first so many vectors, the most frequent words in most files.
    mmap : bool
        Map a folder's matrix, or those of a fastText `.bin`, instead of reading them: loading
        takes no time and the memory is shared between processes. Others are read into memory.
    format : str, optional
        Name of the format where the suffix does not tell.

    Raises
    ------
    FormatError
        If nothing is there, or it is damaged or another format; the message says where.
    ConfigError
        If the format or the limit makes no sense.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}, so nothing is read; give 1 or more")
    if not path.exists():
        raise FormatError(f"there is no file or folder {str(path)!r}; check the path")
    if path.name in folder.FILES:
        path = path.parent
    if path.is_dir():
        return folder.read(folder.find(path), limit, mmap)
    if format is None and path.suffix.lower() == ".bin" and fasttext_files.is_bin(path):
        return _FASTTEXT.read(path, limit, mmap)
    return _find_format(path, format, FILES).read(path, limit, mmap)


def save(vectors: Vectors, path: Path | str, format: str | None = None) -> None:
    """Write vectors so that `path` holds either all of them or what it held before.

    Parameters
    ----------
    vectors : Vectors
    path : path
        Its suffix names the format; no suffix, or an existing folder, means "rowspace"; `.bin` is
        fastText's for vectors made of subwords and word2vec's for others.
    format : {"rowspace", "word2vec", "word2vec-binary", "fasttext"}, optional
        "fasttext" keeps n-grams and counts; "rowspace" the words' vectors, counts and metadata; the
        others keys and vectors only.

    Raises
    ------
    ConfigError
        If the format is unknown, or cannot hold one of the keys.
    """
    path = Path(path)
    if format is None and path.is_dir():
        format = "rowspace"
    if format is None and path.suffix.lower() == ".bin" and isinstance(vectors, SubwordVectors):
        format = "fasttext"
    path.parent.mkdir(parents=True, exist_ok=True)
    _find_format(path, format, FORMATS).write(vectors, path)


def _find_format(path: Path, name: str | None, formats: Sequence[Format]) -> Format:
    """The format called `name`, or else the one that `path`'s suffix belongs to."""
    known = "; ".join(map(str, formats))
    for candidate in formats:
        if name == candidate.name or (name is None and path.suffix.lower() in candidate.suffixes):
            return candidate
    if name is not None:
        raise ConfigError(f"format {name!r} is unknown; known are {known}")
    raise ConfigError(
        f"the suffix {path.suffix!r} of {path.name!r} names no format; known are {known}: "
        "rename the file or give format="
    )
