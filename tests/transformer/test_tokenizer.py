from __future__ import annotations

import itertools
import json
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import (
    BertTokenizerFast,
    GPT2TokenizerFast,
)

from rowspace.errors import (
    ConfigError,
    CorpusError,
    FormatError,
    MissingExtraError,
    VocabularyError,
)
from rowspace.text.corpus import Corpus
from rowspace.transformer import tokenizer_training
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.data import shared_data
from tests.naive_bpe import NaiveBPE

TEXT = (
    "The quick brown fox jumps over the lazy dog. The dog doesn't mind; it sleeps, and the\n"
    "fox jumps again and again, quickly.\n\n  Then there are 12 foxes and 345 dogs.\n"
)
ODD = [
    "",
    " ",
    "naïve café, Ünïcödé",
    "👩‍👩‍👧‍👦 and 🇫🇷 and 👍🏽!",
    "漢字かな交じり文 한국어 עברית العربية हिन्दी",
    "tabs\tand\r\nlines \n\n\n  end  ",
    "it's they'll I'VE can't",
    "e\u0301 \u200b \u00a0 \ufffd \U0010ffff",
    "x = {'a': [1, 2.5e-3]}  # 100%",
]
BAD_MERGES = '{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]]}}'


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    path = tmp_path / "foxes.txt"
    path.write_text(TEXT * 3)
    return Corpus(path)


@pytest.fixture(scope="module")
def gpt2() -> SubwordTokenizer:
    return SubwordTokenizer.load(shared_data("tokenizer", "gpt2"))


@pytest.fixture(scope="module")
def bert() -> SubwordTokenizer:
    return SubwordTokenizer.load(shared_data("tokenizer", "bert-base-uncased-vocab.txt"))


@pytest.fixture(scope="module")
def llama3(tmp_path_factory: pytest.TempPathFactory) -> SubwordTokenizer:
    """Cuts text as Llama 3 does, which takes line ends to what stands before them."""
    path = tmp_path_factory.mktemp("llama") / "text.txt"
    path.write_text("ab1.,'s \n\t\u00a0é 漢 a1.\n\nab.\n" * 50)
    described = json.loads(SubwordTokenizer.train(Corpus(path), vocab_size=300)._json)
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"}
    bytes_of = described["pre_tokenizer"] | {"use_regex": False}
    described["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [split | {"invert": False}, bytes_of],
    }
    return _from(described)


def real_texts() -> list[str]:
    shakespeare = shared_data("lm", "tinyshakespeare.txt").read_text()
    wikipedia = shared_data("lm", "wikitext2.valid.txt").read_text()
    return [shakespeare[:100_000], wikipedia[200_000:300_000], *ODD]


# Against others


def test_gpt2s_files_encode_as_the_reference_does(gpt2: SubwordTokenizer) -> None:
    folder = shared_data("tokenizer", "gpt2")
    peer = GPT2TokenizerFast(str(folder / "encoder.json"), str(folder / "vocab.bpe"))
    for text in real_texts():
        assert gpt2.encode(text) == peer(text).input_ids
    assert gpt2.vocab_size == 50257
    assert gpt2.end_id == peer.eos_token_id == 50256


@pytest.mark.parametrize("text", [*ODD, TEXT])
def test_gpt2s_files_encode_as_merges_one_by_one(gpt2: SubwordTokenizer, text: str) -> None:
    folder = shared_data("tokenizer", "gpt2")
    naive = NaiveBPE(folder / "encoder.json", folder / "vocab.bpe")
    assert gpt2.encode(text) == naive.encode(text)


def test_berts_vocabulary_encodes_as_the_reference_does(bert: SubwordTokenizer) -> None:
    peer = BertTokenizerFast(str(shared_data("tokenizer", "bert-base-uncased-vocab.txt")))
    for text in real_texts():
        ids = bert.encode(text, add_special_tokens=True)
        assert ids == peer(text).input_ids
        assert bert.encode(text) == ids[1:-1]
    roles = (bert.padding_id, bert.unknown_id, bert.cls_id, bert.sep_id, bert.mask_id)
    assert roles == (0, 100, 101, 102, 103)
    assert bert.encode("The [MASK] sat") == [1996, 103, 2938]


def test_tiny_shakespeare_has_the_known_number_of_tokens(gpt2: SubwordTokenizer) -> None:
    # nanoGPT, data/shakespeare/readme.md: 301,966 and 36,059
    text = shared_data("lm", "tinyshakespeare.txt").read_text()
    assert len(gpt2.encode(text)) == 301_966 + 36_059


def test_the_tokenizer_json_of_another_library_gives_the_same_ids(
    gpt2: SubwordTokenizer, tmp_path: Path
) -> None:
    folder = shared_data("tokenizer", "gpt2")
    peer = GPT2TokenizerFast(str(folder / "encoder.json"), str(folder / "vocab.bpe"))
    peer.save_pretrained(tmp_path)
    loaded = SubwordTokenizer.load(tmp_path)
    for text in ODD:
        assert loaded.encode(text) == gpt2.encode(text)
    assert loaded.end_id == gpt2.end_id


@pytest.mark.parametrize("names", [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")])
def test_either_pair_of_names_is_read(
    gpt2: SubwordTokenizer, tmp_path: Path, names: tuple[str, str]
) -> None:
    for source, name in zip(("encoder.json", "vocab.bpe"), names, strict=True):
        shutil.copyfile(shared_data("tokenizer", "gpt2", source), tmp_path / name)
    assert SubwordTokenizer.load(tmp_path).fingerprint == gpt2.fingerprint
    assert SubwordTokenizer.load(tmp_path / names[0]).fingerprint == gpt2.fingerprint


def test_a_cased_vocabulary_keeps_capitals(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nParis\nparis\n")
    assert SubwordTokenizer.load(path).encode("Paris paris") == [5, 6]
    assert SubwordTokenizer.load(tmp_path, lowercase=True).encode("Paris paris") == [6, 6]


# Training


def test_pairs_are_joined_from_the_most_frequent_on(tmp_path: Path) -> None:
    # Counts of pairs by hand: a b 8, then ab c 5, then x y 3.
    path = tmp_path / "words.txt"
    path.write_text("\n".join(["abc"] * 5 + ["ab"] * 3 + ["xy"] * 3))
    tokenizer = SubwordTokenizer.train(Corpus(path), vocab_size=256 + 1 + 3)
    assert tokenizer.tokens[257:] == ["ab", "abc", "xy"]


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "characters"])
def test_the_same_text_gives_the_same_tokenizer(corpus: Corpus, kind: str) -> None:
    trained = [SubwordTokenizer.train(corpus, kind, vocab_size=300) for _ in range(4)]
    assert len({tokenizer.fingerprint for tokenizer in trained}) == 1
    other = SubwordTokenizer.train(corpus, kind, vocab_size=300, special_tokens=["[UNK]"])
    assert other.fingerprint != trained[0].fingerprint


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "characters"])
def test_what_is_saved_is_what_is_loaded(corpus: Corpus, kind: str, tmp_path: Path) -> None:
    tokenizer = SubwordTokenizer.train(corpus, kind, vocab_size=300)
    path = tokenizer.save(tmp_path / "new" / "folder")
    for place in (path, path.parent):
        loaded = SubwordTokenizer.load(place)
        assert loaded.fingerprint == tokenizer.fingerprint
        assert loaded.tokens == tokenizer.tokens
        assert loaded.encode(TEXT) == tokenizer.encode(TEXT)
    assert [child.name for child in path.parent.iterdir()] == ["tokenizer.json"]


def test_every_character_is_a_token_in_the_order_of_code_points() -> None:
    path = shared_data("lm", "tinyshakespeare.txt")
    text = path.read_text()
    tokenizer = SubwordTokenizer.train(Corpus(path), "characters", special_tokens=())
    alphabet = sorted(set(text))
    assert tokenizer.tokens == alphabet
    assert tokenizer.vocab_size == 65  # nanoGPT, data/shakespeare_char/readme.md
    assert tokenizer.encode(text[:500]) == [alphabet.index(c) for c in text[:500]]
    assert tokenizer.decode(tokenizer.encode(text[:500])) == text[:500]
    assert tokenizer.end_id is None


def test_an_unknown_character_is_named(corpus: Corpus) -> None:
    tokenizer = SubwordTokenizer.train(corpus, "characters")
    message = f"the character 'é' is not among the {len(set(TEXT)) + 1} tokens; train"
    with pytest.raises(VocabularyError, match=message):
        tokenizer.encode("foxé")
    with pytest.raises(VocabularyError, match=message):
        tokenizer.encode_documents(["fox", "foxé"])


def test_an_unknown_character_is_the_unknown_token_where_there_is_one(corpus: Corpus) -> None:
    tokenizer = SubwordTokenizer.train(corpus, "characters", special_tokens=["[UNK]"])
    ids = tokenizer.encode("oéé")
    assert ids[1:] == [tokenizer.unknown_id] * 2
    assert ids[0] == tokenizer.tokens.index("o")
    assert len(list(tokenizer.chunks(TEXT * 20))) > 1


def test_lower_case_characters_take_capitals(corpus: Corpus) -> None:
    tokenizer = SubwordTokenizer.train(corpus, "characters", lowercase=True)
    assert tokenizer.decode(tokenizer.encode("The FOX")) == "the fox"
    with pytest.raises(VocabularyError, match="the character 'é'"):
        tokenizer.encode("FOXÉ")


def test_special_tokens_come_first_and_have_their_roles(corpus: Corpus) -> None:
    bpe = SubwordTokenizer.train(corpus, special_tokens=["<|endoftext|>", "[MASK]"])
    assert bpe.special_tokens == {"<|endoftext|>": 0, "[MASK]": 1}
    assert (bpe.end_id, bpe.mask_id, bpe.padding_id, bpe.cls_id) == (0, 1, None, None)
    word_piece = SubwordTokenizer.train(corpus, "wordpiece", vocab_size=100)
    assert word_piece.tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert len(word_piece.special_tokens) == 5
    assert word_piece.end_id == word_piece.sep_id == 3


def test_word_piece_reads_lower_case_and_its_own_spelling(corpus: Corpus) -> None:
    tokenizer = SubwordTokenizer.train(corpus, "wordpiece", vocab_size=200)
    assert tokenizer.vocab_size <= 200
    assert tokenizer.encode("THE FÓX") == tokenizer.encode("the fox")
    assert tokenizer.decode(tokenizer.encode("The lazy dog.")) == "the lazy dog."
    assert tokenizer.unknown_id in tokenizer.encode("漢")


def test_training_takes_the_text_in_small_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.txt"
    path.write_text(TEXT * 1000)
    pieces = list(tokenizer_training._texts(Corpus(path), ""))
    assert "".join(pieces) == path.read_text()
    assert max(map(len, pieces)) < 2000


# Text that names special tokens


def test_a_document_cannot_name_a_special_token(
    gpt2: SubwordTokenizer, bert: SubwordTokenizer
) -> None:
    assert gpt2.encode("a<|endoftext|>")[-1] == gpt2.end_id
    assert gpt2.end_id not in gpt2.encode_documents(["a<|endoftext|>"])[0]
    assert bert.mask_id not in bert.encode_documents(["a [MASK]"])[0]
    assert gpt2.decode(gpt2.encode_documents(["a<|endoftext|>"])[0]) == "a<|endoftext|>"


def test_special_tokens_can_be_left_out_of_a_text(gpt2: SubwordTokenizer) -> None:
    ids = gpt2.encode("one<|endoftext|>two")
    assert gpt2.decode(ids) == "one<|endoftext|>two"
    assert gpt2.decode(ids, skip_special_tokens=True) == "onetwo"


# Properties


@settings(max_examples=200, deadline=None)
@given(text=st.text())
def test_bytes_give_back_any_text(gpt2: SubwordTokenizer, text: str) -> None:
    ids = gpt2.encode_documents([text])[0]
    assert gpt2.decode(ids) == text


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet=st.sampled_from("ab1.,'s \n\t\u00a0é👍漢"), min_size=0, max_size=60))
@pytest.mark.parametrize("name", ["gpt2", "bert", "llama3"])
def test_chunks_have_the_ids_of_the_text(
    request: pytest.FixtureRequest, name: str, text: str
) -> None:
    tokenizer: SubwordTokenizer = request.getfixturevalue(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rowspace.transformer.tokenizer.CHUNK_CHARACTERS", 4)
        chunks = list(tokenizer.chunks(text))
    assert "".join(chunks) == text
    rows = tokenizer.encode_documents(chunks)
    assert list(itertools.chain(*rows)) == tokenizer.encode_documents([text])[0]


def test_a_tokenizer_that_looks_farther_than_a_space_gets_whole_texts(corpus: Corpus) -> None:
    described = json.loads(SubwordTokenizer.train(corpus)._json)
    assert len(list(_from(described).chunks(TEXT * 20))) > 1
    described["pre_tokenizer"]["use_regex"] = False
    assert list(_from(described).chunks(TEXT * 20)) == [TEXT * 20]
    described["pre_tokenizer"]["use_regex"] = True
    described["normalizer"] = {"type": "Prepend", "prepend": "_"}
    assert list(_from(described).chunks(TEXT * 20)) == [TEXT * 20]


def test_a_batch_has_the_ids_of_its_texts(gpt2: SubwordTokenizer) -> None:
    assert gpt2.encode_batch(ODD) == [gpt2.encode(text) for text in ODD]


def test_truncation_and_padding_are_left_out(corpus: Corpus, tmp_path: Path) -> None:
    path = SubwordTokenizer.train(corpus).save(tmp_path / "plain")
    plain = Tokenizer.from_file(str(path))
    plain.enable_truncation(4)
    plain.enable_padding(length=4)
    plain.save(str(tmp_path / "tokenizer.json"))
    loaded = SubwordTokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.encode(TEXT) == SubwordTokenizer.load(path).encode(TEXT)
    assert len(loaded.encode("a")) == 1


# What goes wrong


def test_a_vocabulary_without_room_says_how_much_it_takes(corpus: Corpus) -> None:
    with pytest.raises(ConfigError, match=r"vocab_size is 200, but .* take 257; give 257 or more"):
        SubwordTokenizer.train(corpus, vocab_size=200)
    with pytest.raises(ConfigError, match=r"vocab_size is 20, but .* take \d\d; give that or more"):
        SubwordTokenizer.train(corpus, "characters", vocab_size=20)
    with pytest.raises(ConfigError, match=r"vocab_size is 20, but .* characters, at the start"):
        SubwordTokenizer.train(corpus, "wordpiece", vocab_size=20)


def test_settings_that_cannot_work_are_refused(corpus: Corpus) -> None:
    with pytest.raises(ConfigError, match="'unigram'; give one of bpe, wordpiece, characters"):
        SubwordTokenizer.train(corpus, "unigram")
    with pytest.raises(ConfigError, match="min_frequency is 0; give 1 or more"):
        SubwordTokenizer.train(corpus, min_frequency=0)
    with pytest.raises(ConfigError, match=r"has no \[UNK\], which WordPiece needs; add it"):
        SubwordTokenizer.train(corpus, "wordpiece", special_tokens=["[MASK]"])
    with pytest.raises(CorpusError, match="reads the text twice, and stdin only once; give a file"):
        SubwordTokenizer.train(Corpus("-"), "wordpiece")


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "characters"])
def test_an_empty_corpus_has_nothing_to_learn_from(tmp_path: Path, kind: str) -> None:
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(CorpusError, match="the corpus has no text in it; give some"):
        SubwordTokenizer.train(Corpus(tmp_path), kind)


def test_an_error_of_the_corpus_comes_through_training(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"good, then \xff\xfe")
    with pytest.raises(CorpusError, match=r"bad.txt is not utf-8 at byte 11"):
        SubwordTokenizer.train(Corpus(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", '{"model": ', "tokenizer.json cannot be read .*; get it again"),
        ("tokenizer.json", '{"version": "1.0"}', "tokenizer.json cannot be read"),
        ("tokenizer.json", BAD_MERGES, "joins a and b, which are not all in its vocabulary"),
        ("vocab.txt", "the\ncat\n", r"vocab.txt has no token \[UNK\], so it is no vocabulary"),
        ("vocab.txt", "[UNK]\na\na\n", "vocab.txt has a token twice"),
        ("vocab.json", '{"a": 0}', "there is no file .*merges.txt; get the whole tokenizer"),
        ("other.md", "", "has no tokenizer.json, vocab.json and merges.txt, or vocab.txt"),
    ],
)
def test_a_damaged_tokenizer_is_one_clear_line(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(FormatError, match=message) as caught:
        SubwordTokenizer.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_merges_of_unknown_tokens_are_damaged(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"a": 0, "b": 1}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    with pytest.raises(
        FormatError, match=r"the tokenizer .* joins a and b, which are not all in its vocab"
    ):
        SubwordTokenizer.load(tmp_path)
    (tmp_path / "merges.txt").write_text("#version: 0.2\nabc\n")
    with pytest.raises(FormatError, match=r"the tokenizer .* cannot be read"):
        SubwordTokenizer.load(tmp_path)


def test_a_tokenizer_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"there is no file or folder .*nothing; check the path"):
        SubwordTokenizer.load(tmp_path / "nothing")


def test_an_id_that_is_no_token_is_named(corpus: Corpus) -> None:
    tokenizer = SubwordTokenizer.train(corpus, "characters")
    n_tokens = len(set(TEXT)) + 1
    for wrong in (n_tokens, -1):
        message = f"id {wrong} is not one of the {n_tokens} there are"
        with pytest.raises(VocabularyError, match=message):
            tokenizer.decode([1, wrong])


def test_without_the_library_the_extra_is_named(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    message = r"tokenizers is not installed; run: pip install 'rowspace\[torch\]'"
    with pytest.raises(MissingExtraError, match=message):
        SubwordTokenizer.train(corpus)
    with pytest.raises(MissingExtraError, match=message):
        SubwordTokenizer.load(tmp_path)


def _from(described: dict[str, object]) -> SubwordTokenizer:
    return SubwordTokenizer(Tokenizer.from_str(json.dumps(described)))


def test_a_vocabulary_beyond_any_memory_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("a text")
    with pytest.raises(ConfigError, match="vocab_size is 999,999,999,999; give 10,000,000 or less"):
        SubwordTokenizer.train(Corpus(path), "bpe", vocab_size=999_999_999_999)
