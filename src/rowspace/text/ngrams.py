"""Character n-grams of words, and the bucket each of them hashes to, as in fastText.

Bojanowski, Grave, Joulin & Mikolov (2017), https://aclanthology.org/Q17-1010
Differs from the paper as fastText does: the hash is 32-bit FNV-1a over *signed* bytes, and the
1-grams `<` and `>` are left out. Words are bytes; those that are not UTF-8 are hashed all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError
from rowspace.text import ngram_kernels as kernels

SENTENCE_END = b"</s>"
"""The word that ends a line, in fastText; it has no n-grams."""


def fnv1a(data: bytes) -> int:
    """32-bit FNV-1a over signed bytes: fastText's hash of words and n-grams.

    Examples
    --------
    >>> fnv1a("北海道".encode())
    4096045468
    """
    return int(kernels.hash_bytes(np.frombuffer(data, dtype=np.uint8)))


def encode_word(word: bytes | str) -> bytes:
    """A word's bytes: UTF-8, with surrogates (PEP 383) for what was not UTF-8 when it was read.

    Raises
    ------
    ConfigError
        If the word holds another lone surrogate, which no bytes stand for.
    """
    if isinstance(word, bytes):
        return word
    try:
        return word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"the word {word!r} holds a lone surrogate, so it has no bytes; leave it out"
        ) from error


def subword_buckets(
    words: Sequence[bytes | str], minn: int, maxn: int, bucket: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The buckets of each word's n-grams, without the word's own row.

    Parameters
    ----------
    words : sequence of bytes or str
    minn, maxn : int
        Shortest and longest n-gram of `<word>`, in characters; maxn 0 gives none.
    bucket : int
        Number of buckets: an n-gram's is its hash modulo this.

    Returns
    -------
    ends : (n_words + 1,) int64
        The n-grams of word i are buckets[ends[i] : ends[i + 1]].
    buckets : (ends[-1],) int32
        Each in 0 .. bucket - 1, in fastText's order: by first character, then by length. An n-gram
        that occurs twice in a word is there twice.

    Raises
    ------
    ConfigError
        If n-grams are wanted (maxn above 0) and there is no bucket for them, or minn exceeds maxn.

    Examples
    --------
    >>> ends, buckets = subword_buckets(["on", "</s>"], minn=3, maxn=4, bucket=1000)
    >>> ends.tolist()  # <on, <on>, on>
    [0, 3, 3]
    >>> int(buckets[0]) == fnv1a(b"<on") % 1000
    True
    """
    check_ngrams(minn, maxn, bucket)
    arena, ends = _pack(words)
    out_ends = np.zeros(len(ends), dtype=np.int64)
    if maxn == 0:
        return out_ends, np.empty(0, dtype=np.int32)
    kernels.count_ngrams(arena, ends, minn, maxn, out_ends)
    buckets = np.empty(out_ends[-1], dtype=np.int32)
    kernels.hash_ngrams(arena, ends, minn, maxn, bucket, out_ends, buckets)
    return out_ends, buckets


def check_ngrams(minn: int, maxn: int, bucket: int) -> None:
    """Refuse lengths and bucket counts that cannot work together.

    Raises
    ------
    ConfigError
    """
    if min(minn, maxn, bucket) < 0:
        raise ConfigError(
            f"minn, maxn and bucket are {minn}, {maxn} and {bucket}; give 0 or more of each"
        )
    if maxn == 0:
        return
    if minn > maxn:
        raise ConfigError(
            f"minn {minn} exceeds maxn {maxn}, so no n-gram has such a length; give minn ≤ maxn, "
            "or maxn 0 for no n-grams"
        )
    if not 1 <= bucket < 1 << 31:
        raise ConfigError(
            f"bucket is {bucket:,}, so n-grams of {minn} to {maxn} characters have no rows; give "
            "1 to 2,147,483,647, or maxn 0 for no n-grams"
        )


def ngrams(word: bytes | str, minn: int, maxn: int) -> list[bytes]:
    """The n-grams of `<word>` themselves, in the order of `subword_buckets`.

    Examples
    --------
    >>> ngrams("on", 2, 3)
    [b'<o', b'<on', b'on', b'on>', b'n>']
    """
    data = encode_word(word)
    if data == SENTENCE_END:
        return []
    marked = b"<%b>" % data
    starts = [i for i, byte in enumerate(marked) if byte & 0xC0 != 0x80] + [len(marked)]
    n_chars = len(starts) - 1
    return [
        marked[starts[first] : starts[first + n]]
        for first in range(n_chars)
        for n in range(max(minn, 1), min(maxn, n_chars - first) + 1)
        if n > 1 or 0 < first < n_chars - 1
    ]


def _pack(words: Sequence[bytes | str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The words' bytes one after the other, and where each ends: (n_words + 1,)."""
    encoded = [encode_word(word) for word in words]
    ends = np.zeros(len(encoded) + 1, dtype=np.int64)
    ends[1:] = np.cumsum(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)))
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), ends
