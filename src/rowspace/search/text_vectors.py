"""Vectors of texts on the disk, found by what the texts are: encoded once, whatever moves.

The key is a digest of the text, so vectors stay good when other documents are added, replaced or
deleted while an encoder is at work, and when it is stopped and goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rowspace.space.encoder import Encoder, encode_documents
from rowspace.space.growing import GrowingFiles, Rows

_KEYS = "keys"
_VECTORS = "vectors"
_KEY_BYTES = 16
_READ = 4096
_AT_ONCE = 512
"""Texts that are encoded together: what an interrupt may lose."""


class TextVectors:
    """Vectors by text, in a folder; goes on with what an earlier one left there.

    Parameters
    ----------
    folder : Path
        Made here.
    encoder : Encoder
        The same each time.
    """

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.encoder = encoder
        self._load()

    def _open(self) -> GrowingFiles:
        arrays = {
            _KEYS: Rows("uint8", (_KEY_BYTES,)),
            _VECTORS: Rows("float32", (self.encoder.dim,)),
        }
        return GrowingFiles(self.folder, arrays)

    def _load(self) -> None:
        """Map what is on the disk, having made `.npy` files of it."""
        with self._open() as files:
            files.finish()
            self.n_truncated: int = files.state.get("truncated", 0)
        keys = np.load(self.folder / f"{_KEYS}.npy").view(f"S{_KEY_BYTES}")[:, 0]
        self._order = np.argsort(keys)
        self._sorted = keys[self._order]
        self._vectors = np.load(self.folder / f"{_VECTORS}.npy", mmap_mode="r")

    def __len__(self) -> int:
        return len(self._sorted)

    def encode(self, texts: Iterator[str], advance: Callable[[int], None]) -> int:
        """Encode the texts that have no vector yet; returns how many these were.

        Parameters
        ----------
        texts : iterator of str
        advance : callable
            Is told how many texts are done since the last time.
        """
        n_before = len(self)
        try:
            with self._open() as files:
                while part := list(islice(texts, _READ)):
                    is_new = self._places(part) < 0
                    advance(len(part) - int(is_new.sum()))
                    new = [text for text, wanted in zip(part, is_new, strict=True) if wanted]
                    for start in range(0, len(new), _AT_ONCE):
                        self._append(files, new[start : start + _AT_ONCE])
                        advance(len(new[start : start + _AT_ONCE]))
                files.save()
        finally:
            self._load()
        return len(self) - n_before

    def _append(self, files: GrowingFiles, texts: list[str]) -> None:
        vectors, n_truncated = encode_documents(self.encoder, texts)
        files.append(_KEYS, _keys(texts))
        files.append(_VECTORS, vectors, "the encoder")
        files.mark({"truncated": files.state.get("truncated", 0) + n_truncated})

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n_texts, dim) their vectors; those that are not there are encoded, and not kept."""
        places = self._places(texts)
        found = np.empty((len(texts), self.encoder.dim), np.float32)
        is_there = places >= 0
        found[is_there] = self._vectors[places[is_there]]
        new = [text for text, there in zip(texts, is_there, strict=True) if not there]
        if new:
            found[~is_there] = encode_documents(self.encoder, new)[0]
        return found

    def _places(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(n_texts,) rows of their vectors, -1 where there is none."""
        keys = _keys(texts).view(f"S{_KEY_BYTES}")[:, 0]
        if not len(self):
            return np.full(len(texts), -1)
        near = np.searchsorted(self._sorted, keys).clip(max=len(self) - 1)
        return np.where(self._sorted[near] == keys, self._order[near], -1)


def _keys(texts: Sequence[str]) -> NDArray[np.uint8]:
    """(n_texts, 16) digests."""
    digests = [
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()
        for text in texts
    ]
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, _KEY_BYTES)
