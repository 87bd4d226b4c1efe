from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from rowspace.errors import ConfigError
from rowspace.text.corpus import Corpus
from rowspace.transformer.batches import Batches
from rowspace.transformer.masking import IGNORED, MaskedBatches
from rowspace.transformer.tokenizer import SubwordTokenizer
from tests.data import shared_data

WORDS = [f"w{i}" for i in range(95)]
N_TOKENS = 100


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> SubwordTokenizer:
    """Five special tokens, then words."""
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    return SubwordTokenizer.load(path)


@pytest.fixture(scope="module")
def ids() -> NDArray[np.uint16]:
    """Random words with a [SEP] now and then."""
    random = np.random.default_rng(1)
    ids = random.integers(5, N_TOKENS, 20_000).astype(np.uint16)
    ids[::37] = 3
    return ids


@pytest.fixture(scope="module")
def many(tokenizer: SubwordTokenizer, ids: NDArray[np.uint16]) -> tuple[Tensor, Tensor, Tensor]:
    """Originals, inputs and targets of 200 steps: (25,600, 40) tensors, 1,024,000 tokens."""
    masked = MaskedBatches(ids, tokenizer, 128, 40)
    plain = Batches(ids, 128, 40)
    batches = [(plain.batch_at(step)[0], *masked.batch_at(step)) for step in range(200)]
    originals, inputs, targets = (torch.cat(column) for column in zip(*batches, strict=True))
    return originals, inputs, targets


def is_likely(n: int, of: int, share: float) -> bool:
    return bool(stats.binomtest(n, of, share).pvalue > 0.001)


def test_targets_are_the_originals_of_the_chosen(many: tuple[Tensor, Tensor, Tensor]) -> None:
    originals, inputs, targets = many
    chosen = targets != IGNORED
    assert torch.equal(targets[chosen], originals[chosen])
    assert torch.equal(inputs[~chosen], originals[~chosen])
    assert inputs.dtype == targets.dtype == torch.int64


def test_each_block_has_its_share_chosen(many: tuple[Tensor, Tensor, Tensor]) -> None:
    originals, _, targets = many
    n_chosen = (targets != IGNORED).sum(dim=1)
    n_ordinary = (originals != 3).sum(dim=1)
    assert torch.equal(n_chosen, (0.15 * n_ordinary).round().long())
    assert n_ordinary.min() < 40  # some blocks have a special token


def test_every_place_is_chosen_alike(many: tuple[Tensor, Tensor, Tensor]) -> None:
    _, _, targets = many
    counts = torch.ne(targets, IGNORED).sum(dim=0).numpy()  # of each place in a block
    assert stats.chisquare(counts).pvalue > 0.001


def test_of_the_chosen_80_are_masked_10_random_10_as_they_were(
    many: tuple[Tensor, Tensor, Tensor], tokenizer: SubwordTokenizer
) -> None:
    originals, inputs, targets = many
    assert tokenizer.mask_id is not None
    chosen = targets != IGNORED
    n = int(chosen.sum())
    n_masked = int((inputs[chosen] == tokenizer.mask_id).sum())
    n_kept = int((inputs[chosen] == originals[chosen]).sum())
    assert n > 100_000
    assert is_likely(n_masked, n, 0.8)
    assert is_likely(n_kept, n, 0.1 + 0.1 / len(WORDS))  # a random one may be the same


def test_a_random_token_is_any_but_a_special_one(
    many: tuple[Tensor, Tensor, Tensor], tokenizer: SubwordTokenizer
) -> None:
    originals, inputs, targets = many
    changed = (targets != IGNORED) & (inputs != tokenizer.mask_id) & (inputs != originals)
    counts = np.bincount(inputs[changed].numpy(), minlength=N_TOKENS)
    assert counts[:5].sum() == 0
    assert stats.chisquare(counts[5:]).pvalue > 0.001


def test_special_tokens_are_never_chosen(many: tuple[Tensor, Tensor, Tensor]) -> None:
    originals, inputs, targets = many
    special = originals < 5
    assert special.sum() > 10_000
    assert (targets[special] == IGNORED).all()
    assert torch.equal(inputs[special], originals[special])


def test_a_block_of_special_tokens_alone_has_none_chosen(tokenizer: SubwordTokenizer) -> None:
    inputs, targets = MaskedBatches(np.full(50, 3), tokenizer, 4, 10).batch_at(0)
    assert (targets == IGNORED).all()
    assert (inputs == 3).all()


def test_a_short_block_has_one_chosen(tokenizer: SubwordTokenizer, ids: NDArray[np.uint16]) -> None:
    _, targets = MaskedBatches(ids[1:30], tokenizer, 50, 2).batch_at(0)
    assert ((targets != IGNORED).sum(dim=1) == 1).all()


@pytest.mark.parametrize("whole_words", [False, True])
def test_a_step_has_its_batch_whatever_came_before(
    tokenizer: SubwordTokenizer, ids: NDArray[np.uint16], whole_words: bool
) -> None:
    def make(seed: int) -> MaskedBatches:
        return MaskedBatches(ids, tokenizer, 4, 40, whole_words=whole_words, seed=seed)

    used = make(3)
    for step in range(5):
        used.batch_at(step)
    for ours, fresh in zip(used.batch_at(5), make(3).batch_at(5), strict=True):
        assert torch.equal(ours, fresh)
    assert not torch.equal(make(4).batch_at(5)[1], used.batch_at(5)[1])


def test_what_is_hidden_changes_from_epoch_to_epoch(
    tokenizer: SubwordTokenizer, ids: NDArray[np.uint16]
) -> None:
    masked = MaskedBatches(ids[:41], tokenizer, 1, 40, mode="in_order")
    assert not torch.equal(masked.batch_at(0)[1], masked.batch_at(1)[1])


# Whole words


def test_word_pieces_are_hidden_together(tmp_path: Path) -> None:
    tokenizer = SubwordTokenizer.load(shared_data("tokenizer", "bert-base-uncased-vocab.txt"))
    text = shared_data("lm", "wikitext2.valid.txt").read_text()[:50_000]
    ids = np.array(tokenizer.encode(text))
    masked = MaskedBatches(ids, tokenizer, 16, 64, whole_words=True)
    n_pieces = 0
    for step in range(20):
        originals = masked.batches.batch_at(step)[0]
        chosen = masked.batch_at(step)[1] != IGNORED
        for row, marks in zip(originals.tolist(), chosen.tolist(), strict=True):
            for place in range(1, len(row)):
                if tokenizer.tokens[row[place]].startswith("##"):
                    n_pieces += 1
                    assert marks[place] == marks[place - 1]
        assert (chosen.sum(dim=1) >= 10).all()  # 15% of 64
        assert chosen.sum(dim=1).float().mean() < 12
    assert n_pieces > 1000


def test_words_of_bytes_are_hidden_together(tmp_path: Path) -> None:
    # every token is a byte, so a word is a run of letters and the space before it is apart
    text = "alpha beta, gamma naïve delta " * 40
    (tmp_path / "a.txt").write_text(text)
    tokenizer = SubwordTokenizer.train(
        Corpus(tmp_path), vocab_size=258, special_tokens=["<|endoftext|>", "[MASK]"]
    )
    ids = np.array(tokenizer.encode(text))
    masked = MaskedBatches(ids, tokenizer, 8, 80, whole_words=True)
    originals, (_, targets) = masked.batches.batch_at(2)[0], masked.batch_at(2)
    for row, chosen in zip(originals.tolist(), (targets != IGNORED).tolist(), strict=True):
        letters = [tokenizer.tokens[token_id] not in ("Ġ", ",") for token_id in row]
        for place in range(1, len(row)):
            if letters[place] and letters[place - 1]:
                assert chosen[place] == chosen[place - 1]
    assert (targets != IGNORED).any(dim=1).all()


# Frequent tokens hidden less often


def test_tokens_are_hidden_by_the_root_of_how_rare_they_are(tokenizer: SubwordTokenizer) -> None:
    # one token of two is 5, one of twenty 6, and all others are rare
    random = np.random.default_rng(2)
    rare = random.integers(10, tokenizer.vocab_size, 200_000)
    kind = random.random(len(rare))
    ids = np.where(kind < 0.5, 5, np.where(kind < 0.55, 6, rare)).astype(np.int64)
    masked = MaskedBatches(ids, tokenizer, 64, 200, share=0.01, sample=0.005)
    chosen = np.zeros(tokenizer.vocab_size)
    for step in range(100):
        targets = masked.batch_at(step)[1].numpy()
        chosen += np.bincount(targets[targets != IGNORED], minlength=len(chosen))
    rates = chosen / np.bincount(ids, minlength=len(chosen)).clip(1)
    of_rare = rates[10:].mean()
    # With 1% of a block chosen, drawing without putting back hardly changes the rates.
    assert rates[5] / of_rare == pytest.approx((0.005 / 0.5) ** 0.5, rel=0.1)
    assert rates[6] / of_rare == pytest.approx((0.005 / 0.05) ** 0.5, rel=0.1)


def test_the_share_is_the_same_with_frequent_tokens_spared(
    tokenizer: SubwordTokenizer, ids: NDArray[np.uint16]
) -> None:
    plain = MaskedBatches(ids, tokenizer, 8, 40, share=0.2)
    spared = MaskedBatches(ids, tokenizer, 8, 40, share=0.2, sample=1e-3)
    for step in range(5):
        counts = [(m.batch_at(step)[1] != IGNORED).sum(dim=1) for m in (plain, spared)]
        assert torch.equal(*counts)


# What goes wrong


@pytest.mark.parametrize("sample", [0.0, 1.5, -1.0])
def test_a_sample_that_is_no_frequency_is_refused(
    tokenizer: SubwordTokenizer, ids: NDArray[np.uint16], sample: float
) -> None:
    with pytest.raises(ConfigError, match=f"sample is {sample}; give a frequency above 0"):
        MaskedBatches(ids, tokenizer, 1, 2, sample=sample)


def test_a_tokenizer_without_a_mask_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abc")
    tokenizer = SubwordTokenizer.train(Corpus(tmp_path), "characters")
    message = r"has no mask token, so nothing can be hidden; train one with \[MASK\] among"
    with pytest.raises(ConfigError, match=message):
        MaskedBatches(np.arange(4), tokenizer, 1, 2)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_of_none_or_all_is_refused(
    tokenizer: SubwordTokenizer, ids: NDArray[np.uint16], share: float
) -> None:
    with pytest.raises(ConfigError, match=f"share is {share}; give a part of the tokens between"):
        MaskedBatches(ids, tokenizer, 1, 2, share=share)
