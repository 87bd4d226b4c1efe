"""Keys in a file beside a matrix: one a line, or a JSON of words and rows.

`name.keys.txt` (what Rowspace writes), `name.vocab`, `name.txt`, `name.json`, and the names that
others give the one vocabulary of a folder: `vocab.txt`, `vocab.json` and `tokenizer.json` (Hugging
Face). A line of a `.vocab` may end in a count, as those of word2vec.c and GloVe do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.space.vectors import Vectors

_BESIDE = (".keys.txt", ".vocab", ".vocab.txt", ".txt", ".json")
_IN_FOLDER = ("vocab.txt", "vocab.json", "tokenizer.json")

Counts = NDArray[np.int64]


def keys_path(path: Path) -> Path:
    """Where Rowspace writes the keys of the matrix `path`."""
    return path.with_suffix(".keys.txt")


def find(path: Path) -> Path:
    """The vocabulary that belongs to the matrix `path`.

    Raises
    ------
    FormatError
        If there is none.
    """
    beside = [path.with_suffix(suffix) for suffix in _BESIDE]
    for candidate in [*beside, *(path.parent / name for name in _IN_FOLDER)]:
        if candidate.is_file():
            return candidate
    raise FormatError(
        f"{path} has no keys, and none of {', '.join(file.name for file in beside)} and "
        f"{', '.join(_IN_FOLDER)} is beside it; put its words there, one a line"
    )


def read(path: Path, n_rows: int, matrix: Path) -> tuple[list[str], Counts | None]:
    """The `n_rows` keys of a vocabulary file, in the order of the rows, and counts if it has any.

    Raises
    ------
    FormatError
        If it is damaged or has another number of keys.
    """
    content = path.read_bytes()
    counts = None
    if path.suffix == ".json":
        keys = _from_json(content, path)
    else:
        lines = content.decode("utf-8", "surrogateescape").split("\n")
        lines = lines[:-1] if lines[-1] == "" else lines
        if content.count(b"\r\n") == len(lines):
            lines = [line.removesuffix("\r") for line in lines]
        keys, counts = _split_counts(lines) if path.suffix == ".vocab" else (lines, None)
    if len(keys) != n_rows:
        raise FormatError(
            f"{path}: {len(keys):,} keys for the {n_rows:,} rows of {matrix.name}; give the "
            "vocabulary that was saved with it"
        )
    return keys, counts


def write(vectors: Vectors) -> bytes:
    """The keys, one a line.

    Raises
    ------
    ConfigError
        If a key holds a newline.
    """
    wrong = next((key for key in vectors if "\n" in key), None)
    if wrong is not None:
        raise ConfigError(
            f"the key {wrong!r} holds a newline, which ends a key in a file of keys; save as a "
            "folder (format='rowspace'), or replace it with '_'"
        )
    text = "".join(f"{key}\n" for key in vectors)
    return text.encode("utf-8", "surrogateescape")


def _split_counts(lines: list[str]) -> tuple[list[str], Counts | None]:
    """Words and counts, where every line ends in one."""
    fields = [line.rpartition(" ") for line in lines]
    if all(word and count.isdecimal() for word, _, count in fields):
        return [word for word, _, _ in fields], np.array([int(c) for *_, c in fields], np.int64)
    return lines, None


def _from_json(content: bytes, path: Path) -> list[str]:
    """A list of words, a mapping of words to rows, or a Hugging Face tokenizer."""
    try:
        value: Any = json.loads(content)
    except ValueError as error:
        raise FormatError(f"{path}: not JSON ({error}); give a list of words") from error
    if isinstance(value, dict) and isinstance(value.get("model"), dict):
        value = _with_added_tokens(value)
    if isinstance(value, dict):
        if sorted(value.values(), key=repr) != sorted(range(len(value)), key=repr):
            raise FormatError(
                f"{path}: should give each word a row from 0 to {len(value) - 1:,}, each once; "
                "give a list of words in the order of the rows"
            )
        value = sorted(value, key=value.__getitem__)
    if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
        raise FormatError(f"{path}: is no list of words; give one in the order of the rows")
    return value


def _with_added_tokens(tokenizer: dict[str, Any]) -> Any:
    """The token ids of a tokenizer.json: its model's vocabulary and the special tokens."""
    vocabulary = tokenizer["model"].get("vocab")
    if isinstance(vocabulary, list):  # Unigram: [token, score]
        vocabulary = {token: row for row, (token, _) in enumerate(vocabulary)}
    added = tokenizer.get("added_tokens") or []
    return {**(vocabulary or {}), **{token["content"]: token["id"] for token in added}}
