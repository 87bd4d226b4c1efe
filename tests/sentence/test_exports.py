"""Exports for OpenVINO: made once, kept where they can be, made anew where the model changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("openvino")

from safetensors.numpy import load_file, save_file  # noqa: E402

from rowspace.errors import ConfigError, FormatError, MissingExtraError  # noqa: E402
from rowspace.files import sha256  # noqa: E402
from rowspace.sentence import exports, load_encoder  # noqa: E402
from rowspace.sentence.loading import load_pooled  # noqa: E402
from rowspace.transformer.load_encoder import load_encoder as load_contextual  # noqa: E402
from tests.conftest import SmallDisk  # noqa: E402
from tests.transformer.small_encoders import TEXTS, write_encoder  # noqa: E402

EXPORT = "rowspace-openvino"
_WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""
_ENCODE = """
import sys, numpy, rowspace
try:
    encoder = rowspace.load_encoder(sys.argv[1], dtype="float32")
except rowspace.errors.RowspaceError as error:
    sys.exit(f"{type(error).__name__}: {error}")
numpy.save(sys.argv[2], encoder.encode(sys.argv[3:]))
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("bert") / "bert", "bert")


@pytest.fixture
def folder(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that was not exported, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Path(shutil.copytree(written, tmp_path / "model"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "disk")
    disk.mount(4000)
    yield disk
    disk.unmount()


def program(missing: tuple[str, ...], folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    code = _WITHOUT.format(missing=missing) + _ENCODE
    command = [sys.executable, "-W", "ignore", "-c", code, str(folder), str(out), *TEXTS]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def exact(folder: Path) -> np.ndarray:
    return load_encoder(folder, runtime="torch", dtype="float32").encode(TEXTS)


def test_an_export_needs_no_torch(folder: Path, tmp_path: Path) -> None:
    done = program(("torch", "transformers"), folder, tmp_path / "a.npy")
    assert done.returncode == 1
    assert done.stderr.startswith("MissingExtraError: ")
    assert (
        "has no export for OpenVINO yet, and making one needs torch once; run: pip" in done.stderr
    )
    load_encoder(folder, runtime="openvino")
    shutil.move(folder, tmp_path / "moved")  # as to another machine
    done = program(("torch", "transformers"), tmp_path / "moved", tmp_path / "a.npy")
    assert not done.returncode, done.stderr
    np.testing.assert_allclose(
        np.load(tmp_path / "a.npy"), exact(tmp_path / "moved"), rtol=0, atol=1e-5
    )


def test_torch_is_not_loaded_where_an_export_is_and_no_gpu(folder: Path, tmp_path: Path) -> None:
    load_encoder(folder, runtime="openvino")
    without_gpu = "import rowspace.sentence.runtime_choice as choice; choice._GPU_FILES = ()\n"
    command = [sys.executable, "-W", "ignore", "-c", without_gpu + _ENCODE, str(folder)]
    done = subprocess.run(
        [*command, str(tmp_path / "a.npy"), *TEXTS], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr  # it looks itself whether torch was loaded


def test_without_openvino_torch_runs_the_model_unless_openvino_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    encoder = load_encoder(folder)
    assert encoder.embedding.runtime.name == "torch float32"  # type: ignore[attr-defined]
    with pytest.raises(MissingExtraError, match="openvino is not installed; run: pip install"):
        load_encoder(folder, runtime="openvino")


def test_an_export_is_made_once_and_anew_when_the_weights_change(folder: Path) -> None:
    load_encoder(folder, runtime="openvino", dtype="float32")
    graph = folder / EXPORT / "model.bin"
    before = graph.stat().st_mtime_ns, sha256(graph)
    load_encoder(folder, runtime="openvino", dtype="float32")
    assert (graph.stat().st_mtime_ns, sha256(graph)) == before
    path = folder / "model.safetensors"
    os.utime(path, ns=(1, 1))  # the same bytes
    load_encoder(folder, runtime="openvino")
    assert (graph.stat().st_mtime_ns, sha256(graph)) == before
    record = json.loads((folder / EXPORT / "export.json").read_text())
    assert ["model.safetensors", path.stat().st_size, 1] in record["files"]
    tensors = load_file(path)
    save_file({name: tensor * 1.5 for name, tensor in tensors.items()}, path, {"format": "pt"})
    found = load_encoder(folder, runtime="openvino", dtype="float32").encode(TEXTS)
    assert sha256(graph) != before[1]
    np.testing.assert_allclose(found, exact(folder), rtol=0, atol=1e-5)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]"])
def test_a_damaged_export_is_made_anew_or_named(damage: bytes, folder: Path) -> None:
    load_encoder(folder, runtime="openvino")
    (folder / EXPORT / "export.json").write_bytes(damage)
    load_encoder(folder, runtime="openvino")
    assert json.loads((folder / EXPORT / "export.json").read_text())["format"] == exports.FORMAT
    (folder / EXPORT / "model.xml").write_bytes(damage)
    with pytest.raises(FormatError, match="rowspace-openvino, and it is made anew") as raised:
        load_encoder(folder, runtime="openvino")
    assert "\n" not in str(raised.value)


def test_a_folder_that_cannot_be_written_has_its_export_in_the_cache(
    folder: Path, disk: SmallDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = Path(shutil.copytree(folder, disk.path / "model"))
    subprocess.run(["mount", "-o", "remount,ro", str(disk.path)], check=True)
    found = load_encoder(fixed, runtime="openvino", dtype="float32").encode(TEXTS)
    np.testing.assert_allclose(found, exact(fixed), rtol=0, atol=1e-5)
    (home,) = (tmp_path / "cache" / "rowspace" / EXPORT).iterdir()
    assert (home / "model.xml").exists()
    assert not (fixed / EXPORT).exists()
    monkeypatch.setenv("XDG_CACHE_HOME", str(disk.path / "cache"))
    with pytest.raises(ConfigError, match=r"neither .*model nor .* can be written"):
        load_encoder(fixed, runtime="openvino")
    with pytest.warns(UserWarning, match="the model runs in torch, which is slower: neither"):
        np.testing.assert_allclose(load_encoder(fixed).encode(TEXTS), found, atol=1e-5)


def test_processes_that_export_at_once_do_no_harm(folder: Path, tmp_path: Path) -> None:
    code = _WITHOUT.format(missing=()) + _ENCODE.replace('assert "torch"', '#"')
    outs = [tmp_path / f"{i}.npy" for i in range(3)]
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, str(folder), str(out), *TEXTS],
            stderr=subprocess.PIPE,
        )
        for out in outs
    ]
    for process in running:
        _, errors = process.communicate()
        assert not process.returncode, errors
    expected = exact(folder)
    for out in outs:
        np.testing.assert_allclose(np.load(out), expected, rtol=0, atol=1e-5)
    assert [path.name for path in folder.glob(".*")] == []


def test_weights_that_are_no_numbers_are_refused(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        if name.endswith("LayerNorm.weight"):
            tensor[0] = np.nan
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(FormatError, match="the model's states are not finite, so its weights are"):
        load_encoder(folder)
    assert not (folder / EXPORT).exists()


def test_numbers_that_are_not_torchs_are_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_FARTHEST", 1e-12)
    with pytest.raises(ConfigError, match=r"OpenVINO's numbers are .*% from torch's for this mod"):
        load_encoder(folder, runtime="openvino")
    assert not (folder / EXPORT).exists()
    with pytest.warns(UserWarning, match="the model runs in torch, which is slower: OpenVINO's"):
        load_encoder(folder)


def test_a_tokenizer_of_another_model_is_refused_through_an_export(
    folder: Path, tmp_path: Path
) -> None:
    load_encoder(folder, runtime="openvino")
    other = write_encoder(tmp_path / "other", "llama")
    shutil.copy(other / "tokenizer.json", folder)
    with pytest.raises(FormatError, match=r"the tokenizer has \d+ tokens and the model's table \d"):
        load_encoder(folder, runtime="openvino")
    done = program(("torch", "transformers"), folder, tmp_path / "a.npy")
    assert "FormatError" in done.stderr
    assert "give the tokenizer that belongs to it" in done.stderr


def test_one_export_serves_all_weighted_sums(folder: Path) -> None:
    exports.exported(folder, ["mean"])
    record = (folder / EXPORT / "export.json").stat().st_mtime_ns
    found = load_pooled(folder, ["cls", "mean", "lasttoken"])
    assert (folder / EXPORT / "export.json").stat().st_mtime_ns == record
    states = load_contextual(folder).token_states([TEXTS[0]])[0]
    expected = np.concatenate([states[0], states.mean(axis=0), states[-1]])
    tolerance = 1e-4 if found.embedding.runtime.name == "openvino float32" else 0.05  # type: ignore[attr-defined]
    np.testing.assert_allclose(found.encode([TEXTS[0]])[0], expected, rtol=0, atol=tolerance)
    exports.exported(folder, ["max"])
    assert json.loads((folder / EXPORT / "export.json").read_text())["poolings"] == ["max"]
