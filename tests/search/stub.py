"""A tiny encoder: each known word is a fixed random direction, a text the sum of its words."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.search.fields import FieldTypes
from rowspace.search.manifest import ENCODERS
from rowspace.search.space import Space, open_space
from rowspace.search.store import content
from rowspace.search.writer import create_space
from rowspace.text.corpus import Document
from rowspace.text.passages import Passage, split_passages

ENCODERS["stub"] = "tests.search.stub:HashEncoder.load"
ENCODERS["other stub"] = "tests.search.stub:OtherEncoder.load"


class HashEncoder:
    """Knows all words but those that start with `zz`."""

    dim = 16

    def __init__(self, fingerprint: str = "stub") -> None:
        self.fingerprint = fingerprint

    @classmethod
    def load(cls, folder: Path) -> HashEncoder:
        return cls()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self._one(text) for text in texts], np.float32).reshape(-1, self.dim)

    def _one(self, text: str) -> NDArray[np.float64]:
        total = np.zeros(self.dim)
        for word in re.findall(r"\w+", text.lower()):
            if not word.startswith("zz"):
                digest = hashlib.sha256(word.encode()).digest()
                total += np.frombuffer(digest[: self.dim], np.int8) / 128
        return total


class OtherEncoder(HashEncoder):
    """Knows the same words, in another space."""

    dim = 8
    kind = "other stub"

    def __init__(self, fingerprint: str = "other", dim: int = 8) -> None:
        super().__init__(fingerprint)
        self.dim = dim
        self.encoded: list[str] = []
        """The texts that were."""

    @classmethod
    def load(cls, folder: Path) -> OtherEncoder:
        return cls(**json.loads((folder / "other.json").read_text()))

    def save(self, folder: Path) -> None:
        folder.mkdir()
        settings = {"fingerprint": self.fingerprint, "dim": self.dim}
        (folder / "other.json").write_text(json.dumps(settings))
        (folder / "weights.bin").write_bytes(bytes(range(256)) * 300)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        return -super().encode(texts)


def document(
    document_id: str, text: str, /, title: str = "", source: str = "s.txt", **metadata: Any
) -> Document:
    return Document(document_id, title, text, source, metadata)


def batches(
    documents: Iterable[Document], size: int = 64, max_words: int = 20
) -> Iterator[tuple[list[Passage], NDArray[np.float32]]]:
    encoder = HashEncoder()
    passages = [p for d in documents for p in split_passages(d, max_words)]
    for start in range(0, len(passages), size):
        part = passages[start : start + size]
        yield part, encoder.encode([content(p.title, p.text) for p in part])


def make_space(
    path: Path, documents: Sequence[Document], max_words: int = 20, **options: Any
) -> Space:
    seen = FieldTypes()
    for one in documents:
        seen.observe(one.document_id, one.metadata)
    (path / "model").mkdir(parents=True)
    (path / "model" / "weights.bin").write_bytes(bytes(range(256)) * 400)
    (path / "model" / "config.json").write_text("{}")
    create_space(
        path,
        HashEncoder(),
        batches(documents, max_words=max_words),
        encoder_kind="stub",
        field_types=seen.types(),
        max_words=max_words,
        **options,
    )
    return open_space(path)
