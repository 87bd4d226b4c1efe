"""The small files of a model's folder, read with one clear line where they are damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from rowspace.errors import FormatError

_KINDS = {int: "whole number", str: "text", dict: "list of names and values", bool: "yes or no"}


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises
    ------
    FormatError
        If it is missing or damaged.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise FormatError(
            f"{path} is missing, which modules.json names; copy or download the folder again"
        ) from error
    except (ValueError, OSError) as error:
        raise FormatError(
            f"{path} cannot be read ({error}); copy or download the folder again"
        ) from error


def read_object(path: Path) -> dict[str, Any]:
    """As `read_json`, of a file that holds an object."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds no JSON object; copy or download the folder again")
    return content


def typed(content: dict[str, Any], name: str, kind: type, path: Path) -> Any:
    """What an object of the file `path` says under a name, of a kind; None if nothing.

    Raises
    ------
    FormatError
        If it is of another kind.
    """
    value = content.get(name)
    if value is None or (isinstance(value, kind) and (kind is bool or value is not True)):
        return value
    raise FormatError(
        f"{path}: {name} is {value!r}, where a {_KINDS[kind]} has to be; copy or download the "
        "folder again"
    )


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The tensors of a safetensors file, as float32.

    Raises
    ------
    FormatError
        If it is missing or damaged.
    """
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise FormatError(
            f"{path} is missing (a pickle in its place is not read); copy or download it"
        ) from error
    except (SafetensorError, OSError, TypeError) as error:
        raise FormatError(f"{path} is damaged ({error}); copy or download it again") from error
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
