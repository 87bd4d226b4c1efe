"""Fewer bits against sentence-transformers, with ranges that were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
sentence_transformers = pytest.importorskip("sentence_transformers")

from sentence_transformers.util.quantization import quantize_embeddings  # noqa: E402

from rowspace.errors import ConfigError, CorpusError, FormatError  # noqa: E402
from rowspace.sentence import load_encoder  # noqa: E402
from rowspace.sentence.precision import PRECISIONS, quantize, ranges_of  # noqa: E402
from tests.sentence.folders import write_sentence_folder  # noqa: E402
from tests.transformer.small_encoders import TEXTS  # noqa: E402


@pytest.mark.parametrize("precision", [name for name in PRECISIONS if name != "float16"])
@pytest.mark.parametrize("dim", [16, 13])
def test_bytes_and_bits_are_those_of_sentence_transformers(precision: Any, dim: int) -> None:
    draw = np.random.default_rng(1)
    vectors = draw.normal(size=(200, dim)).astype(np.float32)
    vectors[0] = 0
    ranges = np.stack([np.full(dim, -1.0), draw.uniform(0.5, 2, dim)]).astype(np.float32)
    ranges[:, 3] = 0.25  # a number that never varied
    found = quantize(vectors, precision, ranges)
    expected: Any = quantize_embeddings(vectors, precision, ranges=ranges)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_halves_are_numpys() -> None:
    vectors = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    np.testing.assert_array_equal(quantize(vectors, "float16"), vectors.astype("f2"))


def test_ranges_are_set_once_and_kept_in_the_folder(tmp_path: Path) -> None:
    folder = write_sentence_folder(tmp_path / "new", normalize=True)
    encoder = load_encoder(folder, runtime="torch", deterministic=True)
    with pytest.raises(ConfigError, match="precision is 'int8', and the model has no ranges"):
        encoder.encode(TEXTS, precision="int8")
    with pytest.raises(CorpusError, match="1 text tells no range"):
        encoder.fit_ranges(TEXTS[:1])
    encoder.fit_ranges(TEXTS)
    encoder.save(tmp_path / "saved")
    again = load_encoder(tmp_path / "saved", runtime="torch", deterministic=True)
    vectors = encoder.encode(TEXTS)
    expected = quantize_embeddings(vectors, "int8", ranges=ranges_of(vectors))
    np.testing.assert_array_equal(again.encode(TEXTS, precision="int8"), expected)
    # A text's bytes are the same alone, where theirs would fit ranges to it.
    np.testing.assert_array_equal(again.encode(TEXTS[1], precision="int8"), expected[1])
    with pytest.raises(ConfigError, match=r"of 10 numbers, and the model's ranges are of 48"):
        again.encode(TEXTS, precision="int8", truncate_dim=10)
    with pytest.raises(ConfigError, match="precision is 'int4'; give one of float32"):
        again.encode(TEXTS, precision="int4")


def test_rows_of_bits_and_halves_go_into_out(tmp_path: Path) -> None:
    encoder = load_encoder(write_sentence_folder(tmp_path / "new"), runtime="torch")
    vectors = encoder.encode(TEXTS)
    out = np.zeros((len(TEXTS), 6), dtype=np.uint8)
    encoder.encode(TEXTS, precision="ubinary", out=out)
    np.testing.assert_array_equal(np.unpackbits(out, axis=1), vectors > 0)
    assert encoder.encode(TEXTS[0], precision="float16").dtype == np.float16


def test_a_range_of_another_length_is_refused(tmp_path: Path) -> None:
    folder = write_sentence_folder(tmp_path / "new")
    (folder / "int8_ranges.json").write_text('{"low": [0.0], "high": [1.0]}')
    with pytest.raises((ConfigError, FormatError), match="ranges are of 1"):
        load_encoder(folder, runtime="torch").encode(TEXTS, precision="int8")
