"""Packages that the base install does not bring."""

from __future__ import annotations

import importlib
from typing import Any

from rowspace.errors import MissingExtraError


def need(package: str) -> Any:
    """Import a package of the extra `torch`.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:  # it is there, and something else is amiss
            raise
        raise MissingExtraError(
            f"the package {package} is not installed; pip install 'rowspace[torch]'"
        ) from error
