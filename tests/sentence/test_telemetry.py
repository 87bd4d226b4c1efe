"""Nothing is told to anyone of what is run."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
os.register_at_fork(before=lambda: print("forked"))
from rowspace.sentence.runtime_openvino import openvino
openvino().Core()
print([name for name in sys.modules if name.startswith("openvino_telemetry")])
"""


def test_openvino_is_used_without_its_telemetry() -> None:
    """Its package sends an event at each import, from a process that it forks."""
    try:
        importlib.metadata.version("openvino-telemetry")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("openvino-telemetry is not installed")
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stdout == "[]\n"
