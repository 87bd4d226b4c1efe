"""Fixtures of several files: the program's `main` run here, and a disk that can be full.

Also the order of the files where several processes share them.
"""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Models of tests are so small that threads only wait for each other; set before torch is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from rowspace.cli import main
from tests.program import Ran, RunMain

# Some tests import OpenVINO before rowspace does, which switches off what forks for each event.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give the files with slow tests out first.

    A long file that begins last runs alone: the other process has nothing left to do.
    """
    if hasattr(config, "workerinput"):  # a process of pytest-xdist
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


def pytest_configure() -> None:
    """Look for no garbage while tests are collected: what is made stays, a million objects."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for it again, but not at what is there by now."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunMain:
    """Run the program in this process; its stderr includes what compiled code writes there."""

    def run(*arguments: str | Path, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["rowspace", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        assert isinstance(stopped.value.code, int)
        return Ran(stopped.value.code, *capfd.readouterr())

    return run


class SmallDisk:
    """A disk of a few KiB in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def mount(self, kilobytes: int) -> None:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", self.path],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")

    def resize(self, kilobytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", self.path], check=True)

    def unmount(self) -> None:
        if self.path.is_mount():
            subprocess.run(["umount", "--lazy", self.path], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs takes root")
    disk = SmallDisk(tmp_path / "disk")
    try:
        yield disk
    finally:
        disk.unmount()
