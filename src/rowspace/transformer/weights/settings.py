"""Settings of a `config.json`, which anyone may have edited: what is wrong is told of its file."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rowspace.errors import ConfigError, FormatError
from rowspace.transformer.config import TransformerConfig

_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "bool": (bool, "true or false"),
    "str": (str, "a name"),
    "dict": (dict, "settings by name"),
}
_BUILDING = (TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError)


@contextlib.contextmanager
def blamed_on(path: Path) -> Iterator[None]:
    """Tell what goes wrong while a model is built of a file's settings as an error of the file.

    Raises
    ------
    FormatError
        Which names the file.
    """
    try:
        yield
    except (ConfigError, FormatError) as error:
        raise FormatError(f"{path}: {error}") from error
    except _BUILDING as error:
        reason = " ".join(str(error).split())
        raise FormatError(
            f"{path}: no model can be made of its settings ({reason}); copy or download it again"
        ) from error


def check_kind(name: str, value: Any, kind: str) -> None:
    """See that a setting is what its annotation says, of what JSON can hold.

    Raises
    ------
    FormatError
        If it is something else.
    """
    types, what = _KINDS[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind != "bool"):
        raise FormatError(f"{name} is {value!r}; give {what}, or download the file again")


def check_kinds(settings: Mapping[str, Any]) -> None:
    """See that settings of a `TransformerConfig` are of its kinds.

    Raises
    ------
    FormatError
        If one is not.
    """
    for field in dataclasses.fields(TransformerConfig):
        kind = str(field.type)
        value = settings.get(field.name, field.default)
        if value is dataclasses.MISSING or (value is None and kind.endswith(" | None")):
            continue
        check_kind(field.name, value, kind.removesuffix(" | None").split("[")[0])
