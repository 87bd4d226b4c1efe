"""What models are told to be, and what their contenders give."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from model2vec import StaticModel
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError, RemoteError
from rowspace.evaluate.compare.models import open_contenders
from rowspace.evaluate.compare.models_contender import ModelContender
from rowspace.evaluate.compare.outcome import LackingError
from rowspace.evaluate.compare.scorers.scoring import NotedEncoder
from rowspace.evaluate.tasks import Kind
from rowspace.sentence import encoder as sentence_encoder
from rowspace.sentence.alike import encode_alike
from rowspace.sentence.loading import load_encoder
from rowspace.space.subword import SubwordVectors
from rowspace.space.vectors import Vectors
from rowspace.static.mean import MeanEncoder
from rowspace.static.sif import SIFEncoder
from rowspace.transformer.config import TransformerConfig
from rowspace.transformer.model import Encoder as MaskedModel
from rowspace.transformer.model import LanguageModel
from rowspace.transformer.weights import save_model
from tests.sentence.server import Handler, embed, serve, vector_of
from tests.sentence.small_folders import write_sentence_encoder
from tests.sentence.small_static import table, tokenizer
from tests.transformer.small_encoders import SENTENCES, write_encoder

WORDS = ["the", "bank", "of", "river", "Was", "muddy", "dog", "money"]
FIT = [f"the {one} of the {other}" for one in WORDS[1:] for other in ("dog", "bank")]


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Float32 on every processor, and nothing of the user's cache or the hub."""
    monkeypatch.setattr("rowspace.sentence.runtime_openvino.best_dtype", lambda: "float32")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each kind."""
    home = tmp_path_factory.mktemp("models")
    matrix = np.random.default_rng(3).normal(size=(len(WORDS), 6)).astype(np.float32)
    counts = np.arange(len(WORDS), 0, -1) * 10
    vectors = Vectors(WORDS, matrix, counts, {"method": "word2vec"})
    vectors.save(home / "words")
    vectors.save(home / "words.glove")
    Vectors(WORDS, matrix, counts, {"method": "glove", "transforms": ["pca 6"]}).save(home / "low")
    rows = np.random.default_rng(4).normal(size=(len(WORDS) + 50, 6)).astype(np.float32)
    subwords = SubwordVectors(WORDS, rows, minn=3, maxn=4, bucket=50, counts=counts)
    subwords.save(home / "sub.bin")
    SIFEncoder.from_vectors(vectors, FIT).save(home / "words.space" / "model")
    (home / "words.space" / "space.json").write_text("{}")
    write_encoder(home / "bert", "bert")
    write_encoder(home / "gpt2", "gpt2")
    both = write_encoder(home / "both", "llama")
    config = json.loads((both / "config.json").read_text())
    (both / "config.json").write_text(json.dumps(config | {"is_causal": False}))
    small = TransformerConfig(vocab_size=20, dim=8, n_layers=1, n_heads=2)
    save_model(LanguageModel(small), home / "ours.lm")
    save_model(MaskedModel(small), home / "ours.mlm")
    write_sentence_encoder(home / "embedder", "bert")
    StaticModel(table(), tokenizer()).save_pretrained(str(home / "table"))
    return home


def only(home: Path, spec: str, fit: Sequence[str] = FIT) -> ModelContender:
    (found,) = open_contenders([f"{home}/{spec}"], fit)
    return found


# What they are


@pytest.mark.parametrize(
    ("spec", "era", "kind", "generates"),
    [
        ("words", "static", "word2vec, SIF", False),
        ("words@mean+abtt", "static", "word2vec, mean, all-but-the-top", False),
        ("words.glove", "static", "GloVe, SIF", False),
        ("low", "static", "GloVe, pca 6, SIF", False),
        ("sub.bin", "static", "fastText, SIF", False),
        ("words.space", "static", "word2vec, SIF", False),
        ("table", "static", "distilled static", False),
        ("gpt2@lasttoken", "contextual", "causal transformer, last token", True),
        ("ours.lm@mean", "contextual", "causal transformer, mean", True),
        ("ours.mlm@cls", "contextual", "masked transformer, first token", False),
        ("both@mean", "contextual", "bidirectional transformer, mean", False),
        ("bert@whiten", "contextual", "masked transformer, mean, whitened", False),
        ("embedder", "sentence", "sentence embedder", False),
        ("embedder@whiten", "sentence", "sentence embedder, whitened", False),
        ("embedder@cls", "contextual", "masked transformer, first token", False),
    ],
)
def test_a_model_is_told_by_its_files(
    home: Path, spec: str, era: str, kind: str, generates: bool
) -> None:
    found = only(home, spec)
    assert (found.era, found.kind, found.can_generate) == (era, kind, generates)
    assert found.disk_bytes is not None
    assert found.disk_bytes > 0


def test_telling_models_apart_loads_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    for name in ("models_words.load", "models_texts.load_encoder", "models_texts.load_pooled"):
        monkeypatch.setattr(f"rowspace.evaluate.compare.{name}", fail)
    names = ["words", "sub.bin", "table", "gpt2", "bert", "embedder"]
    found = open_contenders([f"{home}/{name}" for name in names])
    assert all(one.fingerprint for one in found if one.step is None)


def test_a_transformer_without_a_reading_is_read_in_several_ways(home: Path) -> None:
    found = open_contenders([f"{home}/gpt2", f"B={home}/bert", f"{home}/both"], FIT)
    assert [one.name for one in found] == [
        *("gpt2@lasttoken", "gpt2@mean", "gpt2@mean+whiten"),
        *("B@cls", "B@mean", "B@mean+whiten"),
        *("both@mean", "both@mean+whiten"),
    ]
    assert [one.spec for one in found][:3] == [
        f"{home}/gpt2@{reading}" for reading in ("lasttoken", "mean", "mean+whiten")
    ]


def test_models_of_one_name_are_told_apart_by_their_paths(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "words", tmp_path / "words")
    names = [one.name for one in open_contenders([f"{home}/words", f"{tmp_path}/words@mean"])]
    assert names == ["words", "words@mean"]
    names = [one.name for one in open_contenders([f"{home}/words", f"{tmp_path}/words"])]
    assert names == [f"{home}/words", f"{tmp_path}/words"]
    with pytest.raises(ConfigError, match="two of the models are called 'A'; give one"):
        open_contenders([f"A={home}/words", f"A={tmp_path}/words"])


# What cannot be


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("words@cls", "asks for the reading 'cls', and it holds word vectors; give cls, max, mean"),
        ("table@mean", "it is a table of vectors"),
        ("bert@sif", "asks for the reading 'sif', and it is a transformer"),
        ("embedder@sif+whiten", "it is a transformer"),
    ],
)
def test_a_reading_that_a_model_has_not_is_refused(home: Path, spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        only(home, spec)


def test_what_is_no_model_is_said_in_a_line(home: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"there is no path /nowhere/bert, and as the name") as e:
        open_contenders(["/nowhere/bert"])
    assert "\n" not in str(e.value)
    with pytest.raises(FormatError, match=r"there is no path no/model.*HF_HUB_OFFLINE"):
        open_contenders(["no/model"])
    with pytest.raises(FormatError, match="holds no model: no vectors that save wrote"):
        open_contenders([str(tmp_path)])
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(FormatError, match=r"config\.json is not JSON"):
        open_contenders([str(tmp_path)])
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(FormatError, match=r"notes\.txt: empty; give a file of vectors"):
        open_contenders([str(tmp_path / "notes.txt")])


def test_a_model_without_its_tokenizer_is_refused_when_it_is_needed(
    home: Path, tmp_path: Path
) -> None:
    shutil.copytree(home / "bert", tmp_path / "bert")
    (tmp_path / "bert" / "tokenizer.json").unlink()
    (found,) = open_contenders([f"{tmp_path}/bert@mean"])
    with pytest.raises(FormatError, match=r"has no tokenizer\.json") as e:
        found.encoder().encode(["a text"])
    assert "\n" not in str(e.value)


# Vectors of words and texts


def test_word_vectors_are_looked_up_and_averaged(home: Path) -> None:
    vectors = Vectors.load(home / "words")
    sif, plain = open_contenders([f"{home}/words", f"M={home}/words@mean"])
    texts = ["The bank of the river", "nothing known"]
    encoded = sif.encoder().encode(texts)
    np.testing.assert_array_equal(encoded, SIFEncoder.from_vectors(vectors).encode(texts))
    np.testing.assert_array_equal(plain.encoder().encode(texts), MeanEncoder(vectors).encode(texts))
    found = sif.words(["bank", "Bank", "was", "zebra"])
    expected = [vectors["bank"], vectors["bank"], vectors["Was"], np.zeros(6)]
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))


def test_a_space_s_words_are_averaged_as_it_was_built(home: Path) -> None:
    built = SIFEncoder.load(home / "words.space" / "model")
    assert len(built.components) == 1
    found = only(home, "words.space").encoder().encode(list(SENTENCES))
    np.testing.assert_array_equal(found, built.encode(list(SENTENCES)))


def test_fasttext_gives_unknown_words_vectors(home: Path) -> None:
    found = only(home, "sub.bin")
    vectors = SubwordVectors.load(home / "sub.bin")
    words = found.words(["bank", "BANK", "bankings", "x"])
    np.testing.assert_array_equal(words[0], words[1])
    np.testing.assert_array_equal(words[2], vectors["bankings"])
    assert words[2].any()
    texts = ["zebras", "the bank", "x"]
    encoded = found.encoder().encode(texts)
    unit = vectors["zebras"] / np.linalg.norm(vectors["zebras"])
    np.testing.assert_allclose(encoded[0], unit, rtol=0, atol=1e-6)  # one word, weight 1
    known = Vectors(WORDS, np.array(vectors.matrix), vectors.counts)
    np.testing.assert_allclose(encoded[1], SIFEncoder(known).encode(texts)[1], rtol=0, atol=1e-6)
    assert encoded[0].any()
    plain = only(home, "sub.bin@mean").encoder().encode(["bank zebras"])
    mean = (vectors["bank"] + vectors["zebras"]) / 2
    np.testing.assert_allclose(plain[0], mean, rtol=0, atol=1e-6)


def test_mean_pooling_is_that_of_sentence_transformers(home: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [*SENTENCES, "a dog"]
    for model in ("bert", "embedder"):
        theirs = SentenceTransformer(str(home / model), device="cpu")
        if model == "embedder":  # a bare transformer has the prompts of none
            expected = theirs.encode(texts, prompt="a river: ")
            found = only(home, model).encoder().encode_query(texts)  # type: ignore[attr-defined]
        else:
            expected = theirs.encode(texts)
            found = only(home, "bert@mean").encoder().encode(texts)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_readings_are_the_states_of_the_tokens_they_name(home: Path) -> None:
    from rowspace.transformer.load_encoder import load_encoder

    text = SENTENCES[0]
    for model, reading, place in (("bert", "cls", 0), ("gpt2", "lasttoken", -1)):
        states = load_encoder(home / model).token_states([text])[0]
        found = only(home, f"{model}@{reading}").encoder().encode([text, "no money"])
        np.testing.assert_allclose(found[0], states[place], rtol=0, atol=1e-4)


def test_a_text_encoder_reads_a_word_as_a_text(home: Path) -> None:
    found = only(home, "bert@mean")
    np.testing.assert_array_equal(found.words(["bank"]), found.encoder().encode(["bank"]))


# One model, several readings


def test_readings_of_one_model_read_each_text_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    usual = sentence_encoder.SentenceEncoder.encode

    def counting(
        self: sentence_encoder.SentenceEncoder, texts: list[str], **settings: object
    ) -> NDArray[np.float32]:
        calls.append(texts)
        return usual(self, texts, **settings)  # type: ignore[arg-type]

    texts = ["the river", "a dog"]
    first, mean, white = open_contenders([f"{home}/bert"], FIT)
    with monkeypatch.context() as patched:
        patched.setattr(sentence_encoder.SentenceEncoder, "encode", counting)
        vectors = [one.encoder().encode(texts) for one in (first, mean, white)]
    assert calls.count(texts) == 1
    assert len(calls) == 2  # and those that whitening was fitted to
    assert [one.shape for one in vectors[:2]] == [(2, 48)] * 2
    alone = only(home, "bert@mean").encoder().encode(texts)
    np.testing.assert_allclose(vectors[1], alone, rtol=0, atol=1e-5)


def test_weights_are_let_go_with_the_last_reading(home: Path) -> None:
    first, mean, white = open_contenders([f"{home}/bert"], FIT)
    before = first.encoder().encode(["a dog"])
    loaded = first.texts.encoder
    mean.close()
    white.close()
    assert first.texts.encoder is loaded
    first.close()
    assert first.texts._encoder is None
    np.testing.assert_array_equal(first.encoder().encode(["a dog"]), before)


# Whitening and all-but-the-top


def test_whitened_vectors_of_the_sample_have_identity_covariance(home: Path) -> None:
    fit = [f"the {a} {b} of {c}" for a in WORDS for b in WORDS for c in WORDS[:3]]
    found = only(home, "words@mean+whiten", fit).encoder().encode(fit)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(found.T), np.eye(6), atol=1e-3)


def test_all_but_the_top_removes_the_mean_and_the_first_axis(home: Path) -> None:
    base = only(home, "words@mean").encoder().encode(FIT)
    centered = base - base.mean(axis=0)
    axis = np.linalg.svd(centered, full_matrices=False)[2][0]
    found = only(home, "words@mean+abtt").encoder().encode(FIT)
    np.testing.assert_allclose(found, centered - np.outer(centered @ axis, axis), atol=1e-5)


def test_a_text_without_a_vector_has_none_afterwards(home: Path) -> None:
    for step in ("whiten", "abtt"):
        found = only(home, f"words@{step}").encoder().encode(["the dog", "zebra"])
        assert found[0].any()
        assert not found[1].any()


def test_the_texts_that_a_map_is_fitted_to_are_in_notes_and_fingerprint(home: Path) -> None:
    one, same, other = (only(home, "words@whiten", fit) for fit in (FIT, list(FIT), FIT[1:]))
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.notes == (f"whitened, fitted without labels to {len(FIT)} of the tasks' texts",)
    assert one.encoder().fingerprint == one.fingerprint
    plain = only(home, "words", FIT), only(home, "words", FIT[1:])
    assert plain[0].fingerprint == plain[1].fingerprint


def test_at_most_five_thousand_texts_are_fitted_to_spread_evenly(home: Path) -> None:
    texts = [f"the bank {i}" for i in range(12_000)]
    chosen = only(home, "words@whiten", [*texts, *texts, " "]).sample.texts
    assert len(chosen) == len(set(chosen)) == 5000
    assert chosen[:3] == [texts[0], texts[2], texts[4]]
    assert chosen[-1] == texts[11_997]


def test_a_map_that_is_fitted_to_nothing_is_lacking(home: Path) -> None:
    for fit in ([], ["zebra", "the dog"]):
        with pytest.raises(LackingError, match=r"give more texts, or leave \+whiten out"):
            only(home, "words@whiten", fit).encoder()
    with pytest.raises(LackingError, match="cannot be whitened: all vectors are equal"):
        only(home, "words@whiten", ["the dog", "dog the"]).encoder()


# Fingerprints


def test_a_fingerprint_changes_with_the_files_and_the_reading(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "bert", tmp_path / "bert")
    before = only(home, "bert@mean").fingerprint
    assert only(tmp_path, "bert@mean").fingerprint == before
    assert only(tmp_path, "bert@cls").fingerprint != before
    (tmp_path / "bert" / "README.md").write_text("A card.")
    (tmp_path / "bert" / "rowspace-openvino").mkdir(exist_ok=True)
    (tmp_path / "bert" / "rowspace-openvino" / "model.bin").write_text("an export")
    again = only(tmp_path, "bert@mean")
    assert again.fingerprint == before
    assert again.disk_bytes == only(home, "bert@mean").disk_bytes
    weights = tmp_path / "bert" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert only(tmp_path, "bert@mean").fingerprint != before


def test_words_beside_a_matrix_are_in_its_fingerprint(home: Path, tmp_path: Path) -> None:
    Vectors.load(home / "words").save(tmp_path / "rows.npy")
    before = only(tmp_path, "rows.npy")
    keys = tmp_path / "rows.keys.txt"
    assert before.disk_bytes == (tmp_path / "rows.npy").stat().st_size + keys.stat().st_size
    first = before.fingerprint
    keys.write_text(keys.read_text().replace("river", "lake"))
    assert only(tmp_path, "rows.npy").fingerprint != first


@pytest.mark.parametrize(
    ("model", "same"),
    [
        ("words", ["similarity", "analogy", "sense", "sequence"]),
        ("bert", ["sense", "sequence"]),
        ("table", ["sequence"]),
    ],
)
def test_readings_differ_only_for_tasks_that_see_them(
    home: Path, model: str, same: list[str]
) -> None:
    first, second = open_contenders([f"{home}/{model}@abtt", f"{home}/{model}@whiten"], FIT)
    found = [
        kind
        for kind in get_args(Kind)
        if first.fingerprint_for(kind) == second.fingerprint_for(kind)
    ]
    assert found == same
    assert first.fingerprint_for("retrieval") == first.fingerprint


# Words in their sentences


def test_a_transformer_s_words_depend_on_their_sentences(home: Path) -> None:
    first, mean, _ = open_contenders([f"{home}/bert"], FIT)
    sentences = [["the", "river", "bank"], ["money", "in", "the", "bank"]]
    found = first.occurrences().occurrences(sentences, [2, 3])
    assert found.shape == (2, 48)
    assert not np.allclose(found[0], found[1], atol=1e-2)
    assert mean.occurrences().occurrences(sentences, [2, 3]) is found


def test_word_vectors_tell_an_occurrence_by_its_neighbors(home: Path) -> None:
    found = only(home, "words").occurrences()
    sentences = [["the", "river", "bank"], ["the", "river", "dog"], ["money", "bank"]]
    vectors = found.occurrences(sentences, [2, 2, 1])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2])


def test_a_table_s_occurrence_is_its_sentence(home: Path) -> None:
    found = only(home, "table")
    vectors = found.occurrences().occurrences([["the", "cat", "sat"]], [1])
    np.testing.assert_array_equal(vectors, found.encoder().encode(["the cat sat"]))


def test_token_vectors_of_each_kind(home: Path) -> None:
    text = [["the", "cat", "sat"]]
    for name, dim, looks_ahead in (
        ("words", 6, False),
        ("table", 8, False),
        ("gpt2@mean", 48, False),
        ("bert@cls", 48, True),
    ):
        found = only(home, name).token_vectors()
        assert (found.dim, found.looks_ahead) == (dim, looks_ahead)
        assert found.read(text)[0].shape == (3, dim)


# A server


def test_a_server_s_model_gives_texts_vectors_and_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with serve(embed) as server:
        spec = f"{server.url}#tiny"
        (found,) = open_contenders([spec])
        assert (found.name, found.era, found.kind) == ("tiny", "remote", "behind an API")
        assert found.disk_bytes is None
        assert server.bodies == []
        vectors = found.encoder().encode(["a tea", "an oak"])
        np.testing.assert_array_equal(vectors, [vector_of("a tea"), vector_of("an oak")])
        (again,) = open_contenders([spec])
        np.testing.assert_array_equal(again.encoder().encode(["a tea", "an oak"]), vectors)
        assert server.texts.count("a tea") == 1  # they were kept
        assert again.fingerprint == found.fingerprint
        assert set(server.keys) == {"Bearer sk-secret"}
        occurrences = found.occurrences().occurrences([["a", "tea"]], [1])
        np.testing.assert_array_equal(occurrences, vectors[:1])
        with pytest.raises(LackingError, match=r"tiny is behind an API .* give a model's files"):
            found.token_vectors()
        with pytest.raises(ConfigError, match="a server gives whole texts their vectors"):
            open_contenders([f"{spec}@mean"])


def test_another_model_behind_the_same_name_is_told_by_its_vectors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    scale = np.float32(1)

    def reply(handler: Handler, body: Any) -> None:
        vectors = [scale * vector_of(text) + offset for text in body["input"]]
        data = [{"index": i, "embedding": v.tolist()} for i, v in enumerate(vectors)]
        handler.send(200, {"data": data})

    offset = np.float32(0)
    with serve(reply) as server:

        def asked() -> tuple[str, NDArray[np.float32]]:
            (found,) = open_contenders([f"{server.url}#tiny"])
            return found.fingerprint, found.encoder().encode(["a tea"])

        first, vectors = asked()
        scale = np.float32(1 + 1e-4)  # as servers round
        offset = np.float32(1e-5)
        again, kept = asked()
        assert again == first
        np.testing.assert_array_equal(kept, vectors)
        offset = np.float32(0.5)
        other, new = asked()
        assert other != first
        assert not np.allclose(new, vectors)
        offset = np.float32(0)
        back, kept = asked()
        assert back == first
        np.testing.assert_array_equal(kept, vectors)
        assert server.texts.count("a tea") == 2


def test_a_server_that_is_away_is_told_of_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("rowspace.evaluate.compare.models_remote._RETRIES", 0)
    with serve(embed) as server:
        url = server.url
    (found,) = open_contenders([f"{url}#tiny"])
    with pytest.raises(RemoteError, match=url):
        _ = found.fingerprint


def test_how_texts_were_read_is_said_whatever_is_between(home: Path) -> None:
    expected = encode_alike(load_encoder(home / "embedder"), ["a dog"])
    assert "the model has several prompts" in expected[1][0]
    for reading in ("", "@whiten"):
        encoder = NotedEncoder(only(home, f"embedder{reading}").encoder())
        assert encode_alike(encoder, ["a dog"])[1] == expected[1]
