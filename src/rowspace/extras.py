"""Packages that the base install does not bring: what is said where they are missing."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from rowspace.errors import MissingExtraError


def missing_torch(feature: str) -> MissingExtraError:
    """The error of a feature that needs torch, where there is none.

    Parameters
    ----------
    feature : str
        What was asked for, as `rowspace.position`.
    """
    return MissingExtraError(
        f"{feature} needs torch, which is not installed; run: pip install 'rowspace[torch]'"
    )


def require_torch(feature: str) -> None:
    """See that the extra `torch` is installed, without loading what it brings.

    Raises
    ------
    MissingExtraError
        If it is not.
    """
    for package in ("torch", "tokenizers"):
        if importlib.util.find_spec(package) is None:
            raise missing_torch(feature)


def need(package: str, extra: str = "torch") -> Any:
    """Import a package of an extra.

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
            f"the package {package} is not installed; run: pip install 'rowspace[{extra}]'"
        ) from error
