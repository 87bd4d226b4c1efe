"""What is to be compared, as it is written: `[NAME=]MODEL[@READING]`.

MODEL is a path, a name on the Hugging Face hub, or `http(s)://HOST/v1#MODEL` for a server that
speaks OpenAI's protocol. READING says how texts get their vectors from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal, get_args

from rowspace.errors import ConfigError
from rowspace.sentence.pooling import POOLINGS

Step = Literal["whiten", "abtt"]
STEPS: tuple[Step, ...] = get_args(Step)
"""Whitening (Su et al. 2021) and all-but-the-top (Mu & Viswanath 2018), of texts' vectors."""
AVERAGES = ("sif", "mean")
"""How word vectors are averaged."""

_NAME = re.compile(r"[^/\\:=@#]+")
_BEYOND_READINGS = re.compile(r"[/\\#:]")
_URL = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """How the vectors of texts are made; None is the model's own way."""

    pooling: str | None = None
    """Of `POOLINGS`, or `AVERAGES`."""
    step: Step | None = None
    """What is done to the texts' vectors afterwards."""

    def __str__(self) -> str:
        return "+".join(part for part in (self.pooling, self.step) if part)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One model to compare, and how it is read."""

    text: str
    """As it was written."""
    model: str
    """A path, a hub's name or a URL with the model's name after `#`."""
    name: str | None = None
    """What it is to be called."""
    reading: Reading = Reading()

    @property
    def remote(self) -> tuple[str, str] | None:
        """The URL before `/embeddings`, and the model's name there; None of a local model."""
        if not _URL.match(self.model):
            return None
        url, _, model = self.model.partition("#")
        return url.rstrip("/"), model

    @property
    def short(self) -> str:
        """The last part of the model's name."""
        if self.remote is not None:
            return self.remote[1]
        # Of both kinds of paths; of "." the folder's own name.
        return PureWindowsPath(self.model).name or Path(self.model).resolve().name


def parse_spec(text: str) -> Spec:
    """Read `[NAME=]MODEL[@READING]`.

    What there is on the disk wins: in `a=b@mean`, `a=b` is the model if it is a path.

    Parameters
    ----------
    text : str

    Raises
    ------
    ConfigError
        If there is no model in it, or no such reading.

    Examples
    --------
    >>> spec = parse_spec("BERT=models/bert@cls+whiten")
    >>> spec.name, spec.model, str(spec.reading)
    ('BERT', 'models/bert', 'cls+whiten')
    """
    found = list(_splits(text))
    name, model, reading = next(
        (split for split in found if split[1] and _exists(split[1])), found[-1]
    )
    if not model:
        raise ConfigError(f"{text!r} names no model; give [NAME=]MODEL[@READING]")
    if name == "":
        raise ConfigError(f"{text!r} has no name before '='; give NAME=MODEL, or MODEL alone")
    spec = Spec(
        text=text,
        model=model,
        name=name,
        reading=Reading() if reading is None else _read_reading(reading, text),
    )
    if spec.remote is not None and not all(spec.remote):
        raise ConfigError(
            f"{text!r} does not say which model of the server; give URL#MODEL, as "
            "http://localhost:8080/v1#e5-small"
        )
    return spec


def readings_text() -> str:
    """What may be given as a reading, for messages and help."""
    return (
        f"{', '.join(POOLINGS)} of a transformer, {' or '.join(AVERAGES)} of word vectors, with "
        f"{' or '.join('+' + step for step in STEPS)} behind it, or {' or '.join(STEPS)} alone"
    )


def _splits(text: str) -> Iterator[tuple[str | None, str, str | None]]:
    """Name, model and reading, from nothing split off to all that may be meant."""
    yield None, text, None
    whole, mark, reading = text.rpartition("@")
    may_read = bool(mark) and not _BEYOND_READINGS.search(reading)
    if may_read:
        yield None, whole, reading
    name, mark, rest = text.partition("=")
    if not mark or (name and not _NAME.fullmatch(name)):
        return
    yield name, rest, None
    if may_read and "@" in rest:
        yield name, rest.rpartition("@")[0], reading


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # too long for a name, or with a zero byte
        return False


def _read_reading(reading: str, text: str) -> Reading:
    first, mark, last = reading.partition("+")
    if not mark and first in STEPS:
        return Reading(None, first)
    known = (*POOLINGS, *AVERAGES)
    if first in known and not mark:
        return Reading(first)
    if first in known and last in STEPS:
        return Reading(first, last)
    raise ConfigError(f"the reading {reading!r} of {text!r} is not known; give {readings_text()}")
