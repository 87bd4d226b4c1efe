"""Spaces whose vectors a sentence encoder makes."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import tokenizers

import rowspace as rs
from rowspace.errors import ConfigError, FormatError, SpaceError
from rowspace.search import reading
from rowspace.search.fusion import SENTENCE_DENSE_WEIGHT, SIF_DENSE_WEIGHT
from rowspace.search.space import Space
from rowspace.search.store import content
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.text.corpus import Corpus, Document
from rowspace.text.passages import split_passages
from tests.minilm import minilm_folder
from tests.program import RunMain
from tests.sentence.small_folders import PROMPTS, write_sentence_encoder
from tests.speeches import N_SENTENCES, SPEECHES, write_jsonl
from tests.transformer.small_encoders import write_encoder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sentence_encoder(tmp_path_factory.mktemp("model") / "small")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_jsonl(tmp_path_factory.mktemp("corpus") / "speeches.jsonl")


@pytest.fixture(scope="module")
def whole(model: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("space") / "whole.space"
    _build(corpus, out, model)
    return out


def _build(corpus: Path, out: Path, model: Path, **settings: Any) -> Space:
    """The small models read no passage to its end, which is told."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* passages are longer than")
        return rs.build(corpus, out, model=str(model), passage_words=20, **settings)


def test_documents_and_queries_are_read_with_their_own_prompts(whole: Path, model: Path) -> None:
    space = rs.open_space(whole)
    plain = rs.load_encoder(model)
    text = "the torch has been passed"
    query = plain.encode([PROMPTS.texts["query"] + text], prompt="")
    hits = space.search(text, k=3, mode="dense")
    documents = [PROMPTS.texts["document"] + content(hit.title, hit.text) for hit in hits]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*longer than")
        passages = plain.encode(documents, prompt="")
    wanted = passages @ query[0]
    assert [hit.score for hit in hits] == pytest.approx(wanted.tolist(), abs=2e-2)
    assert space.verify() == []


def test_a_space_is_whole_without_the_model_it_was_made_with(
    corpus: Path, tmp_path: Path, run_main: RunMain
) -> None:
    model = write_sentence_encoder(tmp_path / "model")
    fingerprint = rs.load_encoder(model).fingerprint
    _build(corpus, tmp_path / "a.space", model)
    shutil.rmtree(model)
    # A name that published models have, whose prompts are known, is not what the space's is.
    moved = tmp_path / "nomic-embed-text.space"
    (tmp_path / "a.space").rename(moved)
    space = rs.open_space(moved)
    assert space.search("freedom", k=1, mode="dense")
    assert space.encoder.fingerprint == fingerprint == space.status()["fingerprint"]
    assert run_main("verify", moved).code == 0
    assert run_main("search", moved, "torch", "-k", "1").out.split()[2:4] == [
        "Kennedy", "[kennedy]"
    ]  # fmt: skip


def test_a_bare_transformer_and_none_of_its_prompts_are_kept(corpus: Path, tmp_path: Path) -> None:
    model = write_encoder(tmp_path / "bare", "bert")
    _build(corpus, tmp_path / "nomic-embed-text.space", model)
    space = rs.open_space(tmp_path / "nomic-embed-text.space")
    assert space.encoder.fingerprint == rs.load_encoder(model).fingerprint


def test_the_copy_has_the_export_that_needs_no_torch(whole: Path) -> None:
    pytest.importorskip("openvino")
    assert (whole / "model" / "rowspace-openvino" / "model.xml").exists()
    commit = json.loads((whole / "commit.json").read_text())
    assert "model/model.safetensors" in commit["files"]
    assert not any("openvino" in name for name in commit["files"])


def test_status_tells_of_the_encoder(whole: Path, model: Path, corpus: Path) -> None:
    status = rs.open_space(whole).status()
    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    passages = [p for document in Corpus(corpus) for p in split_passages(document, 20)]
    texts = [PROMPTS.texts["document"] + content(p.title, p.text) for p in passages]
    n_long = sum(len(tokenizer.encode(text).ids) > 64 for text in texts)
    n_passages = sum(-(-n // 2) for n in N_SENTENCES.values())
    assert (status["documents"], status["passages"]) == (5, n_passages)
    told = {name: status[name] for name in status if name.startswith("encoder")}
    assert told == {
        "encoder": "sentence",
        "encoder_model": "small",
        "encoder_max_length": 64,
        "encoder_query_prompt": "a river: ",
        "encoder_document_prompt": "the bank: ",
        "encoder_truncated": n_long,
    }


def test_the_report_shows_no_words(whole: Path) -> None:
    page = (whole / "report.html").read_text()
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == ["read", "found", "made"]
    assert re.findall(r'<a href="#(\w+)"', page) == sections
    assert "of <b>10 passages</b> in 48 dimensions" in page
    assert "a river: " in page


def test_meaning_weighs_more_than_with_word_vectors(
    whole: Path, model: Path, corpus: Path, tmp_path: Path
) -> None:
    assert rs.open_space(whole).manifest.dense_weight == SENTENCE_DENSE_WEIGHT > SIF_DENSE_WEIGHT
    space = _build(corpus, tmp_path / "a.space", model, dense_weight=0.25)
    assert space.manifest.dense_weight == 0.25


def test_documents_can_be_added(whole: Path, tmp_path: Path, run_main: RunMain) -> None:
    path = Path(shutil.copytree(whole, tmp_path / "a.space"))
    new = tmp_path / "new.jsonl"
    new.write_text(json.dumps({"_id": "bank", "text": "riverspring " * 17, "year": 1801}))
    ran = run_main("add", path, new)
    assert ran.out == "added 1 documents in 1 passages, 0 of them in place of older ones\n"
    assert ran.err == (
        "rowspace: warning: 1 of 1 passages are longer than the model reads, and their ends are "
        "found by their words alone\n"
    )
    space = rs.open_space(path)
    space.add([Document("short", "a bank", "", "", {})])
    document = space.encoder.encode_document(["\na bank"])[0]  # type: ignore[attr-defined]
    query = space.encoder.encode_query(["a bank"])[0]  # type: ignore[attr-defined]
    found = {hit.document_id: hit.score for hit in space.search("a bank", k=12, mode="dense")}
    assert found["short"] == pytest.approx(document @ query, abs=1e-3)
    assert space.verify() == []


@pytest.mark.filterwarnings("default")
def test_passages_that_are_too_long_are_told_in_one_line(
    model: Path, corpus: Path, tmp_path: Path, run_main: RunMain
) -> None:
    out = tmp_path / "a.space"
    ran = run_main("build", corpus, "--out", out, "--model", model)
    assert ran.err.count("\n") == 1
    assert "5 of 5 passages are longer than the 64 tokens that the model reads" in ran.err


def test_words_have_no_neighbors_there(whole: Path, run_main: RunMain) -> None:
    ran = run_main("neighbors", whole, "freedom")
    assert "has no vectors of words: a sentence encoder made it" in ran.error()


@pytest.mark.filterwarnings("ignore:.* texts are longer than")
def test_a_space_is_measured_as_its_encoder_is(
    whole: Path, model: Path, tmp_path: Path, run_main: RunMain
) -> None:
    task = tmp_path / "data" / "retrieval" / "speeches"
    (task / "qrels").mkdir(parents=True)
    lines = [{"_id": name, "title": "", "text": text} for name, text in SPEECHES.items()]
    (task / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (task / "queries.jsonl").write_text('{"_id": "q", "text": "the torch"}\n')
    (task / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tkennedy\t1\n")
    scores = [
        json.loads(
            run_main("eval", path, "--data", tmp_path / "data", "--task", "retrieval", "--json").out
        )["retrieval"]
        for path in (whole, model)
    ]
    assert scores[0].keys() == scores[1].keys() == {"dense"}
    found, wanted = (score["dense"]["speeches"]["scores"] for score in scores)
    assert found == wanted


# --- Going on ------------------------------------------------------------------------------------


def test_encoding_goes_on_with_the_passage_it_was_at(
    whole: Path, corpus: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH_PASSAGES", 2)
    moved = Path(shutil.copytree(model, tmp_path / "small"))
    out = tmp_path / "a.space"
    counts: list[int] = []
    encode = SentenceEncoder.encode

    def counting(encoder: SentenceEncoder, texts: list[str], **settings: Any) -> Any:
        if len(counts) == 3:
            counts.append(0)
            raise KeyboardInterrupt
        counts.append(len(texts))
        return encode(encoder, texts, **settings)

    monkeypatch.setattr(SentenceEncoder, "encode", counting)
    with pytest.raises(KeyboardInterrupt):
        _build(corpus, out, moved)
    with pytest.raises(SpaceError, match="did not finish; add --resume"):
        _build(corpus, out, moved)
    counts.clear()
    counts.extend([0] * 4)
    shutil.rmtree(moved)  # the space's own copy is what is used
    space, wanted = _build(corpus, out, moved, resume=True), rs.open_space(whole)
    n_encoded = [n for n in counts[4:] if n <= 2]
    assert n_encoded == [2, 2]  # of ten, six were encoded before
    assert space.status()["encoder_truncated"] == wanted.status()["encoder_truncated"]
    query = "the torch has been passed"
    hits, others = (each.search(query, mode="dense") for each in (space, wanted))
    assert [hit.passage_id for hit in hits] == [hit.passage_id for hit in others]
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in others], abs=2e-2)
    assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}


def test_a_copy_that_would_be_another_is_refused(
    corpus: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = SentenceEncoder.save

    def without_prompts(encoder: SentenceEncoder, folder: Path) -> None:
        save(encoder, folder)
        settings = folder / "config_sentence_transformers.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"prompts": {}}))

    monkeypatch.setattr(SentenceEncoder, "save", without_prompts)
    with pytest.raises(ConfigError, match="would not give the same vectors"):
        _build(corpus, tmp_path / "a.space", model)
    assert not (tmp_path / "a.space").exists()


def test_a_model_that_cannot_be_loaded_leaves_nothing(corpus: Path, tmp_path: Path) -> None:
    model = write_sentence_encoder(tmp_path / "model")
    (model / "tokenizer.json").unlink()
    for wrong in (model, tmp_path / "none"):
        with pytest.raises(FormatError, match=str(wrong)):
            _build(corpus, tmp_path / "a.space", wrong)
        assert not (tmp_path / "a.space").exists()


@pytest.mark.slow
def test_a_real_encoder_finds_what_is_said_in_other_words(tmp_path: Path) -> None:
    texts = {
        "cats": "Felines sleep for most of the day.",
        "cars": "The automobile needs petrol.",
        "banks": "Money is lent at interest.",
    }
    path = tmp_path / "a.jsonl"
    path.write_text(
        "\n".join(json.dumps({"_id": name, "text": text}) for name, text in texts.items())
    )
    space = rs.build(path, tmp_path / "a.space", model=str(minilm_folder()))
    for query, wanted in (
        ("my kitten naps", "cats"), ("fuel for a vehicle", "cars"), ("a loan", "banks")
    ):  # fmt: skip
        assert space.search(query, k=1)[0].document_id == wanted
    assert space.verify() == []
    assert space.encoder.fingerprint == rs.load_encoder(minilm_folder()).fingerprint
