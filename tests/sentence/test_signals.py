"""A signal meets a process that has used, and let go, several encoders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino")
pytest.importorskip("transformers")

from tests.transformer.small_encoders import write_encoder

PROGRAM = """
import faulthandler, gc, signal, sys
faulthandler.enable()  # gives the thread a stack for signals
from rowspace import load_encoder
first = load_encoder(sys.argv[1])
second = load_encoder(sys.argv[1], dtype="float32")
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGINT, lambda *_: print("met"))
signal.raise_signal(signal.SIGINT)
"""


def test_ctrl_c_is_met_after_encoders_have_gone(tmp_path: Path) -> None:
    model = write_encoder(tmp_path / "bert", "bert")
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model)], capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stdout) == (0, "met\n"), ran.stderr
