"""Pretraining: the same bits after any stop, true losses, and what is said where it cannot work."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import rowspace as rs
from rowspace.errors import (
    ConfigError,
    CorpusError,
    FormatError,
    RowspaceError,
    TrainingError,
    VocabularyError,
)
from rowspace.position import NTK, DynamicNTK, Linear, RoPE, YaRN
from rowspace.text.corpus import Corpus
from rowspace.transformer.batches import Batches
from rowspace.transformer.checkpoint import load_checkpoint, save_checkpoint
from rowspace.transformer.gradients import Whole, make_gradients
from rowspace.transformer.model import Encoder, LanguageModel
from rowspace.transformer.objectives import HiddenTokens, NextToken, Objective
from rowspace.transformer.optimizers import make_optimizer
from rowspace.transformer.pretrain import LanguageModelTrainer
from rowspace.transformer.pretrain_config import SCALINGS, PretrainConfig
from rowspace.transformer.pretrained import Pretrained
from rowspace.transformer.rows import RowRecord
from rowspace.transformer.schedule import learning_rate_at
from rowspace.transformer.tokenizer import SubwordTokenizer
from rowspace.transformer.tokens import prepare_tokens
from rowspace.transformer.training import Run
from rowspace.transformer.weights import load_model
from tests.data import shared_data

TINY: dict[str, Any] = {
    "tokenizer": "characters", "dim": 16, "n_layers": 1, "n_heads": 2, "max_length": 16,
    "batch_size": 4, "steps": 12, "warmup": 3, "log_every": 2, "evaluate_every": 4,
    "checkpoint_every": 3, "held_out": 0.2, "precision": "float32", "n_threads": 1,
}  # fmt: skip


def write_text(folder: Path, n: int = 400) -> Path:
    generator = np.random.default_rng(0)
    names = ["cat", "dog", "fox", "hen", "owl"]
    lines = [
        f"the {names[i]} saw the {names[j]}.\n" for i, j in generator.integers(0, 5, size=(n, 2))
    ]
    path = folder / "text.txt"
    path.write_text("".join(lines))
    return path


def train(path: Path, objective: Objective | None = None, **settings: Any) -> Pretrained:
    return LanguageModelTrainer(objective=objective, **{**TINY, **settings}).fit(path)


def tensors(pretrained: Pretrained) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in pretrained.model.named_parameters()}


def losses(pretrained: Pretrained) -> list[Any]:
    report = pretrained.report
    noted = [(e.step, e.loss, e.learning_rate, e.gradient_norm) for e in report.history]
    return [noted, [(e.step, e.loss) for e in report.held_out], report.result]


def assert_same_run(one: Pretrained, other: Pretrained) -> None:
    assert losses(one) == losses(other)
    assert repr(one.report.rows) == repr(other.report.rows)  # NaN is not equal to itself
    assert one.report.samples == other.report.samples
    for name, value in tensors(one).items():
        assert torch.equal(value, tensors(other)[name]), name


# --- The steps -----------------------------------------------------------------------------------


def test_the_learning_rate_rises_then_falls_as_half_a_cosine() -> None:
    rates = [learning_rate_at(step, 11, 2, 1.0, 0.2) for step in range(11)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[10] == pytest.approx(0.2)
    assert rates[6] == pytest.approx(0.6)  # half way, as cos(π/2) is 0
    assert rates[4] == pytest.approx(0.2 + 0.4 * (1 + math.cos(math.pi / 4)))
    assert rates[2:] == sorted(rates[2:], reverse=True)


@pytest.mark.parametrize("kind", [LanguageModel, Encoder])
def test_a_batch_in_parts_has_the_loss_and_gradients_of_the_whole(kind: type[Any]) -> None:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"vocab_size": 11, "dim": 8, "n_layers": 1, "n_heads": 2}
    model = kind(**settings, max_length=8).double()
    ids = torch.randint(11, (6, 8))
    targets = torch.randint(11, (6, 8))
    targets[:2] = -100  # the first part predicts least
    targets[0, 0] = 3
    model.loss(ids, targets).backward()
    whole = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    loss = Whole(model, 3).gradients(ids, targets)
    torch.testing.assert_close(loss.double(), model.loss(ids, targets).double().detach())
    for parameter, gradient in zip(model.parameters(), whole, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-8)


def test_clipping_sparse_gradients_counts_a_row_once() -> None:
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": 11, "dim": 8, "n_layers": 1, "n_heads": 2}
    sparse, dense = (
        Whole(LanguageModel(**shape, max_length=8, is_tied=False, sparse=is_sparse), 2)
        for is_sparse in (True, False)
    )
    dense.model.load_state_dict(sparse.model.state_dict())
    ids = torch.randint(3, (6, 8))  # each many times, in both parts
    norms = []
    for each in (sparse, dense):
        each.gradients(ids, ids)
        norms.append(each.clip(0.1))
    torch.testing.assert_close(norms[0], norms[1])
    for one, other in zip(sparse.model.parameters(), dense.model.parameters(), strict=True):
        assert one.grad is not None
        torch.testing.assert_close(one.grad.to_dense(), other.grad)


@pytest.mark.parametrize(("is_tied", "sparse"), [(True, False), (False, False), (False, True)])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_copies_record_what_the_model_itself_would(
    n_threads: int, is_tied: bool, sparse: bool
) -> None:
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": 11, "dim": 8, "n_layers": 1, "n_heads": 2}
    model = LanguageModel(**shape, max_length=8, is_tied=is_tied, sparse=sparse)
    config = PretrainConfig(
        n_threads=n_threads, is_tied=is_tied, sparse=sparse, batch_size=6, accumulation=3
    )
    twin = copy.deepcopy(model)
    gradients, record = make_gradients(model, config, torch.float32, record=True)
    assert record is not None
    expected = RowRecord(twin.transformer.embeddings.token)
    with contextlib.closing(gradients):
        for _ in range(3):
            ids, targets = torch.randint(9, (6, 8)), torch.randint(11, (6, 8))
            loss = gradients.gradients(ids, targets)
            assert loss.item() == pytest.approx(Whole(twin).gradients(ids, targets).item())
    assert record.n_passes == expected.n_passes == 3
    for way in ("read", "output", "total"):
        one, other = getattr(record, way), getattr(expected, way)
        assert torch.equal(one.n_updates, other.n_updates), way
        torch.testing.assert_close(one.norms, other.norms, rtol=1e-4, atol=1e-6)


def test_accumulation_does_not_change_a_run(tmp_path: Path) -> None:
    path = write_text(tmp_path)
    whole, parts = train(path, optimizer="sgd"), train(path, optimizer="sgd", accumulation=2)
    for one, other in zip(whole.report.history, parts.report.history, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
    for name, value in tensors(whole).items():
        torch.testing.assert_close(tensors(parts)[name], value, rtol=1e-4, atol=1e-6)


def test_a_step_is_what_torch_would_do_by_hand(tmp_path: Path) -> None:
    path = write_text(tmp_path)
    done = train(path, steps=3, log_every=1, held_out=0.2, clip=0.05)
    tokenizer = done.tokenizer
    file, _ = prepare_tokens(Corpus(path), tokenizer, tmp_path / "tokens", 0.2)
    torch.manual_seed(1)
    model = LanguageModel(done.report.config.model_config(tokenizer.vocab_size))
    optimizer = make_optimizer(model, lr=1.0, weight_decay=0.1, betas=(0.9, 0.99))
    batches = Batches(file.open(), 4, 16)
    for step in range(3):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (step + 1) / 3
        inputs, targets = batches.batch_at(step)
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        assert done.report.history[step].loss == pytest.approx(loss.item(), rel=1e-5)
        assert done.report.history[step].gradient_norm == pytest.approx(norm.item(), rel=1e-4)
        for gradient in gradients:
            gradient *= min(1.0, 0.05 / norm.item())
        optimizer.step()
    for name, value in model.named_parameters():
        torch.testing.assert_close(tensors(done)[name], value.detach(), rtol=1e-4, atol=1e-6)


def test_the_first_loss_is_that_of_a_guess(tmp_path: Path) -> None:
    done = train(write_text(tmp_path), steps=1)
    assert done.report.held_out[0].step == 0
    assert done.report.held_out[0].loss == pytest.approx(math.log(done.report.vocab_size), abs=0.05)


def test_training_leaves_torch_as_it_was(tmp_path: Path) -> None:
    path = write_text(tmp_path)
    threads = torch.get_num_threads()
    handler = signal.getsignal(signal.SIGINT)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train(path, dropout=0.1, n_threads=1)
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == threads
    assert signal.getsignal(signal.SIGINT) is handler


def test_bfloat16_is_for_products_only(tmp_path: Path) -> None:
    done = train(write_text(tmp_path), precision="bfloat16")
    assert done.report.precision == "bfloat16"
    assert all(value.dtype == torch.float32 for value in tensors(done).values())
    exact = train(write_text(tmp_path))
    assert done.report.history[-1].loss == pytest.approx(exact.report.history[-1].loss, rel=0.01)
    assert done.report.history[-1].loss != exact.report.history[-1].loss


def test_without_copies_a_run_is_the_same_but_for_rounding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of other devices than the processor."""
    path = write_text(tmp_path)
    expected = train(path, optimizer="sgd", accumulation=2)

    def without_copies(model: Any, config: PretrainConfig, precision: torch.dtype, *_: Any) -> Any:
        return Whole(model, config.accumulation, precision), None

    monkeypatch.setattr("rowspace.transformer.pretrain.make_gradients", without_copies)
    done = train(path, optimizer="sgd", accumulation=2)
    for one, other in zip(expected.report.history, done.report.history, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
        assert other.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-4)
    assert train(path, precision="bfloat16").report.result is not None


def test_sparse_gradients_change_nothing_but_how_rows_are_stepped(tmp_path: Path) -> None:
    path = write_text(tmp_path)
    settings: dict[str, Any] = {
        "optimizer": "sgd",
        "is_tied": False,
        "weight_decay": 0.0,
        "clip": 0.5,
    }
    settings |= {"learning_rate": 0.5, "accumulation": 2}
    dense = train(path, **settings)
    for n_threads in (1, 2):
        sparse = train(path, **settings, sparse=True, n_threads=n_threads)
        for one, other in zip(dense.report.history, sparse.report.history, strict=True):
            assert other.loss == pytest.approx(one.loss, rel=1e-5)
            assert other.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-5)
        for name, value in tensors(dense).items():
            torch.testing.assert_close(tensors(sparse)[name], value, rtol=1e-4, atol=1e-6)


def test_with_sparse_adam_a_token_that_is_not_read_stays(tmp_path: Path) -> None:
    path = write_text(tmp_path)
    SubwordTokenizer.train(Corpus(path), "characters", special_tokens=["<never>"]).save(tmp_path)
    settings: dict[str, Any] = {"tokenizer": str(tmp_path), "optimizer": "sparse-adam"}
    done = train(path, **settings, is_tied=False, sparse=True, n_threads=2, precision="bfloat16")
    torch.manual_seed(1)
    start = LanguageModel(done.report.config.model_config(done.report.vocab_size))
    before, after = (m.transformer.embeddings.token.weight for m in (start, done.model))
    never = done.tokenizer.special_tokens["<never>"]
    moved = (before != after).any(dim=1)
    assert not moved[never]
    assert moved.sum() == len(moved) - 1
    assert sum(band.reads > 0 for band in done.report.rows) == len(done.report.rows) - 1


def test_the_lowest_learning_rate_is_a_tenth() -> None:
    assert PretrainConfig(learning_rate=0.3).lowest_learning_rate == pytest.approx(0.03)
    assert PretrainConfig(learning_rate=0.3, min_learning_rate=0.0).lowest_learning_rate == 0.0


def test_epochs_are_steps(tmp_path: Path) -> None:
    path = write_text(tmp_path)
    done = train(path, steps=None, epochs=0.5)
    tokens = done.report.train.tokens
    assert done.report.n_steps == round(0.5 * tokens / (4 * 16))
    assert PretrainConfig().n_steps(10**9) == 2000


# --- What is measured ----------------------------------------------------------------------------


def test_the_held_out_loss_is_that_of_every_block(tmp_path: Path) -> None:
    path = write_text(tmp_path)
    done = train(path)
    _, held_out = prepare_tokens(Corpus(path), done.tokenizer, tmp_path / "tokens", 0.2)
    ids = held_out.open().astype(np.int64)
    total, n = 0.0, 0
    for first in range(0, len(ids) - 16, 16):
        block = torch.from_numpy(ids[first : first + 17])
        logits = done.model(block[None, :-1])[0]
        total += float(F.cross_entropy(logits.detach(), block[1:], reduction="sum"))
        n += 16
    result = done.report.result
    assert result is not None
    assert result.loss == pytest.approx(total / n, rel=1e-5)
    assert result.perplexity == pytest.approx(math.exp(total / n), rel=1e-5)
    text = done.tokenizer.decode(ids, skip_special_tokens=True)
    bits = total / n * len(ids) / math.log(2)
    assert result.bits_per_byte == pytest.approx(bits / len(text.encode()), rel=1e-5)
    per_word = math.exp(total / n * len(ids) / len(text.split()))
    assert result.word_perplexity == pytest.approx(per_word, rel=1e-4)


def test_nothing_need_be_held_out(tmp_path: Path) -> None:
    report = train(write_text(tmp_path), held_out=0.0).report
    assert (report.result, list(report.held_out), report.held_out_text.tokens) == (None, [], 0)
    assert report.samples


def test_rows_are_recorded_by_frequency(tmp_path: Path) -> None:
    report = train(write_text(tmp_path)).report
    rare, frequent = report.rows[0], report.rows[-1]
    assert rare.lowest < frequent.lowest
    assert rare.reads < frequent.reads <= report.n_steps
    assert rare.norm_read < frequent.norm_read
    assert not train(write_text(tmp_path), row_record=False).report.rows


def test_a_masked_model_is_trained_by_the_same_trainer(tmp_path: Path) -> None:
    path = write_text(tmp_path)
    done = train(path, HiddenTokens(), steps=60, learning_rate=0.01)
    assert isinstance(done.model, Encoder)
    result = done.report.result
    assert result is not None
    assert result.loss < done.report.held_out[0].loss - 0.3
    assert (result.bits_per_byte, result.word_perplexity) == (None, None)
    sample = done.report.samples[0]
    assert "[MASK]" in sample.given
    assert "[MASK]" not in sample.made
    assert len(sample.made) == len(sample.truth) == 16


# --- What is saved -------------------------------------------------------------------------------


def test_the_folder_has_the_model_its_tokenizer_and_the_record(tmp_path: Path) -> None:
    out = tmp_path / "a.lm"
    done = LanguageModelTrainer(**TINY).fit(write_text(tmp_path), out)
    assert not out.with_name("a.lm.training").exists()
    names = ["config.json", "model.safetensors", "report.html", "tokenizer.json", "training.json"]
    assert sorted(path.name for path in out.iterdir()) == names
    model = load_model(out)
    ids = torch.tensor([[1, 2, 3]])
    assert torch.equal(model(ids), done.model(ids))
    assert SubwordTokenizer.load(out).fingerprint == done.tokenizer.fingerprint
    record = json.loads((out / "training.json").read_text(), parse_constant=pytest.fail)
    assert record["config"] == done.report.config.as_dict()
    assert [entry["step"] for entry in record["history"]] == [2, 4, 6, 8, 10, 12]
    assert [entry["step"] for entry in record["held_out"]] == [0, 4, 8, 12]
    assert record["result"]["loss"] == done.report.result.loss  # type: ignore[union-attr]


def test_the_table_of_tokens_loads_as_word_vectors(tmp_path: Path) -> None:
    out = tmp_path / "a.lm"
    done = LanguageModelTrainer(**TINY).fit(write_text(tmp_path), out)
    vectors = rs.load(out)
    assert vectors.index_to_key == done.tokenizer.tokens
    table = done.model.transformer.embeddings.token.weight.detach().numpy()
    assert np.array_equal(vectors.matrix, table)
    assert vectors.most_similar("a", topn=1)


def test_the_page_tells_the_run_and_loads_nothing(tmp_path: Path) -> None:
    out = tmp_path / "a.lm"
    done = LanguageModelTrainer(**TINY).fit(write_text(tmp_path), out)
    page = (out / "report.html").read_text()
    assert f"{done.report.n_parameters:,} parameters" in page
    assert "Loss, step by step" in page
    assert "How much rows learn" in page
    assert "Neighbours before and after training" in page
    for trap in ("http:", "https:", "src=", "@import", "url("):
        assert trap not in page.replace('xmlns="http', "")


# --- Stopping and going on -----------------------------------------------------------------------


class Stop(Exception):
    """What stops a run from outside."""


def stop_at(patch: pytest.MonkeyPatch, step: int) -> None:
    original = Run._take_step

    def take_step(self: Run, tracker: Any) -> None:
        if self.step == step:
            raise Stop
        original(self, tracker)

    patch.setattr(Run, "_take_step", take_step)


@pytest.mark.parametrize(
    ("objective", "settings"),
    [
        (NextToken(), {}),
        (NextToken(), {"dropout": 0.2, "precision": "bfloat16"}),
        (NextToken(), {"n_threads": 2, "precision": "bfloat16", "batch_size": 5}),
        (NextToken(), {"epochs": 0.2, "steps": None, "accumulation": 2, "position": "learned"}),
        (NextToken(), {"optimizer": "rowwise-adagrad", "is_tied": False}),
        (NextToken(), {"optimizer": "sparse-adam", "is_tied": False, "sparse": True}),
        (HiddenTokens(), {"dropout": 0.1, "position": "alibi"}),
    ],
)
def test_a_run_that_broke_off_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objective: Objective, settings: dict[str, Any]
) -> None:
    path = write_text(tmp_path)
    trainer = LanguageModelTrainer(objective=objective, **{**TINY, **settings})
    whole = trainer.fit(path, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_at(patch, 8)
        with pytest.raises(Stop):
            trainer.fit(path, tmp_path / "a")
    assert (tmp_path / "a.training" / "checkpoint").is_dir()
    with monkeypatch.context() as patch:
        stop_at(patch, 10)
        with pytest.raises(Stop):
            trainer.fit(path, tmp_path / "a", resume=True)
    assert_same_run(trainer.fit(path, tmp_path / "a", resume=True), whole)
    one, other = (tmp_path / name / "model.safetensors" for name in ("whole", "a"))
    assert one.read_bytes() == other.read_bytes()


def test_an_interrupt_ends_the_step_and_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_text(tmp_path)
    trainer = LanguageModelTrainer(**{**TINY, "checkpoint_every": 100})
    whole = trainer.fit(path, tmp_path / "whole")
    original = Batches.batch_at

    def batch_at(self: Batches, step: int) -> tuple[Tensor, Tensor]:
        if self.mode == "random" and step == 6:
            signal.raise_signal(signal.SIGINT)
        return original(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Batches, "batch_at", batch_at)
        with pytest.raises(KeyboardInterrupt, match="add --resume to go on where it stopped"):
            trainer.fit(path, tmp_path / "a")
    state = json.loads((tmp_path / "a.training" / "checkpoint" / "state.json").read_text())
    assert state["step"] == 7
    assert_same_run(trainer.fit(path, tmp_path / "a", resume=True), whole)


def stopped_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write_text(tmp_path)
    with monkeypatch.context() as patch:
        stop_at(patch, 8)
        with pytest.raises(Stop):
            LanguageModelTrainer(**TINY).fit(path, tmp_path / "a")
    return path


def test_a_run_goes_on_only_where_it_is_told_to_and_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = stopped_run(tmp_path, monkeypatch), tmp_path / "a"
    with pytest.raises(ConfigError, match="did not finish; add --resume, or remove it"):
        LanguageModelTrainer(**TINY).fit(path, out)
    with pytest.raises(ConfigError, match=r"give the same ones \(dim was 16, not 32\)"):
        LanguageModelTrainer(**{**TINY, "dim": 32}).fit(path, out, resume=True)
    with pytest.raises(ConfigError, match=r"\(objective was \"lm\", not \"mlm\"\)"):
        LanguageModelTrainer(objective=HiddenTokens(), **TINY).fit(path, out, resume=True)
    path.write_text(path.read_text() + "more")
    with pytest.raises(ConfigError, match=r"text\.txt has changed since"):
        LanguageModelTrainer(**TINY).fit(path, out, resume=True)
    assert (tmp_path / "a.training" / "checkpoint").is_dir()


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_checkpoint_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
) -> None:
    path = stopped_run(tmp_path, monkeypatch)
    file = tmp_path / "a.training" / "checkpoint" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    with pytest.raises(FormatError, match=r"is damaged .*; remove it to train from the start"):
        LanguageModelTrainer(**TINY).fit(path, tmp_path / "a", resume=True)


def test_a_checkpoint_of_another_shape_is_told(tmp_path: Path) -> None:
    small, large = (LanguageModel(vocab_size=5, dim=d, n_layers=1, n_heads=2) for d in (8, 16))
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, small, make_optimizer(small, lr=1.0), {}, {"identity": {"a": 1}})
    with pytest.raises(FormatError, match=r"token\.weight is of shape \(5, 8\), not \(5, 16\)"):
        load_checkpoint(folder, large, make_optimizer(large, lr=1.0), {"a": 1})
    with pytest.raises(FormatError, match="is of other settings or text"):
        load_checkpoint(folder, small, make_optimizer(small, lr=1.0), {"a": 2})


# --- What cannot work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps is 0; give 1 or more"),
        ({"steps": 5, "epochs": 1.0}, "steps is 5 and epochs 1.0, which say the same thing twice"),
        ({"epochs": -1.0, "steps": None}, "epochs is -1.0; give more than 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; give more than 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"min_learning_rate": 1.0}, "min_learning_rate is 1.0; give 0 or more, and at most"),
        ({"batch_size": 6, "accumulation": 4}, "batch_size is 6, which 4 parts"),
        ({"precision": "float16"}, "precision is 'float16'; give one of auto, float32, bfloat16"),
        ({"held_out": 0.7}, r"held_out is 0.7; give a share from 0 \(none\) to 0.5"),
        ({"dim": 15}, "dim is 15, which 2 heads do not divide"),
        ({"dropout": 1.0}, "dropout is 1.0; give 0 or more, less than 1"),
        ({"position": "nowhere"}, "position 'nowhere' is not known; known are: none, learned"),
        ({"optimizer": "adamx"}, "optimizer is 'adamx'; give one of adamw"),
        ({"optimizer": "sparse-adam"}, "sparse-adam takes sparse gradients only"),
        ({"tokenizer": "nowhere"}, "tokenizer is 'nowhere', which is no file or folder"),
        ({"vocab_size": 10}, "vocab_size is 10, but the text's characters"),
        ({"scaling": "linear"}, "scaling is 'linear', but no scaling_factor is given; give 1 or"),
        ({"sparse": True, "optimizer": "sparse-adam"}, "sparse is True and is_tied too"),
        (
            {"sparse": True, "is_tied": False, "optimizer": "sgd"},
            r"weight_decay is 0\.1, which moves every row",
        ),
        ({"scaling_factor": 2.0}, "scaling_factor is 2.0, but no scaling is named"),
        ({"scaling": "none"}, "scaling is 'none'; give one of linear, dynamic, yarn"),
        ({"scaling": "linear", "scaling_factor": 2.0, "position": "t5"}, "'t5' has no scaling"),
        ({"base": 500.0, "position": "alibi"}, "'alibi' has no base; its settings are: none"),
        ({"device": "abacus"}, "device is 'abacus', which torch cannot use here"),
        ({"norm": "none"}, "norm is 'none'"),
        ({"hidden_dim": 0}, "hidden_dim is 0; give 1 or more"),
        ({"base": -1.0}, "base is -1"),
        ({"n_kv_heads": 3}, "n_kv_heads"),
        ({"activation": "none"}, "activation is 'none'"),
    ],
)
def test_settings_that_cannot_work_are_one_line_and_leave_nothing(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    path = write_text(tmp_path)
    with pytest.raises(ConfigError, match=message) as caught:
        LanguageModelTrainer(**{**TINY, **settings}).fit(path, tmp_path / "a")
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["text.txt"]


@pytest.mark.parametrize("scaling", SCALINGS)
def test_every_scaling_reaches_the_model(scaling: str) -> None:
    config = PretrainConfig(dim=16, n_heads=2, scaling=scaling, scaling_factor=2.0)
    rope = LanguageModel(config.model_config(9)).transformer.position
    assert isinstance(rope, RoPE)
    kinds = {"linear": Linear, "dynamic": DynamicNTK, "yarn": YaRN, "ntk": NTK}
    assert type(rope.scaling) is kinds[scaling]
    assert getattr(rope.scaling, "factor", None) == 2.0


def test_an_unknown_setting_is_told() -> None:
    with pytest.raises(ConfigError, match=r"'layers'.*; the settings are tokenizer, vocab_size"):
        LanguageModelTrainer(layers=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the corpus has no text in it"),
        ("ab", "leaves nothing to train on; give more text, or 0 for held_out"),
    ],
)
def test_too_little_text_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "text.txt"
    path.write_text(text)
    with pytest.raises(CorpusError, match=message):
        LanguageModelTrainer(**TINY).fit(path, tmp_path / "a")
    assert not (tmp_path / "a.training").exists()


def test_a_text_shorter_than_a_block_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("a short text")
    message = "has 13 tokens to train on, and a max_length of 16 takes 17 .* max_length of 12 or"
    with pytest.raises(CorpusError, match=message):
        train(path, held_out=0.0)


def test_a_tokenizer_without_a_mask_is_told_before_the_text_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_text(tmp_path)
    SubwordTokenizer.train(Corpus(path), "characters").save(tmp_path / "given")
    with monkeypatch.context() as patch:
        patch.setattr("rowspace.transformer.pretrain.prepare_tokens", pytest.fail)
        patch.setattr(Corpus, "files", pytest.fail)
        with pytest.raises(ConfigError, match="the tokenizer has no mask token"):
            train(path, HiddenTokens(), tokenizer=str(tmp_path / "given"))
    assert train(path, tokenizer=str(tmp_path / "given")).report.n_steps == 12


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    path = write_text(tmp_path)
    settings: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1e30, "clip": 0.0, "warmup": 0}
    message = r"training diverged; give a learning_rate below 1e\+30"
    with pytest.raises(TrainingError, match=message) as caught:
        train(path, **settings)
    assert isinstance(caught.value, RowspaceError)
    assert isinstance(caught.value, ArithmeticError)


def _no_loss(run: Run) -> None:
    run._loss += math.nan


def _no_norm(run: Run) -> None:
    run._norm = torch.tensor(math.inf)


@torch.no_grad()
def _one_weight_is_no_number(run: Run) -> None:
    run.parts.model.transformer.embeddings.token.weight[3, 2] = math.nan


@torch.no_grad()
def _weights_beyond_a_loss(run: Run) -> None:
    run.parts.model.transformer.norm.weight.fill_(3e38)  # type: ignore[operator]
    run.parts.model.head.weight.mul_(1e3)


@pytest.mark.parametrize("step", [6, 12])
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_no_loss, "the loss is nan"),
        (_no_norm, "the norm of the gradient is inf"),
        (_one_weight_is_no_number, r"a number of transformer\.embeddings\.token\.weight is nan"),
        (_weights_beyond_a_loss, "the loss after the update is (nan|inf)"),
    ],
)
def test_what_diverges_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, harm: Any, message: str
) -> None:
    original = Run._take_step

    def take_step(self: Run, tracker: Any) -> None:
        original(self, tracker)
        if self.step == step:
            harm(self)

    monkeypatch.setattr(Run, "_take_step", take_step)
    settings = {**TINY, "log_every": 5}
    message = (
        f"at step {step}, {message}: training diverged; .*a.training keeps what was saved before"
    )
    with pytest.raises(TrainingError, match=message):
        LanguageModelTrainer(**settings).fit(write_text(tmp_path), tmp_path / "a")
    state = json.loads((tmp_path / "a.training" / "checkpoint" / "state.json").read_text())
    assert state["step"] == step - 3
    assert not (tmp_path / "a").exists()


def test_a_checkpoint_outlives_any_error_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(*_: Any) -> None:
        raise ConfigError("something else")

    monkeypatch.setattr(LanguageModelTrainer, "_report", report)
    with pytest.raises(ConfigError, match="something else"):
        LanguageModelTrainer(**TINY).fit(write_text(tmp_path), tmp_path / "a")
    assert (tmp_path / "a.training" / "checkpoint").is_dir()


def test_a_held_out_loss_that_is_no_number_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rowspace.transformer.held_out.HeldOutText.loss", lambda *_: math.inf)
    with pytest.raises(TrainingError, match="at step 0, the held-out loss is inf"):
        train(write_text(tmp_path))


def test_a_text_beyond_a_learned_table_is_told(tmp_path: Path) -> None:
    done = train(write_text(tmp_path), position="learned")
    with pytest.raises(ConfigError, match="16"):
        done.model(torch.zeros(1, 17, dtype=torch.int64))
    n = done.report.vocab_size
    with pytest.raises(VocabularyError, match=f"token id {n} is outside a vocabulary of {n}"):
        done.model(torch.full((1, 4), n))


# --- Real text -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_few_hundred_steps_on_shakespeare_beat_the_entropy_of_its_letters() -> None:
    path = shared_data("lm", "tinyshakespeare.txt")
    counts = Counter(path.read_text())
    total = sum(counts.values())
    entropy = -sum(n / total * math.log(n / total) for n in counts.values())
    assert entropy == pytest.approx(3.3, abs=0.1)  # nats a letter
    done = LanguageModelTrainer(
        tokenizer="characters", dim=96, n_layers=3, n_heads=4, max_length=64, batch_size=12,
        steps=300, warmup=30, learning_rate=3e-3, evaluate_every=0, n_threads=1,
    ).fit(path)  # fmt: skip
    assert done.report.result is not None
    assert done.report.result.loss < 2.3 < entropy
