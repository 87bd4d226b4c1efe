"""A build whose space is at an address: made on the disk, then copied there as a whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from rowspace.errors import SpaceError
from rowspace.search.manifest import is_space
from rowspace.search.remote.copying import check_vacant, copy_space
from rowspace.search.remote.folder import RemoteFolder, locate
from rowspace.search.space import Space, open_space
from rowspace.storage.cache import cache_folder


def build_at(out: str, resume: bool, build: Callable[[Path], object]) -> Space:
    """Build a space in the cache and copy it to its address.

    Parameters
    ----------
    out : str
        The address.
    resume : bool
        Go on with a build, or an upload, that was stopped.
    build : callable
        Builds the space in a folder.

    Raises
    ------
    SpaceError
        If there is a space at the address, or one that waits to be uploaded without `resume`.
    """
    there = locate(out)
    assert isinstance(there, RemoteFolder)
    check_vacant(there)
    here = cache_folder() / "builds" / there.parent.name / there.name
    here.parent.mkdir(parents=True, exist_ok=True)
    if not _is_built(here):
        build(here)
    elif not resume:
        raise SpaceError(
            f"a build for {there} is whole in {here} and not uploaded yet; add --resume to upload "
            "it, or remove the folder to start anew"
        )
    copy_space(here, out)
    shutil.rmtree(here.parent)
    return open_space(out)


def _is_built(here: Path) -> bool:
    return is_space(here) and not (here / ".build").exists()
