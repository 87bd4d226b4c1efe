"""The layers of small random models, against the definitions on all that they give."""

import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from rowspace.errors import ConfigError, CorpusError
from rowspace.evaluate.layers import (
    LayersGeometry,
    draw_sample,
    findings,
    measure_layers,
    to_record,
)
from rowspace.evaluate.layers_page import render_layers, write_layers
from rowspace.space.isotropy import measure_isotropy
from rowspace.space.transforms import all_but_the_top, whiten
from rowspace.text.corpus import Corpus
from rowspace.text.passages import split_sentences
from rowspace.text.tokenizer import spanned_words, words
from rowspace.transformer.contextual import ContextualEncoder
from rowspace.transformer.load_encoder import load_encoder
from tests import naive_geometry
from tests.data import shared_data
from tests.minilm import minilm_folder
from tests.transformer.small_encoders import ANIMALS, animal_sentences, write_encoder


@pytest.fixture(scope="module", params=["bert", "gpt2"])
def encoder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ContextualEncoder:
    folder = tmp_path_factory.mktemp("models") / request.param
    return load_encoder(write_encoder(folder, request.param))


def test_every_layer_has_the_figures_of_the_definitions(encoder: ContextualEncoder) -> None:
    """With room for all words and texts, nothing is drawn, and all of it can be gone through."""
    texts = animal_sentences()
    found = measure_layers(encoder, texts, max_occurrences=100)
    assert [layer.layer for layer in found.layers] == [0, 1, 2]
    names = sorted({word for text in texts for word in words(text)})
    for layer in found.layers:
        read = encoder.contextual(texts, layers=layer.layer)
        word_ids = [
            names.index(texts[text_id][start:end].lower())
            for text_id, (start, end) in zip(read.text_ids, read.spans, strict=True)
        ]
        text_ids = read.text_ids.tolist()
        pairs = list(zip(text_ids, word_ids, strict=True))
        first = [i for i, pair in enumerate(pairs) if pair not in pairs[:i]]
        exact = read.vectors.astype(np.float64)
        figures, rows = layer.raw.contextuality, exact.tolist()
        once, own = exact[first], [word_ids[i] for i in first]
        naive = naive_geometry
        expected = {
            "self_similarity": naive.self_similarity(once.tolist(), own),
            "explainable": naive.explainable_variance(once, own),
            "intra_sentence": naive.intra_sentence(rows, text_ids),
            "baseline": naive.anisotropy(rows, word_ids, text_ids),
        }
        for name, value in expected.items():
            assert getattr(figures, name) == pytest.approx(value, abs=1e-5), name
        isotropy = measure_isotropy(exact)
        assert vars(layer.raw.isotropy) == pytest.approx(vars(isotropy), rel=1e-4)
    assert found.n_words == len(names)
    assert found.n_sentences == len(texts)
    assert found.n_sentence_words == 7 * len(texts)


def test_mended_layers_are_those_of_the_transforms(encoder: ContextualEncoder) -> None:
    texts = animal_sentences(60)
    (layer,) = measure_layers(encoder, texts, layers=[-1]).layers
    assert layer.layer == 2
    matrix = encoder.contextual(texts).vectors
    cleaned = measure_isotropy(all_but_the_top(matrix).apply(matrix))
    whitened = measure_isotropy(whiten(matrix, len(matrix) // 10).apply(matrix))
    assert vars(layer.all_but_the_top.isotropy) == pytest.approx(vars(cleaned), rel=1e-3)
    assert layer.whitened.isotropy.isoscore == pytest.approx(whitened.isoscore, rel=1e-3)
    assert layer.whitened.isotropy.isoscore == pytest.approx(1, abs=1e-6)
    assert abs(layer.whitened.isotropy.mean_cosine) < 0.01


def test_a_sample_too_small_to_whiten_by_says_so(encoder: ContextualEncoder) -> None:
    found = measure_layers(encoder, animal_sentences(20))  # 140 words, for 14 axes of 48
    assert found.n_whitened == 0
    assert [list(layer.mended) for layer in found.layers] == [["raw", "all_but_the_top"]] * 3
    json.dumps(to_record(found), allow_nan=False)
    (says,) = [figure for figure in findings(found) if figure.name == "after whitening"]
    assert says.value == "not measured"
    assert "20 axes take 200 words" in says.meaning
    page = render_layers(found, "m", datetime.now(UTC))
    assert "here none: the sample is too small" in page
    assert ">nan<" not in page


def test_the_sample_is_of_the_words_and_texts_drawn() -> None:
    texts = animal_sentences(100)
    sample = draw_sample(
        texts, max_words=3, max_occurrences=4, n_sentences=5, min_contexts=5, seed=1
    )
    at = [texts[text_id][start:end].lower() for text_id, start, end in sample.places]
    of_words = [(at[row], sample.places[row]) for row in sample.word_rows]
    assert len(of_words) == len(set(of_words)) == 3 * 4
    for word, (text_id, start, _) in of_words:
        assert start == texts[text_id].lower().index(word)  # the first in its text
    assert len({(word, place[0]) for word, place in of_words}) == 3 * 4
    whole = {sample.places[row][0] for row in sample.sentence_rows}
    assert [at[row] for row in sample.sentence_rows] == [
        word for text_id in sorted(whole) for word in words(texts[text_id])
    ]
    assert len(whole) == 5
    ids = dict(zip(at, sample.word_ids.tolist(), strict=True))
    assert [ids[word] for word in at] == sample.word_ids.tolist()
    assert len(set(ids.values())) == len(ids)


def test_what_drawing_holds_does_not_grow_with_the_texts() -> None:
    def peak(n: int) -> int:
        texts = animal_sentences(n)
        tracemalloc.start()
        draw_sample(texts, max_words=3, max_occurrences=4, n_sentences=5, min_contexts=5, seed=1)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    peak(10)  # what is made once
    assert peak(3000) < peak(300) + 100 * 2700  # bytes a text, of seven words


def test_the_sample_is_bounded_and_seeded(encoder: ContextualEncoder) -> None:
    texts = animal_sentences(200)

    def measured(seed: int) -> LayersGeometry:
        return measure_layers(
            encoder, texts, max_words=3, max_occurrences=4, n_sentences=5, seed=seed
        )

    found = measured(0)
    assert (found.n_words, found.n_occurrences) == (3, 12)
    assert (found.n_sentences, found.n_sentence_words, found.n_texts) == (5, 35, 200)
    assert to_record(measured(0)) == to_record(found)
    assert to_record(measured(1)) != to_record(found)


def test_texts_that_nothing_was_drawn_of_are_not_read(
    encoder: ContextualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, read = animal_sentences(200), []
    contextual = ContextualEncoder.contextual

    def noted(self: ContextualEncoder, given: list[str], **options: object) -> object:
        read.extend(given)
        return contextual(self, given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ContextualEncoder, "contextual", noted)
    measure_layers(encoder, texts, max_words=2, max_occurrences=4, n_sentences=5)
    assert 5 <= len(read) <= 2 * 4 + 5


def test_layer_zero_without_positions_is_static(tmp_path: Path) -> None:
    """GPT-2's embeddings less its positions: a word's vector is the same in every sentence."""
    import safetensors.torch as st

    folder = write_encoder(tmp_path / "model", "gpt2")
    weights = st.load_file(folder / "model.safetensors")
    name = next(key for key in weights if key.endswith("wpe.weight"))
    st.save_file(weights | {name: weights[name] * 0}, folder / "model.safetensors")
    first, *others = measure_layers(load_encoder(folder), animal_sentences()).layers
    assert first.raw.contextuality.self_similarity == pytest.approx(1, abs=1e-6)
    assert first.raw.contextuality.explainable == pytest.approx(1, abs=1e-6)
    assert all(layer.raw.contextuality.self_similarity < 0.99 for layer in others)


def test_words_that_the_tokenizer_leaves_out_are_left_out(tmp_path: Path) -> None:
    text = animal_sentences()
    folder = write_encoder(tmp_path / "model", "bert")
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    dropped = {"type": "Replace", "pattern": {"Regex": "owl"}, "content": ""}
    rest = [content["normalizer"]] if content["normalizer"] else []
    content["normalizer"] = {"type": "Sequence", "normalizers": [dropped, *rest]}
    path.write_text(json.dumps(content))
    found = measure_layers(load_encoder(folder), text)
    n_owls = sum(word == "owl" for line in text for word, _ in spanned_words(line))
    assert n_owls
    assert found.n_sentence_words == 7 * len(text) - n_owls
    assert found.n_words == len(ANIMALS) + 3 - 1


def test_settings_and_texts_that_cannot_be_say_so(encoder: ContextualEncoder) -> None:
    with pytest.raises(CorpusError, match="no word is in 5 of the 3 texts; give more text"):
        measure_layers(encoder, animal_sentences(3))
    with pytest.raises(ConfigError, match="max_occurrences is 1; give 2 or more"):
        measure_layers(encoder, animal_sentences(), max_occurrences=1)
    with pytest.raises(ConfigError, match="there is no layer 3; give 0"):
        measure_layers(encoder, animal_sentences(), layers=[3])


def test_a_page_shows_each_layer_and_loads_nothing(
    encoder: ContextualEncoder, tmp_path: Path
) -> None:
    found = measure_layers(encoder, animal_sentences(60))
    write_layers(found, tmp_path / "new" / "page.html", "<model>")
    page = (tmp_path / "new" / "page.html").read_text()
    assert "&lt;model&gt;" in page
    assert "<model>" not in page
    assert page.count('<svg class="plot"') == 5
    for layer in found.layers:
        assert f"{layer.raw.contextuality.self_similarity:.3f}" in page
        assert f"{layer.whitened.isotropy.isoscore:.3f}" in page
    assert "http" not in page.replace("http-equiv", "")
    one = measure_layers(encoder, animal_sentences(), layers=[1])
    assert "<svg" not in render_layers(one, "m", datetime.now(UTC))


@pytest.mark.slow
def test_the_first_layers_of_a_real_encoder_are_each_more_contextual_than_the_one_before() -> None:
    """As section 4.2 of the paper finds of BERT; and no layer is isotropic (4.1)."""
    folder = minilm_folder()
    corpus = Corpus(shared_data("corpora", "small", "brown.txt.xz"))
    document = next(iter(corpus))
    texts = list(split_sentences(document.text))[:2000]
    found = measure_layers(load_encoder(folder), texts, max_words=60, n_sentences=60)
    figures = [layer.raw.contextuality for layer in found.layers]
    similar = [figure.self_similarity for figure in figures]
    assert similar[0] > similar[1] > similar[2] > similar[3]
    assert similar[0] > 0.9
    assert all(figure.baseline > 0.01 for figure in figures)
    assert all(layer.all_but_the_top.contextuality.baseline < 0.02 for layer in found.layers)
    assert {figure.name for figure in findings(found)} >= {"random words", "most contextual"}
