"""What `rowspace extrapolate` found, for the explorer: read from its folder, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rowspace.errors import FormatError

RESULTS = "results.json"
FOLDER = "extrapolation"
"""Where in a space it is looked for."""
_LARGEST = 8 << 20
COMMAND = (
    "rowspace extrapolate CORPUS --positions learned,sinusoidal,rope,alibi,none "
    "--train-length 128 --eval-lengths 128,256,512,1024,2048 --out positions"
)


def read_extrapolation(folder: Path) -> dict[str, Any]:
    """The experiment's settings, and what each method's models did at each length.

    Raises
    ------
    FormatError
        If there is no such result, or it is damaged.
    """
    path = folder / RESULTS
    try:
        if path.stat().st_size > _LARGEST:
            raise FormatError(f"{path} is larger than any result; give the folder of one")
        content = json.loads(path.read_bytes())
        return {
            "train_length": content["config"]["train_length"],
            "lengths": content["config"]["eval_lengths"],
            "seeds": content["config"]["seeds"],
            "methods": [_method(entry) for entry in content["methods"]],
        }
    except FileNotFoundError as error:
        raise FormatError(
            f"{folder} has no {RESULTS}; give the folder that `rowspace extrapolate --out` wrote"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"{path} is damaged ({error}); run `rowspace extrapolate` again"
        ) from error


def _method(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": entry["name"],
        "method": entry["method"],
        "is_tuned": entry["is_tuned"],
        "refused_beyond": entry["refused_beyond"],
        "perplexity": {n: _mean(spread) for n, spread in entry["perplexity"].items()},
        "ratio": _mean(entry["ratio"]),
        "sliding": _mean(entry["sliding"]),
        "against_sliding": _mean(entry["against_sliding"]),
        "places": [[first, stop, loss["mean"]] for first, stop, loss in entry["places"]],
    }


def _mean(spread: dict[str, float] | None) -> dict[str, float] | None:
    return None if spread is None else {"mean": spread["mean"], "std": spread["std"]}
