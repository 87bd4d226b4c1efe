"""fastText whole: every mode learns, unknown words find their place, models go on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rowspace as rs
from rowspace.errors import ConfigError, FormatError
from tests.program import RunMain

SMALL: dict[str, Any] = {
    "dim": 16, "bucket": 2000, "min_count": 1, "epochs": 4, "n_threads": 1, "subsample": 0,
    "learning_rate": 0.1,
}  # fmt: skip


def _sentences() -> list[list[str]]:
    """Words of two families, whose members share their letters and their company."""
    generator = np.random.default_rng(0)
    return [
        [f"{stem}{'abcdefgh'[i]}" for i in generator.integers(0, 8, 8)]
        for _ in range(300)
        for stem in generator.choice(["volcano", "merchant"], 1)
    ]


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
@pytest.mark.parametrize("loss", ["negative_sampling", "hierarchical_softmax"])
@pytest.mark.parametrize("gradient", ["classic", "corrected"])
def test_every_mode_learns_and_places_unknown_words(
    architecture: str, loss: str, gradient: str
) -> None:
    trainer = rs.FastText(**SMALL, architecture=architecture, loss=loss, cbow_gradient=gradient)
    vectors = trainer.fit(_sentences())
    coins = 6 if loss == "negative_sampling" else 4  # of 16 words; in two halves is 3
    assert trainer.history[-1].loss < 0.8 * coins * math.log(2)
    assert "volcanoes" not in vectors
    nearest = [word for word, _ in vectors.most_similar("volcanoes", topn=8)]
    assert all(word.startswith("volcano") for word in nearest)
    np.testing.assert_allclose(vectors.matrix[0], vectors[vectors.index_to_key[0]], atol=1e-6)


def test_a_word_is_the_mean_of_its_subwords_and_maxn_0_has_none() -> None:
    vectors = rs.FastText(**SMALL).fit(_sentences())
    assert isinstance(vectors, rs.SubwordVectors)
    _, rows = vectors.get_subwords("volcanoa")
    np.testing.assert_allclose(vectors["volcanoa"], vectors.rows[rows].mean(axis=0), atol=1e-6)
    words_only = rs.FastText(**SMALL, maxn=0).fit(_sentences())
    assert isinstance(words_only, rs.SubwordVectors) and len(words_only.rows) == len(words_only)


def test_one_thread_gives_the_same_bits() -> None:
    one, other = (rs.FastText(**SMALL).fit(_sentences()) for _ in range(2))
    np.testing.assert_array_equal(one.matrix, other.matrix)


def test_a_model_goes_on_and_frozen_words_stay(tmp_path: Path) -> None:
    trainer = rs.FastText(**SMALL)
    before = trainer.fit(_sentences())
    trainer.save(tmp_path / "a.bin")
    loaded = rs.FastText.load(tmp_path / "a.bin", epochs=2)
    new = [["volcanoa", "lava", "magma"]] * 50
    after = loaded.update(new, freeze=True)
    assert loaded.update_report is not None and set(loaded.update_report.added) == {"lava", "magma"}
    np.testing.assert_allclose(after[before.index_to_key], before.matrix, atol=1e-6)
    moved = rs.FastText.load(tmp_path / "a.bin").update(new)
    assert not np.allclose(moved["volcanoa"], before["volcanoa"])
    with pytest.raises(ConfigError, match="the model has bucket 2000, which cannot change"):
        rs.FastText.load(tmp_path / "a.bin", bucket=3000)
    with pytest.raises(ConfigError, match=r"a fastText model is a \.bin file"):
        trainer.save(tmp_path / "a.model")
    tree = rs.FastText(**SMALL, loss="hierarchical_softmax")
    tree.fit(_sentences())
    tree.save(tmp_path / "b.bin")
    with pytest.raises(FormatError, match="not trained on words with negative sampling"):
        rs.FastText.load(tmp_path / "b.bin")


def test_the_command_trains_and_goes_on(tmp_path: Path, run_main: RunMain) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "a.bin"
    text.write_text("\n".join(" ".join(sentence) for sentence in _sentences()))
    options = ("--dim", "16", "--bucket", "2000", "--epochs", "2", "--min-count", "1")
    ran = run_main("train", "fasttext", text, "--out", out, *options)
    assert ran.code == 0 and ran.out.splitlines()[2] == f"16 vectors of 16 numbers in {out}", ran
    ran = run_main("neighbors", out, "volcanoes", "-k", "1")
    assert ran.code == 0 and ran.out.startswith("volcano"), ran
    ran = run_main("train", "fasttext", text, "--out", tmp_path / "b.bin", "--start", out)
    assert ran.code == 0 and ran.out.startswith("0 words added, 0 dropped"), ran
    ran = run_main("train", "fasttext", text, "--out", tmp_path / "c")
    assert ran.code == 1 and "a fastText model is a .bin file; give --out" in ran.err


def test_the_order_of_the_text_is_its_own_or_a_random_one() -> None:
    """Two topics, one after the other: what came last is known best, unless they were mixed."""
    text = [[f"{topic}{i}" for i in range(8)] for topic in "ab" for _ in range(400)]
    settings = SMALL | {"maxn": 0, "epochs": 1, "learning_rate": 0.2}
    ratios = {}
    for shuffle in (False, True):
        vectors = rs.FastText(**settings, shuffle=shuffle).fit(text)
        norms = {t: np.mean([vectors.norms[vectors.get_index(f"{t}{i}")] for i in range(8)])
                 for t in "ab"}  # fmt: skip
        ratios[shuffle] = norms["a"] / norms["b"]
    assert abs(np.log(ratios[True])) < 0.5 * abs(np.log(ratios[False])), ratios
