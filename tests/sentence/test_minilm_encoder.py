"""all-MiniLM-L6-v2 on real texts, against sentence-transformers and in each dtype."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

pytest.importorskip("torch")
pytest.importorskip("openvino")
pytest.importorskip("sentence_transformers")

from rowspace.machine import has_native_bfloat16
from rowspace.sentence import load_encoder
from tests.data import shared_data
from tests.minilm import minilm_folder
from tests.sentence.folders import theirs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*longer than 256 tokens"),
]


@pytest.fixture(scope="module")
def folder() -> Path:
    return minilm_folder()


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Sentences, and documents of which some are too long."""
    with gzip.open(shared_data("retrieval", "scifact", "corpus.jsonl.gz"), "rt") as file:
        documents = [" ".join((row["title"], row["text"])) for row in map(json.loads, file)]
    rows = shared_data("sentence", "stsb", "dev.tsv").read_text().splitlines()[1:]
    draw = random.Random(1)
    return draw.sample(documents, 30) + [row.split("\t")[1] for row in draw.sample(rows, 60)]


@pytest.fixture(scope="module")
def expected(folder: Path, texts: list[str]) -> np.ndarray:
    return theirs(folder, texts)


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_float32_is_the_same(
    runtime: str, folder: Path, texts: list[str], expected: np.ndarray
) -> None:
    encoder = load_encoder(folder, runtime=runtime, dtype="float32")
    assert (encoder.dim, encoder.max_length, encoder.config.normalize) == (384, 256, True)
    np.testing.assert_allclose(encoder.encode(texts), expected, rtol=0, atol=1e-5)
    assert encoder.n_truncated > 5


def test_bfloat16_is_as_good_as_the_same(
    folder: Path, texts: list[str], expected: np.ndarray
) -> None:
    if not has_native_bfloat16():
        pytest.skip("this processor does not multiply bfloat16 itself")
    encoder = load_encoder(folder)
    assert encoder.embedding.runtime.name == "openvino bfloat16"  # type: ignore[attr-defined]
    cosines = (encoder.encode(texts) * expected).sum(axis=1)
    assert cosines.min() > 0.9999


def test_int8_keeps_the_vectors_and_the_order_of_pairs(
    folder: Path, texts: list[str], expected: np.ndarray
) -> None:
    encoder = load_encoder(folder, dtype="int8")
    cosines = (encoder.encode(texts) * expected).sum(axis=1)
    assert cosines.mean() > 0.99
    rows = shared_data("sentence", "stsb", "dev.tsv").read_text().splitlines()[1:]
    scores, first, second = zip(*(row.split("\t")[:3] for row in rows[::3]), strict=True)
    judged = list(map(float, scores))
    found = (encoder.encode(first) * encoder.encode(second)).sum(axis=1)
    exact = (theirs(folder, first) * theirs(folder, second)).sum(axis=1)
    wanted = spearmanr(judged, exact).statistic
    assert wanted > 0.8
    assert spearmanr(judged, found).statistic > wanted - 0.005


def test_deterministic_bits_do_not_depend_on_the_batch(folder: Path, texts: list[str]) -> None:
    for dtype in ("float32", "auto"):
        encoder = load_encoder(folder, dtype=dtype, deterministic=True)
        together = encoder.encode(texts)
        for i in range(0, len(texts), 9):
            np.testing.assert_array_equal(encoder.encode(texts[i]), together[i])
