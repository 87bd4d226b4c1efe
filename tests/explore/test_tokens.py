"""Tokens: what a text becomes, and the rows that are picked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rowspace.explore.subword_tokens import read_subwords
from rowspace.explore.token_reading import Token
from rowspace.explore.token_table import FileTable, nearest_rows, token_table
from rowspace.explore.tokens import MOST_CHARACTERS, MOST_SHOWN
from rowspace.explore.word_tokens import WordTokens
from rowspace.sentence.folder import SentenceConfig
from rowspace.sentence.prompts import Prompts
from rowspace.sentence.static import StaticEmbedding, StaticTable
from rowspace.sentence.static_files import save_static
from rowspace.sentence.word_tokenizer import word_tokenizer
from rowspace.space.safetensors_files import write_tensors
from rowspace.space.subword import SubwordVectors
from rowspace.space.vectors import Vectors
from rowspace.text.corpus import Corpus
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.explore.asked import API, looking_at, refusal
from tests.minilm import minilm_folder

WORDS = ["the", "river", "bank", "of", "東"]
ROWS = np.array([[1, 0], [0, 2], [1, 2], [-1, 0], [3, 3]], dtype=np.float32)


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.safetensors"
    Vectors(WORDS, ROWS, counts=np.array([9, 7, 5, 3, 1])).save(path)
    return path


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A static embedder that reads four tokens at once, with a prompt for queries."""
    tokenizer = word_tokenizer(["ask", "river", "bank", "of"])
    rows = np.arange(2 * tokenizer.vocab_size, dtype=np.float32).reshape(-1, 2)
    embedding = StaticEmbedding(StaticTable(rows), tokenizer, max_length=4, weights=lambda: "")
    config = SentenceConfig(
        normalize=True, max_length=4, prompts=Prompts({"query": "ask ", "document": ""})
    )
    save_static(embedding, config, tmp_path / "static")
    return tmp_path / "static"


def texts(tokens: list[Token]) -> list[str]:
    return [token.text for token in tokens]


def test_a_word_picks_its_row_or_none(words: Path) -> None:
    with looking_at(words) as client:
        answer = client.post(API + "tokens", json={"text": "The bank, OF zzz 東京"}).json()
    assert [(token["text"], token["row"]) for token in answer["tokens"]] == [
        ("the", 0), ("bank", 2), ("of", 3), ("zzz", None), ("東", 4), ("京", None),
    ]  # fmt: skip
    assert [token["count"] for token in answer["tokens"]] == [9, 5, 3, None, 1, None]
    assert [token["is_read"] for token in answer["tokens"]] == [1, 1, 1, 0, 1, 0]
    assert (answer["n_words"], answer["n_without_row"], answer["n_rows"]) == (6, 2, 5)
    assert answer["picture"]["places"] == [0, 1, 2, 4]
    assert answer["picture"]["values"] == [[1, 0], [1, 2], [-1, 0], [3, 3]]


def test_a_row_has_its_length_and_the_nearest_rows(words: Path) -> None:
    with looking_at(words) as client:
        by_word = client.get(API + "tokens/row", params={"word": "bank", "k": 2}).json()
        by_row = client.get(API + "tokens/row", params={"row": 2, "k": 2}).json()
    assert by_word == by_row
    assert by_row["values"] == [1, 2]
    assert by_row["norm"] == pytest.approx(5**0.5)
    assert [one["text"] for one in by_row["neighbors"]] == ["東", "river"]
    assert by_row["neighbors"][0]["cosine"] == pytest.approx(9 / (5**0.5 * 18**0.5))


def test_of_a_huge_vocabulary_the_frequent_words_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rowspace.explore.word_tokens.MOST_NUMBERS", 6)
    view = WordTokens(Vectors(WORDS, ROWS)).word("東", 5)
    assert view.n_compared == 3
    assert {word for _, word, _ in view.neighbors} <= {"the", "river", "bank"}


def test_an_unknown_word_of_subword_vectors_has_its_ngrams() -> None:
    rows = np.arange(16, dtype=np.float32).reshape(8, 2)
    model = WordTokens(SubwordVectors(["on"], rows, minn=3, maxn=3, bucket=7))
    known, unknown = model.read("on up").tokens
    assert (known.row, known.n_ngrams) == (0, 2)
    assert (unknown.row, unknown.n_ngrams, unknown.is_read) == (None, 2, True)
    view = model.word("up", 1)
    assert [text for text, _ in view.ngrams] == ["<up", "up>"]
    own = rows[[row for _, row in view.ngrams]].mean(axis=0)
    np.testing.assert_allclose(model.vectors([unknown])[0], own)


def test_subwords_are_those_of_the_tokenizers_library() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    folder = minilm_folder()
    theirs = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.no_padding()
    model = read_subwords(folder)
    for text in (
        "Unbelievably quiet river banks",
        "  white\tspace\n ",
        "🤗 emoji, ñandú, e\u0301",
        "שלום עולם مرحبا",
        "the name [MASK] is a token",
        "",
    ):
        theirs.no_truncation()
        found = model.read(text).tokens
        assert [token.row for token in found] == theirs.encode(text).ids
        assert [token.key for token in found] == theirs.encode(text).tokens
        assert all(token.is_read for token in found)


def test_a_long_text_is_cut_where_the_model_cuts_it() -> None:
    model = read_subwords(minilm_folder())
    reading = model.read("river bank " * 300)
    read = [token.row for token in reading.tokens if token.is_read]
    assert reading.max_length == len(read) == 256
    assert read == model.read_ids("river bank " * 300)
    assert len(reading.tokens) == 602
    assert [token.part for token in reading.tokens[-2:]] == ["text", "special"]
    assert [token.is_read for token in reading.tokens[-2:]] == [False, True]


def test_pieces_of_a_word_have_its_number() -> None:
    tokens = read_subwords(minilm_folder()).read("unbelievably quiet!").tokens
    assert [token.word for token in tokens] == [-1, 0, 0, 0, 0, 0, 1, -1, -1]


def test_the_rows_are_those_of_the_model() -> None:
    load_file = pytest.importorskip("safetensors.numpy").load_file

    folder = minilm_folder()
    table = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    model = read_subwords(folder)
    view = model.row(2314, 3)
    assert view.vector is not None
    np.testing.assert_array_equal(view.vector, table[2314])
    units = table / np.linalg.norm(table, axis=1, keepdims=True)
    cosines = units @ units[2314]
    best = np.argsort(-cosines)[1:4]
    assert [row for row, _, _ in view.neighbors] == best.tolist()
    np.testing.assert_allclose([c for _, _, c in view.neighbors], cosines[best], rtol=1e-5)


def test_neither_torch_nor_a_runtime_is_loaded() -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from rowspace.explore.subword_tokens import read_subwords; "
        "model = read_subwords(Path(sys.argv[1])); model.read('a text'); model.row(5, 3); "
        "assert not {'torch', 'openvino', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(minilm_folder())], check=True)


def test_a_static_embedder_leaves_out_what_it_does_not_know(static: Path) -> None:
    model = read_subwords(static)
    tokens = model.read("river zzz bank").tokens
    assert [token.is_read for token in tokens] == [True, False, True]
    assert [token.row for token in tokens if token.is_read] == model.read_ids("river zzz bank")
    assert [token.is_read for token in model.read("of of of of of").tokens] == [True] * 4 + [False]
    long = "river of " * 100
    read = [token.row for token in model.read(long).tokens if token.is_read]
    assert read == model.read_ids(long)


def test_a_prompt_stands_before_the_text(static: Path) -> None:
    with looking_at(static) as client:
        answer = client.post(API + "tokens", json={"text": "bank", "prompt": "query"}).json()
        said = refusal(client, "tokens", json={"text": "bank", "prompt": "poem"})
    assert [(token["text"], token["part"]) for token in answer["tokens"]] == [
        ("ask", "prompt"), ("bank", "text"),
    ]  # fmt: skip
    assert answer["prompts"] == {"query": "ask "}
    assert answer["n_words"] == 1
    assert "'poem'" in said and "query" in said


def test_spaces_and_bytes_of_byte_level_tokens_can_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("the cat the cat the cat")
    tokenizer = SubwordTokenizer.train(Corpus(path), "bpe", vocab_size=262)
    rows = np.eye(tokenizer.vocab_size, 3, dtype=np.float32)
    embedding = StaticEmbedding(StaticTable(rows), tokenizer, weights=lambda: "")
    save_static(embedding, SentenceConfig(), tmp_path / "bytes")
    model = read_subwords(tmp_path / "bytes")
    found = texts(model.read("the\tcat é").tokens)
    assert "".join(found).replace("␣", " ") == "the⇥cat C3A9"
    assert found[-2:] == ["C3", "A9"]


def test_the_nearest_rows_are_those_of_the_plain_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 4)).astype(np.float32)
    rows[7] = 0
    monkeypatch.setattr("rowspace.explore.token_table._AT_ONCE", 20)
    found, n = nearest_rows(FileTable(rows, "F32"), 3, 49)
    cosines = [
        (float(np.dot(rows[3], row) / np.linalg.norm(rows[3]) / np.linalg.norm(row)), i)
        for i, row in enumerate(rows)
        if i not in (3, 7)
    ]
    assert n == 50
    assert [i for i, _ in found] == [i for _, i in sorted(cosines, reverse=True)]
    np.testing.assert_allclose(
        [c for _, c in found], sorted((c for c, _ in cosines))[::-1], rtol=1e-5
    )


def test_of_a_huge_table_the_first_rows_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.array([[1, 0], [0, 1], [1, 1], [1, 0]], dtype=np.float32)
    monkeypatch.setattr("rowspace.explore.token_table.MOST_NUMBERS", 6)
    found, n = nearest_rows(FileTable(rows, "F32"), 3, 9)
    assert n == 3
    assert [i for i, _ in found] == [0, 2, 1]


def test_a_table_of_the_right_size_and_name_is_found(tmp_path: Path) -> None:
    wanted = np.ones((6, 2), dtype=np.float32)
    others = {
        "embeddings.position_embeddings.weight": np.zeros((9, 2), dtype=np.float32),
        "small.word_embeddings.weight": np.zeros((3, 2), dtype=np.float32),
    }
    write_tensors(tmp_path / "a.safetensors", others, {})
    assert token_table(tmp_path, 5) is None
    write_tensors(tmp_path / "b.safetensors", {"model.embed_tokens.weight": wanted}, {})
    table = token_table(tmp_path, 5)
    assert table is not None
    np.testing.assert_array_equal(table.of(np.array([1, 2])), wanted[:2])


def test_hostile_texts_and_numbers_are_refused_in_a_line(words: Path) -> None:
    with looking_at(words) as client:
        assert "1,048,576 characters" in refusal(client, "tokens", json={"text": "x" * (1 << 20)})
        assert "model 'other'" in refusal(client, "tokens", json={"text": "a", "model": "other"})
        refusal(client, "tokens", json={"text": None})
        refusal(client, "tokens", json=[1])
        assert "no subject 7" in refusal(client, "tokens?subject=7", json={"text": "a"})
        assert "no subject -1" in refusal(client, "tokens?subject=-1", json={"text": "a"})
        for row in ("-1", "5", "1000000000", "nan", "0.5"):
            refusal(client, "tokens/row", params={"row": row})
        for k in ("0", "-1", "51", "1e9"):
            refusal(client, "tokens/row", params={"row": 0, "k": k})
        refusal(client, "tokens/row")
        refusal(client, "tokens/row", params={"row": 0, "word": "the"})
        assert "'zzz' is not in the vocabulary" in refusal(
            client, "tokens/row", params={"word": "zzz"}
        )
        refusal(client, "tokens/row", params={"word": "x" * (MOST_CHARACTERS + 1)})


def test_half_a_surrogate_pair_is_refused(words: Path) -> None:
    with looking_at(words) as client:
        response = client.post(
            API + "tokens",
            content=b'{"text": "a\\ud800"}',
            headers={"content-type": "application/json"},
        )
    assert response.status_code in (400, 422)
    assert "error" in response.json()


def test_of_a_long_text_the_first_tokens_are_told(words: Path) -> None:
    with looking_at(words) as client:
        answer = client.post(API + "tokens", json={"text": "of " * (MOST_SHOWN + 5)}).json()
    assert answer["n_tokens"] == MOST_SHOWN + 5
    assert len(answer["tokens"]) == MOST_SHOWN
    assert len(answer["picture"]["places"]) == 64


@pytest.mark.parametrize("text", ["", "   \n\t", "🙂🙂", "\x00", "‏"])
def test_a_text_without_words_has_no_tokens(words: Path, text: str) -> None:
    with looking_at(words) as client:
        answer = client.post(API + "tokens", json={"text": text}).json()
    assert answer["tokens"] == []
    assert answer["picture"] is None
    assert answer["tokens_per_word"] is None
