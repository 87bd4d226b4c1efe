from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

pytest.importorskip("torch")

from rowspace import load_encoder
from tests.program import RunMain, finish, start_and_wait
from tests.sentence.small_training import examples, static, write_bert
from tests.torchrun import run_together, start_together

USUAL = ("--batch-size", "4", "--learning-rate", "0.01", "--n-threads", "1", "--precision",
         "float32")  # fmt: skip
_WORDS = ["cat", "dog", "sat", "the", "mat", "on"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    static().save(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return _write(tmp_path / "pairs.jsonl", "pairs")


def _write(path: Path, kind: str, n: int = 12) -> Path:
    path.write_text(
        "".join(json.dumps(each.as_json()) + "\n" for each in examples(kind, n, _WORDS))
    )
    return path


def test_a_model_is_trained_and_what_it_came_to_is_told(
    base: Path, pairs: Path, tmp_path: Path, run_main: RunMain
) -> None:
    out, more = tmp_path / "out", _write(tmp_path / "more.jsonl", "triplets", 8)
    dev = _write(tmp_path / "dev.jsonl", "scored")
    ran = run_main("train", "sentence", pairs, more, "--base", base, "--out", out, "--dev", dev,
                   "--epochs", "4", "--query-prompt", "the ", *USUAL)  # fmt: skip
    assert ran.code == 0, ran
    lines = ran.out.splitlines()
    assert lines[0].startswith("20 examples, 20 steps in ")
    assert lines[1].startswith("loss: ")
    assert lines[2].startswith("dev spearman: ")
    assert lines[3] == f"the model is in {out}; sentence-transformers reads it too"
    record = json.loads((out / "training.json").read_text())
    assert record["base"] == base.name
    assert record["report"]["scores"][0][0] == 0
    assert f"{record['report']['scores'][0][1]:.4f} before" in lines[2]
    assert load_encoder(out).config.prompts.query == "the "


def test_json_is_the_report(base: Path, pairs: Path, tmp_path: Path, run_main: RunMain) -> None:
    ran = run_main("train", "sentence", pairs, "--base", base, "--out", tmp_path / "out",
                   "--steps", "2", "--json", *USUAL)  # fmt: skip
    told = json.loads(ran.out)
    assert (told["out"], told["n_steps"], told["n_examples"]) == (str(tmp_path / "out"), 2, 12)
    assert told["metric"] is None


def test_word_vectors_can_be_the_base(pairs: Path, tmp_path: Path, run_main: RunMain) -> None:
    vectors = tmp_path / "words.vec"
    vectors.write_text("3 2\ncat 1 0\ndog 0 1\nsat 1 1\n")
    ran = run_main("train", "sentence", pairs, "--base", vectors, "--out", tmp_path / "out", *USUAL)
    assert ran.code == 0, ran
    assert load_encoder(tmp_path / "out").dim == 2


def test_a_run_that_ctrl_c_stopped_is_gone_on_with(
    pairs: Path, tmp_path: Path, run_main: RunMain
) -> None:
    base, dev = write_bert(tmp_path / "bert"), _write(tmp_path / "dev.jsonl", "pairs")
    arguments = ("train", "sentence", pairs, "--base", base, "--dev", dev, "--epochs", "3", *USUAL)
    assert run_main(*arguments, "--out", tmp_path / "whole").code == 0
    out = tmp_path / "out"
    moment = "rowspace.sentence.finetune_run:clip_gradients"
    process = start_and_wait(moment, 5, *arguments, "--out", out)
    process.send_signal(signal.SIGINT)
    ran = finish(process)
    assert ran.code == 130, ran
    assert ran.err.endswith("rowspace: interrupted; add --resume to go on where it stopped\n")
    state = json.loads((tmp_path / "out.training" / "checkpoint" / "state.json").read_text())
    assert state["progress"]["step"] == 5
    assert not out.exists()
    assert "holds a run that did not finish" in run_main(*arguments, "--out", out).error()
    assert run_main(*arguments, "--out", out, "--resume").code == 0
    whole, found = (path / "model.safetensors" for path in (tmp_path / "whole", out))
    assert whole.read_bytes() == found.read_bytes()
    assert not (tmp_path / "out.training").exists()


@pytest.mark.slow
def test_processes_of_torchrun_that_were_stopped_are_gone_on_with_by_one(
    base: Path, pairs: Path, tmp_path: Path, run_main: RunMain
) -> None:
    dev = _write(tmp_path / "dev.jsonl", "pairs")
    arguments = ("train", "sentence", pairs, "--base", base, "--dev", dev, "--epochs", "3",
                 "--chunk-size", "2", *USUAL)  # fmt: skip
    assert run_main(*arguments, "--out", tmp_path / "whole").code == 0
    out = tmp_path / "out"
    moment = "rowspace.sentence.finetune_run:clip_gradients"
    process = start_together(2, "wait", moment, "5", *arguments, "--out", out,
                             module="tests.program")  # fmt: skip
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["waiting\n"] * 2
    process.send_signal(signal.SIGTERM)
    ran = finish(process)
    assert ran.code == 1, ran  # torchrun's own
    assert ran.out == ""
    said = [line for line in ran.err.splitlines() if line.startswith("rowspace: ")]
    assert said == ["rowspace: interrupted; add --resume to go on where it stopped"]
    state = json.loads((tmp_path / "out.training" / "checkpoint" / "state.json").read_text())
    assert state["progress"]["step"] == 5
    assert run_main(*arguments, "--out", out, "--resume").code == 0
    whole, found = (json.loads((path / "training.json").read_text())["report"]
                    for path in (tmp_path / "whole", out))  # fmt: skip
    for name in ("losses", "scores"):
        assert found[name] == [pytest.approx(entry, rel=1e-5) for entry in whole[name]]
    assert (found["best_step"], found["n_steps"]) == (whole["best_step"], whole["n_steps"])


@pytest.mark.slow
def test_an_error_of_all_processes_is_told_once(base: Path, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = run_together(
        2, "train", "sentence", pairs, "--base", base, "--out", out, "--lora-rank", "2", *USUAL
    )
    assert (ran.code, ran.out) == (1, "")
    said = [line for line in ran.err.splitlines() if line.startswith("rowspace: ")]
    assert said == ["rowspace: a static embedder is trained whole; leave lora_rank at 0"]
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--lora-rank", "2"), "a static embedder is trained whole; leave lora_rank at 0"),
        (("--dropout", "0.1"), "no part of this model drops any"),
        (("--matryoshka", "4,16"), "matryoshka has 16, and the vectors have 8 numbers"),
        (("--matryoshka", "a"), "--matryoshka has 'a', which is no number"),
        (("--loss", "triplet"), "the loss triplet needs triplets or margins, and "),
        (("--loss", "embedding_mse"), "the loss embedding_mse needs a teacher; give one"),
        (("--batch-size", "1"), "batch_size is 1"),
        (("--device", "abacus"), "device is 'abacus', which torch cannot use here"),
        (("--dev", "nowhere.tsv"), "nowhere.tsv"),
    ],
)
def test_what_cannot_be_is_one_line(
    options: tuple[str, ...], message: str, base: Path, pairs: Path, tmp_path: Path,
    run_main: RunMain,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    given = (*USUAL, *options)
    ran = run_main("train", "sentence", pairs, "--base", base, "--out", out, *given)
    assert message in ran.error()
    assert not list(tmp_path.glob("out*"))


def test_a_teacher_of_other_length_is_one_line(
    base: Path, pairs: Path, tmp_path: Path, run_main: RunMain
) -> None:
    static(12).save(tmp_path / "teacher")
    arguments = ("train", "sentence", pairs, "--base", base, "--out", tmp_path / "out", *USUAL)
    options = ("--loss", "embedding_cosine", "--teacher")
    ran = run_main(*arguments, *options, tmp_path / "teacher")
    assert "the teacher's vectors have 12 numbers and the student's 8" in ran.error()
    assert run_main(*arguments, *options, base).code == 0


def test_paths_that_do_not_fit_are_one_line(
    base: Path, pairs: Path, tmp_path: Path, run_main: RunMain
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "noise.bin").write_bytes(b"\0\1\2 nothing")
    (tmp_path / "one.tsv").write_text("cat\tdog\n")
    for given, where, out, message in (
        ("nowhere.tsv", base, "there", "there exists; give another --out, or remove it"),
        (pairs, tmp_path / "noise.bin", "out", "noise.bin"),
        (pairs, tmp_path / "nowhere", "out", "nowhere"),
        (pairs, tmp_path / "there", "out", "there"),
        (tmp_path / "one.tsv", base, "out", "two examples without a text in common"),
    ):
        ran = run_main("train", "sentence", given, "--base", where, "--out", tmp_path / out, *USUAL)
        assert message in ran.error()
    assert not (tmp_path / "out").exists()
