"""What goes from where maps are kept: those of other points, leftovers, seeds beyond a few."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections import defaultdict
from pathlib import Path

from rowspace.explore.unfinished import PART, RECORD

MOST_SEEDS = 8
"""Of which a set keeps maps: seed 0, which everyone is shown, and those made last."""

_TEMPORARY = re.compile(r"\..*\.(\d+)\.tmp")
_SEED = re.compile(rf".*-(\d+)(?:{re.escape(PART)})?")


def tidy(place: Path, fingerprint: str) -> None:
    """Remove from a set's folder what is of other points than these, or of no use.

    Parameters
    ----------
    place : Path
    fingerprint : str
    """
    for folder in list(place.iterdir()):
        if _is_stale(folder, fingerprint):
            shutil.rmtree(folder, ignore_errors=True)
    for folder in _of_too_many_seeds(list(place.iterdir())):
        shutil.rmtree(folder, ignore_errors=True)


def _is_stale(folder: Path, fingerprint: str) -> bool:
    if left := _TEMPORARY.fullmatch(folder.name):  # by a process that was ended
        return not _is_alive(int(left[1]))
    if folder.name.endswith(PART) and (folder.with_name(folder.name.removesuffix(PART))).exists():
        return True
    return _fingerprint_of(folder) != fingerprint


def _of_too_many_seeds(folders: list[Path]) -> list[Path]:
    by_seed = defaultdict[int, list[Path]](list)
    for folder in folders:
        if found := _SEED.fullmatch(folder.name):
            by_seed[int(found[1])].append(folder)
    others = [those for seed, those in by_seed.items() if seed != 0]
    others.sort(key=lambda those: max(map(_changed, those)))
    beyond = others[: max(0, len(others) - (MOST_SEEDS - 1))]
    return [folder for those in beyond for folder in those]


def _changed(folder: Path) -> float:
    with contextlib.suppress(OSError):
        return folder.stat().st_mtime
    return 0.0


def _fingerprint_of(folder: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((folder / RECORD).read_bytes())["fingerprint"])
    return None


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
