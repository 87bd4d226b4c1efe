"""Masked next-token prediction: what is hidden, who tells it, and that a small model learns it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from rowspace.errors import ConfigError  # noqa: E402
from rowspace.text.corpus import Corpus  # noqa: E402
from rowspace.transformer import training  # noqa: E402
from rowspace.transformer.bidirectional import make_bidirectional  # noqa: E402
from rowspace.transformer.lora import count_trained  # noqa: E402
from rowspace.transformer.masking import MaskedBatches  # noqa: E402
from rowspace.transformer.mntp import MaskedNextToken, ShiftedBatches, stand_in  # noqa: E402
from rowspace.transformer.mntp_config import MNTPConfig  # noqa: E402
from rowspace.transformer.mntp_training import train_mntp  # noqa: E402
from rowspace.transformer.model import LanguageModel  # noqa: E402
from rowspace.transformer.pretrain_config import PretrainConfig  # noqa: E402
from rowspace.transformer.tokenizer import SubwordTokenizer  # noqa: E402

SMALL = MNTPConfig(
    steps=12, batch_size=4, max_length=16, learning_rate=1e-2, precision="float32", n_threads=1,
    evaluate_every=6, checkpoint_every=4,
)  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Random letters, each with two capitals of the same after it."""
    draw = random.Random(2)
    path = tmp_path / "text.txt"
    lines = ["".join(c + 2 * c.upper() for c in draw.choices("abcd", k=9)) for _ in range(300)]
    path.write_text("_ " + " ".join(lines))
    return Corpus(path)


@pytest.fixture
def tokenizer(corpus: Corpus) -> SubwordTokenizer:
    return SubwordTokenizer.train(corpus, "characters")


def _model(tokenizer: SubwordTokenizer) -> LanguageModel:
    torch.manual_seed(1)
    model = LanguageModel(
        vocab_size=tokenizer.vocab_size, dim=32, n_layers=2, n_heads=2, max_length=16
    )
    make_bidirectional(model)
    return model


def test_the_state_before_a_hidden_token_tells_it(tokenizer: SubwordTokenizer) -> None:
    ids = np.random.default_rng(0).integers(2, tokenizer.vocab_size, 400)
    masked = MaskedBatches(ids, tokenizer, 8, 20, share=0.2, mask_id=1, seed=3)
    inputs, targets = ShiftedBatches(masked).batch_at(5)
    truth = torch.from_numpy(masked.batches.blocks_at(5))  # (8, 21)
    places = (targets != -100).nonzero().tolist()
    changed = (inputs != truth[:, :-1]).nonzero().tolist()
    assert 8 * 3 <= len(places) <= 8 * 4  # 4 of 20 are chosen, and the first has none before it
    for text, place in places:
        assert targets[text, place] == truth[text, place + 1]
    assert len(changed) > 15
    for text, place in changed:
        assert place == 0 or targets[text, place - 1] == truth[text, place]
    assert (inputs == 1).sum() > 15


def test_the_loss_is_the_cross_entropy_of_the_state_before(tokenizer: SubwordTokenizer) -> None:
    model = _model(tokenizer).eval()
    ids = np.random.default_rng(0).integers(2, tokenizer.vocab_size, 400)
    config = PretrainConfig(batch_size=3, mask_share=0.2)
    inputs, targets = (
        MaskedNextToken(1).make_batches(ids, tokenizer, config, 20, "random").batch_at(0)
    )
    blocks = MaskedBatches(ids, tokenizer, 3, 20, share=0.2, mask_id=1)
    _, right = blocks.batch_at(0)
    logits = model(inputs)
    losses = [
        F.cross_entropy(logits[text, place - 1], right[text, place]).item()
        for text, place in (right != -100).nonzero().tolist()
        if place
    ]
    assert model.loss(inputs, targets).item() == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("rank", [8, 0])
def test_a_small_model_learns(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path, rank: int
) -> None:
    model = _model(tokenizer)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    config = MNTPConfig(
        steps=100, batch_size=16, max_length=16, learning_rate=1e-2, rank=rank,
        precision="float32", n_threads=1, evaluate_every=100, warmup=10,
    )  # fmt: skip
    report = train_mntp(model, tokenizer, corpus, tmp_path / "work", config)
    first, last = (one.loss for one in report.held_out)
    assert first == pytest.approx(np.log(tokenizer.vocab_size), abs=0.1)
    assert last < (0.95 if rank else 0.6) * first  # adapters beside random numbers learn little
    assert report.mask_token == "_"
    assert report.n_tokens_seen == 100 * 16 * 16
    changed = {
        name for name, tensor in model.state_dict().items() if not tensor.equal(before[name])
    }
    table = "transformer.embeddings.token.weight"
    assert (table in changed) == (rank == 0)
    assert any("attention.qkv" in name for name in changed)
    assert list(model.state_dict()) == list(before)
    assert count_trained(model).share == 1
    assert (report.trained.share < 1) == (rank > 0)


def test_an_interrupted_run_ends_with_the_same_bits(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _model(tokenizer)
    expected = train_mntp(whole, tokenizer, corpus, tmp_path / "whole", SMALL)
    take_step = training.Run._take_step

    def stop_at_seven(run: training.Run, tracker: object) -> None:
        if run.step == 7:
            raise KeyboardInterrupt
        take_step(run, tracker)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(training.Run, "_take_step", stop_at_seven)
        train_mntp(_model(tokenizer), tokenizer, corpus, tmp_path / "work", SMALL)
    resumed = _model(tokenizer)
    report = train_mntp(resumed, tokenizer, corpus, tmp_path / "work", SMALL)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name
    assert [entry.loss for entry in report.history] == [entry.loss for entry in expected.history]
    assert [one.step for one in report.held_out] == [0, 6, 12]


def test_a_work_folder_of_another_model_is_refused(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path
) -> None:
    train_mntp(_model(tokenizer), tokenizer, corpus, tmp_path / "work", SMALL, identity="a")
    with pytest.raises(ConfigError, match="holds a run on another corpus or with other settings"):
        train_mntp(_model(tokenizer), tokenizer, corpus, tmp_path / "work", SMALL, identity="b")


def test_a_causal_model_is_refused(
    corpus: Corpus, tokenizer: SubwordTokenizer, tmp_path: Path
) -> None:
    model = LanguageModel(vocab_size=tokenizer.vocab_size, dim=16, n_layers=1, n_heads=2)
    with pytest.raises(ConfigError, match="the model is causal"):
        train_mntp(model, tokenizer, corpus, tmp_path / "work", SMALL)
    assert not (tmp_path / "work").exists()


def test_what_stands_for_a_hidden_token(corpus: Corpus, tokenizer: SubwordTokenizer) -> None:
    assert tokenizer.tokens[stand_in(tokenizer, "_")] == "_"
    words = SubwordTokenizer.train(corpus, "wordpiece", vocab_size=60)
    assert stand_in(words, "<nothing>") == words.mask_id
    with pytest.raises(ConfigError, match="no token '<nothing>' and no mask token"):
        stand_in(tokenizer, "<nothing>")


def test_settings_that_cannot_be_are_told() -> None:
    with pytest.raises(ConfigError, match="rank is -1"):
        MNTPConfig(rank=-1)
    with pytest.raises(ConfigError, match=r"mask_share is 1\.5"):
        MNTPConfig(mask_share=1.5)
