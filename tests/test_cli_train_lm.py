from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rowspace as rs
from rowspace.cli.train_lm import _HELP
from rowspace.position import POSITIONS
from rowspace.transformer.pretrain_config import PretrainConfig
from tests.program import RunMain, finish, run_until_death, start, start_and_wait

QUICK = (
    "--tokenizer", "characters", "--dim", "16", "--n-layers", "1", "--n-heads", "2",
    "--max-length", "16", "--batch-size", "4", "--steps", "12", "--checkpoint-every", "3",
    "--held-out", "0.2", "--n-threads", "1",
)  # fmt: skip
OTHER: dict[str, Any] = {
    "tokenizer": "bpe", "vocab_size": 280, "dim": 16, "n_layers": 2, "n_heads": 2, "n_kv_heads": 1,
    "head_dim": 6, "hidden_dim": 24, "max_length": 12, "position": "rope", "base": 500.0,
    "scaling": "yarn", "scaling_factor": 2.0, "norm": "layer", "activation": "gelu", "bias": True,
    "is_tied": False, "sparse": True, "dropout": 0.1, "mask_share": 0.2, "mask_sample": 0.01,
    "whole_words": True,
    "batch_size": 6, "accumulation": 2,
    "steps": None, "epochs": 0.1, "optimizer": "adagrad", "learning_rate": 0.01,
    "min_learning_rate": 0.001, "warmup": 2, "beta2": 0.95, "weight_decay": 0.0, "clip": 0.5,
    "precision": "float32", "held_out": 0.25, "row_record": False, "log_every": 3,
    "evaluate_every": 5, "checkpoint_every": 7, "seed": 4, "n_threads": 1, "device": "cpu",
}  # fmt: skip


def write_text(folder: Path) -> Path:
    path = folder / "text.txt"
    path.write_text("the cat saw the dog.\nthe owl and the fox saw the cat.\n" * 100)
    return path


def test_a_language_model_is_trained_and_its_tokens_have_neighbors(
    tmp_path: Path, run_main: RunMain
) -> None:
    text, out = write_text(tmp_path), tmp_path / "a.lm"
    ran = run_main("train", "lm", text, "--out", out, *QUICK)
    assert ran.code == 0, ran
    starts = [line.split(":")[0] for line in ran.out.splitlines() if ":" in line]
    wanted = ["text", "model", "training", "loss", "what rows of the token table received, by how "
              "frequent their tokens are", "sample", "sample", "sample", "try"]  # fmt: skip
    assert starts == wanted
    assert f"the model is in {out}; see {out / 'report.html'}" in ran.out
    assert not (tmp_path / "a.lm.training").exists()
    ran = run_main("neighbors", out, "a", "-k", "2")
    assert (ran.code, len(ran.out.splitlines())) == (0, 2)
    assert run_main("geometry", out).code == 0


def test_a_masked_model_is_trained(tmp_path: Path, run_main: RunMain) -> None:
    ran = run_main("train", "mlm", write_text(tmp_path), "--out", tmp_path / "a", *QUICK)
    assert ran.code == 0, ran
    assert ran.out.count("hidden: ") == ran.out.count("filled: ") == 3
    assert "[MASK]" in ran.out
    assert "per word" not in ran.out


def test_every_setting_reaches_the_model(tmp_path: Path, run_main: RunMain) -> None:
    vectors = tmp_path / "words.txt"
    rs.Vectors(["cat", "dog"], np.random.default_rng(0).normal(size=(2, 16))).save(vectors)
    other = OTHER | {"start_vectors": str(vectors)}
    assert other.keys() == {field.name for field in dataclasses.fields(PretrainConfig)}
    arguments: list[str] = []
    for name, value in other.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{option}" if value else f"--no-{option}")
        elif value is not None:
            arguments += [f"--{option}", str(value)]
    ran = run_main(
        "train", "mlm", write_text(tmp_path), "--out", tmp_path / "a", *arguments, "--json"
    )
    assert ran.code == 0, ran
    answer = json.loads(ran.out)
    assert answer["config"] == other
    assert answer["objective"] == "mlm"
    model = json.loads((tmp_path / "a" / "config.json").read_text())["config"]
    for name in ("dim", "n_layers", "n_kv_heads", "hidden_dim", "norm", "activation", "is_tied"):
        assert model[name] == OTHER[name]
    assert model["position_settings"]["scaling"]["factor"] == 2.0


def test_text_may_come_from_stdin(tmp_path: Path, run_main: RunMain) -> None:
    text = write_text(tmp_path).read_bytes()
    ran = run_main("train", "lm", "-", "--out", tmp_path / "a", *QUICK, stdin=text)
    assert ran.code == 0, ran
    ran = run_main("train", "lm", tmp_path / "text.txt", "--out", tmp_path / "b", *QUICK)
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert models[0] == models[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--position", "nowhere"), "position 'nowhere' is not known; known are: none, learned"),
        (("--dim", "0"), "dim is 0; give a whole number, 1 or more"),
        (
            ("--max-length", "100000"),
            "the text has 4,107 tokens to train on, and a max_length of 100,000 takes 100,001 with "
            "the one that follows; give more text, or a max_length of 4,106 or less",
        ),
        (("--seed", "99999999999999999999"), "seed is 99999999999999999999; give 0 or more, less"),
        (("--device", "meta"), "device is 'meta', which torch cannot use here"),
        (("--device", "hpu"), "device is 'hpu', which torch cannot use here"),
        (("--dim", "1000000000"), "dim 1,000,000,000 and hidden_dim None cannot be"),
        (("--hidden-dim", "1" + "0" * 18), "and hidden_dim 1" + "0" * 18 + " cannot be"),
        (("--dim", "1000000"), "parameters, which take 8 bytes each to train, and"),
        (("--vocab-size", "999999999999", "--tokenizer", "bpe"), "give a smaller dim, vocab_size"),
        (("--n-threads", "100000"), "n_threads is 100,000; give 1,024 or less"),
        (("--start-vectors", "no/words"), "there is no file or folder 'no/words'; check"),
        (("--base", "inf"), "base is inf; give a finite number above 0"),
        (
            ("--sparse",),
            "sparse is True and is_tied too, but softmax gives every row of a tied table",
        ),
        (("--sparse", "--no-is-tied"), "adamw cannot take a table's sparse gradients"),
        (("--scaling", "yarn"), "scaling is 'yarn', but no scaling_factor is given; give 1 or"),
        (
            ("--optimizer", "sgd", "--learning-rate", "1e30", "--clip", "0"),
            "at step 3, the loss is nan: training diverged; give a learning_rate below 1e+30",
        ),
    ],
)
def test_settings_that_cannot_work_are_one_line(
    tmp_path: Path, run_main: RunMain, arguments: tuple[str, str], message: str
) -> None:
    ran = run_main("train", "lm", write_text(tmp_path), "--out", tmp_path / "a", *QUICK, *arguments)
    assert message in ran.error()
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_more_epochs_than_can_be_are_one_line(tmp_path: Path, run_main: RunMain) -> None:
    out = tmp_path / "a"
    ran = run_main("train", "lm", write_text(tmp_path), "--out", out, "--epochs", "1e308")
    assert ran.error() == "epochs is 1e+308; give more than 0, and at most 1,000,000"


@pytest.mark.parametrize("kind", ["lm", "word2vec", "fasttext", "glove"])
@pytest.mark.parametrize(("out", "shown"), [(".", "."), ("", "."), ("/", "/")])
def test_what_is_no_name_to_write_is_one_line(
    tmp_path: Path,
    run_main: RunMain,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    out: str,
    shown: str,
) -> None:
    text = write_text(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = run_main("train", kind, text, "--out", out)
    assert ran.error() == (
        f"out is '{shown}', which is no name; give the name of what is to be made"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_memory_that_runs_out_is_one_line(
    tmp_path: Path, run_main: RunMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_step(*_: Any) -> None:
        torch.empty(1 << 60, dtype=torch.uint8)  # no machine has that much

    monkeypatch.setattr("rowspace.transformer.training.Run._take_step", take_step)
    ran = run_main("train", "lm", write_text(tmp_path), "--out", tmp_path / "a", *QUICK)
    assert ran.error() == "out of memory; give a smaller corpus, vocabulary or dimension"
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_a_low_learning_rate_needs_no_other_setting(tmp_path: Path, run_main: RunMain) -> None:
    ran = run_main(
        "train", "lm", write_text(tmp_path), "--out", tmp_path / "a", *QUICK,
        "--learning-rate", "1e-5", "--warmup", "0", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran
    assert json.loads(ran.out)["history"][-1]["learning_rate"] == pytest.approx(1e-6)


def test_help_names_every_position() -> None:
    for name in POSITIONS:
        assert name in re.split(r"[ ,.]+", _HELP["position"])


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path, run_main: RunMain) -> None:
    (tmp_path / "a").mkdir()
    ran = run_main("train", "lm", write_text(tmp_path), "--out", tmp_path / "a", *QUICK)
    assert "a exists; give another --out, or remove it" in ran.error()


def test_without_torch_one_line_says_what_to_install(
    tmp_path: Path, run_main: RunMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name)
    )
    for kind in ("lm", "mlm"):
        ran = run_main("train", kind, write_text(tmp_path), "--out", tmp_path / "a")
        assert ran.error() == (
            "a language model needs torch, which is not installed; "
            "run: pip install 'rowspace[torch]'"
        )


@pytest.mark.parametrize("command", [("word2vec",), ("lm",)])
def test_help_does_not_load_torch(command: tuple[str, ...]) -> None:
    code = (
        "import sys; from rowspace.cli import cli\n"
        f"try: cli(['train', *{command}, '--help'])\n"
        "finally: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    text, out = write_text(tmp_path), tmp_path / "a.lm"
    command = ("train", "lm", text, "--out", out, *QUICK, "--dropout", "0.1")
    run_until_death("rowspace.transformer.training:Run._take_step", 9, *command)
    assert "did not finish; add --resume" in finish(start(*command)).error()
    run_until_death("rowspace.files:exchange", 1, *command, "--resume")  # while it saves
    assert finish(start(*command, "--resume")).code == 0
    other = finish(start("train", "lm", text, "--out", tmp_path / "b", *QUICK, "--dropout", "0.1"))
    assert other.code == 0, other
    models = [(tmp_path / n / "model.safetensors").read_bytes() for n in ("a.lm", "b")]
    assert models[0] == models[1]
    records = [json.loads((tmp_path / n / "training.json").read_text()) for n in ("a.lm", "b")]
    losses = [[entry["loss"] for entry in record["history"]] for record in records]
    assert losses[0] == losses[1]
    assert len(rs.load(out)) == records[0]["vocab_size"]


@pytest.mark.slow
def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path) -> None:
    command = ("train", "lm", write_text(tmp_path), "--out", tmp_path / "a", *QUICK)
    process = start_and_wait("rowspace.transformer.training:Run._take_step", 5, *command)
    process.send_signal(signal.SIGINT)
    ran = finish(process)
    assert ran.code == 130, ran
    assert ran.err == "rowspace: interrupted; add --resume to go on where it stopped\n"
    assert finish(start(*command, "--resume")).code == 0
