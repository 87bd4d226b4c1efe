"""fastText's n-grams and their hash, against the official program and a slow version."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import ConfigError
from rowspace.text.ngrams import fnv1a, ngrams, subword_buckets

LETTERS = st.characters(exclude_characters="<>", exclude_categories=["Cs"])


def _naive_hash(data: bytes) -> int:
    key = 2166136261
    for byte in data:
        key = (key ^ (byte - 256 if byte > 127 else byte)) % 2**32 * 16777619 % 2**32
    return key


def _naive_ngrams(word: str, minn: int, maxn: int) -> list[str]:
    marked = f"<{word}>"
    return [
        marked[i : i + n]
        for i in range(len(marked))
        for n in range(max(1, minn), maxn + 1)
        if i + n <= len(marked) and marked[i : i + n] not in ("<", ">")
    ]


def test_the_hash_is_over_signed_bytes() -> None:
    assert fnv1a("北海道".encode()) == 4096045468  # a value that users of fastText report
    assert fnv1a(b"") == 2166136261


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.text(LETTERS), max_size=6),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(1, 5000),
)
def test_buckets_are_those_of_the_slow_version(
    words: list[str], minn: int, more: int, bucket: int
) -> None:
    maxn = max(1, minn) + more
    ends, buckets = subword_buckets(words, minn, maxn, bucket)
    for i, word in enumerate(words):
        expected = [] if word == "</s>" else _naive_ngrams(word, minn, maxn)
        assert [gram.decode() for gram in ngrams(word, minn, maxn)] == expected
        found = buckets[ends[i] : ends[i + 1]].tolist()
        assert found == [_naive_hash(gram.encode()) % bucket for gram in expected]


def test_bytes_that_are_not_utf8_are_hashed_all_the_same() -> None:
    ends, buckets = subword_buckets([b"a\xff\x80b"], 3, 3, 97)
    assert ends.tolist() == [0, 3]
    grams = [b"<a\xff\x80", b"a\xff\x80b", b"\xff\x80b>"]
    assert buckets.tolist() == [_naive_hash(gram) % 97 for gram in grams]


@pytest.mark.parametrize(
    ("minn", "maxn", "bucket", "message"),
    [
        (3, 6, 0, "bucket is 0, so n-grams of 3 to 6 characters have no rows; give"),
        (5, 3, 100, "minn 5 exceeds maxn 3, so no n-gram has such a length; give minn"),
        (-1, 3, 100, "minn, maxn and bucket are -1, 3 and 100; give 0 or more of each"),
    ],
)
def test_lengths_that_cannot_work_are_refused(
    minn: int, maxn: int, bucket: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        subword_buckets(["a"], minn, maxn, bucket)
    assert subword_buckets(["a"], 0, 0, 0)[0].tolist() == [0, 0]
