"""What all scorers share: a fingerprint of files and settings, and a count of what was cut."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.compare.bootstrap import score
from rowspace.evaluate.compare.outcome import Items
from rowspace.files import sha256
from rowspace.sentence.alike import encode_alike
from rowspace.space.encoder import Encoder, encode_documents, encode_queries

_CUT = ".*the rest was not read"


def digest(kind: str, version: int, paths: Sequence[Path], **settings: Any) -> str:
    """Hex digest of a task's files, its settings and the version of the way it is scored."""
    files = [(path.name, sha256(path)) for path in paths]
    content = json.dumps([kind, version, files, settings], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def files_below(folder: Path) -> list[Path]:
    """All files of a folder, by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


class NotedEncoder:
    """A model's encoder that counts the texts that it was given and did not read to their end.

    Satisfies the `Encoder` protocol. No warning tells of cut texts; the notes do.

    Parameters
    ----------
    encoder : Encoder
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.n_texts = self.n_truncated = 0

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.encoder.dim

    @property
    def fingerprint(self) -> str:
        """The encoder's."""
        return self.encoder.fingerprint

    @property
    def notes(self) -> tuple[str, ...]:
        """How many texts were cut."""
        if not self.n_truncated:
            return ()
        of = f"{self.n_truncated:,} of {self.n_texts:,} texts"
        return (f"{of} are longer than the model reads, and their ends were left out",)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts of which none is a query."""
        return self.encode_alike(texts)[0]

    def encode_alike(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """As `encode`, and how the texts were read, where there was a choice."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=_CUT)
            found = encode_alike(self.encoder, texts)
        self._count(len(texts), getattr(self.encoder, "n_truncated", 0))
        return found

    def encode_query(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of queries."""
        return encode_queries(self.encoder, texts)

    def encode_document(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of documents."""
        vectors, n_truncated = encode_documents(self.encoder, texts)
        self._count(len(texts), n_truncated)
        return vectors

    def _count(self, n_texts: int, n_truncated: int) -> None:
        self.n_texts += n_texts
        self.n_truncated += n_truncated


def checked(items: Items) -> Items:
    """The items, if they have a score.

    Raises
    ------
    EvaluationError
        If they have none.
    """
    if not np.isfinite(score(items)):
        raise EvaluationError(
            f"its {items.metric} is undefined, since the model says the same of all "
            f"{len(next(iter(items.columns.values()))):,} items or there is one label"
        )
    return items


def share_known(is_zero: Any) -> float:
    """The share of items that a model has vectors for."""
    return float(1 - np.mean(is_zero))
