"""Batches of examples: no text twice, none lost, the same again, resumable."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rowspace.errors import ConfigError
from rowspace.sentence.example import Example, TextKeys, text_keys
from rowspace.sentence.samplers import BatchConfig, BatchSampler


def make_examples(n: int, n_texts: int, seed: int = 0) -> list[Example]:
    """Examples whose texts are numbers, many of them the same."""
    random = np.random.default_rng(seed)
    rows = random.integers(n_texts, size=(n, 4)).astype(str).tolist()
    return [Example(a, f"p{p}", (f"p{m}", f"n{n}")) for a, p, m, n in rows]


def distinct(n: int, name: str = "") -> TextKeys:
    return text_keys(Example(f"{name}a{i}", f"{name}p{i}" + "x" * (i * 37 % 101)) for i in range(n))


def epoch(sampler: BatchSampler) -> list[list[int]]:
    return [batch.tolist() for batch in sampler]


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 60), st.integers(3, 200), st.integers(2, 9), st.integers(0, 3))
def test_no_text_stands_twice_and_no_example_is_lost(
    n: int, n_texts: int, batch_size: int, pool_batches: int
) -> None:
    examples = make_examples(n, n_texts)
    config = BatchConfig(batch_size=batch_size, pool_batches=pool_batches)
    sampler = BatchSampler([text_keys(examples)], config)
    for _ in range(2):
        n_left_out = sampler.n_left_out
        batches = epoch(sampler)
        for batch in batches:
            texts = Counter(text for i in batch for text in set(examples[i].texts))
            assert max(texts.values()) == 1
            assert 2 <= len(batch) <= batch_size
        seen = [i for batch in batches for i in batch]
        assert len(set(seen)) == len(seen) == n - n_left_out


def test_examples_without_a_shared_text_fill_every_batch() -> None:
    sampler = BatchSampler([distinct(100)], BatchConfig(batch_size=8))
    assert sorted(map(len, epoch(sampler))) == [4, *[8] * 12]
    sampler = BatchSampler([distinct(99)], BatchConfig(batch_size=8))
    assert sampler.n_left_out == 3  # under half a batch
    assert sorted(map(len, epoch(sampler))) == [8] * 12
    sampler = BatchSampler([distinct(3)], BatchConfig(batch_size=8))
    assert list(map(len, epoch(sampler))) == [3]  # the only one


def test_what_clashes_comes_in_a_later_batch_and_what_cannot_fit_is_counted() -> None:
    pairs = [Example("same", f"p{i}") for i in range(10)]
    others = [Example(f"a{i}", f"q{i}") for i in range(30)]
    sampler = BatchSampler([text_keys(pairs + others)], BatchConfig(batch_size=4))
    assert sampler.n_left_out == 0
    batches = epoch(sampler)
    assert len(batches) == 10
    assert all(sum(i < 10 for i in batch) == 1 for batch in batches)
    sampler = BatchSampler([text_keys(pairs)], BatchConfig(batch_size=4))
    assert (len(sampler), sampler.n_left_out) == (0, 10)
    sampler = BatchSampler([text_keys(pairs)], BatchConfig(batch_size=4, distinct_texts=False))
    assert sorted(map(len, epoch(sampler))) == [2, 4, 4]


def test_a_text_many_share_takes_no_longer_than_others() -> None:
    n = 40_000
    pairs = [Example("same", f"p{i}") for i in range(n)]
    sampler = BatchSampler([text_keys(pairs)], BatchConfig(batch_size=64))
    assert sampler.n_left_out == n


def test_epochs_differ_and_a_seed_gives_the_same_again() -> None:
    keys, config = distinct(60), BatchConfig(batch_size=8, seed=5)
    one, other = BatchSampler([keys], config), BatchSampler([keys], config)
    first, second = epoch(one), epoch(one)
    assert first != second
    assert (first, second) == (epoch(other), epoch(other))
    assert first != epoch(BatchSampler([keys], BatchConfig(batch_size=8, seed=6)))


def test_a_restored_sampler_goes_on_with_the_next_batch() -> None:
    keys, config = distinct(60), BatchConfig(batch_size=8)
    sampler = BatchSampler([keys], config)
    epoch(sampler)
    wanted = epoch(BatchSampler([keys], config)) and epoch(sampler)
    sampler = BatchSampler([keys], config)
    epoch(sampler)
    iterator = iter(sampler)
    begun = [next(iterator).tolist() for _ in range(3)]
    state = json.loads(json.dumps(sampler.state()))
    assert (state["epoch"], state["batch"]) == (1, 3)
    again = BatchSampler([keys], config)
    again.restore(state)
    assert begun + epoch(again) == wanted
    with pytest.raises(ConfigError, match=r"the batches were begun with .* 'seed': 0"):
        BatchSampler([keys], BatchConfig(batch_size=8, seed=1)).restore(state)


def test_a_batch_is_of_one_source() -> None:
    sampler = BatchSampler([distinct(40, "x"), distinct(24, "y")], BatchConfig(batch_size=8))
    batches = epoch(sampler)
    of_second = [all(i >= 40 for i in batch) for batch in batches]
    assert [any(i >= 40 for i in batch) for batch in batches] == of_second
    assert (len(of_second), sum(of_second)) == (8, 3)
    assert of_second != sorted(of_second)  # they alternate


def test_a_temperature_evens_out_the_sources() -> None:
    config = BatchConfig(batch_size=4, temperature=2.0)
    sampler = BatchSampler([distinct(360, "x"), distinct(40, "y")], config)
    batches = epoch(sampler)
    n_small = sum(batch[0] >= 360 for batch in batches)
    assert len(batches) == 100
    assert n_small == 25  # √40 / (√360 + √40) = 1/4
    times = Counter(i for batch in batches for i in batch if i >= 360)
    assert set(times.values()) == {2, 3}


def test_sorting_by_length_saves_padding() -> None:
    keys = distinct(512)

    def padding(pool_batches: int) -> int:
        config = BatchConfig(batch_size=8, pool_batches=pool_batches)
        lengths = [keys.lengths[batch] for batch in BatchSampler([keys], config)]
        assert sum(map(len, lengths)) == 512
        return sum(int((batch.max() - batch).sum()) for batch in lengths)

    assert padding(16) < padding(0) / 5


def test_settings_that_cannot_work_are_told() -> None:
    with pytest.raises(ConfigError, match="batch_size is 1, so no example has another"):
        BatchConfig(batch_size=1)
    with pytest.raises(ConfigError, match=r"temperature is 0\.5; give 1 or more"):
        BatchConfig(temperature=0.5)
    with pytest.raises(ConfigError, match="pool_batches is -1; give 0 or more"):
        BatchConfig(pool_batches=-1)
    with pytest.raises(ConfigError, match="there is no example to make batches of"):
        BatchSampler([distinct(0)], BatchConfig())
