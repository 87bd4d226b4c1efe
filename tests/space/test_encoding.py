"""Vectors of texts in a growing file: kills between any two steps, names, bad numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import rowspace as rs
from rowspace.errors import ConfigError, FormatError
from rowspace.space import encoding, growing
from rowspace.space.encoding import EncodingReport, encode_corpus
from rowspace.space.growing import GrowingFiles, Rows
from rowspace.text import chunks
from rowspace.text.corpus import Corpus


@pytest.fixture(autouse=True)
def saves_each_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_CHARACTERS", 30)
    monkeypatch.setattr(growing, "SAVE_SECONDS", 0.0)


def lengths(texts: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.float32], int]:
    """Two numbers of each text."""
    rows = [(len(text), text.count("a")) for text in texts]
    return np.array(rows, dtype=np.float32), 0


def run(
    folder: Path, n: int, *, encode: encoding.Encode = lengths, **settings: Any
) -> EncodingReport:
    text = folder / "text.txt"
    text.write_text("".join("a" * i + " bank\n" for i in range(n)))
    return encode_corpus(
        encode, Corpus(text, "lines"), folder / "out.npy", dim=2, identity={}, **settings
    )


class Killed(BaseException):
    """As by a signal that nothing can catch."""


@pytest.mark.parametrize("n", [3, 60])
@pytest.mark.parametrize("step", range(4))
def test_a_kill_at_any_step_of_the_end_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, step: int
) -> None:
    """Before and after each of the two moves, for keys of less than a header's length and more."""
    replace, steps = Path.replace, 0

    def killed(path: Path, target: Path) -> Path:
        nonlocal steps
        if path.name not in ("keys.txt", "vectors.npy"):
            return replace(path, target)
        for is_after in (False, True):
            if is_after:
                replace(path, target)
            if steps == step:
                raise Killed
            steps += 1
        return target

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(Killed):
            run(tmp_path, n)
    out = tmp_path / "out.npy"
    if not out.exists():
        report = run(tmp_path, n, resume=True)
        assert (report.n_texts, report.n_empty) == (n, 0)
        assert [path.name for path in sorted(tmp_path.iterdir())] == [
            "out.keys.txt", "out.npy", "text.txt"
        ]  # fmt: skip
    vectors = rs.load(out)
    assert vectors.index_to_key == [f"text.txt:{i + 1}" for i in range(n)]
    assert vectors.matrix.tolist() == [[i + 5, i + 1] for i in range(n)]


def test_keys_of_something_else_are_left_alone(tmp_path: Path) -> None:
    keys = tmp_path / "out.keys.txt"
    keys.write_text("precious\n")
    with pytest.raises(ConfigError, match=r"out\.keys\.txt exists; give another"):
        run(tmp_path, 3)
    assert keys.read_text() == "precious\n"
    assert not (tmp_path / "out.npy.training").exists()


@pytest.mark.parametrize("stop", [1, 2, 4])
def test_names_are_made_new_alike_before_and_after_a_stop(tmp_path: Path, stop: int) -> None:
    ids = ["a", "a#2", "b"] + ["a"] * 30
    path = tmp_path / "text.jsonl"
    path.write_text("".join(f'{{"_id": "{i}", "text": "some bank"}}\n' for i in ids))
    calls = 0

    def stopping(texts: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.float32], int]:
        nonlocal calls
        calls += 1
        if calls == stop:
            raise KeyboardInterrupt
        return lengths(texts, names)

    given: dict[str, Any] = {"dim": 2, "identity": {}}
    with pytest.raises(KeyboardInterrupt):
        encode_corpus(stopping, Corpus(path), tmp_path / "out.npy", **given)
    report = encode_corpus(stopping, Corpus(path), tmp_path / "out.npy", **given, resume=True)
    assert report.n_renamed == 30
    found = rs.load(tmp_path / "out.npy").index_to_key
    assert found == ["a", "a#2", "b", *(f"a#{i}" for i in range(3, 33))]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_numbers_that_are_none_are_an_error(tmp_path: Path, value: float, dtype: str) -> None:
    def broken(texts: Sequence[str], names: Sequence[str]) -> tuple[NDArray[np.float32], int]:
        rows, n_cut = lengths(texts, names)
        rows[-1, 1] = value
        return rows, n_cut

    message = rf"the encoder gave a vector \(row 2\) with {value} in it; compute in float32 or bf"
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, 3, encode=broken, dtype=dtype)


def test_numbers_beyond_float16_are_said_to_be(tmp_path: Path) -> None:
    with (
        GrowingFiles(tmp_path, {"a": Rows("float16")}) as files,
        pytest.raises(ConfigError, match="beyond float16"),
    ):
        files.append("a", np.array([70_000.0]))


def test_a_short_file_that_lost_its_end_is_said(tmp_path: Path) -> None:
    """Also where it had less than the bytes of a header."""
    with GrowingFiles(tmp_path, {}, ["keys.txt"]) as files:
        files.write("keys.txt", "one\ntwo\n")
        files.mark({})
        files.save()
    (tmp_path / "keys.txt").write_text("one\n")
    with pytest.raises(FormatError, match="shorter than when it was saved"):
        GrowingFiles(tmp_path, {}, ["keys.txt"])
