"""Vocabularies of subwords and characters learned from a corpus, which is streamed.

Byte-level BPE: Sennrich et al. (2016), https://aclanthology.org/P16-1162, over bytes as Radford
et al. (2019). WordPiece is trained as the `tokenizers` library does it, by the count of a pair and
not by its likelihood as Schuster & Nakajima (2012).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rowspace.errors import ConfigError, CorpusError
from rowspace.extras import need
from rowspace.progress import track
from rowspace.text.corpus import Corpus
from rowspace.transformer.documents import parts_of
from rowspace.transformer.tokenizer import CHUNK_CHARACTERS, UNKNOWN_TOKENS
from rowspace.transformer.tokenizer_files import (
    BERT_TOKENS,
    add_special_tokens,
    byte_level,
    word_piece,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

KINDS = ("bpe", "wordpiece", "characters")
END = "<|endoftext|>"
N_BYTES = 256
MOST_TOKENS = 10_000_000
"""Of a vocabulary; the library ends the process where it cannot hold as many as it is told."""
_MOST_CHARACTERS = 1000


def train_tokenizer(
    corpus: Corpus,
    kind: str,
    vocab_size: int,
    min_frequency: int,
    lowercase: bool | None,
    special_tokens: Sequence[str] | None,
) -> Tokenizer:
    """Learn a vocabulary; as `SubwordTokenizer.train`."""
    if kind not in KINDS:
        raise ConfigError(f"the kind of tokenizer is {kind!r}; give one of {', '.join(KINDS)}")
    if vocab_size > MOST_TOKENS:
        raise ConfigError(f"vocab_size is {vocab_size:,}; give {MOST_TOKENS:,} or less")
    if min_frequency < 1:
        raise ConfigError(f"min_frequency is {min_frequency}; give 1 or more")
    need("tokenizers")
    if special_tokens is None:
        special_tokens = BERT_TOKENS if kind == "wordpiece" else (END,)
    special = list(dict.fromkeys(special_tokens))
    if kind == "characters":
        return _train_characters(corpus, vocab_size, bool(lowercase), special)
    if kind == "bpe":
        return _train_bpe(corpus, vocab_size, min_frequency, bool(lowercase), special)
    return _train_word_piece(corpus, vocab_size, min_frequency, lowercase is not False, special)


def _train_bpe(
    corpus: Corpus, vocab_size: int, min_frequency: int, lowercase: bool, special: list[str]
) -> Tokenizer:
    least = N_BYTES + len(special)
    if vocab_size < least:
        raise ConfigError(
            f"vocab_size is {vocab_size}, but the {N_BYTES} bytes and {len(special)} special "
            f"tokens take {least}; give {least} or more"
        )
    tokenizers = need("tokenizers")
    tokenizer = byte_level(tokenizers.models.BPE(), lowercase)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=special,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    _train(tokenizer, trainer, corpus)
    return tokenizer


def _train_word_piece(
    corpus: Corpus, vocab_size: int, min_frequency: int, lowercase: bool, special: list[str]
) -> Tokenizer:
    """Train with the alphabet given, in order: the library's own order changes from run to run."""
    if UNKNOWN_TOKENS[0] not in special:
        raise ConfigError(
            f"special_tokens has no {UNKNOWN_TOKENS[0]}, which WordPiece needs; add it"
        )
    if "-" in corpus.description()["paths"]:
        raise CorpusError("WordPiece reads the text twice, and stdin only once; give a file")
    tokenizers = need("tokenizers")
    tokenizer = word_piece({}, lowercase)
    counts = _count_characters(corpus, tokenizer.normalizer.normalize_str)
    frequent = sorted(counts, key=lambda character: (-counts[character], character))
    alphabet = sorted(c for c in frequent[:_MOST_CHARACTERS] if not c.isspace())
    first = [*special, *alphabet, *(f"##{c}" for c in alphabet if _can_continue(c))]
    _check_room(len(first), vocab_size, "characters, at the start and inside of words,")
    trainer = tokenizers.trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=first,
        limit_alphabet=len(alphabet),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    _train(tokenizer, trainer, corpus)
    trained = word_piece(tokenizer.get_vocab(), lowercase)
    add_special_tokens(trained, special)
    return trained


def _can_continue(character: str) -> bool:
    """Whether a word can go on with it: BERT makes a word of each mark of punctuation."""
    if character.isascii():
        return character.isalnum()
    return not unicodedata.category(character).startswith("P")


def _train_characters(
    corpus: Corpus, vocab_size: int, lowercase: bool, special: list[str]
) -> Tokenizer:
    """Every character a token, in the order of code points."""
    tokenizers = need("tokenizers")
    lower = tokenizers.normalizers.Lowercase()
    alphabet = sorted(_count_characters(corpus, lower.normalize_str if lowercase else str))
    names = [*special, *(c for c in alphabet if c not in special)]
    _check_room(len(names), vocab_size, "characters")
    unknown = next((name for name in UNKNOWN_TOKENS if name in special), None)
    model = tokenizers.models.BPE(
        vocab={name: i for i, name in enumerate(names)}, merges=[], unk_token=unknown
    )
    tokenizer: Tokenizer = tokenizers.Tokenizer(model)
    if lowercase:
        tokenizer.normalizer = lower
    tokenizer.decoder = tokenizers.decoders.Fuse()
    add_special_tokens(tokenizer, special)
    return tokenizer


def _check_room(least: int, vocab_size: int, what: str) -> None:
    if least > vocab_size:
        raise ConfigError(
            f"vocab_size is {vocab_size:,}, but the text's {what} and the special tokens take "
            f"{least:,}; give that or more, or the kind bpe"
        )


def _train(tokenizer: Tokenizer, trainer: Any, corpus: Corpus) -> None:
    tokenizer.train_from_iterator(_texts(corpus, "learning subwords"), trainer)


def _count_characters(corpus: Corpus, normalize: Any) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in _texts(corpus, "counting characters"):
        counts.update(normalize(text))
    return counts


def _texts(corpus: Corpus, description: str) -> Iterator[str]:
    """The text in pieces of whole lines, so that no word is cut and memory stays small."""
    n_characters = 0
    with track(description, total=corpus.total_bytes()) as tracker:
        for part in parts_of(corpus):
            for text in _pieces(part.text.splitlines(keepends=True)):
                yield text
                n_characters += len(text)
                tracker.advance(len(text))
    if n_characters == 0:
        raise CorpusError("the corpus has no text in it; give some")


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    kept: list[str] = []
    n_characters = 0
    for line in lines:
        kept.append(line)
        n_characters += len(line)
        if n_characters >= CHUNK_CHARACTERS:
            yield "".join(kept)
            kept, n_characters = [], 0
    yield "".join(kept)
