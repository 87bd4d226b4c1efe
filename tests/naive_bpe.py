"""Byte-level BPE as the GPT-2 paper's program does it: one merge after another, slow and plain."""

from __future__ import annotations

import json
from pathlib import Path

import regex  # type: ignore[import-untyped]  # transformers brings it

# Radford et al. (2019); the pattern is part of the published model.
PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)


def byte_names() -> list[str]:
    """The character that spells each byte: itself where it can be printed, else one from 256 on."""
    printed = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printed else next(others)) for byte in range(256)]


class NaiveBPE:
    def __init__(self, vocabulary: Path, merges: Path) -> None:
        self.ids: dict[str, int] = json.loads(vocabulary.read_text(encoding="utf-8"))
        lines = merges.read_text(encoding="utf-8").splitlines()[1:]
        self.ranks = {tuple(line.split(" ")): rank for rank, line in enumerate(lines)}
        self.names = byte_names()

    def encode(self, text: str) -> list[int]:
        return [self.ids[token] for word in PATTERN.findall(text) for token in self._merge(word)]

    def _merge(self, word: str) -> list[str]:
        tokens = [self.names[byte] for byte in word.encode()]
        while pairs := [
            (self.ranks[pair], i)
            for i in range(len(tokens) - 1)
            if (pair := (tokens[i], tokens[i + 1])) in self.ranks
        ]:
            _, i = min(pairs)
            tokens[i : i + 2] = [tokens[i] + tokens[i + 1]]
        return tokens
