"""`space.json`: what a space is made with. It is written last, so a space without it is unfinished.

docs.space/
  space.json    format, first encoder, language: fixed when the space is built
  commit.json   the last finished write: version, fields, models, size and SHA-256 of every file
  commit.copy.json  the same once more
  model/        the first encoder
  models/       others, each in a folder
  store/        passages and vectors, in LanceDB
  lock          held by the process that writes
  report.html   what the build found
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from rowspace.errors import ConfigError, SpaceCorruptError, SpaceError, SpaceVersionError
from rowspace.search.commit import MANIFEST as MANIFEST
from rowspace.search.commit import damaged, manifest_text
from rowspace.search.model_state import ModelState
from rowspace.space.encoder import Encoder

FORMAT = 1

ENCODERS = {
    "sif": "rowspace.static.sif:SIFEncoder.load",
    "sentence": "rowspace.sentence.loading:load_encoder",
}
"""What reads a model's folder, by the kind of its encoder."""


@dataclass(frozen=True, kw_only=True)
class EncoderInfo:
    """The encoder that a space was built with."""

    kind: str
    dim: int
    fingerprint: str
    details: dict[str, Any] = field(default_factory=dict)
    """What the build wants to tell of it: vocabulary size, words trained on."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of `space.json`."""

    rowspace: str
    created: str
    encoder: EncoderInfo
    language: str | None
    max_words: int
    dense_weight: float = 1.0
    """How much the ranking by meaning counts in a hybrid search, beside 1 for that by words."""


def read_manifest(path: Path) -> Manifest:
    """The manifest of the space at `path`; where `space.json` is damaged, what the commit kept.

    Raises
    ------
    SpaceError
        If there is no space, or an unfinished one.
    SpaceVersionError
        If a newer Rowspace wrote it.
    SpaceCorruptError
        If the file is damaged.
    """
    text = manifest_text(path)
    if text is None:
        raise _no_space(path)
    try:
        content = json.loads(text)
        format_ = content.pop("format")
        if format_ != FORMAT:
            raise _other_format(path, format_)
        return Manifest(encoder=EncoderInfo(**content.pop("encoder")), **content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, MANIFEST, "not readable") from error


def is_space(path: Path) -> bool:
    """Whether a finished space is there, damaged or not."""
    return manifest_text(path) is not None


def _no_space(path: Path) -> SpaceError:
    if (path / ".build").exists():
        return SpaceError(
            f"the build of {path} is not finished; run `rowspace build … --out {path} --resume`"
        )
    if not path.exists():
        return SpaceError(f"there is no space at {path}; make one with `rowspace build`")
    if (path / "commit.json").exists():
        return damaged(path, MANIFEST, "missing")
    return SpaceError(
        f"{path} is not a space (no {MANIFEST} in it); make one with `rowspace build`"
    )


def _other_format(path: Path, format_: Any) -> SpaceError:
    if isinstance(format_, int) and format_ > FORMAT:
        return SpaceVersionError(
            f"{path} has format {format_} and this Rowspace reads {FORMAT}; upgrade Rowspace"
        )
    return SpaceVersionError(
        f"{path} has format {format_!r}, which no Rowspace wrote; build the space again"
    )


def load_encoder(path: Path, model: ModelState) -> Encoder:
    """The encoder in a model's folder, in the space at `path`.

    Raises
    ------
    SpaceVersionError
        If this Rowspace does not know its kind.
    """
    if model.kind not in ENCODERS:
        raise SpaceVersionError(
            f"the encoder of {path} is of kind {model.kind!r}, which this Rowspace does not know; "
            "upgrade Rowspace"
        )
    module, name = ENCODERS[model.kind].split(":")
    load = attrgetter(name)(importlib.import_module(module))
    encoder: Encoder = load(path / model.folder)
    return encoder


def check_encoder(path: Path, name: str, model: ModelState, encoder: Encoder) -> Encoder:
    """`encoder`, if it is the one that made the vectors of the model called `name`.

    Raises
    ------
    SpaceCorruptError
        If it is another: its vectors would be compared with ones that mean something else.
    """
    if (encoder.fingerprint, encoder.dim) != (model.fingerprint, model.dim):
        raise SpaceCorruptError(
            f"the encoder (dim {encoder.dim}, {encoder.fingerprint[:12]}) is not the one that made "
            f"the vectors of {path} (model {name!r}, dim {model.dim}, {model.fingerprint[:12]}); "
            f"give that one, or encode the passages anew with `rowspace reembed {path} --model …`"
        )
    return encoder


def check_kind(kind: str) -> str:
    """`kind`, if it is a known kind of encoder."""
    if kind not in ENCODERS:
        raise ConfigError(f"encoder kind {kind!r} is not known; give one of {', '.join(ENCODERS)}")
    return kind
