"""What is asked for, with models told by their files: each reading of each, and its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rowspace.errors import ConfigError
from rowspace.evaluate.compare.models_kinds import Identity, identify, transformer_identity
from rowspace.evaluate.compare.models_mapped import STEP_NAMES
from rowspace.evaluate.compare.spec import AVERAGES, Reading, Spec, readings_text
from rowspace.sentence.pooling import POOLINGS

READINGS = {
    "causal": (Reading("lasttoken"), Reading("mean"), Reading("mean", "whiten")),
    "masked": (Reading("cls"), Reading("mean"), Reading("mean", "whiten")),
    "bidirectional": (Reading("mean"), Reading("mean", "whiten")),
}
"""Of a transformer that is no embedder, by what its tokens see."""
_POOLING_NAMES = {"lasttoken": "last token", "cls": "first token", "sif": "SIF"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One reading of a model."""

    spec: Spec
    reading: Reading
    identity: Identity | None
    """None of a server's model."""
    base: str
    suffix: str = ""
    """The name is both."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.base + self.suffix

    @property
    def exact_spec(self) -> str:
        """What is read as this reading of this model."""
        reading = str(self.reading)
        return f"{self.spec.model}@{reading}" if reading else self.spec.model

    @property
    def group(self) -> tuple[Any, ...]:
        """What shares its weights with this one."""
        if self.identity is None:
            return ("remote", self.spec.model)
        return (self.identity.form, self.identity.path.resolve())

    @property
    def kind(self) -> str:
        """What made the vectors, as "masked transformer, mean, whitened"."""
        pooling, step = self.reading.pooling, self.reading.step
        parts = ["behind an API" if self.identity is None else self.identity.method]
        if pooling:
            parts.append(_POOLING_NAMES.get(pooling, pooling))
        if step:
            parts.append(STEP_NAMES[step])
        return ", ".join(parts)


def all_wanted(specs: Sequence[Spec]) -> list[Wanted]:
    """The readings of all, with names that differ: by paths where two have one name.

    Raises
    ------
    ConfigError
        If a model has no such reading, or two are called the same.
    FormatError
        If there is no such model.
    """
    wanted = [one for spec in specs for one in readings_of(spec)]
    counts = Counter(one.name for one in wanted)
    named = [
        one if one.spec.name or counts[one.name] == 1 else replace(one, base=one.spec.model)
        for one in wanted
    ]
    twice = [name for name, n in Counter(one.name for one in named).items() if n > 1]
    if twice:
        raise ConfigError(
            f"two of the models are called {twice[0]!r}; give one of them another name, as "
            "NAME=MODEL"
        )
    return named


def readings_of(spec: Spec) -> list[Wanted]:
    """What one model is read as: several where nobody says how.

    Raises
    ------
    ConfigError, FormatError
        As `all_wanted`.
    """
    if spec.remote is not None:
        if spec.reading.pooling is not None:
            raise _wrong_reading(spec, "a server gives whole texts their vectors")
        readings: Sequence[Reading] = [spec.reading]
        identity = None
    else:
        readings, identity = _readings(spec, identify(spec.model))
    several = len(readings) > 1
    found = []
    for reading in readings:
        told = str(reading if several else spec.reading)
        is_told = told and (several or not spec.name)
        found.append(
            Wanted(
                spec=spec,
                reading=reading,
                identity=identity,
                base=spec.name or spec.short,
                suffix=f"@{told}" if is_told else "",
            )
        )
    return found


def _readings(spec: Spec, identity: Identity) -> tuple[Sequence[Reading], Identity]:
    """How the model is to be read, and what it is when it is read so."""
    pooling, step = spec.reading.pooling, spec.reading.step
    if identity.form == "words":
        if pooling not in (None, *AVERAGES):
            raise _wrong_reading(spec, "it holds word vectors")
        return [Reading(pooling or "sif", step)], identity
    if pooling is None and identity.form in ("table", "embedder"):
        return [spec.reading], identity
    if identity.form == "table":
        raise _wrong_reading(spec, "it is a table of vectors, which has one average, its own")
    if pooling not in (None, *POOLINGS):
        raise _wrong_reading(spec, "it is a transformer")
    if identity.form == "embedder":
        identity = transformer_identity(identity)
    if pooling is None and step is None:
        return READINGS[identity.sees], identity
    return [Reading(pooling or "mean", step)], identity


def _wrong_reading(spec: Spec, what: str) -> ConfigError:
    return ConfigError(
        f"{spec.text!r} asks for the reading {str(spec.reading)!r}, and {what}; give "
        f"{readings_text()}"
    )
