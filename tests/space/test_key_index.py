import numpy as np
import pytest

from rowspace.space.key_index import KeyIndex, _hash
from rowspace.space.load_kernels import join_words

KEYS = ["the", "naïve", "北京", "", "new york", "caf\udce9", *(f"w{i}" for i in range(500))]


def hashes(keys: list[str]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """As a reader makes them."""
    words = [key.encode("utf-8", "surrogateescape") for key in keys]
    ends = np.cumsum([len(word) for word in words])
    bounds = np.stack([ends - [len(word) for word in words], ends], axis=1)
    data = np.frombuffer(b"".join(words), dtype=np.uint8)
    found = np.empty(len(keys), dtype=np.uint64)
    join_words(data, bounds, np.uint8(0), np.empty(len(data) + len(keys), np.uint8), found)
    return found


def test_hashes_are_fnv() -> None:
    """http://www.isthe.com/chongo/tech/comp/fnv/index.html: its test vectors."""
    known = {"": 0xCBF29CE484222325, "a": 0xAF63DC4C8601EC8C, "foobar": 0x85944171F73967E8}
    assert [_hash(word.encode()) for word in known] == list(known.values())
    assert hashes(list(known)).tolist() == list(known.values())


def test_each_key_has_its_row_and_others_have_none() -> None:
    index = KeyIndex(hashes(KEYS))
    assert [index.find(key, KEYS) for key in KEYS] == list(range(len(KEYS)))
    assert index.n_repeated == 0
    for key in ("The", "w500", "caf", "caf\ud800", "new"):
        assert index.find(key, KEYS) is None


@pytest.mark.parametrize("same", [0, (1 << 64) - 1, 7])
def test_keys_of_one_hash_are_told_apart(same: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rowspace.space.key_index._hash", lambda _: same)
    index = KeyIndex(np.full(len(KEYS), same, dtype=np.uint64))
    assert [index.find(key, KEYS) for key in KEYS] == list(range(len(KEYS)))
    assert index.find("other", KEYS) is None
    assert index.n_repeated == len(KEYS) - 1


def test_of_equal_keys_the_first_is_found() -> None:
    keys = [*KEYS, "w3", "the"]
    index = KeyIndex(hashes(keys))
    assert index.n_repeated == 2
    assert (index.find("the", keys), index.find("w3", keys)) == (0, KEYS.index("w3"))
