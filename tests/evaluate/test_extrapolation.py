"""The extrapolation experiment, with models so small that they are trained in a moment."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rowspace.errors import ConfigError, EvaluationError, FormatError, TrainingError
from rowspace.evaluate import extrapolation, extrapolation_run
from rowspace.evaluate.extrapolation import extrapolate
from rowspace.evaluate.extrapolation_config import ExtrapolationConfig
from rowspace.evaluate.extrapolation_page import findings
from rowspace.evaluate.extrapolation_results import Results, Spread, summarize, table_lines
from rowspace.evaluate.extrapolation_run import Measured, Text, make_scaling
from rowspace.position import NTK, Learned, RoPE
from rowspace.transformer.model import LanguageModel
from rowspace.transformer.training import Run

TINY: dict[str, Any] = {
    "positions": ("learned", "rope", "alibi"), "train_length": 8, "eval_lengths": (8, 16, 32),
    "seeds": 2, "steps": 6, "batch_size": 4, "dim": 16, "n_layers": 1, "n_heads": 2,
    "vocab_size": 300, "eval_tokens": 200, "held_out": 0.2, "finetune_share": 0.5,
    "precision": "float32", "n_threads": 1,
}  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    names = ["cat", "dog", "fox", "hen", "owl"]
    pairs = generator.integers(0, 5, size=(600, 2))
    path = tmp_path / "text.txt"
    path.write_text("".join(f"the {names[i]} saw the {names[j]}.\n" for i, j in pairs))
    return path


def run(corpus: Path, name: str, *, resume: bool = False, **settings: Any) -> Results:
    config = ExtrapolationConfig(**{**TINY, **settings})
    return extrapolate(corpus, corpus.parent / name, config, resume=resume)


def test_a_small_experiment_measures_every_method_at_every_length(corpus: Path) -> None:
    results = run(corpus, "out")
    assert [method.name for method in results.methods] == [
        "learned", "rope", "rope + linear", "rope + ntk", "rope + dynamic", "rope + yarn",
        "rope + yarn, tuned", "rope + linear, tuned", "rope, tuned", "alibi",
    ]  # fmt: skip
    assert results.n_measured == 192  # whole windows of 32 out of 200
    for method in results.methods[1:]:
        assert method.perplexity.keys() == {8, 16, 32}
        assert all(s is not None and 1 < s.mean < 400 for s in method.perplexity.values())
        assert [(first, stop) for first, stop, _ in method.places] == [(0, 16), (16, 32)]
    saved = json.loads((corpus.parent / "out" / "results.json").read_text())
    assert saved == json.loads(json.dumps(results.as_dict()))
    page = (corpus.parent / "out" / "report.html").read_text()
    assert "refused" in page
    assert page.count("<svg") == 4
    assert not (corpus.parent / "out.training").exists()


def test_learned_positions_are_refused_beyond_their_rows(corpus: Path) -> None:
    results = run(corpus, "out", positions=("learned",), seeds=1)
    (learned,) = results.methods
    assert learned.perplexity[8] is not None
    assert learned.perplexity[16] is None
    assert (learned.refused_beyond, learned.ratio) == (8, None)
    assert [(first, stop) for first, stop, _ in learned.places] == [(0, 8)]
    assert "refused beyond 8" in "\n".join(table_lines(results))
    assert "refused beyond 8" in findings(results)[-1]
    with pytest.raises(ConfigError):  # it is no choice of ours: such a model cannot do it
        Learned(8, 4).embed(torch.zeros(1, 16, 4), torch.arange(16))


def test_scalings_change_nothing_at_the_training_length(corpus: Path) -> None:
    results = run(corpus, "out", positions=("rope",), seeds=1, finetune_share=0)
    at_training = [method.perplexity[8] for method in results.methods]
    assert len(at_training) == 5
    assert len({s.mean for s in at_training if s is not None}) == 1


@pytest.mark.parametrize("module", [extrapolation_run, extrapolation])
def test_an_interrupted_experiment_ends_with_the_same_results(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    """Stopped in a step of training, and after a model was measured but not written down."""
    whole = run(corpus, "whole")
    target, name = (Run, "_take_step") if module is extrapolation_run else (module, "run_model")
    original = getattr(target, name)
    calls = 0

    def stopping(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == (16 if target is Run else 3):
            raise KeyboardInterrupt
        return original(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(target, name, stopping)
        with pytest.raises(KeyboardInterrupt, match="add --resume"):
            run(corpus, "out")
    with pytest.raises(ConfigError, match="holds a run that did not finish"):
        run(corpus, "out")
    assert run(corpus, "out", resume=True).as_dict() == whole.as_dict()
    names = ("results.json",)
    for file in names:
        one, other = corpus.parent / "whole" / file, corpus.parent / "out" / file
        assert one.read_bytes() == other.read_bytes()


def test_finished_models_are_not_trained_again(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[str, int]] = []
    original = extrapolation_run.run_model

    def recording(config: Any, text: Any, position: str, seed: int, folder: Path) -> list[Measured]:
        trained.append((position, seed))
        if len(trained) == 3:
            raise KeyboardInterrupt
        return original(config, text, position, seed, folder)

    monkeypatch.setattr(extrapolation, "run_model", recording)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, "out", finetune_share=0)
    run(corpus, "out", finetune_share=0, resume=True)
    assert trained == [
        ("learned", 1), ("rope", 1), ("alibi", 1),
        ("alibi", 1), ("learned", 2), ("rope", 2), ("alibi", 2),
    ]  # fmt: skip


def test_a_damaged_file_of_a_model_is_named(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(extrapolation, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            run(corpus, "out", positions=("alibi",), seeds=1)
    (corpus.parent / "out.training" / "runs" / "alibi-1.json").write_text("{")
    with pytest.raises(FormatError, match=r"alibi-1\.json is damaged .* remove it"):
        run(corpus, "out", positions=("alibi",), seeds=1, resume=True)


def test_all_positions_are_trained_on_the_same_texts(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[list[int]]] = {}
    original = LanguageModel.loss

    def recording(model: LanguageModel, ids: Any, targets: Any, **named: Any) -> Any:
        if torch.is_grad_enabled():  # else it is looked at, and nothing is learnt
            seen.setdefault(model.config.position, []).append(ids.flatten().tolist())
        return original(model, ids, targets, **named)

    monkeypatch.setattr(LanguageModel, "loss", recording)
    run(corpus, "out", finetune_share=0, seeds=1)
    assert seen["learned"] == seen["rope"] == seen["alibi"]
    assert len(seen["rope"]) == TINY["steps"]


def test_a_model_that_diverges_takes_no_finished_one_with_it(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = LanguageModel.loss

    def diverging(model: LanguageModel, *arguments: Any, **named: Any) -> Any:
        loss = original(model, *arguments, **named)
        return loss * float("nan") if model.config.position == "alibi" else loss

    monkeypatch.setattr(LanguageModel, "loss", diverging)
    with pytest.raises(TrainingError, match=r"training diverged; .*out\.training keeps what was"):
        run(corpus, "out", positions=("learned", "alibi"), finetune_share=0, seeds=1)
    runs = corpus.parent / "out.training" / "runs"
    assert [path.name for path in runs.glob("*.json")] == ["learned-1.json"]


def test_held_out_text_shorter_than_a_window_is_refused_before_training(corpus: Path) -> None:
    with pytest.raises(
        EvaluationError, match=r"held-out text has .* the longest window takes 4,097"
    ):
        run(corpus, "out", eval_lengths=(8, 4096))
    assert not (corpus.parent / "out.training").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"positions": ("rope", "rotary")}, "positions has 'rotary', which is not known; known"),
        ({"positions": ("rope", "rope")}, "positions has 'rope' more than once"),
        ({"positions": ()}, "positions is empty"),
        ({"eval_lengths": (8, 4)}, "eval_lengths has 4, below train_length, 8"),
        ({"eval_lengths": (8, -16)}, "eval_lengths has -16, below train_length, 8"),
        ({"eval_lengths": ()}, "eval_lengths is empty"),
        ({"train_length": 1}, "max_length is 1; give 2 or more"),
        ({"seeds": 0}, "seeds is 0; give 1 or more"),
        ({"stride": 9}, "stride is 9, beyond train_length, 8"),
        ({"scalings": ("yarn", "llama")}, "scalings has 'llama', which is not known"),
        ({"finetune_share": 1.5}, "finetune_share is 1.5; give a share from 0"),
        ({"held_out": 0.0}, "held_out is 0.0, and losses are measured on it"),
        ({"base": 0.0}, "base is 0.0; give more than 0"),
        ({"beta_fast": 0.5}, "beta_fast is 0.5 and beta_slow 0.5"),
    ],
)
def test_settings_that_cannot_work_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExtrapolationConfig(**{**TINY, **settings})


def test_dynamic_ntk_with_factor_one_is_ntk_by_what_a_text_needs() -> None:
    config = ExtrapolationConfig(**{**TINY, "dynamic_factor": 1.0})
    dynamic = make_scaling(config, "dynamic", 4.0)
    assert dynamic is not None
    torch.testing.assert_close(
        dynamic.frequencies(config.base, 8, 32), NTK(4.0).frequencies(config.base, 8, 32)
    )


def test_a_scaling_that_is_tried_leaves_the_model_as_it_was(corpus: Path) -> None:
    config = ExtrapolationConfig(**TINY)
    model = LanguageModel(config.training("rope", 1).model_config(300))
    before = model.transformer.position
    assert isinstance(before, RoPE)
    with (
        pytest.raises(ZeroDivisionError),
        extrapolation_run._with_position(model, RoPE(8, scaling=NTK(2.0))),
    ):
        raise ZeroDivisionError
    assert model.transformer.position is before


def test_means_spreads_and_ratios_by_hand() -> None:
    config = ExtrapolationConfig(**{**TINY, "eval_lengths": (8, 32)})
    measured = [
        Measured(
            "alibi",
            False,
            {8: math.log(a), 32: math.log(b)},
            math.log(50.0),
            [(0, 16, math.log(a))],
        )
        for a, b in ((100.0, 50.0), (120.0, 90.0))
    ]
    text = Text(None, np.zeros(9), np.zeros(33))  # type: ignore[arg-type]
    (method,) = summarize(config, text, [[one] for one in measured]).methods
    short, long = method.perplexity[8], method.perplexity[32]
    assert short is not None
    assert long is not None
    assert method.ratio is not None
    assert method.against_sliding is not None
    assert short.mean == pytest.approx(110.0)
    assert short.std == pytest.approx(math.sqrt(200.0))
    assert long.mean == pytest.approx(70.0)
    assert method.ratio.mean == pytest.approx((0.5 + 0.75) / 2)
    assert method.against_sliding.mean == pytest.approx((1.0 + 1.8) / 2)
    assert method.places[0][2].mean == pytest.approx((math.log(100) + math.log(120)) / 2)


def test_one_seed_has_no_spread() -> None:
    assert Spread.of([3.0]) == Spread(3.0, 0.0)
