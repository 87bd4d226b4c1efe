from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.program import RunMain
from tests.speeches import write_folder
from tests.test_cli_build import QUICK


@pytest.mark.slow
def test_a_space_gets_other_models(tmp_path: Path, run_main: RunMain) -> None:
    texts, space, words = write_folder(tmp_path / "texts"), tmp_path / "a.space", tmp_path / "words"
    assert run_main("build", texts, "--out", space, *QUICK).code == 0
    train = ("train", "word2vec", texts, "--out", words, "--dim", "12", "--min-count", "1")
    assert run_main(*train, "--seed", "7").code == 0
    ran = run_main("reembed", space, "--model", words, "--keep", "--name", "small")
    assert ran.code == 0, ran
    assert "small: sif, 12 dimensions" in ran.out
    assert "default (the default): sif" in ran.out
    found = json.loads(run_main("search", space, "torch", "--model", "small", "--json").out)
    assert found["hits"]
    assert run_main("reembed", space, "--default", "small").code == 0
    assert run_main("reembed", space, "--remove", "default").code == 0
    status = json.loads(run_main("status", space, "--json").out)
    assert list(status["models"]) == ["small"]
    assert status["dim"] == 12
    assert run_main("verify", space).code == 0
    for wrong, message in [
        ((), "give one of --model, --default and --remove"),
        (("--model", words, "--default", "x"), "give one of"),
        (("--model", words, "--keep"), "give --name"),
        (("--default", "third"), "no model 'third'"),
        (("--model", tmp_path / "nothing"), "nothing"),
    ]:
        ran = run_main("reembed", space, *wrong)
        assert ran.code == 1, wrong
        assert message in ran.err
        assert ran.err.count("\n") == 1
