from __future__ import annotations

import csv
import itertools
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.decomposition import PCA

from rowspace import load_encoder
from rowspace.errors import ConfigError, CorpusError
from rowspace.sentence import StaticModel, distill_embedder, distill_texts
from rowspace.sentence.distill_config import StaticDistillConfig
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.sentence.reading import Pieces
from rowspace.sentence.static_fit import fit_table
from rowspace.text.corpus import Corpus
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.data import shared_data
from tests.minilm import minilm_folder
from tests.sentence.small_static import table, tokenizer
from tests.transformer.small_encoders import write_encoder

_WORDS = ["river", "bank", "spring", "hedges", "she", "robbed", "naive", "cafe", "tower"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("models") / "bert", "bert")


@pytest.fixture(scope="module")
def teacher(folder: Path) -> SentenceEncoder:
    return load_encoder(folder, runtime="torch", dtype="float32")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    random = np.random.default_rng(3)
    lines = [" ".join(random.choice(_WORDS, 6)) + "." for _ in range(300)]
    (tmp_path / "corpus.txt").write_text("\n".join(lines))
    return tmp_path / "corpus.txt"


def _naive_tokens(folder: Path) -> NDArray[Any]:
    """(n_tokens, dim) the mean state of [CLS] token [SEP], token by token."""
    loaded = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    rows = []
    with torch.no_grad():
        for token_id in range(len(loaded)):
            ids = torch.tensor([[loaded.cls_token_id, token_id, loaded.sep_token_id]])
            rows.append(model(ids).last_hidden_state[0].mean(dim=0).numpy())
    return np.array(rows)


def test_tokens_are_read_alone_reduced_and_weighted_by_zipfs_law(
    folder: Path, teacher: SentenceEncoder, tmp_path: Path
) -> None:
    distill_embedder(teacher, tmp_path / "static", dim=16, sif=1e-2)
    model = StaticModel.load(tmp_path / "static")
    special = list(model.tokenizer.special_tokens.values())
    kept = np.setdiff1d(np.arange(model.tokenizer.vocab_size), special)
    found = model.table.weight.detach().numpy()
    assert not found[special].any()
    reduced = PCA(16).fit_transform(_naive_tokens(folder)[kept])
    shares = 1 / np.arange(2, len(kept) + 2)
    expected = reduced * (1e-2 / (1e-2 + shares / shares.sum()))[:, None]
    # axes may point the other way, which no product between rows tells
    np.testing.assert_allclose(found[kept] @ found[kept].T, expected @ expected.T, atol=1e-4)


def test_all_but_the_top_takes_the_strongest_direction_out(
    folder: Path, teacher: SentenceEncoder, tmp_path: Path
) -> None:
    distill_embedder(teacher, tmp_path / "static", dim=48, sif=0, remove_top=1)
    model = StaticModel.load(tmp_path / "static")
    special = list(model.tokenizer.special_tokens.values())
    kept = np.setdiff1d(np.arange(model.tokenizer.vocab_size), special)
    found = model.table.weight.detach().numpy()[kept]
    expected = PCA(48).fit_transform(_naive_tokens(folder)[kept])[:, 1:]
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-4)


def test_whole_words_get_the_teachers_vector_of_them(
    teacher: SentenceEncoder, tmp_path: Path
) -> None:
    words = ["hedgesbank", "towerspring", "bank"]
    report = distill_embedder(teacher, tmp_path / "static", words=words, dim=48, sif=0)
    assert report.n_words == 2  # bank is a token
    encoder = load_encoder(tmp_path / "static")
    found = encoder.encode([*words[:2], "hedgesbank towerspring"], normalize=False)
    np.testing.assert_allclose(found[2], found[:2].mean(axis=0), atol=1e-6)
    expected = teacher.encode(words[:2])
    np.testing.assert_allclose(  # up to the mean that was taken out, and a turn
        np.linalg.norm(found[0] - found[1]), np.linalg.norm(expected[0] - expected[1]), atol=1e-4
    )


def test_fitting_to_a_corpus_brings_unseen_texts_nearer_to_the_teachers(
    teacher: SentenceEncoder, corpus: Path, tmp_path: Path
) -> None:
    text = Corpus(corpus, "lines")
    settings: dict[str, Any] = {"dim": 16, "epochs": 80, "batch_size": 32, "max_words": 3}
    report = distill_embedder(teacher, tmp_path / "static", text, **settings)
    assert report.n_texts == 300
    assert 0 < report.n_words <= 3
    assert report.agreement is not None
    assert report.agreement_before is not None
    assert report.agreement > report.agreement_before + 0.05
    random = np.random.default_rng(4)
    new = [" ".join(random.choice(_WORDS, 5)) + "." for _ in range(40)]
    wanted = teacher.encode(new, normalize=True)
    wanted -= teacher.encode(corpus.read_text().splitlines(), normalize=True).mean(axis=0)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = load_encoder(tmp_path / "static").encode(new)
    plain = distill_embedder(teacher, tmp_path / "plain", text, **{**settings, "epochs": 0})
    assert plain.agreement == plain.agreement_before
    before = load_encoder(tmp_path / "plain").encode(new)
    error, error_before = (
        np.abs(vectors @ vectors.T - wanted @ wanted.T).sum() for vectors in (found, before)
    )
    assert error < 0.8 * error_before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "plain", "static"]


def test_a_run_that_was_stopped_goes_on_and_ends_alike(
    teacher: SentenceEncoder, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Corpus(corpus, "lines")
    settings: dict[str, Any] = {"dim": 8, "epochs": 2, "batch_size": 64}
    distill_embedder(teacher, tmp_path / "whole", text, **settings)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rowspace.sentence.distill.fit_table", stop)
        with pytest.raises(KeyboardInterrupt, match="add --resume"):
            distill_embedder(teacher, tmp_path / "static", text, **settings)
    assert (tmp_path / "static.training" / distill_texts.VECTORS).exists()
    with pytest.raises(ConfigError, match="did not finish"):
        distill_embedder(teacher, tmp_path / "static", text, **settings)
    with monkeypatch.context() as patch:
        patch.setattr(teacher, "encode_document", stop)  # which is not asked again
        distill_embedder(teacher, tmp_path / "static", text, resume=True, **settings)
    one, other = (tmp_path / name / "model.safetensors" for name in ("whole", "static"))
    assert one.read_bytes() == other.read_bytes()


def test_the_fit_finds_a_table_that_there_is() -> None:
    random = np.random.default_rng(0)
    ids = [random.integers(2, 12, size=n).tolist() for n in random.integers(1, 5, size=800)]
    lengths = np.array([len(row) for row in ids])
    pieces = Pieces(ids, np.arange(len(ids)), lengths, 0)
    target = table()
    means = np.array([target[row].mean(axis=0) for row in ids])
    start = target + random.normal(size=target.shape).astype(np.float32)
    model = StaticModel(start, SubwordTokenizer(tokenizer()))
    config = StaticDistillConfig(epochs=40, batch_size=64)
    before, after = fit_table(model, pieces, means.astype(np.float32), config)
    assert before < 0.9
    assert after > 0.99


def test_what_cannot_be_distilled_is_an_error(
    teacher: SentenceEncoder, tmp_path: Path, corpus: Path
) -> None:
    out = tmp_path / "static"
    with pytest.raises(ConfigError, match="dim is 49, and the teacher's vectors have 48"):
        distill_embedder(teacher, out, dim=49)
    (tmp_path / "few.txt").write_text("A sentence that is all there is.\n")
    with pytest.raises(CorpusError, match="the corpus has 1 sentences of 15 to 500 characters"):
        distill_embedder(teacher, out, tmp_path / "few.txt", dim=8)
    assert not (tmp_path / "static.training").exists()
    distill_embedder(teacher, out, dim=8)
    with pytest.raises(ConfigError, match="exists"):
        distill_embedder(teacher, out, dim=8)
    with pytest.raises(ConfigError, match="a static embedder already"):
        distill_embedder(load_encoder(out), tmp_path / "again", dim=8)
    with pytest.raises(ConfigError, match="epochs is -1; give 0 or more"):
        StaticDistillConfig(epochs=-1)


@pytest.mark.slow
def test_a_static_minilm_keeps_most_of_its_sts(tmp_path: Path) -> None:
    """model2vec's potion-base-8M has 87% of its teacher's Spearman; a tenth of the texts here."""
    with shared_data("sentence", "stsb", "dev.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    with lzma.open(shared_data("corpora", "simplewiki-00.txt.xz"), "rt") as file:
        (tmp_path / "corpus.txt").write_text("".join(itertools.islice(file, 10_000)))
    teacher = load_encoder(minilm_folder())
    distill_embedder(teacher, tmp_path / "static", tmp_path / "corpus.txt", max_texts=4_000)

    def spearman(encoder: SentenceEncoder) -> float:
        one, other = (
            encoder.encode([row[name] for row in rows], normalize=True)
            for name in ("sentence1", "sentence2")
        )
        found = spearmanr([float(row["score"]) for row in rows], (one * other).sum(axis=1))
        return float(found.statistic)

    assert spearman(load_encoder(tmp_path / "static")) > 0.85 * spearman(teacher)
