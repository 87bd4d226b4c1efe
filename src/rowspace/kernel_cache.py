"""Where numba keeps compiled kernels if neither the package nor the user's cache can be written.

So it is on an installation that only root may write, run by a user without a home, and numba ends
there with "cannot cache function". A temporary folder takes their place.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import stat
import sys
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"


def keep_kernels(package: Path) -> None:
    """Give numba a temporary folder, if it has no other to keep a package's kernels in.

    It is of the user alone, since code is loaded from it. Set for this process and those it starts.

    Parameters
    ----------
    package : path
        The folder of the package.
    """
    if any(map(_may_be_written, _folders_of_numba(package))):
        return
    with contextlib.suppress(OSError):  # nowhere to write at all: numba will say so
        os.environ[VARIABLE] = str(_temporary_folder())
        if "numba" in sys.modules:
            sys.modules["numba"].config.reload_config()


def _folders_of_numba(package: Path) -> list[Path]:
    """Those that numba tries, in its order."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    has_home = not caches.startswith("~")  # else numba would make a folder named ~ where one is
    named = [os.environ.get(VARIABLE), package / "__pycache__", has_home and f"{caches}/numba"]
    return [Path(name) for name in named if name]


def _may_be_written(folder: Path) -> bool:
    """Whether files can be made in a folder, or the folder can be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if os.access(path, os.F_OK))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _temporary_folder() -> Path:
    """The user's own one, kept from run to run; a new one if another user took its name."""
    import tempfile

    folder = Path(tempfile.gettempdir()) / f"rowspace-kernels-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if is_ours and not found.st_mode & 0o077:
        return folder
    new = Path(tempfile.mkdtemp(prefix="rowspace-kernels-"))
    atexit.register(shutil.rmtree, new, ignore_errors=True)
    return new
