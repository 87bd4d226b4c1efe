from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model2vec import StaticModel as Model2Vec
from numpy.typing import NDArray
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

from rowspace import load_encoder
from rowspace.errors import ConfigError, CorpusError, FormatError
from rowspace.sentence.static_files import save_static
from rowspace.space.vectors import Vectors
from tests.sentence.small_static import TEXTS, WORDS, table, tokenizer


def _model2vec(folder: Path, rows: NDArray[Any], **settings: Any) -> Model2Vec:
    settings = {"config": {"model_type": "model2vec"}, "normalize": True, **settings}
    model = Model2Vec(rows, tokenizer(), **settings)
    model.save_pretrained(folder)
    return Model2Vec.from_pretrained(folder)


def _sentence_transformer(folder: Path, *more: Any) -> SentenceTransformer:
    static = StaticEmbedding(tokenizer(), embedding_weights=table())
    model = SentenceTransformer(modules=[static, *more], device="cpu")
    model.save(str(folder))
    return model


def _encoded(folder: Path, **settings: Any) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*longer than")
        return load_encoder(folder).encode(TEXTS, **settings)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("normalize", [True, False])
def test_a_folder_of_model2vec_gives_its_vectors(
    tmp_path: Path, dtype: str, normalize: bool
) -> None:
    rows = (table() * (40 if dtype == "int8" else 1)).astype(dtype)
    peer = _model2vec(tmp_path / "m", rows, normalize=normalize)
    tolerance = 2e-3 if dtype == "float16" else 1e-5  # model2vec averages in float16 there
    expected = peer.encode(TEXTS)
    assert not expected[[2, 3, 8]].any()  # nothing known in them
    np.testing.assert_allclose(_encoded(tmp_path / "m"), expected, rtol=tolerance, atol=tolerance)


def test_shared_rows_and_weights_give_model2vecs_vectors(tmp_path: Path) -> None:
    mapping = np.arange(len(WORDS)) % 5
    weights = np.linspace(0.1, 2, len(WORDS))
    settings: dict[str, Any] = {"token_mapping": mapping, "weights": weights}
    peer = _model2vec(tmp_path / "m", table(n_rows=5), **settings)
    np.testing.assert_allclose(_encoded(tmp_path / "m"), peer.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize("max_length", [None, 3])
def test_a_text_is_cut_where_model2vec_cuts_it(tmp_path: Path, max_length: int | None) -> None:
    peer = _model2vec(tmp_path / "m", table(), max_length=max_length)
    np.testing.assert_allclose(_encoded(tmp_path / "m"), peer.encode(TEXTS), atol=1e-5)
    assert load_encoder(tmp_path / "m").max_length == max_length


def test_a_model2vec_folder_without_modules_is_read_by_its_config(tmp_path: Path) -> None:
    peer = _model2vec(tmp_path / "m", table())
    (tmp_path / "m" / "modules.json").unlink()
    np.testing.assert_allclose(_encoded(tmp_path / "m"), peer.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize("more", [(), (Normalize(),)])
def test_a_static_folder_of_sentence_transformers_gives_its_vectors(
    tmp_path: Path, more: tuple[Any, ...]
) -> None:
    peer = _sentence_transformer(tmp_path / "m", *more)
    expected = peer.encode(TEXTS)
    assert expected[3].any()  # the unknown token counts
    np.testing.assert_allclose(_encoded(tmp_path / "m"), expected, atol=1e-5)


def test_a_static_folder_is_found_in_the_folder_its_modules_name(tmp_path: Path) -> None:
    peer = _sentence_transformer(tmp_path / "m")
    home = tmp_path / "m" / "0_StaticEmbedding"
    home.mkdir(exist_ok=True)
    for name in ("model.safetensors", "tokenizer.json"):
        if (tmp_path / "m" / name).exists():
            shutil.move(tmp_path / "m" / name, home / name)
    modules = json.loads((tmp_path / "m" / "modules.json").read_text())
    modules[0]["path"] = home.name
    (tmp_path / "m" / "modules.json").write_text(json.dumps(modules))
    np.testing.assert_allclose(_encoded(tmp_path / "m"), peer.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_what_is_saved_is_read_alike_by_model2vec_and_sentence_transformers(
    tmp_path: Path, dtype: str, normalize: bool
) -> None:
    _model2vec(tmp_path / "m", table(), normalize=normalize)
    encoder = load_encoder(tmp_path / "m")
    save_static(encoder.embedding, encoder.config, tmp_path / "new", dtype=dtype)  # type: ignore[arg-type]
    peer = Model2Vec.from_pretrained(tmp_path / "new")
    assert peer.normalize == normalize
    assert peer.embedding_dtype == dtype
    tolerance = 2e-3 if dtype == "float16" else 1e-5
    found = _encoded(tmp_path / "new")
    np.testing.assert_allclose(found, peer.encode(TEXTS), rtol=tolerance, atol=tolerance)
    if dtype != "int8":  # whose table torch cannot average
        # sentence-transformers counts what is unknown, and in float16 makes NaN of no tokens
        known = [0, 1, 5, 6]
        other = SentenceTransformer(str(tmp_path / "new"), device="cpu").encode(TEXTS)
        np.testing.assert_allclose(found[known], other[known], rtol=tolerance, atol=tolerance)


def test_an_encoder_saves_its_folder_anew(tmp_path: Path) -> None:
    peer = _sentence_transformer(tmp_path / "m", Normalize())
    load_encoder(tmp_path / "m").save(tmp_path / "new")
    np.testing.assert_allclose(_encoded(tmp_path / "new"), peer.encode(TEXTS), atol=1e-5)
    again = SentenceTransformer(str(tmp_path / "new"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(again, peer.encode(TEXTS), atol=1e-5)
    assert load_encoder(tmp_path / "m").fingerprint != load_encoder(tmp_path / "new").fingerprint


def test_int8_keeps_directions_within_rounding(tmp_path: Path) -> None:
    _model2vec(tmp_path / "m", table())
    encoder = load_encoder(tmp_path / "m")
    save_static(encoder.embedding, encoder.config, tmp_path / "new", dtype="int8")  # type: ignore[arg-type]
    cosines = (_encoded(tmp_path / "new") * _encoded(tmp_path / "m")).sum(axis=1)
    assert (cosines[[0, 1, 4, 5, 6, 7]][:5] > 0.999).all()


def test_chunk_reads_a_long_text_to_its_end(tmp_path: Path) -> None:
    whole = _model2vec(tmp_path / "m", table(), max_length=3)
    expected = whole.encode(TEXTS, max_length=None)
    np.testing.assert_allclose(_encoded(tmp_path / "m", on_truncate="chunk"), expected, atol=1e-5)


def test_cut_texts_are_counted_and_can_be_an_error(tmp_path: Path) -> None:
    _model2vec(tmp_path / "m", table())
    encoder = load_encoder(tmp_path / "m")
    with pytest.warns(UserWarning, match="2 of 9 texts are longer than 512 tokens"):
        encoder.encode(TEXTS)
    assert encoder.n_truncated == 2
    with pytest.raises(CorpusError, match="text 5 is longer than the 512 tokens"):
        encoder.encode(TEXTS, on_truncate="error")


def test_a_prompt_is_read_before_a_text(tmp_path: Path) -> None:
    _model2vec(tmp_path / "m", table())
    encoder = load_encoder(tmp_path / "m")
    prompted, joined = encoder.encode("cat", prompt="the "), encoder.encode("the cat")
    np.testing.assert_allclose(prompted, joined)


def test_fewer_vectors_than_tokens_are_an_error(tmp_path: Path) -> None:
    _model2vec(tmp_path / "m", table())
    _model2vec(tmp_path / "n", table(n_rows=5), token_mapping=np.zeros(len(WORDS), dtype=int))
    Vectors(list("abcde"), table(n_rows=5)).save(tmp_path / "few.safetensors")
    with pytest.raises(FormatError, match="there has to be a matrix 'embeddings'"):
        shutil.copy(tmp_path / "few.safetensors", tmp_path / "n" / "model.safetensors")
        load_encoder(tmp_path / "n")
    save_file({"embeddings": table(n_rows=5)}, tmp_path / "m" / "model.safetensors")
    with pytest.raises(FormatError, match=r"vectors of 5 tokens, and tokenizer\.json has 12"):
        load_encoder(tmp_path / "m")


def test_a_mapping_past_the_table_is_an_error(tmp_path: Path) -> None:
    mapping = np.full(len(WORDS), 7)
    Model2Vec(table(n_rows=5), tokenizer(), token_mapping=mapping).save_pretrained(tmp_path / "m")
    with pytest.raises(FormatError, match="the mapping names row 7 of 5"):
        load_encoder(tmp_path / "m")


@pytest.mark.parametrize(
    "setting", [{"dtype": "int8"}, {"runtime": "openvino"}, {"device": "cuda"}]
)
def test_what_a_table_has_none_of_is_an_error(tmp_path: Path, setting: dict[str, Any]) -> None:
    _model2vec(tmp_path / "m", table())
    with pytest.raises(ConfigError, match="this model is a table of vectors"):
        load_encoder(tmp_path / "m", **setting)


def test_a_static_encoder_loads_no_torch(tmp_path: Path) -> None:
    _model2vec(tmp_path / "m", table())
    code = (
        "import sys, rowspace; "
        f"rowspace.load_encoder({str(tmp_path / 'm')!r}).encode(['cat']); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
