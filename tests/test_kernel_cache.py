"""Compiled kernels are kept somewhere, on installations that cannot be written too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rowspace
from rowspace.kernel_cache import VARIABLE, keep_kernels


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose __pycache__ cannot be made, not even by root, and a home of that kind."""
    monkeypatch.setenv(VARIABLE, "unset at the end")
    monkeypatch.delenv(VARIABLE)
    monkeypatch.delitem(sys.modules, "numba", raising=False)  # which is not to read it here
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", os.devnull)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    package = tmp_path / "rowspace"
    package.mkdir()
    (package / "__pycache__").write_text("a file")
    return package


def test_kernels_are_kept_in_a_temporary_folder_of_the_users_own(
    package: Path, tmp_path: Path
) -> None:
    keep_kernels(package)
    folder = Path(os.environ[VARIABLE])
    assert folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700
    del os.environ[VARIABLE]
    keep_kernels(package)
    assert os.environ[VARIABLE] == str(folder)  # what is compiled stays for the next run


def test_a_folder_that_others_may_write_is_not_loaded_from(package: Path, tmp_path: Path) -> None:
    planted = tmp_path / f"rowspace-kernels-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    keep_kernels(package)
    assert os.environ[VARIABLE] != str(planted)
    assert Path(os.environ[VARIABLE]).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("which", [VARIABLE, "XDG_CACHE_HOME", "package"])
def test_nothing_changes_where_numba_has_a_folder(
    which: str, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if which == "package":
        (package / "__pycache__").unlink()
    else:
        monkeypatch.setenv(which, str(tmp_path / "not" / "there yet"))
    before = dict(os.environ)
    keep_kernels(package)
    assert dict(os.environ) == before


@pytest.mark.parametrize("first", ["numba, rowspace", "rowspace"])
def test_kernels_compile_where_nothing_but_temporary_files_can_be_written(
    first: str, package: Path, tmp_path: Path
) -> None:
    sources = Path(rowspace.__file__).parent
    for name in ("__init__", "errors", "extras", "kernel_cache", "version"):
        shutil.copy(sources / f"{name}.py", package)
    (package / "kernels.py").write_text(
        "from numba import njit\n\n\n@njit(cache=True)\ndef twice(x):\n    return 2 * x\n"
    )
    code = f"import {first}; from rowspace.kernels import twice; print(twice(3))"
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("6\n", "")
    (kept,) = tmp_path.glob("rowspace-kernels-*")
    assert list(kept.rglob("*.nbc"))
