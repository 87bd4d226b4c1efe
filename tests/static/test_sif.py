from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError
from rowspace.space.vectors import Vectors
from rowspace.static.sif import SIFEncoder
from tests.naive import Matrix, naive_sif_average

KEYS = [f"w{i}" for i in range(30)]
COUNTS = {key: 1000 // (i + 1) for i, key in enumerate(KEYS)}


def _matrix() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0.3, 1, (30, 6)).astype(np.float32)


def _vectors(counts: bool = True) -> Vectors:
    given = np.array(list(COUNTS.values())) if counts else None
    return Vectors(KEYS, _matrix(), counts=given)


def _texts(n: int = 40) -> list[str]:
    generator = np.random.default_rng(1)
    return [" ".join(f"W{i}" for i in generator.integers(0, 36, 7)) for _ in range(n)]


def _naive_averages(texts: list[str], counts: dict[str, int], smoothing: float) -> Matrix:
    rows = dict(zip(KEYS, _matrix().tolist(), strict=True))
    return np.array([naive_sif_average(text, rows, counts, smoothing) for text in texts])


@pytest.mark.parametrize("smoothing", [1e-3, 1e-7, 1.0])
@pytest.mark.parametrize("n_components", [0, 1, 2])
def test_vectors_are_weighted_averages_without_their_common_components(
    smoothing: float, n_components: int
) -> None:
    texts = _texts()
    averages = _naive_averages(texts, COUNTS, smoothing)
    _, _, directions = np.linalg.svd(averages)
    for direction in directions[:n_components]:
        averages = averages - np.outer(averages @ direction, direction)
    expected = averages / np.linalg.norm(averages, axis=1, keepdims=True)
    encoder = SIFEncoder.from_vectors(
        _vectors(), texts, smoothing=smoothing, n_components=n_components
    )
    encoded = encoder.encode(texts)
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded, expected, atol=2e-4)
    np.testing.assert_allclose(np.linalg.norm(encoded, axis=1), 1, rtol=1e-5)
    assert encoder.components.shape == (n_components, 6)


def test_without_counts_words_follow_zipfs_law() -> None:
    averages = _naive_averages(
        _texts(), {key: 10**9 // (i + 1) for i, key in enumerate(KEYS)}, 1e-3
    )
    expected = averages / np.linalg.norm(averages, axis=1, keepdims=True)
    np.testing.assert_allclose(SIFEncoder(_vectors(False)).encode(_texts()), expected, atol=1e-5)


def test_the_length_of_a_word_vector_does_not_matter() -> None:
    longer = Vectors(KEYS, _matrix() * 7, counts=np.array(list(COUNTS.values())))
    np.testing.assert_allclose(
        SIFEncoder(longer).encode(_texts()), SIFEncoder(_vectors()).encode(_texts()), atol=1e-6
    )


def test_a_text_with_no_known_word_is_a_zero_row() -> None:
    encoder = SIFEncoder.from_vectors(_vectors(), _texts())
    encoded = encoder.encode(["w1 w2", "", "unknown words", "!?"])
    assert encoded.any(axis=1).tolist() == [True, False, False, False]
    assert encoder.encode([]).shape == (0, 6)


def test_a_text_of_only_the_common_component_has_no_direction() -> None:
    matrix = np.array([[3, 4, 0], [6, 8, 0], [0, 0, 1]], dtype=np.float32)
    encoder = SIFEncoder(
        Vectors(["a", "b", "c"], matrix), components=np.array([[0.6, 0.8, 0]], dtype=np.float32)
    )
    encoded = encoder.encode(["a", "a b", "a c"])
    assert not encoded[:2].any()
    np.testing.assert_allclose(encoded[2], [0, 0, 1], atol=1e-6)


def test_a_word_vector_of_zeros_counts_for_nothing() -> None:
    encoder = SIFEncoder(Vectors(["a", "z"], np.array([[1, 0], [0, 0]], dtype=np.float32)))
    np.testing.assert_allclose(encoder.encode(["z", "a z"]), [[0, 0], [1, 0]])


def test_a_vector_does_not_depend_on_the_texts_encoded_with_it() -> None:
    encoder = SIFEncoder.from_vectors(_vectors(), _texts())
    together = encoder.encode(_texts(40))
    apart = np.concatenate([encoder.encode([text]) for text in _texts(40)])
    np.testing.assert_allclose(together, apart, atol=1e-6)
    np.testing.assert_allclose(encoder.encode(_texts(40)[::-1])[::-1], together, atol=1e-6)


def test_tokens_are_encoded_as_their_text() -> None:
    encoder = SIFEncoder.from_vectors(_vectors(), _texts())
    np.testing.assert_array_equal(
        encoder.encode_tokens([["w1", "w5"], []]), encoder.encode(["W1, w5!", ""])
    )


@pytest.mark.parametrize("texts", [[], ["unknown"], [""]])
def test_without_texts_that_are_known_no_component_is_removed(texts: list[str]) -> None:
    encoder = SIFEncoder.from_vectors(_vectors(), texts)
    np.testing.assert_array_equal(encoder.encode(_texts()), SIFEncoder(_vectors()).encode(_texts()))


def test_a_saved_encoder_gives_the_same_vectors_and_fingerprint(tmp_path: Path) -> None:
    encoder = SIFEncoder.from_vectors(_vectors(), _texts(), smoothing=1e-4)
    encoder.save(tmp_path / "model")
    loaded = SIFEncoder.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.encode(_texts()), encoder.encode(_texts()))
    assert loaded.fingerprint == encoder.fingerprint
    assert (loaded.dim, loaded.smoothing) == (6, 1e-4)


def test_the_fingerprint_changes_with_all_that_changes_vectors() -> None:
    encoder = SIFEncoder.from_vectors(_vectors(), _texts())
    renamed = Vectors([*KEYS[:-1], "other"], _matrix(), counts=_vectors().counts)
    others = [
        SIFEncoder(_vectors()),
        SIFEncoder.from_vectors(_vectors(), _texts(), n_components=2),
        SIFEncoder.from_vectors(_vectors(), _texts()[:9]),
        SIFEncoder.from_vectors(_vectors(), _texts(), smoothing=1e-4),
        SIFEncoder.from_vectors(_vectors(False), _texts()),
        SIFEncoder.from_vectors(renamed, _texts()),
    ]
    assert len({encoder.fingerprint, *(other.fingerprint for other in others)}) == 7
    before = others[0].fingerprint
    others[0].fit(_texts())
    assert others[0].fingerprint == encoder.fingerprint != before


@pytest.mark.parametrize("smoothing", [0, -1])
def test_a_smoothing_that_cannot_work_is_named(smoothing: float) -> None:
    with pytest.raises(ConfigError, match=f"smoothing is {smoothing}; give a number above 0"):
        SIFEncoder(_vectors(), smoothing=smoothing)


@pytest.mark.parametrize("name", ["encoder.json", "components.npy"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b"\x93NUMPY"])
def test_a_damaged_encoder_is_to_be_built_again(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    SIFEncoder.from_vectors(_vectors(), _texts()).save(tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    if content is not None:
        (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(FormatError, match=r"model holds no whole encoder \(.*\); build it again"):
        SIFEncoder.load(tmp_path / "model")


def test_components_that_do_not_fit_the_vectors_are_an_error(tmp_path: Path) -> None:
    SIFEncoder.from_vectors(_vectors(), _texts()).save(tmp_path / "model")
    np.save(tmp_path / "model" / "components.npy", np.zeros((1, 5), dtype=np.float32))
    with pytest.raises(FormatError, match=r"components of shape \(1, 5\) for vectors of length 6"):
        SIFEncoder.load(tmp_path / "model")


def test_damaged_word_vectors_are_an_error(tmp_path: Path) -> None:
    SIFEncoder(_vectors()).save(tmp_path / "model")
    (tmp_path / "model" / "vectors.safetensors").write_bytes(b"\0" * 9)
    with pytest.raises(FormatError, match="model"):
        SIFEncoder.load(tmp_path / "model")


def test_a_newer_format_asks_for_a_newer_rowspace(tmp_path: Path) -> None:
    SIFEncoder(_vectors()).save(tmp_path / "model")
    path = tmp_path / "model" / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(FormatError, match="is an encoder of format 2, this Rowspace reads 1; use"):
        SIFEncoder.load(tmp_path / "model")
