"""Vectors against sentence-transformers, and what encode makes of odd texts."""

from __future__ import annotations

import shutil
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sentence_transformers")
pytest.importorskip("openvino")

from safetensors.numpy import load_file, save_file  # noqa: E402
from scipy.spatial.distance import cdist  # noqa: E402

from rowspace.errors import ConfigError, CorpusError  # noqa: E402
from rowspace.sentence import encoder as encoding  # noqa: E402
from rowspace.sentence import load_encoder  # noqa: E402
from rowspace.sentence.encoder import SentenceEncoder  # noqa: E402
from rowspace.sentence.pooling import POOLINGS  # noqa: E402
from tests.sentence.folders import DIM, MIXED, theirs, write_sentence_folder  # noqa: E402
from tests.transformer.small_encoders import TEXTS  # noqa: E402

RUNTIMES = ("torch", "openvino")
CASES: list[tuple[str, tuple[str, ...]]] = [
    ("bert", ("mean",)),
    ("bert", POOLINGS),
    ("gpt2", ("weightedmean", "lasttoken")),
    ("llama", ("lasttoken", "mean")),
    ("roberta", ("max", "cls")),
    ("mpnet", ("mean",)),
    ("distilbert", ("mean_sqrt_len_tokens",)),
]
NO_ENDS = ("gpt2", "roberta")
"""Whose tokenizers here put nothing around a text."""
TRUNCATED = pytest.mark.filterwarnings("ignore:.*longer than 64 tokens")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sentence_folder(tmp_path_factory.mktemp("bert") / "bert", normalize=True)


@pytest.fixture(scope="module", params=RUNTIMES)
def encoder(bert: Path, request: pytest.FixtureRequest) -> SentenceEncoder:
    return load_encoder(bert, runtime=request.param, dtype="float32")


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


# --- As sentence-transformers --------------------------------------------------------------------


@TRUNCATED
@pytest.mark.parametrize(("kind", "poolings"), CASES)
def test_vectors_are_those_of_sentence_transformers(
    kind: str, poolings: tuple[str, ...], tmp_path: Path
) -> None:
    folder = write_sentence_folder(tmp_path / "new", kind, poolings)
    texts = [
        text for text in MIXED if text or kind not in NO_ENDS
    ]  # theirs takes none without a token
    expected = theirs(folder, texts)
    assert np.abs(expected).max() > 0.5
    for runtime in RUNTIMES:
        encoder = load_encoder(folder, runtime=runtime, dtype="float32")
        found = encoder.encode(texts)
        assert found.dtype == np.float32
        close(found, expected)
        assert encoder.n_truncated == 1
        assert encoder.dim == DIM * len(poolings)


@TRUNCATED
@pytest.mark.parametrize("included", [True, False])
def test_prompts_are_read_and_pooled_as_the_folder_says(included: bool, tmp_path: Path) -> None:
    prompts = {"query": "the muddy bank: ", "document": "river: "}
    folder = write_sentence_folder(
        tmp_path / "new", poolings=POOLINGS, include_prompt=included, prompts=prompts
    )
    for runtime in RUNTIMES:
        encoder = load_encoder(folder, runtime=runtime, dtype="float32")
        for name, encode in (
            ("query", encoder.encode_query),
            ("document", encoder.encode_document),
        ):
            expected = theirs(folder, MIXED, prompt_name=name)
            close(encode(MIXED), expected)
            close(encoder.encode(MIXED, prompt_name=name), expected)
            close(encoder.encode(MIXED, prompt=prompts[name]), expected)
        assert not np.allclose(encoder.encode(MIXED, prompt=""), expected, atol=1e-3)


@TRUNCATED
@pytest.mark.parametrize("activation", [torch.nn.Tanh(), torch.nn.Identity(), torch.nn.ReLU()])
def test_layers_after_the_pooling_and_unit_length(activation: Any, tmp_path: Path) -> None:
    folder = write_sentence_folder(
        tmp_path / "dense", poolings=("mean", "cls"), dense=activation, normalize=True
    )
    encoder = load_encoder(folder, runtime="torch", dtype="float32")
    assert encoder.dim == 20
    close(encoder.encode(MIXED), theirs(folder, MIXED))


@TRUNCATED
def test_texts_are_lowered_where_the_folder_says_so(tmp_path: Path) -> None:
    folder = write_sentence_folder(tmp_path / "low", "gpt2", lowercase=True)
    encoder = load_encoder(folder, dtype="float32")
    close(encoder.encode(TEXTS), theirs(folder, TEXTS))
    close(encoder.encode([text.upper() for text in TEXTS[:2]]), encoder.encode(TEXTS[:2]))


@TRUNCATED
def test_vectors_are_cut_before_they_get_unit_length(bert: Path, encoder: SentenceEncoder) -> None:
    expected = theirs(bert, MIXED, truncate_dim=10, normalize_embeddings=True)
    close(encoder.encode(MIXED, truncate_dim=10), expected)
    shorter = load_encoder(bert, truncate_dim=10, dtype="float32")
    assert shorter.dim == 10
    close(shorter.encode(MIXED), expected)
    with pytest.raises(ConfigError, match=r"truncate_dim is 49, and vectors have 48"):
        encoder.encode(["a"], truncate_dim=49)


def test_a_special_token_in_a_long_text_is_read_as_in_a_short_one(bert: Path) -> None:
    encoder = load_encoder(bert, dtype="float32")
    long = "the bank [SEP] of the river " * 2000
    with pytest.warns(UserWarning, match=r"1 of 1 texts is longer than 64 tokens"):
        close(encoder.encode(long), theirs(bert, [long])[0])


def test_similarities_are_those_of_scipy(bert: Path, encoder: SentenceEncoder) -> None:
    a = np.random.default_rng(0).normal(size=(3, DIM)).astype(np.float32)
    for kind, expected in (
        ("cosine", 1 - cdist(a, a, "cosine")),
        ("dot", a @ a.T),
        ("euclidean", -cdist(a, a)),
        ("manhattan", -cdist(a, a, "cityblock")),
    ):
        np.testing.assert_allclose(encoding.similarities(a, a, kind), expected, atol=1e-5)
    np.testing.assert_allclose(encoder.similarity(a, a).diagonal(), 1, atol=1e-6)


# --- What goes in --------------------------------------------------------------------------------


def test_one_text_gives_one_vector_and_none_give_none(encoder: SentenceEncoder) -> None:
    many = encoder.encode(TEXTS)
    one = encoder.encode(TEXTS[0])
    assert one.shape == (DIM,)
    close(one, many[0])
    assert encoder.encode([]).shape == (0, DIM)
    assert encoder.encode([]).dtype == np.float32
    assert encoder.encode([], precision="ubinary").shape == (0, DIM // 8)


def test_iterators_are_read_a_chunk_at_a_time(
    encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "_FIRST_TEXTS", 2)
    monkeypatch.setattr(encoding, "TEXTS_AT_ONCE", 3)
    texts = TEXTS * 5
    taken: list[int] = []
    run = encoding._Run(encoder, "", "warn")

    def given() -> Iterator[str]:
        for i, text in enumerate(texts):
            taken.append(i)
            yield text

    chunks = run.chunks(given())
    next(chunks)
    assert len(taken) <= 2 + 3  # the next chunk alone is tokenised beside it
    chunks.close()  # type: ignore[attr-defined]
    close(encoder.encode(given()), encoder.encode(texts))


def test_out_is_filled_and_may_be_a_file(encoder: SentenceEncoder, tmp_path: Path) -> None:
    expected = encoder.encode(TEXTS)
    rows = np.memmap(tmp_path / "rows", np.float32, "w+", shape=expected.shape)
    assert encoder.encode(iter(TEXTS), out=rows) is rows
    np.testing.assert_array_equal(rows, expected)
    for wrong in (np.zeros((4, DIM), np.float32), np.zeros((5, DIM)), np.zeros((5, 3), np.float32)):
        with pytest.raises(ConfigError, match=r"out has the shape .* does not fit"):
            encoder.encode(TEXTS, out=wrong)


@TRUNCATED
def test_truncated_texts_are_counted_and_warned_of_once(encoder: SentenceEncoder) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        encoder.encode([*TEXTS, "the " * 100, "bank " * 63, "a " * 62])
    assert [str(warning.message) for warning in caught] == [
        "2 of 8 texts are longer than 64 tokens, and the rest was not read; on_truncate='chunk' "
        "reads all"
    ]
    assert caught[0].filename == __file__
    assert encoder.n_truncated == 2
    with pytest.raises(CorpusError, match=r"text 1 is longer than the 64 tokens"):
        encoder.encode(["a", "the " * 100], on_truncate="error")


def test_windows_of_a_long_text_are_averaged_by_their_tokens(bert: Path) -> None:
    encoder = load_encoder(bert, dtype="float32", max_length=12)
    text = "the bank of the river was muddy and she robbed the other bank"
    found = encoder.encode([text, "bank"], on_truncate="chunk", normalize=False)
    pieces = encoder.embedding.read([text, "bank"], "chunk", 0)
    assert len(pieces.ids) > 3
    assert max(map(len, pieces.ids)) <= 12
    expected = np.zeros((2, DIM))
    by_text = [pieces.text_ids == 0, pieces.text_ids == 1]
    states = np.zeros((len(pieces.ids), DIM), np.float32)
    for where, rows in encoder.embedding.vectors(pieces, 0, False):
        states[where] = rows
    for i, own in enumerate(by_text):
        expected[i] = np.average(states[own], axis=0, weights=pieces.lengths[own])
    close(found, expected)
    assert encoder.n_truncated == 0


def test_ten_megabytes_cost_no_more_than_their_beginning(encoder: SentenceEncoder) -> None:
    text = "the bank of the river " * 460_000
    started = time.process_time()
    with pytest.warns(UserWarning, match="1 of 2 texts is longer"):
        found = encoder.encode([text, "bank"])
    assert time.process_time() - started < 2  # all of it takes five times as long to tokenise
    assert encoder.n_truncated == 1
    with pytest.warns(UserWarning, match="1 of 1 texts is longer"):
        close(found[0], encoder.encode(text[:2200]))


def test_a_long_text_of_few_tokens_is_whole(encoder: SentenceEncoder) -> None:
    spaced = "the river" + " " * 10_000 + "bank"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        close(encoder.encode(spaced), encoder.encode("the river bank"))


def test_what_has_next_to_no_tokens_is_not_read_for_ever(encoder: SentenceEncoder) -> None:
    spaced = "the river" + " " * 1_000_000 + "bank"
    with pytest.warns(UserWarning, match="1 of 1 texts is longer"):
        close(encoder.encode(spaced), encoder.encode("the river"))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", None], "text 1 is None, which is no text"),
        (["a"] * 300 + [7], "text 300 is 7, which is no text"),
        (["a"] * 300 + ["half \ud800"], r"text 300 has half a surrogate pair, '\\ud800', at ch"),
        (["a", b"b"], "text 1 is b'b', which is no text"),
    ],
)
def test_what_is_no_text_is_refused_by_its_number(
    texts: Any, message: str, encoder: SentenceEncoder
) -> None:
    with pytest.raises(CorpusError, match=message):
        encoder.encode(iter(texts))
    close(np.linalg.norm(encoder.encode("and then it works"), axis=-1), 1)


def test_a_text_without_a_token_has_a_zero_row(tmp_path: Path) -> None:
    folder = write_sentence_folder(
        tmp_path / "gpt2", "gpt2", ("max",), dense=torch.nn.Tanh(), normalize=True
    )
    for runtime in RUNTIMES:
        encoder = load_encoder(folder, runtime=runtime, dtype="float32")
        found = encoder.encode(["", "bank", ""])
        assert not found[[0, 2]].any()
        close(np.linalg.norm(found[1]), 1)


def test_a_prompt_alone_that_is_not_pooled_gives_a_zero_row(tmp_path: Path) -> None:
    folder = write_sentence_folder(tmp_path / "p", "gpt2", ("max", "mean"), include_prompt=False)
    for runtime in RUNTIMES:
        encoder = load_encoder(folder, runtime=runtime, dtype="float32")
        found = encoder.encode(["", "bank"], prompt="query:")
        assert not found[0].any()
        assert found[1].any()


def test_vectors_that_are_not_finite_are_refused_by_their_text(bert: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bert, tmp_path / "nan", ignore=lambda *_: ["rowspace-openvino"]))
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    token = load_encoder(bert, runtime="torch").embedding.reader.tokenizer  # type: ignore[attr-defined]
    tensors[name][token.encode("z")[0]] = np.nan
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    encoder = load_encoder(folder, runtime="torch")
    with pytest.raises(CorpusError, match=r"the vector of text 2 and 1 of the next is not finite"):
        encoder.encode(["bank", "river", "z", "bank", "z"])
    assert np.isfinite(encoder.encode("bank")).all()


# --- How it is carried out -----------------------------------------------------------------------


@TRUNCATED
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_deterministic_bits_do_not_depend_on_the_batch(runtime: str, tmp_path: Path) -> None:
    folder = write_sentence_folder(tmp_path / "dense", dense=torch.nn.Tanh(), normalize=True)
    encoder = load_encoder(folder, runtime=runtime, dtype="float32", deterministic=True)
    draw = np.random.default_rng(0)
    words = " ".join(TEXTS).split()
    texts = MIXED + [" ".join(draw.choice(words, draw.integers(1, 60))) for _ in range(60)]
    together = encoder.encode(texts)
    for i in range(0, len(texts), 7):
        np.testing.assert_array_equal(encoder.encode(texts[i]), together[i])
    order = draw.permutation(len(texts))
    np.testing.assert_array_equal(encoder.encode([texts[i] for i in order]), together[order])
    close(together, theirs(folder, texts))


def test_several_threads_may_encode_at_once(bert: Path) -> None:
    encoder = load_encoder(bert, runtime="openvino", dtype="float32", deterministic=True)
    expected = encoder.encode(TEXTS * 20)
    found: list[Any] = []

    def work() -> None:
        found.append(encoder.encode(TEXTS * 20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for vectors in found:
        np.testing.assert_array_equal(vectors, expected)


def test_an_interrupted_call_leaves_the_encoder_usable(bert: Path) -> None:
    encoder = load_encoder(bert, runtime="openvino", dtype="float32")
    expected = encoder.encode(TEXTS)
    for _ in range(3):
        run = encoding._Run(encoder, "", "warn")
        pieces = encoder.embedding.read(TEXTS * 300, "warn", 0)
        parts = encoder.embedding.vectors(pieces, run.n_prompt, False)
        next(parts)
        parts.close()  # type: ignore[attr-defined]
    close(encoder.encode(TEXTS), expected)


def test_one_thread_tokenises_and_computes_in_turn(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_encoder(bert, threads=1, dtype="float32")
    compiled = encoder.embedding.runtime._compiled  # type: ignore[attr-defined]
    assert int(compiled.get_property("INFERENCE_NUM_THREADS")) == 1
    readers: set[int] = set()
    read, batches = encoder.embedding.read, list[int]()

    def noted(*arguments: Any) -> Any:
        readers.add(threading.get_ident())
        return read(*arguments)

    encode = encoder.embedding.reader._cutting.encode  # type: ignore[attr-defined]
    monkeypatch.setattr(encoder.embedding, "read", noted)

    def encoded(texts: Any) -> Any:
        batches.append(len(texts))
        return encode(texts)

    monkeypatch.setattr(encoder.embedding.reader._cutting, "encode", encoded)  # type: ignore[attr-defined]
    found = encoder.encode(TEXTS)
    assert readers == {threading.get_ident()}
    assert set(batches) == {1}  # the library spreads a batch over the cores
    close(found, load_encoder(bert, dtype="float32").encode(TEXTS))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "float8"}, "dtype is 'float8'; give one of auto, float32"),
        ({"runtime": "onnx"}, "runtime is 'onnx'; give one of auto, openvino, torch"),
        ({"threads": 0}, "threads is 0; give 1 or more"),
        ({"max_length": 0}, "max_length is 0; give 1 or more"),
        ({"max_length": 2}, "max_length is 2, and 2 special tokens leave no room"),
        ({"max_length": 65}, "max_length is 65, and the model was made for 64 tokens"),
        ({"runtime": "openvino", "device": "cuda"}, "device is 'cuda', and openvino runs on cpu"),
        ({"runtime": "openvino", "dtype": "float16"}, "dtype is 'float16', which openvino"),
        ({"runtime": "torch", "dtype": "int8"}, "dtype is 'int8', which openvino alone"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str, bert: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load_encoder(bert, **settings)


def test_words_are_read_of_a_transformer_in_a_folder_of_its_own(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "m" / "0_Transformer")
    for name in ("modules.json", "1_Pooling", "config_sentence_transformers.json"):
        shutil.move(str(tmp_path / "m" / "0_Transformer" / name), tmp_path / "m" / name)
    listing = (tmp_path / "m" / "modules.json").read_text()
    (tmp_path / "m" / "modules.json").write_text(
        listing.replace('"path": ""', '"path": "0_Transformer"')
    )
    encoder = load_encoder(tmp_path / "m", dtype="float32")
    close(encoder.encode(TEXTS), load_encoder(bert, dtype="float32").encode(TEXTS))
    assert encoder.contextual(["a river bank"], "bank").vectors.shape == (1, DIM)
