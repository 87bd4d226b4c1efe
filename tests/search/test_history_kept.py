"""A space has the history of its word vectors, checks it as every file, and takes it along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rowspace as rs
from rowspace.search.commit import read_commit
from rowspace.space.history import FILE, load_history
from rowspace.static.word2vec import Word2Vec

SETTINGS: dict[str, Any] = {"dim": 8, "epochs": 2, "min_count": 1, "n_threads": 1}
TEXT = "the red cat sat on a mat\n\nthe blue dog sat on a rug\n\nbirds sing in old trees\n" * 20


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def test_a_built_space_has_the_history_of_its_vectors(text: Path, tmp_path: Path) -> None:
    space = rs.build(text, tmp_path / "a.space", word2vec=SETTINGS)
    history = load_history(space.path)
    assert history is not None and history.is_of(rs.load(space.path))
    assert f"model/{FILE}" in read_commit(space.path).files
    assert space.verify() == []
    file = space.path / "model" / FILE
    damaged = bytearray(file.read_bytes())
    damaged[-1] ^= 1
    file.write_bytes(damaged)
    assert any(FILE in line for line in space.verify())


def test_a_given_model_brings_its_history(text: Path, tmp_path: Path) -> None:
    trainer = Word2Vec(**SETTINGS)
    trainer.fit(text)
    trainer.save(tmp_path / "model")
    built = rs.build(text, tmp_path / "a.space", model=str(tmp_path / "model"))
    other = rs.build(text, tmp_path / "b.space", word2vec=SETTINGS | {"seed": 2})
    other.reembed(tmp_path / "model")
    for space in (built, other):
        history = load_history(space.path)
        assert history is not None and trainer.snapshots is not None
        np.testing.assert_array_equal(history.matrices, trainer.snapshots.matrices)
        assert rs.open_space(space.path).verify() == []


def test_a_model_without_a_history_makes_a_space_without(text: Path, tmp_path: Path) -> None:
    Word2Vec(**SETTINGS).fit(text).save(tmp_path / "model")
    space = rs.build(text, tmp_path / "a.space", model=str(tmp_path / "model"))
    assert load_history(space.path) is None
    assert space.verify() == []
