"""Tokenizers that know whole words: made of word vectors, or of a teacher's that learns more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from rowspace.errors import ConfigError
from rowspace.extras import need
from rowspace.transformer.tokenizer import SubwordTokenizer

UNKNOWN = "[UNK]"
# As rowspace.text.tokenizer: letters, marks, digits and underscores; a Han character by itself
_WORD = r"\p{Han}|(?:(?!\p{Han})\w)+"


def word_tokenizer(words: Iterable[str]) -> SubwordTokenizer:
    """A tokenizer whose tokens are words, in lower case, and one for all others.

    Parameters
    ----------
    words : iterable of str
        Those that are alike in lower case become one token.
    """
    tokenizers = need("tokenizers")
    vocab = {UNKNOWN: 0}
    for word in words:
        vocab.setdefault(word.lower(), len(vocab))
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token=UNKNOWN))
    made.normalizer = tokenizers.normalizers.Sequence(
        [tokenizers.normalizers.NFC(), tokenizers.normalizers.Lowercase()]
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split(
        tokenizers.Regex(_WORD), behavior="removed", invert=True
    )
    return SubwordTokenizer(made)


def with_words(tokenizer: SubwordTokenizer, words: Sequence[str]) -> SubwordTokenizer:
    """The same WordPiece tokenizer, with whole words as further tokens, in order.

    It takes the longest token that a word begins with, so that a word that it knows is one token.

    Raises
    ------
    ConfigError
        If it is no WordPiece, whose words could not be added so.
    """
    if not tokenizer.marks_inner:
        raise ConfigError(
            "the teacher's tokenizer is no WordPiece, so whole words cannot be added to it; give "
            "max_words 0"
        )
    content = json.loads(tokenizer.to_json())
    first = tokenizer.vocab_size
    content["model"]["vocab"] |= {word: first + i for i, word in enumerate(words)}
    return SubwordTokenizer(need("tokenizers").Tokenizer.from_str(json.dumps(content)))
