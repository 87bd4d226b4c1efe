"""Packages that only some features need: what is said where they are missing."""

from __future__ import annotations

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
