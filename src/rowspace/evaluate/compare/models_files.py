"""The files that a model is loaded from: their size, and a digest of what is in them.

Left out are exports that can be made again, checkpoints of a training, histories and cards: they
change no vector.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

from rowspace.errors import FormatError
from rowspace.files import sha256
from rowspace.sentence.folder import listed_modules
from rowspace.sentence.kinds import has_modules
from rowspace.space import folder as vectors_folder
from rowspace.space import vocabulary_files

_OF_WORDS = (*vectors_folder.FILES, "encoder.json", "components.npy")
_OF_MODELS = ("*.safetensors", "*.json", "*.txt", "*.model")
_OF_TRAINING = ("training.safetensors", "training.json", "history.safetensors")


def files_of(model: Path) -> list[Path]:
    """The files of word vectors, a transformer or an embedder, sorted.

    Parameters
    ----------
    model : Path
        A file of vectors, or a folder that holds the model itself.
    """
    if model.is_file():
        return [model, *_keys_beside(model)]
    if vectors_folder.is_in(model):
        return sorted(path for name in _OF_WORDS if (path := model / name).exists())
    homes = {model}
    if has_modules(model):
        homes |= {module.path for module in listed_modules(model) if module.path.is_dir()}
    found = {path for home in homes for pattern in _OF_MODELS for path in home.glob(pattern)}
    return sorted(path for path in found if path.name not in _OF_TRAINING)


def _keys_beside(matrix: Path) -> list[Path]:
    """The words of a file that holds, or may hold, the rows alone."""
    if matrix.suffix.lower() not in (".npy", ".safetensors"):
        return []
    try:
        return [vocabulary_files.find(matrix)]
    except FormatError:
        return []


def disk_bytes(model: Path) -> int:
    """The size of `files_of` a model."""
    return sum(path.stat().st_size for path in files_of(model))


def digest(model: Path) -> str:
    """Hex SHA-256 of `files_of` a model: their names, and all that is in them."""
    total = hashlib.sha256()
    for path in files_of(model):
        stat = path.stat()
        content = _content(str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino)
        name = "" if path == model else os.path.relpath(path, model)
        total.update(f"{name} {content}\n".encode())
    return total.hexdigest()


@functools.lru_cache(maxsize=1024)
def _content(path: str, size: int, mtime_ns: int, inode: int) -> str:
    """A file's digest, read once as long as the file is what it was."""
    return sha256(path)
