from __future__ import annotations

import itertools
import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from sentence_transformers import SentenceTransformer

from rowspace import load_encoder
from rowspace.errors import ConfigError, CorpusError, FormatError, TrainingError
from rowspace.sentence import FinetuneConfig, SentenceTrainer, finetune_run
from rowspace.sentence.batch_loss import BatchLoss
from rowspace.sentence.development import DevelopmentSet
from rowspace.sentence.example import Example
from rowspace.sentence.pairs import Examples, examples_of
from rowspace.sentence.trainable import load_trainable
from rowspace.transformer.gradients import clip_gradients
from tests.sentence.small_static import WORDS
from tests.sentence.small_training import Model, examples, load_bert, static, texts, write_bert

Stop = Callable[[pytest.MonkeyPatch, int], None]
_KNOWN = [word for word in WORDS if word.isalpha()]
USUAL: dict[str, Any] = {"batch_size": 4, "learning_rate": 0.01, "n_threads": 1}
USUAL |= {"precision": "float32", "epochs": 3, "chunk_size": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def distilbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("distilbert"), "distilbert")


def _sources(*kinds: str, n: int = 8) -> list[Examples]:
    return [examples_of(examples(kind, n + i, _KNOWN), kind) for i, kind in enumerate(kinds)]


def _development(kind: str = "pairs") -> DevelopmentSet:
    return DevelopmentSet(examples(kind, 12, _KNOWN), "scored" if kind == "scored" else "pairs")


def _result(out: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The bits of a model, and what is said of its training."""
    record = json.loads((out / "training.json").read_text())
    del record["report"]["seconds"]
    return {path.name: path.read_bytes() for path in out.glob("*.safetensors")}, record


def _nth_call(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, n: int, act: Any) -> None:
    original, calls = getattr(owner, name), itertools.count(1)

    def acting(*arguments: Any, **named: Any) -> Any:
        if next(calls) == n:
            act()
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, acting)


def _interrupt() -> None:
    raise KeyboardInterrupt


def _at_once(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """In the middle of the n-th step, where each step is saved."""
    monkeypatch.setattr(finetune_run, "CHECKPOINT_SECONDS", 0.0)
    _nth_call(monkeypatch, BatchLoss, "backward", n, _interrupt)


def _by_signal(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """By a signal in the n-th step, at the end of which it is saved."""
    _nth_call(monkeypatch, BatchLoss, "backward", n, lambda: signal.raise_signal(signal.SIGINT))


def _in_a_look(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """In the n-th look at the development set, where each step is saved."""
    monkeypatch.setattr(finetune_run, "CHECKPOINT_SECONDS", 0.0)
    _nth_call(monkeypatch, DevelopmentSet, "score", n, _interrupt)


def _before_the_best_counts(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """When the n-th checkpoint is to be written: best weights may be newer than the last one."""
    monkeypatch.setattr(finetune_run, "CHECKPOINT_SECONDS", 0.0)
    _nth_call(monkeypatch, finetune_run, "save_checkpoint", n, _interrupt)


RUNS: dict[str, tuple[dict[str, Any], tuple[str, ...], str | None]] = {
    "dropout-grad-cache": ({"dropout": 0.2, "grad_cache": True}, ("pairs", "triplets"), "pairs"),
    "lora": ({"lora_rank": 2, "evaluate_every": 1, "patience": 3}, ("triplets",), "pairs"),
    "scores": ({"temperature": 2.0, "matryoshka": (4,)}, ("scored", "margins"), "scored"),
    "no-development": ({"steps": 7, "batch_size": 3}, ("pairs",), None),
}


@pytest.mark.parametrize(
    ("name", "stop"),
    [
        (name, stop)
        for name, (_, _, development) in RUNS.items()
        for stop in (_at_once, _by_signal, _in_a_look, _before_the_best_counts)
        if development is not None or stop is not _in_a_look
    ],
)
@pytest.mark.parametrize("kind", ["bert", "static"])
def test_a_run_that_was_stopped_ends_with_the_same_bits(
    kind: str, name: str, stop: Stop, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, kinds, development = RUNS[name]
    if kind == "static" and (name == "lora" or "dropout" in settings):
        settings = {"patience": 2, "evaluate_every": 1}

    def fit(out: str, *, resume: bool = False) -> None:
        SentenceTrainer(**USUAL | settings).fit(
            load_bert(folder) if kind == "bert" else static(),
            _sources(*kinds),
            tmp_path / out,
            development=_development(development) if development else None,
            resume=resume,
        )

    fit("whole")
    weights, record = _result(tmp_path / "whole")
    n_moments = len(record["report"]["scores"]) if stop is _in_a_look else 9
    moments = [n for n in (1, 2, 4, 5, 8) if n < min(n_moments, record["report"]["n_steps"])]
    for n in moments if kind == "static" else moments[1::2]:
        with monkeypatch.context() as patched:
            stop(patched, n)
            with pytest.raises(KeyboardInterrupt, match="add --resume to go on"):
                fit(f"stopped {n}")
        assert not (tmp_path / f"stopped {n}").exists()
        fit(f"stopped {n}", resume=True)
        assert _result(tmp_path / f"stopped {n}") == (weights, record), n
        assert not list(tmp_path.glob("*.training"))
    assert moments


def test_a_run_can_be_stopped_more_than_once_at_the_end_of_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(out: str, *, resume: bool = False) -> None:
        SentenceTrainer(**USUAL).fit(static(), _sources("pairs"), tmp_path / out, resume=resume)

    fit("whole")  # two batches an epoch
    for n in range(5):
        with monkeypatch.context() as patched:
            _by_signal(patched, 1)
            with pytest.raises(KeyboardInterrupt):
                fit("stopped", resume=n > 0)
    fit("stopped", resume=True)
    assert _result(tmp_path / "stopped") == _result(tmp_path / "whole")


def test_losses_are_means_of_all_steps_since_the_entry_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[float] = []
    original = BatchLoss.backward

    def noting(self: BatchLoss, batch: Any) -> Any:
        found.append(float(original(self, batch)))
        return torch.tensor(found[-1])

    monkeypatch.setattr(BatchLoss, "backward", noting)
    trainer = SentenceTrainer(**USUAL | {"steps": 45})
    report = trainer.fit(static(), _sources("pairs"), tmp_path / "out")
    assert [step for step, _ in report.losses] == [*range(2, 45, 2), 45]
    means = [np.mean(found[max(0, step - 2) : step]) for step, _ in report.losses[:-1]]
    assert [loss for _, loss in report.losses] == pytest.approx([*means, found[-1]])


def test_another_run_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"

    def fit(kind: str = "pairs", n: int = 8, resume: bool = True, **more: Any) -> Any:
        settings = USUAL | more.pop("settings", {})
        model = more.pop("model", None) or static()
        source = examples_of(examples(kind, n, _KNOWN), "f")
        return SentenceTrainer(**settings).fit(model, [source], out, resume=resume, **more)

    with monkeypatch.context() as patched:
        _by_signal(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            fit(resume=False)
    with pytest.raises(ConfigError, match="holds a run that did not finish; add --resume"):
        fit(resume=False)
    other_texts = examples_of([Example(f"cat {i}", f"dog {i}") for i in range(8)], "f")
    with pytest.raises(ConfigError, match="the loss info_nce asks none"):
        fit(teacher=static().encoder())
    for change in (
        lambda: fit(n=9),
        lambda: fit("triplets"),
        lambda: fit(settings={"seed": 1}),
        lambda: fit(development=_development()),
        lambda: fit(settings={"query_prompt": "the "}),
        lambda: SentenceTrainer(**USUAL).fit(static(), [other_texts], out, resume=True),
        lambda: fit(model=static(12)),
    ):
        with pytest.raises(FormatError, match=r"is of other settings or text|is damaged"):
            change()
    fit()
    assert out.exists()


@pytest.mark.parametrize("kind", ["bert", "distilbert", "static"])
def test_training_and_inference_read_alike(
    kind: str, folder: Path, distilbert: Path, tmp_path: Path
) -> None:
    model: Model = static() if kind == "static" else load_bert(
        folder if kind == "bert" else distilbert
    )  # fmt: skip
    settings: dict[str, Any] = {
        "query_prompt": "the ",
        "document_prompt": "on the cat ",
        "steps": 3,
    }
    trainer = SentenceTrainer(**USUAL | settings, max_length=30)
    trainer.fit(model, _sources("triplets"), tmp_path / "out")
    lines = [line for line in texts(30, _KNOWN) if len(line.split()) < 5]
    saved = load_encoder(tmp_path / "out", dtype="float32")
    assert saved.config.max_length == 30
    assert saved.config.prompts.query == "the "
    peer = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    with torch.no_grad():
        queries, documents = (
            model(model.read(lines, prompt)).numpy() for prompt in ("the ", "on the cat ")
        )
    assert not np.allclose(queries, documents, atol=1e-3)
    for encoder in (model.encoder(), saved, peer):
        own_queries, own_documents = encoder.encode_query(lines), encoder.encode_document(lines)
        np.testing.assert_allclose(own_queries, queries, atol=1e-4)
        np.testing.assert_allclose(own_documents, documents, atol=1e-4)


def test_what_was_trained_is_what_is_written(folder: Path, tmp_path: Path) -> None:
    model = load_bert(folder)
    SentenceTrainer(**USUAL, lora_rank=2).fit(model, _sources("pairs"), tmp_path / "out")
    again = load_trainable(tmp_path / "out")
    lines = texts(5)
    with torch.no_grad():
        torch.testing.assert_close(
            again(again.read(lines)), model(model.read(lines)), rtol=0, atol=1e-6
        )
    before = load_bert(folder)
    assert not torch.allclose(before(before.read(lines)), model(model.read(lines)), atol=1e-2)


class _Scores(DevelopmentSet):
    """A development set whose scores are given."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__(examples("pairs"), "pairs")
        self.scores, self.seen = iter(scores), list[Any]()

    def score(self, encoder: Any) -> float:
        self.seen.append(encoder.encode_query(["the cat sat"]))
        return next(self.scores)


def test_the_best_weights_are_kept_and_patience_ends_a_run(tmp_path: Path) -> None:
    development = _Scores([0.1, 0.2, 0.5, 0.4, 0.5, 0.3])
    trainer = SentenceTrainer(**USUAL | {"steps": 20}, evaluate_every=2, patience=3)
    model = static()
    report = trainer.fit(model, _sources("pairs"), tmp_path / "out", development=development)
    assert report.scores == [(0, 0.1), (2, 0.2), (4, 0.5), (6, 0.4), (8, 0.5), (10, 0.3)]
    assert (report.best_step, report.n_steps, report.metric) == (4, 10, "mrr@10")
    assert report.losses[-1][0] == 10
    best = development.seen[2]
    np.testing.assert_array_equal(model.encoder().encode_query(["the cat sat"]), best)
    found = load_encoder(tmp_path / "out").encode_query(["the cat sat"])
    np.testing.assert_allclose(found, best, atol=1e-6)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "mrr@10: 0.1000 before, 0.5000 at step 4, whose weights these are." in card
    assert not list(tmp_path.glob("*.training"))


def test_the_report_counts_what_was_left_out(tmp_path: Path) -> None:
    given = [Example(f"dog {i}", f"mat {i}", ("", f"on {i}")) for i in range(5)]
    given += [Example("", "mat"), Example("mat", " ")]
    report = SentenceTrainer(**USUAL).fit(static(), [examples_of(given)], tmp_path / "out")
    assert (report.n_examples, report.n_empty) == (5, 7)
    assert (report.n_left_out, report.n_steps) == (1, 3)  # a batch of one is none
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["report"]["n_left_out"] == report.n_left_out
    assert record["config"]["batch_size"] == 4
    card = (tmp_path / "out" / "README.md").read_text()
    assert "5 examples of `the examples`, by info_nce." in card
    assert "- 7 empty texts were left out." in card
    assert "- 1 examples found no batch" in card
    assert "3 steps of 4 examples" in card
    assert "- `learning_rate`: 0.01" in card


@pytest.mark.parametrize("kind", ["bert", "static"])
def test_a_lost_model_is_not_written(kind: str, folder: Path, tmp_path: Path) -> None:
    model = load_bert(folder) if kind == "bert" else static()
    with torch.no_grad():
        next(iter(model.parameters()))[:] = math.nan
    for settings in ({}, {"steps": 1}):
        with pytest.raises(TrainingError, match="at step 1, the loss is nan"):
            SentenceTrainer(**USUAL | settings).fit(model, _sources("pairs"), tmp_path / "out")
    with pytest.raises(TrainingError, match=r"after step 0, the vector of .* another base"):
        SentenceTrainer(**USUAL).fit(
            model, _sources("pairs"), tmp_path / "out", development=_development()
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("steps", [1, 30])
def test_a_step_size_that_is_far_too_large_writes_nothing(
    folder: Path, tmp_path: Path, steps: int
) -> None:
    trainer = SentenceTrainer(**USUAL | {"learning_rate": 1e38, "steps": steps, "warmup": 0.0})
    with pytest.raises(TrainingError, match="training diverged; give a learning_rate below 1e"):
        trainer.fit(load_bert(folder), _sources("pairs"), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_was_saved_before_a_loss_of_nan_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = static()

    def lose() -> None:
        with torch.no_grad():
            model.table.weight[:] = math.nan

    monkeypatch.setattr(finetune_run, "CHECKPOINT_SECONDS", 0.0)
    out, work = tmp_path / "out", tmp_path / "out.training"
    with monkeypatch.context() as patched:
        _nth_call(patched, finetune_run, "clip_gradients", 3, lose)  # found by the next save
        with pytest.raises(TrainingError, match=r"weight table.* keeps what was saved before"):
            SentenceTrainer(**USUAL).fit(model, _sources("pairs"), out)
    assert json.loads((work / "checkpoint" / "state.json").read_text())["progress"]["step"] == 2
    SentenceTrainer(**USUAL).fit(static(), _sources("pairs"), out, resume=True)
    SentenceTrainer(**USUAL).fit(static(), _sources("pairs"), tmp_path / "whole")
    assert _result(out) == _result(tmp_path / "whole")


def test_few_examples_make_a_small_batch(tmp_path: Path) -> None:
    trainer = SentenceTrainer(**USUAL | {"batch_size": 64})
    clashing = [Example("the cat", "sat"), Example("the cat", "on"), Example("dog", "mat")]
    for n, given in enumerate((examples("pairs", 5, _KNOWN), clashing)):
        report = trainer.fit(static(), [examples_of(given)], tmp_path / f"out{n}")
        assert report.n_steps == 3
    same = [Example("cat", "dog"), Example("cat", "mat")]
    for too_few in (same[:1], same):
        with pytest.raises(ConfigError, match="two examples without a text in common"):
            trainer.fit(static(), [examples_of(too_few)], tmp_path / "none")
    assert not (tmp_path / "none.training").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lora_rank": 2}, "trained whole; leave lora_rank at 0"),
        ({"dropout": 0.1}, "no part of this model drops any"),
        ({"matryoshka": (9,)}, "matryoshka has 9, and the vectors have 8 numbers"),
        ({"loss": "embedding_mse"}, "needs a teacher"),
        ({"loss": "cosent"}, "needs scored, and pairs holds pairs"),
        ({"batch_size": 1}, "batch_size is 1, so no example has another"),
        ({"temperature": 0.5}, "temperature is 0.5"),
    ],
)
def test_settings_that_do_not_fit_leave_nothing(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        SentenceTrainer(**USUAL | settings).fit(static(), _sources("pairs"), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"matryoshka": (8, 8)}, r"matryoshka is \[8, 8\]; give different lengths of 1 or more"),
        ({"matryoshka": (0,)}, r"matryoshka is \[0\]"),
        ({"seed": -1}, "seed is -1; give 0 or more"),
        ({"weight_decay": math.inf}, "weight_decay is inf"),
        ({"false_negative_margin": math.nan}, "false_negative_margin is nan"),
        ({"loss": "hinge"}, "loss is 'hinge'; give one of auto, info_nce"),
        ({"precision": "int8"}, "precision is 'int8'"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; give a number above 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"warmup": 1.5}, "warmup is 1.5"),
        ({"epochs": 0.0}, "epochs is 0.0"),
        ({"steps": 0}, "steps is 0; give 1 or more"),
        ({"patience": -1}, "patience is -1"),
    ],
)
def test_settings_that_cannot_be_are_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FinetuneConfig(**settings)


def test_a_length_that_the_model_has_no_positions_for_is_an_error(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="max_length is 65, and the model was made for 64 tokens"):
        SentenceTrainer(**USUAL, max_length=65).fit(
            load_bert(folder), _sources("pairs"), tmp_path / "out"
        )


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("most", [0.3, 100.0])
def test_gradients_are_clipped_as_torch_does(sparse: bool, most: float) -> None:
    def module(is_sparse: bool) -> torch.nn.Module:
        torch.manual_seed(0)
        made = torch.nn.Sequential(torch.nn.EmbeddingBag(9, 4, sparse=is_sparse))
        made.append(torch.nn.Linear(4, 2))
        made(torch.tensor([[1, 3, 3], [2, 1, 5]])).square().sum().backward()
        return made

    ours, theirs = module(sparse), module(False)
    norm = clip_gradients(ours, most)
    expected = torch.nn.utils.clip_grad_norm_(theirs.parameters(), most)
    torch.testing.assert_close(norm, expected)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert one.grad is not None
        torch.testing.assert_close(one.grad.to_dense(), other.grad, rtol=1e-5, atol=1e-7)


def test_a_word_that_is_not_read_stays_where_it_is(tmp_path: Path) -> None:
    model, before = static(), static()
    given = [Example("the cat", "sat"), Example("dog", "mat")]
    SentenceTrainer(**USUAL).fit(model, [examples_of(given)], tmp_path / "out")
    is_read = torch.tensor([word in ("the", "cat", "sat", "dog", "mat") for word in WORDS])
    moved = (model.table.weight != before.table.weight).any(dim=1)
    assert torch.equal(moved, is_read)


def test_no_example_is_an_error() -> None:
    with pytest.raises(CorpusError, match="has no example in it"):
        examples_of([])
