"""fastText's files and vectors of subwords, against the official program and gensim."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rowspace as rs
from rowspace.errors import ConfigError, FormatError, VocabularyError
from rowspace.space.fasttext_files import read_bin, write_bin
from rowspace.space.subword import SubwordVectors

fasttext = pytest.importorskip("fasttext")
UNKNOWN = ["unseen", "catlike", "北海道", "naïveté"]


def _official(way: str, path: Path, settings: dict[str, Any], quantise: dict[str, Any]) -> Any:
    """A model of the official program, trained in a process whose fresh memory is zeros.

    The wheel reads memory that it did not set: without this it finds NaN there now and then.
    """
    script = (
        "import json, sys, fasttext\n"
        "way, path, settings, quantise = map(json.loads, sys.argv[1:])\n"
        "model = getattr(fasttext, 'train_' + way)(thread=1, verbose=0, **settings)\n"
        "if quantise: model.quantize(**quantise)\n"
        "model.save_model(path)"
    )
    given = [json.dumps(value) for value in (way, str(path), settings, quantise)]
    zeros = os.environ | {"MALLOC_PERTURB_": "255"}  # glibc fills with the complement of it
    subprocess.run([sys.executable, "-c", script, *given], env=zeros, check=True)
    return fasttext.load_model(str(path))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    lines = ["small cats sit on the mat", "big dogs sat on rugs", "北海道 naïve café", "the cat"]
    path.write_text("\n".join(lines * 60) + "\n")
    return path


@pytest.fixture(scope="module", params=["skipgram", "cbow"])
def official(request: pytest.FixtureRequest, text: Path) -> Any:
    settings = {"model": request.param, "dim": 20, "bucket": 500, "minCount": 1, "epoch": 1}
    path = text.with_name(f"{request.param}.bin")
    return _official("unsupervised", path, settings | {"input": str(text)}, {})


def test_an_official_file_gives_its_vectors_and_is_written_back_byte_for_byte(
    official: Any, tmp_path: Path
) -> None:
    official.save_model(str(tmp_path / "a.bin"))
    vectors = rs.load(tmp_path / "a.bin")
    assert isinstance(vectors, SubwordVectors) and isinstance(vectors.rows, np.memmap)
    assert vectors.index_to_key == official.get_words()
    for word in [*official.get_words(), *UNKNOWN]:
        np.testing.assert_allclose(vectors[word], official.get_word_vector(word), atol=1e-6)
        names, rows = vectors.get_subwords(word)
        expected = official.get_subwords(word)
        assert (names, rows.tolist()) == (expected[0], expected[1].tolist())
    whole = np.array([official.get_word_vector(word) for word in official.get_words()])
    np.testing.assert_allclose(vectors.matrix, whole, atol=1e-6)
    vectors.save(tmp_path / "b.bin")
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()


def test_vec_is_what_the_official_program_writes_beside_its_bin(
    official: Any, tmp_path: Path
) -> None:
    official.save_model(str(tmp_path / "a.bin"))
    vectors = rs.load(tmp_path / "a.bin")
    vectors.save(tmp_path / "a.vec")
    # Dictionary::getWord and operator<<(ostream, Vector): precision 5, a space after each number.
    lines = [f"{len(official.get_words())} 20"]
    for word in official.get_words():
        numbers = "".join(f"{float(x):.5g} " for x in official.get_word_vector(word))
        lines.append(f"{word} {numbers}")
    assert (tmp_path / "a.vec").read_bytes() == "".join(f"{line}\n" for line in lines).encode()
    again = rs.load(tmp_path / "a.vec")
    np.testing.assert_allclose(again.matrix, vectors.matrix, rtol=1e-4)
    # Vectors that are not made of subwords keep all of their digits.
    plain = rs.Vectors(vectors.index_to_key, vectors.matrix)
    plain.save(tmp_path / "b.vec")
    np.testing.assert_array_equal(rs.load(tmp_path / "b.vec").matrix, vectors.matrix)


def test_the_official_program_and_gensim_read_ours(text: Path, tmp_path: Path) -> None:
    from gensim.models.fasttext import load_facebook_model

    trainer = rs.FastText(dim=20, bucket=500, min_count=1, epochs=2, n_threads=1)
    ours = trainer.fit(text)
    ours.save(tmp_path / "a.bin")
    official = fasttext.load_model(str(tmp_path / "a.bin"))
    gensim = load_facebook_model(str(tmp_path / "a.bin")).wv
    again = rs.load(tmp_path / "a.bin")
    for word in [*ours.index_to_key, *UNKNOWN]:
        np.testing.assert_allclose(official.get_word_vector(word), ours[word], atol=1e-6)
        np.testing.assert_allclose(gensim[word], ours[word], atol=1e-6)
        np.testing.assert_allclose(again[word], ours[word], atol=1e-6)


def test_supervised_and_quantised_files_give_their_vectors(tmp_path: Path) -> None:
    text = tmp_path / "labelled.txt"
    words = ["good nice fine", "bad poor weak"]
    text.write_text(
        "".join(f"__label__{i % 300} {words[i % 2]} word{i % 40}\n" for i in range(900))
    )

    settings = {"input": str(text), "dim": 8, "minn": 2, "maxn": 4, "bucket": 2000, "epoch": 2}
    ways: list[dict[str, Any]] = [
        {},
        {"qnorm": True},
        {"qnorm": True, "qout": True},
        {"input": str(text), "cutoff": 400, "retrain": True, "epoch": 1, "thread": 1},
    ]
    for quantise in ways:
        model = _official("supervised", tmp_path / "a.ftz", settings, quantise)
        vectors = rs.load(tmp_path / "a.ftz")
        assert vectors.index_to_key == model.get_words()
        for word in [*model.get_words(), "goodly"]:
            np.testing.assert_allclose(vectors[word], model.get_word_vector(word), atol=1e-6)
    assert isinstance(vectors, SubwordVectors) and vectors.is_pruned
    with pytest.raises(ConfigError, match=r"n-grams are pruned, which a \.bin file cannot hold"):
        vectors.save(tmp_path / "b.bin")


def _made(version: int = 12, model: int = 2, **changes: Any) -> bytes:
    """A file by hand: two words of two numbers, two buckets."""
    part: dict[str, Any] = {
        "magic": 793712314, "dim": 2, "bucket": 2, "words": [b"on", b"\xff"],
        "sizes": (2, 2, 0, 7, -1), "input": (4, 2), "values": [1.0, 2, 3, 4, 5, 6, 7, 8],
        "more": b"",
    } | changes  # fmt: skip
    data = struct.pack("<2i", part["magic"], version)
    data += struct.pack(
        "<12id", part["dim"], 5, 5, 1, 5, 1, 2, model, part["bucket"], 3, 3, 9, 1e-4
    )
    data += struct.pack("<3i2q", *part["sizes"])
    data += b"".join(word + b"\0" + struct.pack("<qb", 3, 0) for word in part["words"])
    data += struct.pack("<?2q", False, *part["input"]) + struct.pack("<8f", *part["values"])
    return bytes(data + struct.pack("<?2q4f", False, 2, 2, 0, 0, 0, 0) + part["more"])


def test_a_file_made_by_hand_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(_made())
    vectors = read_bin(path)
    assert vectors.index_to_key == ["on", "\udcff"]
    assert vectors.counts is not None and vectors.counts.tolist() == [3, 3]
    # <on and on> fall into buckets, which are rows 2 and 3.
    rows = [0, *vectors.get_subwords("on")[1][1:].tolist()]
    values = np.arange(1.0, 9).reshape(4, 2)
    np.testing.assert_allclose(vectors["on"], values[rows].mean(axis=0))
    write_bin(vectors, tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == path.read_bytes()
    path.write_bytes(_made(version=11, model=3))  # supervised then had no n-grams
    assert read_bin(path)["on"].tolist() == [1, 2]
    path.write_bytes(_made())
    one = read_bin(path, limit=1)
    assert one.index_to_key == ["on"]
    np.testing.assert_allclose(one["on"], vectors["on"])


def test_every_cut_of_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    whole, path = _made(), tmp_path / "a.bin"
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        with pytest.raises(FormatError, match=r"a.bin: ") as told:
            read_bin(path)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"magic": 5}, "starts with 5, not fastText's 793712314"),
        ({"version": 13}, "fastText version 13; versions 11 and 12"),
        ({"dim": 3}, "the input matrix has dimension 2 where the settings say 3"),
        ({"dim": -3}, "settings at byte 8 make no sense .*floret"),
        ({"sizes": (2, 3, 0, 7, -1)}, "a dictionary of 2 entries, 3 words and 0 labels"),
        ({"sizes": (-2, -2, 0, 7, -1)}, "a dictionary of -2 entries"),
        ({"sizes": (2**30, 2**30, 0, 7, -1)}, "dictionary entries at byte .* do not fit"),
        ({"input": (2**40, 2)}, "the input matrix at byte .* claims 1099511627776 x 2"),
        ({"input": (-4, -2)}, "the input matrix at byte .* claims -4 x -2"),
        ({"more": b"x"}, "goes on at byte"),
        ({"words": [b"on", b"on"]}, "key 'on' occurs more than once"),
        ({"bucket": 9}, "4 input rows for 2 words and 9 buckets"),
    ],
)
def test_damage_is_told_with_its_place(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(_made(**changes))
    with pytest.raises(FormatError, match=message):
        read_bin(path)


def test_bucket_zero_means_no_ngrams_and_nan_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(_made(bucket=0))
    assert read_bin(path)["on"].tolist() == [1, 2]
    path.write_bytes(_made(values=[np.nan, 2, 3, 4, 5, 6, 7, 8]))
    with pytest.raises(ConfigError, match="'on' hold NaN or infinity"):
        read_bin(path)["on"]
    with pytest.raises(ConfigError, match=r"the vector of 'on' \(row 0\) holds NaN"):
        read_bin(path).most_similar("\udcff")


def test_unknown_words_can_be_asked_about_and_too_short_ones_cannot() -> None:
    rows = np.random.default_rng(0).normal(size=(52, 6)).astype(np.float32)
    vectors = SubwordVectors(["cats", "dogs"], rows, minn=3, maxn=4, bucket=50)
    assert "catty" not in vectors and len(vectors) == 2
    assert vectors.most_similar("catty", topn=1)[0][0] in vectors
    found = vectors.most_similar_batch(["catty", "cats"], topn=1)
    (key, score), (other_key, other_score) = found[0][0], vectors.most_similar("catty", topn=1)[0]
    assert key == other_key and score == pytest.approx(other_score, abs=1e-6)
    assert found[1][0][0] == "dogs"
    assert vectors.similarity("catty", "catty") == pytest.approx(1)
    with pytest.raises(VocabularyError, match="no vector for '': it is not one of 2 words, and"):
        vectors[""]
    with pytest.raises(ConfigError, match="3 rows for 2 words and 50 n-grams; give a row for each"):
        SubwordVectors(["a", "b"], rows[:3], minn=3, maxn=3, bucket=50)


def test_plain_vectors_become_a_model_without_ngrams(tmp_path: Path) -> None:
    plain = rs.Vectors(["a", "b c"], [[1, 2], [3, 4]], counts=[5, 2])
    plain.save(tmp_path / "a.bin", format="fasttext")
    official = fasttext.load_model(str(tmp_path / "a.bin"))
    assert official.get_word_vector("b c").tolist() == [3, 4]
    assert rs.load(tmp_path / "a.bin").counts.tolist() == [5, 2]  # type: ignore[union-attr]


def test_a_model_without_ngrams_has_no_buckets(tmp_path: Path) -> None:
    trainer = rs.FastText(dim=4, min_count=1, epochs=1, n_threads=1, maxn=0)
    trainer.fit([["small", "cats", "sit"]] * 5)
    trainer.save(tmp_path / "a.bin")
    assert (tmp_path / "a.bin").stat().st_size < 1000
    assert fasttext.load_model(str(tmp_path / "a.bin")).get_word_vector("cats").any()
    assert len(rs.FastText.load(tmp_path / "a.bin").update([["big", "cats", "sit"]] * 5)) == 4
