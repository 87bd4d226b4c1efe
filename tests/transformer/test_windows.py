from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import ConfigError, CorpusError
from rowspace.transformer.tokenized import Tokenized
from rowspace.transformer.windows import Window, best_window, cut, window_starts
from tests.naive_contextual import naive_best_start

SIZES = st.tuples(st.integers(0, 120), st.integers(1, 30))


def tokenized(n_tokens: int) -> Tokenized:
    """Tokens 100, 101, … of one character each, between 1 and 2."""
    places = np.arange(n_tokens)
    return Tokenized(places + 100, places, places + 1, before=(1,), after=(2,))


@settings(deadline=None)
@given(SIZES)
def test_every_token_is_in_a_window_and_none_is_longer_than_the_room(
    sizes: tuple[int, int],
) -> None:
    n_tokens, room = sizes
    windows = cut(3, tokenized(n_tokens), room + 2, "chunk")
    read: set[int] = set()
    for window in windows:
        own = window.ids[1:-1].tolist()
        assert len(window.ids) <= room + 2
        assert window.text_id == 3
        assert (window.ids[0], window.ids[-1]) == (1, 2)
        assert own == list(range(window.first + 100, window.after + 100))
        assert all(
            window.ids[window.place_of(i)] == i + 100 for i in range(window.first, window.after)
        )
        read |= set(own)
    assert read == set(range(100, n_tokens + 100))
    assert len({window.first for window in windows}) == len(windows)


@settings(deadline=None)
@given(SIZES, st.data())
def test_a_word_is_read_in_the_window_with_most_around_it(
    sizes: tuple[int, int], data: st.DataObject
) -> None:
    n_tokens, room = sizes[0] + 1, sizes[1]
    first = data.draw(st.integers(0, n_tokens - 1))
    after = data.draw(st.integers(first + 1, n_tokens))
    windows = cut(0, tokenized(n_tokens), room + 2, "chunk")
    best = best_window(windows, first, after)
    expected = naive_best_start(n_tokens, room, first, after)
    assert (None if best is None else windows[best].first) == expected
    if after - first <= room - room // 2:
        assert best is not None


class Counted(list[Window]):
    """Windows that count how often one is looked at."""

    n_looks = 0

    def __getitem__(self, i: Any) -> Any:
        self.n_looks += 1
        return super().__getitem__(i)


def test_few_of_a_long_texts_windows_are_looked_at() -> None:
    before = cut(0, tokenized(7), 6, "chunk")
    windows = Counted([*before, *cut(1, tokenized(40_000), 6, "chunk")])
    of_text = range(len(before), len(windows))
    assert of_text.stop - of_text.start > 10_000
    for first in (0, 1, 20_001, 39_999):
        windows.n_looks = 0
        best = best_window(windows, first, first + 1, of_text)
        assert 0 < windows.n_looks < 50
        assert best is not None
        assert windows[best].first == naive_best_start(40_000, 4, first, first + 1)
        assert best in of_text


def test_windows_begin_every_half_of_their_length() -> None:
    assert window_starts(10, 4) == [0, 2, 4, 6]
    assert window_starts(9, 4) == [0, 2, 4, 5]
    assert window_starts(4, 4) == window_starts(0, 4) == [0]
    assert window_starts(3, 1) == [0, 1, 2]


def test_a_text_that_is_cut_keeps_its_beginning_and_special_tokens() -> None:
    (window,) = cut(0, tokenized(9), 5, "warn")
    assert window.ids.tolist() == [1, 100, 101, 102, 2]
    (whole,) = cut(0, tokenized(9), None, "error")
    assert len(whole.ids) == 11
    assert best_window([window], 2, 4) is None  # half of the word was cut


def test_a_text_without_tokens_is_its_special_ones() -> None:
    (window,) = cut(0, tokenized(0), 2, "error")
    assert window.ids.tolist() == [1, 2]


def test_what_cannot_be_says_so() -> None:
    with pytest.raises(CorpusError, match=r"text 4 has 11 tokens, and the model reads 5; shorten"):
        cut(4, tokenized(9), 5, "error")
    with pytest.raises(ConfigError, match=r"max_length is 2, and 2 special tokens.*give 3 or more"):
        cut(0, tokenized(9), 2, "chunk")
    with pytest.raises(ConfigError, match=r"max_length is 1, and 2 special tokens"):
        cut(0, tokenized(0), 1, "error")
