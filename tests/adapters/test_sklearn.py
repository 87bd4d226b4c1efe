"""Our transformers pass scikit-learn's own checks, and do in a pipeline what they do alone."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from rowspace.adapters.sklearn import AllButTheTop, TextEmbedder, Whitening, Word2VecEmbedder
from rowspace.errors import ConfigError, CorpusError, FormatError, VocabularyError
from rowspace.sentence.loading import load_encoder
from rowspace.sentence.prompts import Prompts
from rowspace.space.formats import load
from rowspace.space.vectors import Vectors
from rowspace.static.mean import MeanEncoder
from rowspace.static.sif import SIFEncoder
from rowspace.static.word2vec import Word2Vec
from rowspace.text.tokenizer import words
from tests.adapters.tables import TextEmbedderOfTables, Word2VecEmbedderOfTables, word_vectors
from tests.sentence.small_folders import write_sentence_encoder

SEA = ["the sea is salt water", "a ship sails the sea", "salt water and a ship", "sea and ship"] * 6
LAW = ["the tax law is long", "a court reads the law", "tax and a court", "law and court"] * 6
TEXTS, LABELS = SEA + LAW, [0] * len(SEA) + [1] * len(LAW)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Word vectors of which those of the sea point one way and those of the law another."""
    sides = {"sea": 1, "ship": 1, "salt": 1, "water": 1, "law": -1, "tax": -1, "court": -1}
    noise = np.random.default_rng(0).normal(scale=0.3, size=(len(sides), 4))
    matrix = (noise + np.array(list(sides.values()))[:, None] * [1, 0, 0, 0]).astype(np.float32)
    Vectors(list(sides), matrix).save(tmp_path / "model")
    return tmp_path / "model"


def rows(n: int = 60, dim: int = 7) -> Any:
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)) + rng.normal(size=dim)


def failed(estimator: Any) -> list[str]:
    """What scikit-learn's checks find; the one of other array libraries skips without them."""
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    assert sum(result["status"] == "passed" for result in results) > 40
    return [f"{one['check_name']}: {one['exception']}" for one in results if one["exception"]]


ARRAY_API = ["check_array_api_input: SCIPY_ARRAY_API is not set: not checking array_api input"]


@pytest.mark.parametrize(
    "estimator", [AllButTheTop(), AllButTheTop(0), Whitening(), Whitening(1)], ids=str
)
def test_scikit_learns_checks_pass(estimator: Any) -> None:
    assert failed(estimator) == ARRAY_API


def test_scikit_learns_checks_pass_for_tables_made_texts(tmp_path: Path) -> None:
    word_vectors().save(tmp_path / "words")
    assert failed(TextEmbedderOfTables(tmp_path / "words")) == ARRAY_API
    assert failed(Word2VecEmbedderOfTables(4, min_count=1, epochs=1)) == ARRAY_API


def test_tags_say_that_texts_are_wanted(model: Path) -> None:
    for estimator in (TextEmbedder(model), Word2VecEmbedder()):
        tags = get_tags(estimator).input_tags
        assert (tags.string, tags.one_d_array, tags.two_d_array) == (True, True, False)


def test_all_but_the_top_takes_away_what_pca_finds() -> None:
    x = rows()
    pca = PCA(2).fit(x)
    expected = x - pca.inverse_transform(pca.transform(x))  # the mean is in it
    np.testing.assert_allclose(AllButTheTop(2).fit_transform(x), expected, atol=1e-10)
    of_wide = AllButTheTop().fit(np.random.default_rng(2).normal(size=(300, 150)))
    assert of_wide.map_.name == "all-but-the-top 2"  # 150 / 100, rounded up


def test_whitened_rows_are_those_of_pca_but_for_signs() -> None:
    x = rows()
    found = Whitening(3).fit_transform(x)
    theirs = PCA(3, whiten=True).fit_transform(x)
    np.testing.assert_allclose(np.abs(found), np.abs(theirs), rtol=1e-8)
    np.testing.assert_allclose(np.cov(found.T), np.eye(3), atol=1e-10)


def test_columns_are_named() -> None:
    table = pd.DataFrame(rows(dim=3), columns=["x", "y", "z"])
    top = AllButTheTop(1).set_output(transform="pandas").fit(table)
    assert list(top.transform(table).columns) == ["x", "y", "z"]
    assert list(top.feature_names_in_) == ["x", "y", "z"]
    white = Whitening(2).set_output(transform="pandas").fit(table)
    assert list(white.transform(table).columns) == ["whitening0", "whitening1"]
    assert white.n_features_in_ == 3


def test_what_does_not_fit_is_said_when_fitting() -> None:
    with pytest.raises(ConfigError, match="all-but-the-top of 7 components in 7 dimensions"):
        AllButTheTop(7).fit(rows())
    with pytest.raises(ConfigError, match="whitening to 8 dimensions of vectors that vary in 7"):
        Whitening(8).fit(rows())
    with pytest.raises(ConfigError, match="all vectors are equal"):
        Whitening().fit(np.ones((5, 3)))


def test_a_grid_search_chooses_among_models_and_maps(model: Path, tmp_path: Path) -> None:
    blind = Vectors(["the", "and"], np.eye(2, dtype=np.float32))
    blind.save(tmp_path / "blind")
    pipeline = Pipeline(
        [("embed", TextEmbedder(model)), ("map", AllButTheTop(0)), ("sort", LogisticRegression())]
    )
    asked = {"embed__model": [tmp_path / "blind", model], "map": [AllButTheTop(0), "passthrough"]}
    search = GridSearchCV(pipeline, asked, cv=3).fit(TEXTS, LABELS)
    assert search.best_params_["embed__model"] == model
    assert search.best_score_ == 1.0
    np.testing.assert_array_equal(search.predict(["salt and water", "a long tax"]), [0, 1])


def test_texts_come_as_lists_arrays_and_columns(model: Path) -> None:
    embedder = TextEmbedder(model).fit(TEXTS)
    expected = embedder.transform(TEXTS[:5])
    assert expected.shape == (5, 4)
    for texts in (tuple(TEXTS[:5]), np.array(TEXTS[:5]), np.array(TEXTS[:5], dtype=object)):
        np.testing.assert_array_equal(embedder.transform(texts), expected)
    for dtype in ("object", "string"):
        column = pd.Series(TEXTS[:5], dtype=dtype)
        np.testing.assert_array_equal(embedder.transform(column), expected)
    table = embedder.set_output(transform="pandas").transform(pd.Series(TEXTS[:2], index=[7, 9]))
    assert list(table.columns) == [f"textembedder{i}" for i in range(4)]
    assert list(table.index) == [7, 9]


@pytest.mark.parametrize("make", [TextEmbedder, Word2VecEmbedder])
def test_what_is_no_list_of_texts_is_refused(make: Any, model: Path) -> None:
    embedder = make(model) if make is TextEmbedder else make(min_count=1)
    with pytest.raises(CorpusError, match="X is one str; give a list of texts"):
        embedder.fit("a text")
    with pytest.raises(CorpusError, match="item 1 of X is None, of type NoneType"):
        embedder.fit(["a", None])
    with pytest.raises(CorpusError, match="X is one dict; give a list of texts"):
        embedder.fit({"a": "text"})
    with pytest.raises(CorpusError, match=r"item 0 of X is array\(.{1,30}, of type ndarray"):
        embedder.fit([np.zeros(900)])
    with pytest.raises(CorpusError, match=r"X has the shape \(2, 1\)"):
        embedder.fit(np.array([["a"], ["b"]]))
    with pytest.raises(NotFittedError):
        embedder.transform(["a"])


def test_a_pickle_holds_the_path_and_not_the_model(model: Path, tmp_path: Path) -> None:
    pipeline = make_pipeline(TextEmbedder(model), LogisticRegression()).fit(TEXTS, LABELS)
    held = pickle.dumps(pipeline)
    assert len(held) < 3000
    np.testing.assert_array_equal(pickle.loads(held).predict(TEXTS), pipeline.predict(TEXTS))
    shutil.rmtree(model)
    with pytest.raises(FormatError, match="no path"):
        pickle.loads(held).predict(TEXTS)
    Vectors(["sea"], np.ones((1, 4), dtype=np.float32)).save(model)
    with pytest.raises(ConfigError, match="is another model than the one that was fitted"):
        pickle.loads(held).predict(TEXTS)


@pytest.mark.parametrize("reading", ["", "@mean"])
def test_a_model_that_is_replaced_is_not_taken_from_memory(reading: str, model: Path) -> None:
    embedder = TextEmbedder(f"{model}{reading}").fit(TEXTS)
    embedder.transform(TEXTS)
    Vectors(["sea"], np.ones((1, 4), dtype=np.float32)).save(model)
    with pytest.raises(ConfigError, match="is another model than the one that was fitted"):
        embedder.transform(TEXTS)


class _NotCopied(MeanEncoder):
    """An encoder like those that a compiled model is part of."""

    def __reduce__(self) -> Any:
        raise TypeError("cannot be copied")


def test_an_encoder_is_shared_by_clones(model: Path) -> None:
    encoder = _NotCopied(load(model))
    embedder = TextEmbedder(encoder, prompt_name="query").set_output(transform="pandas")
    new = clone(embedder.fit(TEXTS))
    assert new.model is encoder and new.prompt_name == "query"
    assert isinstance(new.fit(TEXTS).transform(TEXTS), pd.DataFrame)
    with pytest.raises(NotFittedError):
        clone(new).transform(TEXTS)
    pipeline = make_pipeline(TextEmbedder(encoder), LogisticRegression())
    assert cross_val_score(pipeline, TEXTS, LABELS, cv=3).min() == 1.0


def test_a_sentence_encoder_reads_with_the_prompt_that_is_asked_for(tmp_path: Path) -> None:
    prompts = Prompts({"query": "a river: ", "document": "the bank: ", "sorting": "on: "})
    folder = write_sentence_encoder(tmp_path / "small", prompts=prompts)
    encoder, texts = load_encoder(folder), ["a river", "the bank"]
    expected = {
        None: encoder.encode(texts, prompt_name="query"),  # both kinds have one: that of queries
        "query": encoder.encode_query(texts),
        "document": encoder.encode_document(texts),
        "sorting": encoder.encode(texts, prompt_name="sorting"),
    }
    for name, vectors in expected.items():
        found = TextEmbedder(folder, prompt_name=name).fit_transform(texts)
        np.testing.assert_allclose(found, vectors, atol=1e-6)
    with pytest.raises(ConfigError, match="no prompt 'web'; give query, document or one of 'query"):
        TextEmbedder(folder, prompt_name="web").fit(texts)


def test_word2vec_learns_from_what_it_is_fitted_with() -> None:
    embedder = Word2VecEmbedder(8, min_count=2, epochs=3, random_state=0).fit(TEXTS)
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    trainer = Word2Vec(dim=8, min_count=2, epochs=3, n_threads=1, seed=seed)
    encoder = SIFEncoder.from_vectors(trainer.fit([words(text) for text in TEXTS]), TEXTS)
    np.testing.assert_array_equal(embedder.transform(TEXTS), encoder.encode(TEXTS))
    again = clone(embedder).fit(TEXTS)
    np.testing.assert_array_equal(embedder.transform(TEXTS), again.transform(TEXTS))
    other = clone(embedder).set_params(random_state=1).fit(TEXTS)
    assert not np.allclose(embedder.transform(TEXTS), other.transform(TEXTS))
    read = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_array_equal(read.transform(TEXTS), embedder.transform(TEXTS))
    assert not embedder.transform(["nothing known"]).any()
    assert list(embedder.get_feature_names_out())[-1] == "word2vecembedder7"


def test_word2vecs_settings_are_searched_and_checked() -> None:
    pipeline = make_pipeline(Word2VecEmbedder(min_count=1, random_state=0), LogisticRegression())
    asked = {"word2vecembedder__dim": [4, 8], "word2vecembedder__epochs": [20]}
    search = GridSearchCV(pipeline, asked, cv=3).fit(TEXTS, LABELS)
    assert search.best_score_ > 0.9
    few = Word2VecEmbedder(4, min_count=1, settings={"n_negative": 2}).fit(TEXTS)
    assert few.vectors_.metadata["config"]["n_negative"] == 2
    with pytest.raises(VocabularyError, match="no word occurs 900 times"):
        Word2VecEmbedder(min_count=900).fit(TEXTS)


def test_scikit_learn_is_loaded_by_nothing_else() -> None:
    code = "import sys, rowspace, rowspace.adapters.models; print('sklearn' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
