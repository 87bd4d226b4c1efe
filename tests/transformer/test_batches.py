from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from rowspace.errors import ConfigError, CorpusError, MissingExtraError
from rowspace.transformer.batches import MODES, Batches, uniform

IDS = np.arange(1000, dtype=np.uint16)  # each token is its own place


@pytest.mark.parametrize("mode", MODES)
def test_targets_are_the_tokens_that_follow(mode: str) -> None:
    inputs, targets = Batches(IDS, 4, 10, mode=mode).batch_at(7)
    assert inputs.dtype == targets.dtype == torch.int64
    assert inputs.shape == targets.shape == (4, 10)
    assert torch.equal(targets, inputs + 1)
    assert torch.equal(inputs - inputs[:, :1], torch.arange(10).expand(4, 10))


@pytest.mark.parametrize("mode", MODES)
def test_a_step_has_its_batch_whatever_came_before(mode: str) -> None:
    batches = Batches(IDS, 4, 10, mode=mode, seed=3)
    in_order = [batches.batch_at(step)[0] for step in range(60)]
    for step in (59, 0, 31, 30):  # 25 steps are an epoch
        assert torch.equal(batches.batch_at(step)[0], in_order[step])
        fresh = Batches(IDS, 4, 10, mode=mode, seed=3)
        assert torch.equal(fresh.batch_at(step)[0], in_order[step])


@pytest.mark.parametrize("mode", ["random", "epoch"])
def test_another_process_has_the_same_batch_and_another_seed_has_not(mode: str) -> None:
    program = (
        "import numpy as np; from rowspace.transformer.batches import Batches; "
        f"print(Batches(np.arange(1000), 4, 10, mode={mode!r}, seed=3).starts_at(40).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    starts = Batches(IDS, 4, 10, mode=mode, seed=3).starts_at(40).tolist()
    assert done.stdout.decode().strip() == str(starts)
    assert Batches(IDS, 4, 10, mode=mode, seed=4).starts_at(40).tolist() != starts


def test_random_blocks_begin_anywhere_alike() -> None:
    batches = Batches(np.arange(31), 100, 10)  # begins at 0 to 20
    starts = np.concatenate([batches.starts_at(step) for step in range(100)])
    counts = np.bincount(starts)
    assert len(counts) == 21
    assert stats.chisquare(counts).pvalue > 0.001


def test_the_last_token_is_a_target() -> None:
    inputs, targets = Batches(np.arange(11), 2, 10).batch_at(0)
    assert inputs[0].tolist() == list(range(10))
    assert targets[0].tolist() == list(range(1, 11))


@pytest.mark.parametrize("mode", ["epoch", "in_order"])
@pytest.mark.parametrize("batch_size", [1, 5, 7, 100])
def test_an_epoch_has_every_block_once(mode: str, batch_size: int) -> None:
    batches = Batches(IDS, batch_size, 10, mode=mode)
    assert batches.n_blocks == 99  # of 999 tokens with one that follows
    steps = -(-3 * 99 // batch_size)
    starts = np.concatenate([batches.starts_at(step) for step in range(steps)])
    for epoch in range(3):
        assert sorted(starts[99 * epoch : 99 * (epoch + 1)]) == list(range(0, 990, 10))
    assert batches.steps_per_epoch == -(-99 // batch_size)


def test_each_epoch_has_another_order() -> None:
    batches = Batches(IDS, 99, 10, mode="epoch")
    first, second = batches.starts_at(0).tolist(), batches.starts_at(1).tolist()
    assert first != second
    assert first != sorted(first)
    in_order = Batches(IDS, 99, 10, mode="in_order")
    assert in_order.starts_at(0).tolist() == in_order.starts_at(1).tolist() == sorted(first)


def test_random_numbers_are_those_of_the_published_cipher() -> None:
    # Salmon et al. (2011), Random123's known answers for philox4x64-10, counter and key all ones.
    ones = 2**64 - 1
    philox = np.random.Philox(key=[ones, ones], counter=[ones - 1, ones, ones, ones])
    assert philox.random_raw() == 0x87B092C3013FE90B
    numbers = uniform(1, 0, 5, 1000)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert stats.kstest(numbers, "uniform").pvalue > 0.001


def test_ids_may_be_a_file(tmp_path: Path) -> None:
    IDS.tofile(tmp_path / "ids")
    mapped = np.memmap(tmp_path / "ids", dtype=np.uint16, mode="r")
    inputs, _ = Batches(mapped, 4, 10).batch_at(3)
    assert torch.equal(inputs, Batches(IDS, 4, 10).batch_at(3)[0])


@pytest.mark.parametrize(
    ("n_tokens", "message"),
    [
        (10, "has 10 tokens, and a block of 10 takes 11 .* or a block_size of 9 or less"),
        (1, "has 1 tokens, and a block of 10 takes 11 with the one that follows; give more text$"),
        (0, "give more text$"),
    ],
)
def test_a_text_shorter_than_a_block_says_what_fits(n_tokens: int, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        Batches(np.arange(n_tokens), 2, 10)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size is 0; give 1 or more"):
        Batches(IDS, 0, 10)
    with pytest.raises(ConfigError, match="block_size is -1; give 1 or more"):
        Batches(IDS, 2, -1)
    with pytest.raises(ConfigError, match="'shuffled'; give one of random, epoch, in_order"):
        Batches(IDS, 2, 10, mode="shuffled")
    with pytest.raises(ConfigError, match="seed is -1; give 0 or more"):
        Batches(IDS, 2, 10, seed=-1)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rowspace\[torch\]'"):
        Batches(IDS, 2, 10).batch_at(0)
