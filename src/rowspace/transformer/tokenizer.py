"""Text to token ids and back: a thin face of the `tokenizers` library.

A tokenizer is trained on a corpus, or read from what GPT-2, BERT and the Hugging Face hub publish:
byte-level BPE (Radford et al. 2019, section 2.2), WordPiece (Devlin et al. 2019), or characters.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import CorpusError, VocabularyError
from rowspace.files import write_atomically
from rowspace.text.corpus import Corpus
from rowspace.transformer.tokenized import Tokenized

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END_TOKENS = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[SEP]")
PADDING_TOKENS = ("[PAD]", "<pad>", "<|padding|>")
MASK_TOKENS = ("[MASK]", "<mask>", "<|mask|>")
CLS_TOKENS = ("[CLS]", "<s>")
SEP_TOKENS = ("[SEP]", "</s>")
UNKNOWN_TOKENS = ("[UNK]", "<unk>", "<|unknown|>")
CHUNK_CHARACTERS = 1 << 10

# Those that treat what follows a space as if it were a text of its own, the first also by
# themselves.
_CUTTING = {"BertPreTokenizer", "Split"}
_CUT_PRE_TOKENIZERS = {*_CUTTING, "ByteLevel", "Digits", "Punctuation"}
_CUT_NORMALIZERS = {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"}


class SubwordTokenizer:
    """Turns text into ids of subwords and back.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Its truncation and padding, if it has any, are left out: a text keeps its length.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "greeting.txt")
    >>> _ = path.write_text("Hello, world.")
    >>> tokenizer = SubwordTokenizer.train(Corpus(path), "characters")
    >>> tokenizer.tokens
    ['<|endoftext|>', ' ', ',', '.', 'H', 'd', 'e', 'l', 'o', 'r', 'w']
    >>> tokenizer.encode("role")
    [9, 8, 7, 6]
    >>> tokenizer.decode([9, 8, 7, 6])
    'role'
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._json = tokenizer.to_str()
        self._parts: dict[str, Any] = json.loads(self._json)

    # Where it comes from, and where it goes

    @classmethod
    def train(
        cls,
        corpus: Corpus,
        kind: str = "bpe",
        *,
        vocab_size: int = 8192,
        min_frequency: int = 2,
        lowercase: bool | None = None,
        special_tokens: Sequence[str] | None = None,
    ) -> SubwordTokenizer:
        """Learn a vocabulary from a corpus; the same text gives the same one.

        Parameters
        ----------
        corpus : Corpus
            Read once, for `wordpiece` twice; so it must not be stdin there.
        kind : {"bpe", "wordpiece", "characters"}
            `bpe` is byte-level, as GPT-2's: it encodes any text and gives it back unchanged.
            `wordpiece` is BERT's. `characters` makes a token of every character there is.
        vocab_size : int
            Tokens at most, special tokens included.
        min_frequency : int
            Two tokens that stand together less often are not joined.
        lowercase : bool or None
            None is True for `wordpiece` and False for the others.
        special_tokens : sequence of str or None
            They get the first ids. None is `<|endoftext|>`, for `wordpiece` BERT's five.

        Raises
        ------
        ConfigError
            If the kind is not known, or vocab_size has no room for the bytes or characters.
        CorpusError
            If the corpus is empty or cannot be read.
        MissingExtraError
            If the `tokenizers` package is not installed.
        """
        from rowspace.transformer.tokenizer_training import train_tokenizer

        return cls(
            train_tokenizer(corpus, kind, vocab_size, min_frequency, lowercase, special_tokens)
        )

    @classmethod
    def load(cls, path: Path | str, *, lowercase: bool | None = None) -> SubwordTokenizer:
        """Read a tokenizer that was saved or published.

        Parameters
        ----------
        path : path
            A tokenizer.json, a BERT vocab.txt, or a folder: with a tokenizer.json, with GPT-2's
            vocab.json and merges.txt (or encoder.json and vocab.bpe), or with a vocab.txt.
        lowercase : bool or None
            Whether a vocab.txt is of lower-case text, which it does not say. None looks whether
            any of its tokens has a capital letter.

        Raises
        ------
        FormatError
            If there is no such file, or it is damaged.
        MissingExtraError
            If the `tokenizers` package is not installed.
        """
        from rowspace.transformer.tokenizer_files import load_tokenizer

        return cls(load_tokenizer(Path(path), lowercase))

    def save(self, folder: Path | str) -> Path:
        """Write `tokenizer.json` into a folder, atomically; returns its path."""
        path = Path(folder) / "tokenizer.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            file.write(self._json.encode())
        return path

    def to_json(self) -> str:
        """What `save` writes."""
        return self._json

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its JSON: tells one tokenizer from another."""
        return hashlib.sha256(self._json.encode()).hexdigest()

    # Text to ids, and back

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        """Ids of a text. A special token's name in it, as `[MASK]`, becomes that token.

        Parameters
        ----------
        text : str
        add_special_tokens : bool
            Put around it what the tokenizer says: [CLS] and [SEP], for BERT.

        Raises
        ------
        VocabularyError
            If it has a character that is not in a vocabulary of characters.
        """
        return self.encode_batch([text], add_special_tokens=add_special_tokens)[0]

    def encode_batch(
        self, texts: Sequence[str], *, add_special_tokens: bool = False
    ) -> list[list[int]]:
        """Ids of each text, on every core; as `encode`.

        TOKENIZERS_PARALLELISM=false in the environment makes it use one core.
        """
        return self._encode(self._tokenizer, texts, add_special_tokens)

    def encode_documents(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of texts in which the name of a special token is text like any other.

        A document about BERT that says `[MASK]` has no masked word.

        Raises
        ------
        VocabularyError
            If a text has a character that is not in a vocabulary of characters.
        """
        return self._encode(self._ordinary, texts, False)

    def _encode(
        self, tokenizer: Tokenizer, texts: Sequence[str], add_special_tokens: bool
    ) -> list[list[int]]:
        encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=add_special_tokens)
        ids = [encoding.ids for encoding in encodings]
        if self._has_only_characters and self.unknown_id is None:
            for text, row in zip(texts, ids, strict=True):
                if len(row) != len(text):  # the library leaves out what it does not know
                    self._check_characters(text)
        return ids

    def read(self, texts: Sequence[str], n_tokens: int | None = None) -> list[Tokenized]:
        """Each text's ids and where its tokens stand in it, special tokens around it apart.

        The name of a special token in a text is text like any other.

        Parameters
        ----------
        texts : sequence of str
        n_tokens : int, optional
            Of a text that has more, the first ones are enough: more than `n_tokens` of them, but
            not all where it can be cut, as `chunks` does. What is amiss with the rest is not seen.

        Raises
        ------
        VocabularyError
            If a text has a character that is not in a vocabulary of characters.
        CorpusError
            If one has half a surrogate pair, or is no text.
        """
        try:
            return self._read(texts, math.inf if n_tokens is None else n_tokens)
        except TypeError as error:
            raise _no_text(texts, error) from error

    def locate(self, text: str) -> Tokenized:
        """As `encode` with special tokens, and where the tokens stand in the text.

        Unlike `read`, it makes a special token of its name in the text, as a model's reader does.

        Raises
        ------
        CorpusError
            If the text has half a surrogate pair.
        """
        check_text(text, 0)
        return Tokenized.of(text, self._tokenizer.encode(text))

    def _read(self, texts: Sequence[str], n_tokens: float) -> list[Tokenized]:
        """A piece of every text, then another of each that is not done: what the library says of
        a piece is many times as large as its arrays."""
        chunks = [self.chunks(text) for text in texts]
        parts: list[list[Tokenized]] = [[] for _ in texts]
        begins = [[0] for _ in texts]
        n_read = [0] * len(texts)
        left = list(range(len(texts)))
        while left:
            pieces = [next(chunks[i], "") for i in left]  # an empty text has none
            for i, piece, tokenized in zip(left, pieces, self._read_pieces(pieces), strict=True):
                parts[i].append(tokenized)
                begins[i].append(begins[i][-1] + len(piece))
                n_read[i] += len(tokenized)
            left = [i for i in left if begins[i][-1] < len(texts[i]) and n_read[i] <= n_tokens]
        return [Tokenized.joined(*both) for both in zip(parts, begins, strict=True)]

    def _read_pieces(self, pieces: Sequence[str]) -> list[Tokenized]:
        encodings = self._ordinary.encode_batch(pieces, add_special_tokens=True)
        found = [Tokenized.of(*pair) for pair in zip(pieces, encodings, strict=True)]
        if self._has_only_characters and self.unknown_id is None:
            for piece, tokenized in zip(pieces, found, strict=True):
                if len(tokenized) != len(piece):
                    self._check_characters(piece)
        return found

    def between_ends(self) -> SubwordTokenizer:
        """The same, that puts its end-of-text token before and after a text, and no other.

        So a model sees texts that is trained on documents with that token after each.
        """
        from tokenizers.processors import TemplateProcessing

        if self.end_id is None:
            return self
        tokenizer = type(self._tokenizer).from_str(self._json)
        name = self.tokens[self.end_id]
        tokenizer.post_processor = TemplateProcessing(
            single=[name, "$A", name], special_tokens=[(name, self.end_id)]
        )
        return SubwordTokenizer(tokenizer)

    def truncated(self, max_length: int | None) -> TruncatingTokenizer:
        """The same, that cuts texts at a number of tokens, special ones included."""
        tokenizer = type(self._tokenizer).from_str(self._json)
        if max_length is not None:
            tokenizer.enable_truncation(max_length)
        return TruncatingTokenizer(tokenizer)

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """The text of ids.

        Bytes that are no whole character become U+FFFD.

        Raises
        ------
        VocabularyError
            If an id is not in the vocabulary.
        """
        ids = [int(token_id) for token_id in ids]
        for token_id in ids:
            if not 0 <= token_id < self.vocab_size:
                raise VocabularyError(
                    f"the token id {token_id} is not one of the {self.vocab_size:,} there are; "
                    "give the ids of this tokenizer"
                )
        return self._tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)

    def chunks(self, text: str) -> Iterator[str]:
        """Pieces of a text whose ids, joined, are the ids of the text.

        They are some 1,000 characters long where the tokenizer is known to see no farther than a
        space, and else the text is one.
        """
        first = 0
        while self._can_be_cut and len(text) - first > CHUNK_CHARACTERS:
            cut = _cut_after(text, first + CHUNK_CHARACTERS)
            yield text[first:cut]
            first = cut
        if first < len(text):
            yield text[first:]

    def _check_characters(self, text: str) -> None:
        if self._tokenizer.normalizer is not None:
            text = self._tokenizer.normalizer.normalize_str(text)
        known = set(self.tokens)
        found = next((character for character in text if character not in known), None)
        if found is not None:
            raise VocabularyError(
                f"the character {found!r} is not among the {self.vocab_size:,} tokens; train the "
                f"tokenizer on text that has it, or with {UNKNOWN_TOKENS[0]} as a special token"
            )

    @functools.cached_property
    def _ordinary(self) -> Tokenizer:
        """The same, but blind to the names of special tokens."""
        tokenizer = type(self._tokenizer).from_str(self._json)
        tokenizer.encode_special_tokens = True
        return tokenizer

    @property
    def _has_only_characters(self) -> bool:
        model = self._parts["model"]
        return bool(
            model["type"] == "BPE" and self._parts["pre_tokenizer"] is None and not model["merges"]
        )

    @functools.cached_property
    def _can_be_cut(self) -> bool:
        if self._has_only_characters:
            return True
        before = _members(self._parts["pre_tokenizer"], "pretokenizers")
        types = {part["type"] for part in before}
        changed = {part["type"] for part in _members(self._parts["normalizer"], "normalizers")}
        cuts = types & _CUTTING or any(part.get("use_regex") for part in before)
        return bool(cuts) and types <= _CUT_PRE_TOKENIZERS and changed <= _CUT_NORMALIZERS

    # Its tokens

    @property
    def vocab_size(self) -> int:
        """One more than the highest id."""
        return len(self.tokens)

    @functools.cached_property
    def tokens(self) -> list[str]:
        """The tokens as the vocabulary spells them, by id; "" where an id has none."""
        ids = self._tokenizer.get_vocab(with_added_tokens=True)
        tokens = [""] * (max(ids.values(), default=-1) + 1)
        for token, token_id in ids.items():
            tokens[token_id] = token
        return tokens

    @functools.cached_property
    def special_tokens(self) -> dict[str, int]:
        """Tokens that stand for no text, and their ids."""
        added = self._tokenizer.get_added_tokens_decoder()
        return {token.content: i for i, token in sorted(added.items()) if token.special}

    @property
    def end_id(self) -> int | None:
        """The token that ends a text: `<|endoftext|>`, `</s>` or `[SEP]`."""
        return self._first_of(END_TOKENS)

    @property
    def padding_id(self) -> int | None:
        """The token that fills up a short text."""
        return self._first_of(PADDING_TOKENS)

    @property
    def mask_id(self) -> int | None:
        """The token that hides another."""
        return self._first_of(MASK_TOKENS)

    @property
    def cls_id(self) -> int | None:
        """The token before a text."""
        return self._first_of(CLS_TOKENS)

    @property
    def sep_id(self) -> int | None:
        """The token between and after texts."""
        return self._first_of(SEP_TOKENS)

    @property
    def unknown_id(self) -> int | None:
        """The token for what has none."""
        name = self._parts["model"].get("unk_token")
        return self._first_of((name, *UNKNOWN_TOKENS) if name else UNKNOWN_TOKENS)

    @property
    def model_unknown_id(self) -> int | None:
        """What the model itself says instead of an unknown word, be it special or not."""
        model = self._parts["model"]
        if model["type"] == "Unigram":
            unknown: int | None = model.get("unk_id")
            return unknown
        name = model.get("unk_token")
        return None if name is None else self._tokenizer.token_to_id(name)

    def _first_of(self, names: Sequence[str]) -> int | None:
        found = (self.special_tokens[name] for name in names if name in self.special_tokens)
        return next(found, None)

    @property
    def marks_inner(self) -> bool:
        """Whether a token that goes on with a word says so by `##` (WordPiece)."""
        return bool(self._parts["model"]["type"] == "WordPiece")

    @functools.cached_property
    def joints(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which tokens begin, and which end, with a letter or digit: (vocab_size,) arrays, both.

        A token goes on with the word of the one before it where that ends so and it begins so.
        Pieces of a character, in byte-level BPE, count as letters.
        """
        if self.marks_inner:
            begins = np.array([token.startswith("##") for token in self.tokens], dtype=np.bool_)
            return begins, ~self._are_special
        texts = [
            self._tokenizer.decode([i], skip_special_tokens=False) for i in range(self.vocab_size)
        ]
        begins = np.array([_is_inner(text[:1]) for text in texts], dtype=np.bool_)
        ends = np.array([_is_inner(text[-1:]) for text in texts], dtype=np.bool_)
        return begins & ~self._are_special, ends & ~self._are_special

    @property
    def _are_special(self) -> NDArray[np.bool_]:
        special = np.zeros(self.vocab_size, dtype=np.bool_)
        special[list(self.special_tokens.values())] = True
        return special


class TruncatingTokenizer:
    """Reads the beginnings of texts; `SubwordTokenizer.truncated` makes one.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Set to truncate.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def encode(
        self, texts: Sequence[str], *, add_special_tokens: bool = True
    ) -> tuple[list[list[int]], NDArray[np.bool_]]:
        """Ids of each text between its special tokens, and whether it was cut: (n_texts,) bool.

        The name of a special token in a text is that token.

        Raises
        ------
        CorpusError
            If one has half a surrogate pair, or is no text.
        """
        try:
            encodings = self._tokenizer.encode_batch_fast(
                list(texts), add_special_tokens=add_special_tokens
            )
        except TypeError as error:
            raise _no_text(texts, error) from error
        is_cut = [bool(encoding.overflowing) for encoding in encodings]
        return [encoding.ids for encoding in encodings], np.array(is_cut, dtype=np.bool_)

    def encode_pairs(
        self, pairs: Sequence[tuple[str, str]]
    ) -> tuple[list[list[int]], list[list[int]], NDArray[np.bool_]]:
        """Ids of each pair of texts, the type of each token, and whether the pair was cut.

        The longer of both is cut first, as [CLS] a [SEP] b [SEP]; a token's type says which of
        them it is of, where the model tells them apart.
        """
        encodings = self._tokenizer.encode_batch_fast(list(pairs), add_special_tokens=True)
        is_cut = [bool(encoding.overflowing) for encoding in encodings]
        ids, types = [one.ids for one in encodings], [one.type_ids for one in encodings]
        return ids, types, np.array(is_cut, dtype=np.bool_)


def check_text(text: Any, number: int) -> None:
    """Raise CorpusError for what is no text, or has half a surrogate pair."""
    if not isinstance(text, str):
        raise CorpusError(f"text {number} is {text!r}, which is no text; give strings")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        place = error.start
        raise CorpusError(
            f"text {number} has half a surrogate pair, {text[place]!r}, at character "
            f"{place:,}, which is no character; read the text as UTF-8, or leave it out"
        ) from error


def _no_text(texts: Sequence[Any], error: TypeError) -> CorpusError:
    """What is amiss with texts that the library does not take."""
    try:
        for number, text in enumerate(texts):
            check_text(text, number)
    except CorpusError as found:
        return found
    return CorpusError(f"the tokenizer cannot read the texts ({error}); give strings")


def _cut_after(text: str, place: int) -> int:
    """Where the first space after a letter or digit is, from `place` on; else the text's end."""
    while (place := text.find(" ", place)) >= 0:
        if text[place - 1].isalnum():
            return place
        place += 1
    return len(text)


def _members(part: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """A part of the JSON, or where it is a sequence, the members of that."""
    if part is None:
        return []
    members: list[dict[str, Any]] = part.get(name, [part])
    return members


def _is_inner(character: str) -> bool:
    return character.isalnum() or character == "\ufffd"
