"""What has to be known of a foreign architecture to read it: settings and tensors' names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rowspace.errors import FormatError
from rowspace.transformer.config import TransformerConfig
from rowspace.transformer.model import Encoder, LanguageModel
from rowspace.transformer.weights.settings import check_kind
from rowspace.transformer.weights.sources import Sources

Foreign = dict[str, Any]
"""What a Hugging Face `config.json` holds."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """How one kind of Hugging Face model becomes ours."""

    config: Callable[[Foreign], TransformerConfig]
    """Our settings from its `config.json`."""
    sources: Callable[[TransformerConfig], Sources]
    """Where each of our tensors is, by the names of the model with a head, less `prefix`."""
    prefix: str
    """What its names begin with when it was saved with a head, and do not when without."""
    kind: type[LanguageModel] | type[Encoder] = LanguageModel
    causal: bool = True
    """Whether a token sees none after it; a decoder's `config.json` may say that all do."""
    head: str
    """One tensor that only a model with a head has; for the message if it is not there."""
    spare: str = r"$^"
    """A pattern of names that are left: tables worked out anew, heads of other tasks."""
    endings: tuple[tuple[str, str], ...] = ()
    """Older endings of names, and what they are called here."""

    def ours(self, name: str) -> str:
        """A name of the file as `sources` has it."""
        name = name.removeprefix(self.prefix)
        for old, new in self.endings:
            if name.endswith(old):
                return name.removesuffix(old) + new
        return name

    def is_spare(self, name: str) -> bool:
        """Whether a tensor, by its name in `sources`, is left on purpose."""
        return re.search(self.spare, name) is not None


def need(foreign: Foreign, name: str) -> int:
    """A number that a `config.json` must have.

    Raises
    ------
    FormatError
        If it has not, or has something else in its place.
    """
    if foreign.get(name) is None:
        raise FormatError(
            f"the config.json of this {foreign.get('model_type')} model has no {name!r}; "
            "download it again"
        )
    check_kind(name, foreign[name], "int")
    if foreign[name] < 1:
        raise FormatError(f"{name} is {foreign[name]}; give 1 or more, or download the file again")
    return int(foreign[name])


def either(foreign: Foreign, name: str, default: int) -> int:
    """A number that a `config.json` may have; the default where it has none, or 0.

    Raises
    ------
    FormatError
        If it has something else in its place.
    """
    return need(foreign, name) if foreign.get(name) else default


def check_one_of(foreign: Foreign, name: str, default: Any, *known: Any) -> Any:
    """A setting, of the values that are read.

    Raises
    ------
    FormatError
        If it has another.
    """
    value = foreign.get(name, default)
    if value not in known:
        names = " or ".join(repr(value) for value in known)
        raise FormatError(
            f"the config.json of this {foreign.get('model_type')} model has {name} {value!r}, and "
            f"only {names} is read; run it with transformers"
        )
    return value


def is_causal(foreign: Foreign) -> bool:
    """Whether a token sees none after it: all do where a decoder has `"is_causal": false`.

    That is how `transformers` has it since its version 5.

    Raises
    ------
    FormatError
        If it is neither true nor false.
    """
    value = foreign.get("is_causal")
    if value is None:
        return True
    check_kind("is_causal", value, "bool")
    return bool(value)


def window_of(foreign: Foreign, default: int | None = None) -> int | None:
    """Tokens that one sees, itself included and to one side: those less than this far away.

    `transformers` lets a token that sees both sides see those as far away as the window too.
    """
    window: int | None = foreign.get("sliding_window", default)
    if window is None:
        return None
    check_kind("sliding_window", window, "int")
    return window if is_causal(foreign) else window + 1


def padding_of(foreign: Foreign, default: int | None = None) -> int | None:
    """The id of padding; None where the file's is none of the vocabulary (-1 in old LLaMA)."""
    padding_id = foreign.get("pad_token_id", default)
    if padding_id is not None:
        check_kind("pad_token_id", padding_id, "int")
    known = padding_id is not None and 0 <= padding_id < need(foreign, "vocab_size")
    return padding_id if known else None
