from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError, VocabularyError
from rowspace.space.compress import KINDS, CompressedVectors, compress_vectors, measure_compression
from rowspace.space.formats import load
from rowspace.space.quantize import ProductQuantizer, RowScalarQuantizer, ScalarQuantizer
from rowspace.space.safetensors_files import write_tensors
from rowspace.space.similarity import unit_rows
from rowspace.space.vectors import Vectors
from tests.conftest import SmallDisk


def gaussian(n: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def vectors_of(n: int = 400, dim: int = 12, seed: int = 0) -> Vectors:
    return Vectors(
        [f"w{i}" for i in range(n)],
        gaussian(n, dim, seed),
        counts=np.arange(n, 0, -1),
        metadata={"method": "test"},
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-3, 1e6),
    shift=st.floats(-1e4, 1e4),
)
@settings(max_examples=40, deadline=None)
def test_a_byte_is_off_by_half_a_step_at_most(seed: int, scale: float, shift: float) -> None:
    matrix = (gaussian(30, 4, seed) * scale * np.arange(1, 5) + shift).astype(np.float32)
    by_dim = ScalarQuantizer.fit(matrix)
    error = np.abs(by_dim.decode(by_dim.encode(matrix)).astype(np.float64) - matrix)
    assert (error <= by_dim.error_bound).all()
    # The bound is the half step, not something wide.
    half = (np.ptp(matrix, axis=0) / 510).astype(np.float64)
    assert (by_dim.error_bound <= half + 1e-6 * np.abs(matrix).max()).all()
    by_row = RowScalarQuantizer(4)
    codes = by_row.encode(matrix)
    error = np.abs(by_row.decode(codes).astype(np.float64) - matrix)
    assert (error <= by_row.error_bound(codes)[:, None]).all()


def test_the_ends_of_a_range_and_constant_dimensions_are_kept() -> None:
    matrix = np.array([[0, 7, -1], [255, 7, 1], [100, 7, 0]], dtype=np.float32)
    quantizer = ScalarQuantizer.fit(matrix)
    codes = quantizer.encode(matrix)
    assert codes[:, 0].tolist() == [0, 255, 100]
    decoded = quantizer.decode(codes)
    np.testing.assert_array_equal(decoded[:, :2], matrix[:, :2])
    np.testing.assert_allclose(decoded[:2, 2], [-1, 1], atol=1e-6)


def test_rows_of_very_different_lengths_want_ranges_by_row() -> None:
    matrix = gaussian(200, 8)
    matrix[0] *= 1000
    vectors = Vectors([f"w{i}" for i in range(200)], matrix)
    by_dim, by_row = (measure_compression(vectors, compress_vectors(vectors, k)) for k in KINDS[:2])
    assert by_row.recall_at_k > 0.9 > by_dim.recall_at_k + 0.2


def test_product_codes_name_the_nearest_centroid_of_each_part() -> None:
    matrix = gaussian(600, 7)
    quantizer = ProductQuantizer.fit(matrix, 3)
    assert [len(codebook[0]) for codebook in quantizer.codebooks] == [3, 2, 2]
    codes = quantizer.encode(matrix[:20])
    start = 0
    for part, codebook in enumerate(quantizer.codebooks):
        block = matrix[:20, start : start + codebook.shape[1]]
        start += codebook.shape[1]
        distances = np.linalg.norm(block[:, None] - codebook, axis=2)
        np.testing.assert_array_equal(codes[:, part], distances.argmin(axis=1))


def test_product_error_falls_with_more_parts() -> None:
    vectors = vectors_of(1000)
    found = [
        measure_compression(vectors, compress_vectors(vectors, "pq", n_parts=parts), n_queries=50)
        for parts in (1, 2, 4, 12)
    ]
    errors = [quality.relative_error for quality in found]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.2
    assert errors[-1] < 0.001
    recalls = [quality.recall_at_k for quality in found]
    assert recalls == sorted(recalls)
    assert [quality.bytes_per_vector for quality in found] == [1, 2, 4, 12]


def test_few_distinct_parts_are_kept_exactly() -> None:
    matrix = np.repeat(gaussian(50, 6), 4, axis=0)
    quantizer = ProductQuantizer.fit(matrix, 2)
    np.testing.assert_array_equal(quantizer.decode(quantizer.encode(matrix)), matrix)


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_those_of_the_decoded_vectors(kind: str) -> None:
    vectors = vectors_of()
    small = compress_vectors(vectors, kind)
    queries = gaussian(5, 12, 9).astype(np.float64)
    found = small.quantizer.products(queries, small.codes)
    expected = queries @ small.quantizer.decode(small.codes).astype(np.float64).T
    np.testing.assert_allclose(found, expected, atol=2e-5)
    units = unit_rows(small.decompress().matrix)
    np.testing.assert_allclose(small.cosines(queries), unit_rows(queries) @ units.T, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_are_those_of_the_decoded_vectors(kind: str) -> None:
    small = compress_vectors(vectors_of(), kind)
    decoded = small.decompress()
    for query in ("w3", gaussian(1, 12, 5)[0]):
        found, expected = small.most_similar(query, 5), decoded.most_similar(query, topn=5)
        assert [key for key, _ in found] == [key for key, _ in expected]
        np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=1e-5)
    first = small.most_similar("w3", 400, restrict_vocab=10)
    assert {key for key, _ in first} == {f"w{i}" for i in range(10)} - {"w3"}
    assert small.similarity("w1", "w2") == pytest.approx(decoded.similarity("w1", "w2"), abs=1e-6)
    assert small["w1"].shape == (12,)
    np.testing.assert_array_equal(small[["w1", "w2"]], decoded[["w1", "w2"]])


def test_quality_by_hand() -> None:
    """Recall of codes that are as good as exact, and the error of one centroid for all."""
    vectors = vectors_of(300)
    exact = measure_compression(vectors, compress_vectors(vectors, "int8-rows"))
    assert exact.recall_at_k > 0.95
    assert exact.mean_cosine == pytest.approx(1, abs=1e-4)
    assert (exact.bytes_per_vector, exact.original_bytes) == (20, 48)
    mean = vectors.matrix.mean(axis=0, keepdims=True)
    worst = CompressedVectors(
        vectors.index_to_key, np.zeros((300, 1), np.uint8), ProductQuantizer([mean])
    )
    assert measure_compression(vectors, worst).relative_error == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_files_come_back_the_same(kind: str, tmp_path: Path) -> None:
    small = compress_vectors(vectors_of(), kind)
    path = tmp_path / "deep" / "small.safetensors"
    small.save(path)
    again = CompressedVectors.load(path)
    assert repr(again) == repr(small)
    assert again.index_to_key == small.index_to_key
    np.testing.assert_array_equal(again.codes, small.codes)
    np.testing.assert_array_equal(again.counts, small.counts)
    assert again.metadata == {"method": "test", "compressed": kind}
    assert again.most_similar("w7", 3) == small.most_similar("w7", 3)
    assert CompressedVectors.load(path, limit=5).index_to_key == [f"w{i}" for i in range(5)]
    decoded = load(path, limit=9)
    np.testing.assert_array_equal(decoded.matrix, small.decompress().matrix[:9])
    assert decoded.index_to_key == small.index_to_key[:9]


def test_codes_are_small_on_the_disk(tmp_path: Path) -> None:
    vectors = vectors_of(3000, 32)
    vectors.save(tmp_path / "full.safetensors")
    compress_vectors(vectors, "pq", n_parts=4).save(tmp_path / "small.safetensors")
    full, small = ((tmp_path / f"{n}.safetensors").stat().st_size for n in ("full", "small"))
    assert small < full / 4


def test_a_full_disk_leaves_what_was_there(small_disk: SmallDisk) -> None:
    small_disk.mount(60)
    path = small_disk.path / "small.safetensors"
    compress_vectors(vectors_of(20)).save(path)
    with pytest.raises(OSError, match="No space left"):
        compress_vectors(vectors_of(20_000)).save(path)
    assert len(CompressedVectors.load(path)) == 20
    assert [file.name for file in small_disk.path.iterdir()] == ["small.safetensors"]


def test_damaged_files_say_so(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    with pytest.raises(FormatError, match="there is no file"):
        CompressedVectors.load(path)
    vectors_of(5).save(path)
    with pytest.raises(FormatError, match="holds no compressed vectors"):
        CompressedVectors.load(path)
    small = compress_vectors(vectors_of(5))
    tensors = {"low": small.quantizer.tensors()["low"], "codes": small.codes}
    for about in (
        '{"kind": "zip", "dim": 12}',
        '{"kind": "int8", "dim": 12}',
        '{"kind": "pq"}',
        "[",
    ):
        write_tensors(path, tensors, {"compressed": about})
        with pytest.raises(FormatError, match=r"damaged .*; compress the vectors again"):
            load(path)
    tensors |= {"step": np.ones(12, np.float32), "codes": np.ones((5, 11), np.uint8)}
    write_tensors(path, tensors, {"compressed": '{"kind": "int8", "dim": 12}'})
    with pytest.raises(FormatError, match="its parts do not fit together"):
        load(path)
    small.save(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FormatError, match="truncated"):
        load(path)


def test_bad_arguments_say_what_to_give(tmp_path: Path) -> None:
    vectors = vectors_of(20)
    with pytest.raises(ConfigError, match="compression 'zip' is unknown; give one of int8"):
        compress_vectors(vectors, "zip")
    with pytest.raises(ConfigError, match="12 dimensions cannot be cut into 13 parts"):
        compress_vectors(vectors, "pq", n_parts=13)
    with pytest.raises(ConfigError, match="int8 takes a byte a number, so n_parts means nothing"):
        compress_vectors(vectors, "int8", n_parts=3)
    small = compress_vectors(vectors)
    with pytest.raises(VocabularyError, match="no vector for 'w99'"):
        small["w99"]
    with pytest.raises(ConfigError, match="topn is 0"):
        small.most_similar("w1", 0)
    with pytest.raises(ConfigError, match=r"query vector has shape \(3,\); give a finite one"):
        small.most_similar(np.ones(3))
    with pytest.raises(ConfigError, match=r"does not end in \.safetensors"):
        small.save(tmp_path / "small.bin")
    with pytest.raises(ConfigError, match="is not made of"):
        measure_compression(vectors_of(21), small)
    with pytest.raises(ConfigError, match="k is 20 among 20 vectors; give a k from 1 to 19"):
        measure_compression(vectors, small, k=20)
