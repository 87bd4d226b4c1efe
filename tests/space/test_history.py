"""Histories as files, and what is told where one is missing or damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rowspace.errors import FormatError
from rowspace.space.history import (
    FILE,
    History,
    Step,
    history_file,
    history_of,
    load_history,
    save_history,
)
from rowspace.space.safetensors_files import write_tensors
from rowspace.space.vectors import Vectors

WORDS = ["cat", "naïve", "odd\udc80"]
STEPS = [Step(0.0, 0.0, 0, None, 0.05), Step(0.1, 0.5, 400, 2.5, 0.045), Step(1, 5, 4000, 1.5, 0)]


def _history() -> History:
    rng = np.random.default_rng(0)
    return History(WORDS, STEPS, rng.normal(size=(3, 3, 4)).astype(np.float16))


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder, file = tmp_path / "model", tmp_path / "model.bin"
    folder.mkdir()
    for model in (folder, file):
        save_history(_history(), model)
    assert {path.name for path in tmp_path.iterdir()} == {"model", f"model.bin.{FILE}"}
    read = load_history(file)
    assert read is not None and (read.words, read.steps) == (WORDS, STEPS)
    np.testing.assert_array_equal(read.matrices, _history().matrices)


def test_the_official_reader_reads_the_snapshots(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    save_history(_history(), tmp_path)
    np.testing.assert_array_equal(load_file(tmp_path / FILE)["snapshots"], _history().matrices)


def test_the_history_of_a_space_is_that_of_its_default_model(tmp_path: Path) -> None:
    for name in ("first", "second"):
        folder = tmp_path / "models" / name
        Vectors(WORDS, _history().matrices[-1].astype(np.float32)).save(folder)
    save_history(_history(), folder)
    models = {name: {"folder": f"models/{name}"} for name in ("first", "second")}
    for default, found in (("first", False), ("second", True)):
        content = json.dumps({"model": default, "models": models})
        (tmp_path / "commit.json").write_text(content)
        assert (load_history(tmp_path) is not None) == found


@pytest.mark.parametrize("name", ["missing", "missing.bin", "."])
def test_what_has_no_history_has_none(tmp_path: Path, name: str) -> None:
    assert load_history(tmp_path / name) is None


def test_a_history_is_of_the_vectors_that_it_ends_with(tmp_path: Path) -> None:
    history = _history()
    save_history(history, tmp_path)
    last = history.matrices[-1].astype(np.float32)
    more = Vectors([*WORDS, "dog"], np.vstack([last, np.ones((1, 4))]))
    assert history.is_of(more) and history_of(tmp_path, more) is not None
    assert not history.is_of(Vectors(WORDS, history.matrices[1].astype(np.float32)))
    assert not history.is_of(Vectors(WORDS, np.ones((3, 5))))
    assert history_of(tmp_path, Vectors(WORDS[:2], last[:2])) is None


def test_saving_none_removes_what_was_there(tmp_path: Path) -> None:
    save_history(_history(), tmp_path)
    save_history(None, tmp_path)
    save_history(None, tmp_path)
    assert list(tmp_path.iterdir()) == []


def _about(**changes: object) -> str:
    steps = [{"share": 0, "epoch": 0, "n_read": 0, "loss": None, "learning_rate": 1}]
    return json.dumps({"format": 1, "unit": "words", "words": ["a"], "steps": steps} | changes)


@pytest.mark.parametrize(
    ("about", "shape", "dtype", "message"),
    [
        (_about(), (1, 1, 2), "f2", ""),
        (_about(format=99), (1, 1, 2), "f2", "format 99"),
        (_about(words=["a", "b"]), (1, 1, 2), "f2", "2 words"),
        (_about(steps=[]), (1, 1, 2), "f2", "0 steps"),
        (_about(steps=[{}]), (1, 1, 2), "f2", "loss"),
        (_about(), (1, 2), "f2", "snapshots of F16"),
        (_about(), (1, 1, 2), "f4", "snapshots of F32"),
        ("{", (1, 1, 2), "f2", "damaged"),
        ("[]", (1, 1, 2), "f2", "damaged"),
    ],
)
def test_a_file_that_is_no_history_is_told(
    tmp_path: Path, about: str, shape: tuple[int, ...], dtype: str, message: str
) -> None:
    write_tensors(tmp_path / FILE, {"snapshots": np.zeros(shape, dtype)}, {"history": about})
    if not message:
        assert load_history(tmp_path) is not None
        return
    with pytest.raises(FormatError, match=message):
        load_history(tmp_path)


def test_a_file_cut_short_is_told(tmp_path: Path) -> None:
    save_history(_history(), tmp_path)
    file = history_file(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(FormatError, match="truncated"):
        load_history(tmp_path)
