from __future__ import annotations

import dataclasses
import json
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rowspace as rs
from rowspace.static.word2vec import Word2VecConfig
from tests.program import RunMain, finish, run_until_death, start, start_and_wait
from tests.speeches import SPEECHES, words_of, write_folder, write_topics

QUICK = ("--dim", "8", "--epochs", "2", "--min-count", "1", "--n-threads", "1")
OTHER: dict[str, Any] = {
    "architecture": "cbow", "dim": 12, "window": 3, "n_negative": 4, "epochs": 3,
    "learning_rate": 0.1, "min_learning_rate": 0.01, "min_count": 2, "max_words": 30,
    "subsample": 0.01, "noise_exponent": 0.5, "dynamic_window": False, "cbow_mean": False,
    "cbow_gradient": "classic", "sigmoid": "exact", "tokenizer": "whitespace", "seed": 7,
    "n_threads": 1, "loss": "hierarchical_softmax", "shuffle": True, "held_out": 0.1, "patience": 2,
    "phrases": 2, "phrase_score": "npmi", "phrase_threshold": 0.3, "phrase_min_count": 3,
    "phrase_connectors": "sea4 war5",
}  # fmt: skip


def test_train_writes_vectors_that_load(tmp_path: Path, run_main: RunMain) -> None:
    folder, out = write_folder(tmp_path / "speeches"), tmp_path / "a.words"
    ran = run_main("train", "word2vec", folder, "--out", out, *QUICK)
    assert ran.code == 0, ran
    vectors = rs.load(out)
    words = words_of(" ".join(SPEECHES.values()))
    assert set(vectors.index_to_key) == words
    lines = ran.out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["epoch 1", "epoch 2"]
    assert lines[2] == f"{len(words)} vectors of 8 numbers in {out}"
    assert not out.with_name("a.words.training").exists()


def test_every_setting_reaches_the_model(tmp_path: Path, run_main: RunMain) -> None:
    assert OTHER.keys() == {field.name for field in dataclasses.fields(Word2VecConfig)}
    arguments: list[str] = []
    for name, value in OTHER.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{option}" if value else f"--no-{option}")
        else:
            arguments += [f"--{option}", str(value)]
    text = write_topics(tmp_path / "topics.txt")
    ran = run_main("train", "word2vec", text, "--out", tmp_path / "a", *arguments, "--json")
    assert ran.code == 0, ran
    answer = json.loads(ran.out)
    assert (answer["words"], answer["dim"], len(answer["epochs"])) == (30, 12, 3)
    by_library = rs.Word2Vec(**OTHER).fit(text)
    assert rs.load(tmp_path / "a").matrix.tobytes() == by_library.matrix.tobytes()
    assert rs.load(tmp_path / "a").metadata["config"] == OTHER


@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_the_same_settings_only(tmp_path: Path) -> None:
    text, out = write_topics(tmp_path / "topics.txt"), tmp_path / "a.words"
    command = ("train", "word2vec", text, "--out", out, *QUICK)
    process = start_and_wait("rowspace.static.training:Training.train_piece", 20, *command)
    process.send_signal(signal.SIGINT)
    ran = finish(process)
    assert ran.code == 130, ran
    assert ran.err == "rowspace: interrupted; add --resume to go on where it stopped\n"
    assert "did not finish; add --resume" in finish(start(*command)).error()
    other = finish(start(*command, "--resume", "--dim", "9"))
    assert "another corpus or with other settings; give the same" in other.error()
    assert finish(start(*command, "--resume")).code == 0
    assert finish(start("train", "word2vec", text, "--out", tmp_path / "b", *QUICK)).code == 0
    assert rs.load(out).matrix.tobytes() == rs.load(tmp_path / "b").matrix.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dim", "0"), "dim is 0; give 1 or more"),
        (("--min-learning-rate", "1"), "min_learning_rate is 1.0; give 0 or more, and at most"),
        (("--min-count", "1000"), "no word occurs 1000 times"),
        (("--noise-exponent", "nan"), "noise_exponent is nan"),
        (("--n-threads", "100000"), "n_threads is 100,000; give 1,024 or less"),
        (("--seed", "9" * 20), "seed is 99999999999999999999; give 0 or more, less than 2**63"),
    ],
)
def test_settings_that_cannot_work_are_one_line(
    tmp_path: Path, run_main: RunMain, arguments: tuple[str, str], message: str
) -> None:
    text = write_topics(tmp_path / "topics.txt")
    ran = run_main("train", "word2vec", text, "--out", tmp_path / "a", *arguments)
    assert message in ran.error()
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("word2vec", ("--sync", "2"), "--sync is for --engine ray; give that too"),
        ("word2vec", ("--workers", "2"), "--workers is for --engine ray; give that too"),
        ("word2vec", ("--engine", "ray", "--start", "."), "--start goes on in one process"),
        ("word2vec", ("--engine", "ray", "--phrases", "1"), "phrases are found by one process"),
        ("glove", ("--engine", "ray", "--phrases", "1"), "phrases are found by one process"),
        ("fasttext", ("--engine", "ray"), "fasttext is trained by one process; leave --engine out"),
    ],
)
def test_what_a_cluster_does_not_do_is_one_line(
    tmp_path: Path, run_main: RunMain, method: str, arguments: tuple[str, ...], message: str
) -> None:
    text, out = write_topics(tmp_path / "topics.txt"), tmp_path / "a.bin"
    ran = run_main("train", method, text, "--out", out, *arguments)
    assert message in ran.error()
    assert not out.exists()
    assert not out.with_name("a.bin.training").exists()


def test_vectors_that_are_there_are_not_written_over(tmp_path: Path, run_main: RunMain) -> None:
    (tmp_path / "a").write_text("mine")
    ran = run_main("train", "word2vec", write_topics(tmp_path / "t.txt"), "--out", tmp_path / "a")
    assert "exists; give another --out, or remove it" in ran.error()
    assert (tmp_path / "a").read_text() == "mine"


def test_a_model_goes_on_with_new_text(tmp_path: Path, run_main: RunMain) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("the cat sits on the mat\n" * 50)
    new.write_text("the cow sits on the grass\n" * 50 + "once\n")
    ran = run_main("train", "word2vec", old, "--out", tmp_path / "a", *QUICK)
    assert ran.code == 0, ran
    more = ("--start", tmp_path / "a", "--min-count", "2")
    ran = run_main("train", "word2vec", new, "--out", tmp_path / "b", *more, "--freeze")
    assert ran.code == 0, ran
    assert ran.out.splitlines()[0] == (
        "2 words added (cow grass), 0 dropped, 2 not in this text; 1 words too rare to add"
    )
    before, after = rs.load(tmp_path / "a"), rs.load(tmp_path / "b")
    assert (after[before.index_to_key] == before.matrix).all()
    ran = run_main("train", "word2vec", new, "--out", tmp_path / "c", *more, "--json")
    assert json.loads(ran.out)["update"]["added"] == ["cow", "grass"]
    assert json.loads((tmp_path / "c" / "training.json").read_text())["config"]["dim"] == 8
    ran = run_main("train", "word2vec", new, "--out", tmp_path / "d", "--freeze")
    assert (ran.code, ran.err) == (
        1, "rowspace: --freeze needs --start, the model whose vectors shall stay\n"
    )  # fmt: skip


def test_a_run_that_fails_leaves_nothing_in_the_way_of_the_next(
    tmp_path: Path, run_main: RunMain
) -> None:
    out, text = tmp_path / "a", write_topics(tmp_path / "t.txt")
    diverging = "--architecture", "cbow", "--no-cbow-mean", "--cbow-gradient", "classic"
    failing: list[tuple[list[str | Path], str]] = [
        ([tmp_path / "nothere"], "there is no file or folder"),
        ([text, "--min-count", "1000"], "no word occurs 1000 times"),
        ([text, *diverging, "--learning-rate", "9", "--epochs", "60"], "training diverged"),
    ]
    for arguments, message in failing:
        assert message in run_main("train", "word2vec", *arguments, "--out", out).error()
        assert [path.name for path in tmp_path.iterdir()] == ["t.txt"]
    assert run_main("train", "word2vec", text, "--out", out, *QUICK).code == 0


@pytest.mark.slow
def test_a_run_that_was_killed_tells_what_does_not_fit_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    text = write_topics(folder / "topics.txt")
    out = folder / "a.words"  # beside the text, whose folder the run then changes
    command = ("train", "word2vec", folder, "--out", out, *QUICK)
    run_until_death("rowspace.static.training:Training.train_piece", 20, *command)
    other = finish(start(*command, "--resume", "--window", "3"))
    assert "give the same ones (window was 5, not 3), or remove it" in other.error()
    whole = text.read_text()
    text.write_text(whole + "more\n")
    changed = finish(start(*command, "--resume"))
    assert "topics.txt has changed since its words were counted for the run in" in changed.error()
    text.write_text(whole)
    (folder / "new.txt").write_text("more")
    assert "new.txt has changed" in finish(start(*command, "--resume")).error()
    (folder / "new.txt").unlink()
    assert finish(start(*command, "--resume")).code == 0
    assert finish(start("train", "word2vec", folder, "--out", tmp_path / "b", *QUICK)).code == 0
    assert rs.load(out).matrix.tobytes() == rs.load(tmp_path / "b").matrix.tobytes()


def test_the_epoch_of_the_lowest_held_out_loss_is_told(tmp_path: Path, run_main: RunMain) -> None:
    generator = np.random.default_rng(0)  # random text can only be learned by heart
    text = tmp_path / "noise.txt"
    lines = [" ".join(f"w{i}" for i in generator.integers(0, 40, 10)) for _ in range(300)]
    text.write_text("\n".join(lines))
    ran = run_main(
        "train", "word2vec", text, "--out", tmp_path / "a", "--held-out", "0.2", "--patience", "2",
        "--epochs", "60", "--learning-rate", "0.2", "--dim", "40", "--subsample", "0",
        "--n-threads", "1",
    )  # fmt: skip
    lines = ran.out.splitlines()
    losses = [float(re.findall(r"held out ([0-9.]+)", line)[0]) for line in lines[:-4]]
    best = losses.index(min(losses)) + 1
    assert best + 2 == len(losses) < 60
    assert lines[-4:] == [
        "stopped early: the held-out loss no longer fell",
        f"these are the vectors of epoch {best}, whose held-out loss is the lowest",
        f"40 vectors of 40 numbers in {tmp_path / 'a'}",
        f"try: rowspace neighbors {tmp_path / 'a'} WORD",
    ]
