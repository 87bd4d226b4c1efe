"""Vectors of words: transformers' own states, pooled, mixed and cut as loops would."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from rowspace.errors import ConfigError, CorpusError, VocabularyError  # noqa: E402
from rowspace.transformer.contextual import (  # noqa: E402
    TOKENS_AT_ONCE,
    ContextualEncoder,
    batches_of,
)
from rowspace.transformer.hidden_states import ForeignStates, OurStates  # noqa: E402
from rowspace.transformer.load_encoder import load_encoder  # noqa: E402
from rowspace.transformer.occurrences import Occurrences, occurrences_of  # noqa: E402
from rowspace.transformer.windows import Window  # noqa: E402
from tests.data import shared_data  # noqa: E402
from tests.minilm import minilm_folder  # noqa: E402
from tests.naive_contextual import naive_best_start, naive_mix, naive_pool  # noqa: E402
from tests.transformer import foreign  # noqa: E402
from tests.transformer.small_encoders import (  # noqa: E402
    FOREIGN,
    N_POSITIONS,
    TEXTS,
    hidden_states,
    write_encoder,
)

LONG = "the bank of a river, " * 12 + "and the other bank in spring"
Load = Callable[..., ContextualEncoder]


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder_of(kind: str) -> Path:
        if kind not in made:
            made[kind] = write_encoder(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return folder_of


@pytest.fixture
def load(folder_of: Callable[[str], Path]) -> Load:
    def load(kind: str = "bert", **settings: Any) -> ContextualEncoder:
        return load_encoder(folder_of(kind), **settings)

    return load


# --- States --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*foreign.KINDS, *FOREIGN])
def test_the_states_of_all_layers_are_those_of_transformers(
    kind: str, folder_of: Callable[[str], Path]
) -> None:
    folder = folder_of(kind)
    encoder = load_encoder(folder)
    assert isinstance(encoder.states, ForeignStates if kind in FOREIGN else OurStates)
    assert (encoder.dim, encoder.n_layers, encoder.max_length) == (48, 2, N_POSITIONS)
    found = encoder.token_states(TEXTS, layers=range(3), mix="none")
    assert len({len(states) for states in found}) > 2  # so that there was padding
    for text, states in zip(TEXTS, found, strict=True):
        ids = encoder.tokenizer.encode(text, add_special_tokens=True)
        expected = torch.cat(hidden_states(folder, ids), dim=-1).numpy()
        assert expected.std() > 0.1
        np.testing.assert_allclose(states, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", [*foreign.KINDS, *FOREIGN])
def test_a_texts_vectors_do_not_depend_on_its_batch(kind: str, load: Load) -> None:
    encoder = load(kind)
    together, vectors = encoder.contextual(TEXTS), encoder.encode(TEXTS)
    for i, text in enumerate(TEXTS):
        alone = encoder.contextual([text])
        of_text = together.text_ids == i
        np.testing.assert_allclose(together.vectors[of_text], alone.vectors, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(together.spans[of_text], alone.spans)
        np.testing.assert_allclose(vectors[i : i + 1], encoder.encode([text]), rtol=0, atol=1e-5)


def test_batches_hold_every_window_once_and_are_no_larger_than_told() -> None:
    lengths = [3, 50, 9, 9, 1, 30, 200]
    windows = [Window(i, 0, n, 0, np.arange(n)) for i, n in enumerate(lengths)]
    batches = list(batches_of(windows, 60))
    assert sorted(window.text_id for batch in batches for window in batch) == list(range(7))
    for batch in batches:
        longest = max(len(window.ids) for window in batch)
        assert longest * len(batch) <= 60 or len(batch) == 1
    assert TOKENS_AT_ONCE >= 512


# --- Words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama", "phi3", "roberta"])
@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
@pytest.mark.parametrize("mix", ["mean", "concat", "none", [0.25, -1.0]])
def test_a_words_vector_is_what_loops_make_of_its_tokens_states(
    kind: str, pooling: Any, mix: Any, load: Load
) -> None:
    encoder = load(kind)
    layers = [-1, 1]
    found = encoder.contextual(TEXTS, layers=layers, mix=mix, subword_pooling=pooling)
    states = encoder.token_states(TEXTS, layers=layers, mix="concat")
    tokenized = encoder.tokenizer.read(TEXTS)
    several = 0
    for row, (i, (start, end)) in enumerate(zip(found.text_ids, found.spans, strict=True)):
        first, after = tokenized[i].tokens_of(start, end)
        n_before = len(tokenized[i].before)
        tokens = [
            naive_mix(np.split(states[i][n_before + token], 2), mix)
            for token in range(first, after)
        ]
        expected = naive_pool(tokens, pooling)
        np.testing.assert_allclose(found.vectors[row].ravel(), expected, rtol=0, atol=1e-5)
        several += len(tokens) > 1
    assert several > 10
    expected_spans = occurrences_of(TEXTS).spans
    np.testing.assert_array_equal(found.spans, expected_spans)
    shape = {"none": (2, 48), "concat": (96,)}.get(str(mix), (48,))
    assert found.vectors.shape == (len(expected_spans), *shape)
    assert found.vectors.dtype == np.float32


def test_a_word_has_a_vector_wherever_it_stands_and_another_in_each_text(load: Load) -> None:
    encoder = load()
    texts = ["the bank of a river", "She robbed the BANK, the bank"]
    found = encoder.contextual(texts, "bank")
    assert found.text_ids.tolist() == [0, 1, 1]
    assert [
        texts[i][start:end] for i, (start, end) in zip(found.text_ids, found.spans, strict=True)
    ] == [
        "bank",
        "BANK",
        "bank",
    ]
    assert len(found) == 3 == len(np.unique(found.vectors, axis=0))
    np.testing.assert_array_equal(
        found.vectors,
        encoder.contextual(texts, spans=[[(4, 8)], [(15, 19), (25, 29)]]).vectors,
    )


def test_spans_keep_their_order(load: Load) -> None:
    encoder = load()
    forth = encoder.contextual(["a river bank"], spans=[[(2, 7), (8, 12)]])
    back = encoder.contextual(["a river bank"], spans=[[(8, 12), (2, 7)]])
    np.testing.assert_array_equal(forth.vectors[::-1], back.vectors)
    assert back.spans.tolist() == [[8, 12], [2, 7]]


def test_the_embeddings_of_a_word_know_nothing_of_what_stands_behind_it(load: Load) -> None:
    encoder = load("qwen2")  # whose embeddings know no position
    found = encoder.contextual(["the bank of", "a river bank"], "bank", layers=0)
    np.testing.assert_array_equal(found.vectors[0], found.vectors[1])


# --- Hidden words --------------------------------------------------------------------------------


def test_a_hidden_word_is_the_state_of_the_mask_in_its_place(
    load: Load, folder_of: Callable[[str], Path]
) -> None:
    encoder = load()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder_of("bert") / "tokenizer.json"), mask_token="[MASK]"
    )
    texts = ["She robbed the bank; the bank was wordlessness.", "A river bank in spring"]
    found = encoder.contextual(texts, ["bank", "river"], hidden=True, layers=[1, 2], mix="none")
    hidden = [
        "She robbed the [MASK]; the bank was wordlessness.",
        "She robbed the bank; the [MASK] was wordlessness.",
        "A [MASK] bank in spring",
    ]
    for row, text in zip(found.vectors, hidden, strict=True):
        ids = torch.tensor([tokenizer.encode(text)])
        place = ids[0].tolist().index(tokenizer.mask_token_id)
        with torch.inference_mode():
            states = encoder.states.read(ids, None, [1, 2])
        for ours, state in zip(row, states, strict=True):
            np.testing.assert_allclose(ours, state[0, place].numpy(), rtol=0, atol=1e-5)


def test_a_hidden_word_of_several_tokens_is_one_mask_like_any_other(load: Load) -> None:
    encoder = load()
    texts = ["a river wordlessness in spring", "a river bank in spring"]
    found = encoder.contextual(texts, ["wordlessness", "bank"], hidden=True)
    first, after = encoder.tokenizer.read(texts[:1])[0].tokens_of(8, 20)
    assert after - first > 1
    np.testing.assert_allclose(found.vectors[0], found.vectors[1], rtol=0, atol=1e-6)
    seen = encoder.contextual(texts, ["wordlessness", "bank"]).vectors
    assert np.abs(seen[0] - seen[1]).max() > 0.1


def test_every_word_may_be_hidden(load: Load) -> None:
    encoder = load()
    found = encoder.contextual(TEXTS, hidden=True)
    one = encoder.contextual(TEXTS[:1], "spring", hidden=True).vectors
    which = [TEXTS[i][a:b] for i, (a, b) in zip(found.text_ids, found.spans, strict=True)]
    np.testing.assert_allclose(found.vectors[which.index("spring")], one[0], rtol=0, atol=1e-5)
    assert len(found) == len(encoder.contextual(TEXTS))


def test_what_is_no_token_is_left_out_and_the_others_are_hidden(load: Load) -> None:
    encoder = load()
    texts = ["a \u200b bank", "a river bank"]
    found = Occurrences.of([[(2, 3), (4, 8)], [(2, 7)]])
    kept, vectors = encoder.vectors_at(texts, found, hidden=True)
    assert kept.tolist() == [1, 2]
    expected = encoder.contextual(texts, ["bank", "river"], hidden=True)
    np.testing.assert_array_equal(vectors.spans, expected.spans)
    np.testing.assert_allclose(vectors.vectors, expected.vectors, rtol=0, atol=1e-6)
    _, seen = encoder.vectors_at(texts, found)
    assert np.abs(seen.vectors - vectors.vectors).max() > 0.1


def test_a_word_cannot_be_hidden_without_a_mask(load: Load) -> None:
    with pytest.raises(ConfigError, match="no mask token, so no word can be hidden; give a masked"):
        load("gpt2").contextual(["a river bank"], "bank", hidden=True)


# --- Texts of one vector -------------------------------------------------------------------------


def test_a_texts_vector_is_the_mean_of_its_tokens(load: Load) -> None:
    encoder = load()
    means = [states.mean(axis=0) for states in encoder.token_states(TEXTS)]
    np.testing.assert_allclose(encoder.encode(TEXTS), means, rtol=0, atol=1e-6)


def test_no_texts_give_no_rows_and_an_empty_one_gives_zeros(load: Load) -> None:
    encoder = load("gpt2")  # which puts nothing around a text
    assert encoder.encode([]).shape == (0, 48)
    assert encoder.token_states([]) == []
    assert encoder.contextual([]).vectors.shape == (0, 48)
    none = encoder.contextual([], "bank", layers=[0, 1], mix="none")
    assert (none.vectors.shape, none.spans.shape) == ((0, 2, 48), (0, 2))
    assert encoder.contextual([], layers=[0, 1], mix="concat").vectors.shape == (0, 96)
    np.testing.assert_array_equal(encoder.encode(["", "a bank"])[0], np.zeros(48))
    assert encoder.token_states(["", "a"], layers=[0, 1], mix="none")[0].shape == (0, 96)
    assert encoder.contextual(["-!-"]).vectors.shape == (0, 48)


# --- Long texts ----------------------------------------------------------------------------------


def test_a_long_text_is_cut_with_one_warning_that_counts(load: Load) -> None:
    encoder = load(max_length=10)
    texts = [LONG, "a bank", LONG]
    with pytest.warns(UserWarning, match=r"2 of 3 texts are longer than 10 tokens.*chunk") as noted:
        found = encoder.contextual(texts)
    assert len(noted) == 1
    assert noted[0].filename == __file__
    assert found.n_truncated == 2
    (tokenized,) = encoder.tokenizer.read([LONG])
    read = found.spans[found.text_ids == 0]
    assert read[-1, 1] <= tokenized.ends[7]
    with pytest.warns(UserWarning, match="1 of 1 text is longer"):
        (states,) = encoder.token_states([LONG])
    assert len(states) == 10
    with pytest.warns(UserWarning, match="1 of 1 text is longer"):
        np.testing.assert_allclose(encoder.encode([LONG])[0], states.mean(axis=0), atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert encoder.contextual(["a bank"]).n_truncated == 0


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
@pytest.mark.parametrize("on_truncate", ["warn", "chunk"])
@pytest.mark.filterwarnings("ignore:2 of 3 texts are longer")
def test_long_texts_are_read_as_if_they_were_tokenized_whole(
    kind: str, on_truncate: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load(kind, max_length=20)
    texts = [LONG, "a bank", LONG + ", east"]
    monkeypatch.setattr("rowspace.transformer.tokenizer.CHUNK_CHARACTERS", 30)
    in_pieces = encoder.contextual(texts, on_truncate=on_truncate)
    of_texts = encoder.encode(texts, on_truncate=on_truncate)
    monkeypatch.setattr("rowspace.transformer.tokenizer.CHUNK_CHARACTERS", 10**9)
    whole = encoder.contextual(texts, on_truncate=on_truncate)
    np.testing.assert_array_equal(in_pieces.vectors, whole.vectors)
    np.testing.assert_array_equal(in_pieces.spans, whole.spans)
    assert in_pieces.n_truncated == whole.n_truncated == (2 if on_truncate == "warn" else 0)
    np.testing.assert_array_equal(of_texts, encoder.encode(texts, on_truncate=on_truncate))


def test_a_word_far_beyond_what_is_read_is_said_to_be(load: Load) -> None:
    encoder, text = load(max_length=10), LONG * 20 + " wordlessness"
    assert len(encoder.tokenizer.read([text], 10)[0]) < len(encoder.tokenizer.read([text])[0])
    with pytest.raises(CorpusError, match=r"'wordlessness' at character .* is beyond the 10 tok"):
        encoder.contextual([text], "wordlessness")


def test_a_long_text_may_be_an_error(load: Load) -> None:
    encoder = load(max_length=10)
    for read in (encoder.contextual, encoder.encode, encoder.token_states):
        with pytest.raises(CorpusError, match=r"text 1 has \d+ tokens, and the model reads 10"):
            read(["a bank", LONG], on_truncate="error")


def test_a_word_of_which_half_was_cut_is_not_read(load: Load) -> None:
    text = "a wordlessness"
    (tokenized,) = load().tokenizer.read([text])
    first, after = tokenized.tokens_of(2, 14)
    assert after - first > 2
    encoder = load(max_length=after - 1 + 2)
    with pytest.raises(CorpusError, match=r"'wordlessness' at character 2 .* is beyond the"):
        encoder.contextual([text], "wordlessness")
    with pytest.warns(UserWarning, match="longer"):
        assert encoder.contextual([text]).spans.tolist() == [[0, 1]]
    with pytest.raises(CorpusError, match=r"'wordlessness' .* tokens, more than windows of 4 are"):
        load(max_length=4).contextual([text], "wordlessness", on_truncate="chunk")


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_word_of_a_long_text_is_read_where_most_stands_around_it(kind: str, load: Load) -> None:
    encoder = load(kind, max_length=20)
    found = encoder.contextual([LONG, "a bank"], on_truncate="chunk")
    np.testing.assert_array_equal(found.spans, occurrences_of([LONG, "a bank"]).spans)
    assert found.n_truncated == 0
    (tokenized,) = encoder.tokenizer.read([LONG])
    room = 20 - len(tokenized.before) - len(tokenized.after)
    for row in np.flatnonzero(found.text_ids == 0):
        first, after = tokenized.tokens_of(*found.spans[row])
        begin = naive_best_start(len(tokenized), room, first, after)
        assert begin is not None
        own = tokenized.ids[begin : begin + room].tolist()
        ids = [*tokenized.before, *own, *tokenized.after]
        (states,) = encoder.states.read(torch.tensor([ids]), None, [2])
        of_word = slice(
            first - begin + len(tokenized.before), after - begin + len(tokenized.before)
        )
        expected = states[0, of_word].mean(dim=0).detach().numpy()
        np.testing.assert_allclose(found.vectors[row], expected, rtol=0, atol=1e-5)


def test_the_vector_of_a_long_text_is_the_mean_over_its_windows(load: Load) -> None:
    encoder = load("gpt2", max_length=20)
    (tokenized,) = encoder.tokenizer.read([LONG])
    n = len(tokenized)
    states = []
    for begin in sorted({*range(0, n - 20, 10), n - 20}):
        ids = torch.tensor([tokenized.ids[begin : begin + 20].tolist()])
        states.append(encoder.states.read(ids, None, [2])[0][0].detach().numpy())
    found = encoder.encode([LONG], on_truncate="chunk")
    np.testing.assert_allclose(found[0], np.concatenate(states).mean(axis=0), rtol=0, atol=1e-5)


# --- What cannot be ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "more", "error", "message"),
    [
        ("a bank", {}, ConfigError, "texts is one string; give a list"),
        (
            ["a bank"],
            {"words": "loan"},
            VocabularyError,
            "the word 'loan' does not occur in text 0",
        ),
        ([""], {}, CorpusError, "text 0 is empty"),
        (["a \ud83d b"], {}, CorpusError, r"text 0 has half a surrogate pair, '\\ud83d', at char"),
        (["a"], {"layers": 3}, ConfigError, "there is no layer 3; give 0"),
        (["a"], {"mix": "max"}, ConfigError, "mix is 'max'"),
        (
            ["a"],
            {"subword_pooling": "max"},
            ConfigError,
            "subword_pooling is 'max'; give one of mean",
        ),
        (["a"], {"on_truncate": "cut"}, ConfigError, "on_truncate is 'cut'; give one of warn"),
        (
            ["a \u200b b"],
            {"spans": [(2, 3)]},
            CorpusError,
            "at character 2 of text 0, .* is no token",
        ),
    ],
)
def test_what_cannot_be_says_so(
    texts: Any, more: dict[str, Any], error: type[Exception], message: str, load: Load
) -> None:
    with pytest.raises(error, match=message) as raised:
        load().contextual(texts, **more)
    assert "\n" not in str(raised.value)


def test_texts_may_come_one_by_one(load: Load) -> None:
    encoder = load()
    expected = encoder.contextual(TEXTS)
    np.testing.assert_array_equal(encoder.contextual(iter(TEXTS)).vectors, expected.vectors)
    np.testing.assert_array_equal(encoder.encode(iter(TEXTS)), encoder.encode(TEXTS))
    assert len(encoder.token_states(iter(TEXTS))) == len(TEXTS)
    spans = encoder.contextual(iter(["a bank"]), spans=iter([(2, 6)])).spans
    assert spans.tolist() == [[2, 6]]


def test_texts_of_other_methods_are_checked_too(load: Load) -> None:
    encoder = load()
    for read in (encoder.encode, encoder.token_states):
        with pytest.raises(ConfigError, match="texts is one string; give a list"):
            read("a bank")
        with pytest.raises(CorpusError, match="text 1 is None, which is no text; give strings"):
            read(["a", None])  # type: ignore[list-item]
        with pytest.raises(CorpusError, match="text 0 has half a surrogate pair"):
            read(["\udc00"])
    with pytest.raises(ConfigError, match="'chunk', which gives tokens twice; give warn or error"):
        encoder.token_states(["a"], on_truncate="chunk")


def test_a_length_that_cannot_be_says_so(load: Load) -> None:
    with pytest.raises(ConfigError, match="max_length is 0; give 1 or more"):
        load(max_length=0)
    with pytest.raises(ConfigError, match="max_length is 65, and the model was made for 64 tokens"):
        load(max_length=65)
    with pytest.raises(ConfigError, match=r"2 special tokens leave no room .* give 3 or more"):
        load(max_length=2).encode(["a bank"])


# --- Real sentences ------------------------------------------------------------------------------


@pytest.mark.slow
def test_minilms_states_and_ids_are_those_of_transformers_on_real_sentences() -> None:
    folder = minilm_folder()
    sentences = real_sentences(60)
    encoder = load_encoder(folder)
    assert (encoder.dim, encoder.n_layers, encoder.max_length) == (384, 6, 512)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    found = encoder.token_states(sentences, layers=range(7), mix="none")
    for sentence, states in zip(sentences, found, strict=True):
        ids = encoder.tokenizer.encode(sentence, add_special_tokens=True)
        assert ids == theirs(sentence)["input_ids"]
        expected = torch.cat(hidden_states(folder, ids), dim=-1).numpy()
        np.testing.assert_allclose(states, expected, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_every_word_of_real_sentences_is_spelled_by_its_tokens() -> None:
    encoder = load_encoder(minilm_folder())
    sentences = real_sentences(60)
    tokenized = encoder.tokenizer.read(sentences)
    found = occurrences_of(sentences)
    for i, (start, end) in zip(found.text_ids, found.spans, strict=True):
        first, after = tokenized[i].tokens_of(start, end)
        spelled = encoder.tokenizer.decode(tokenized[i].ids[first:after])
        word = sentences[i][start:end]
        if word.isascii() and "_" not in word:
            assert spelled == word.lower()


def real_sentences(n: int) -> list[str]:
    path = shared_data("sentence", "stsb", "dev.tsv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row["sentence1"] for row in rows[:: len(rows) // n]]
