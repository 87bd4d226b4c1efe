from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path
from typing import Any

import pytest

import rowspace as rs
from rowspace.static.glove import GloVeConfig
from tests.program import RunMain, finish, start, start_and_wait
from tests.speeches import SPEECHES, words_of, write_folder, write_topics

QUICK = ("--dim", "8", "--epochs", "2", "--min-count", "1", "--n-threads", "1")
OTHER: dict[str, Any] = {
    "dim": 12, "window": 3, "symmetric": False, "distance_weighting": False, "x_max": 5.0,
    "alpha": 0.5, "epochs": 3, "learning_rate": 0.1, "output": "both", "min_count": 2,
    "max_words": 30, "tokenizer": "whitespace", "memory_mb": 64, "seed": 7, "n_threads": 1,
    "phrases": 1, "phrase_score": "npmi", "phrase_threshold": 0.9, "phrase_min_count": 2,
    "phrase_connectors": "of the",
}  # fmt: skip


def test_train_writes_vectors_that_load_with_counts(tmp_path: Path, run_main: RunMain) -> None:
    folder, out = write_folder(tmp_path / "speeches"), tmp_path / "a.words"
    ran = run_main("train", "glove", folder, "--out", out, *QUICK)
    assert ran.code == 0, ran
    vectors = rs.load(out)
    words = words_of(" ".join(SPEECHES.values()))
    assert set(vectors.index_to_key) == words
    assert vectors.counts is not None and vectors.counts[0] == max(vectors.counts)
    lines = ran.out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["epoch 1", "epoch 2"]
    assert lines[0].endswith(" M pairs/s")
    assert lines[2] == f"{len(words)} vectors of 8 numbers in {out}"
    assert not out.with_name("a.words.training").exists()


def test_every_setting_reaches_the_model(tmp_path: Path, run_main: RunMain) -> None:
    assert OTHER.keys() == {field.name for field in dataclasses.fields(GloVeConfig)}
    defaults = dataclasses.asdict(GloVeConfig())
    assert all(value != defaults[name] for name, value in OTHER.items())
    arguments: list[str] = []
    for name, value in OTHER.items():
        option = name.replace("_", "-")
        arguments += [f"--no-{option}"] if value is False else [f"--{option}", str(value)]
    text = write_topics(tmp_path / "topics.txt")
    ran = run_main("train", "glove", text, "--out", tmp_path / "a", *arguments, "--json")
    answer = json.loads(ran.out)
    assert (answer["words"], answer["dim"], len(answer["epochs"])) == (30, 24, 3)
    by_library = rs.GloVe(**OTHER).fit(text)
    assert rs.load(tmp_path / "a").matrix.tobytes() == by_library.matrix.tobytes()
    assert rs.load(tmp_path / "a").metadata["config"] == OTHER


@pytest.mark.parametrize(
    ("moment", "n"),
    [
        pytest.param("rowspace.static.pair_sums:CountedPairs.count", 1, id="counting"),
        pytest.param("rowspace.static.glove:GloVeTraining.train_piece", 20, id="training"),
    ],
)
@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_the_same_settings_only(
    tmp_path: Path, moment: str, n: int
) -> None:
    text, out = write_topics(tmp_path / "topics.txt"), tmp_path / "a.words"
    command = ("train", "glove", text, "--out", out, *QUICK)
    process = start_and_wait(moment, n, *command)
    process.send_signal(signal.SIGINT)
    ran = finish(process)
    assert ran.code == 130, ran
    assert ran.err == "rowspace: interrupted; add --resume to go on where it stopped\n"
    assert "did not finish; add --resume" in finish(start(*command)).error()
    other = finish(start(*command, "--resume", "--x-max", "9"))
    assert "another corpus or with other settings; give the same" in other.error()
    assert finish(start(*command, "--resume", "--memory-mb", "99")).code == 0
    assert finish(start("train", "glove", text, "--out", tmp_path / "b", *QUICK)).code == 0
    assert rs.load(out).matrix.tobytes() == rs.load(tmp_path / "b").matrix.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--x-max", "0"), "x_max is 0.0; give more than 0, usually 10 to 100"),
        (("--memory-mb", "3"), "memory_mb is 3; give 32 or more, usually 1024"),
        (("--min-count", "1000"), "no word occurs 1000 times"),
    ],
)
def test_settings_that_cannot_work_are_one_line(
    tmp_path: Path, run_main: RunMain, arguments: tuple[str, str], message: str
) -> None:
    text = write_topics(tmp_path / "topics.txt")
    ran = run_main("train", "glove", text, "--out", tmp_path / "a", *arguments)
    assert message in ran.error()
    assert not (tmp_path / "a").exists()


def test_what_glove_cannot_do_is_not_offered(tmp_path: Path, run_main: RunMain) -> None:
    text = write_topics(tmp_path / "topics.txt")
    for option in ("--start", "--freeze", "--held-out"):
        ran = run_main("train", "glove", text, "--out", tmp_path / "a", option)
        assert ran.code == 2 and "No such option" in ran.err and option in ran.err, ran
