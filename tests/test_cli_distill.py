import json
from pathlib import Path

import pytest

import rowspace as rs
from tests.program import RunMain
from tests.transformer.small_encoders import write_animals, write_encoder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("models") / "bert", "bert")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_animals(tmp_path / "corpus.txt", 60)


def test_a_teacher_becomes_vectors_that_other_commands_read(
    teacher: Path, corpus: Path, tmp_path: Path, run_main: RunMain
) -> None:
    out = tmp_path / "static.words"
    ran = run_main("distill", teacher, corpus, "--out", out, "--layers", "0,-1", "--mix", "concat")
    assert ran.out == f"9 vectors of 96 numbers in {out}\ntry: rowspace neighbors {out} WORD\n"
    asked = run_main("neighbors", out, "cat", "-k", "3", "--json")
    (answer,) = json.loads(asked.out)
    assert len(answer["neighbors"]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "static.words"]


def test_words_of_a_file_and_json(
    teacher: Path, corpus: Path, tmp_path: Path, run_main: RunMain
) -> None:
    (tmp_path / "list.txt").write_text("fox\n\nzebra\nCat\nDOG\n")
    out = tmp_path / "out"
    ran = run_main(
        "distill", teacher, corpus, "--out", out, "--words", tmp_path / "list.txt", "--json",
        "--remove-top", "1",
    )  # fmt: skip
    assert json.loads(ran.out) == {"out": str(out), "words": 3, "dim": 48}
    found = rs.load(out)
    assert found.index_to_key == ["fox", "cat", "dog"]
    assert found.metadata["transforms"] == ["all-but-the-top 1"]


def test_expected_errors_are_one_line(
    teacher: Path, corpus: Path, tmp_path: Path, run_main: RunMain
) -> None:
    out = tmp_path / "out"
    (tmp_path / "none.txt").write_text("\n")
    (tmp_path / "phrase.txt").write_text("cat\nhot dog\n")
    out.mkdir()
    for arguments, message in (
        ([teacher, corpus, "--out", out], "exists; give another --out, or remove it"),
        (
            [teacher, corpus, "--out", tmp_path / "new", "--words", tmp_path / "none.txt"],
            "has no word in it",
        ),
        (
            [teacher, corpus, "--out", tmp_path / "new", "--words", tmp_path / "phrase.txt"],
            "'hot dog' is 2 words in a text; give single words",
        ),
        (
            [teacher, corpus, "--out", tmp_path / "new", "--min-count", "0"],
            "min_count is 0; give 1 or more",
        ),
        ([tmp_path / "nothing", corpus, "--out", tmp_path / "new"], "there is no folder"),
        ([teacher, tmp_path / "nothing", "--out", tmp_path / "new"], "there is no file or folder"),
    ):
        assert message in run_main("distill", *arguments).error()
    assert not list(tmp_path.glob("new*"))


def test_a_teacher_becomes_an_embedder(teacher: Path, tmp_path: Path, run_main: RunMain) -> None:
    lines = [f"the bank of river {i} was muddy in spring." for i in range(120)]
    (tmp_path / "texts.txt").write_text("\n".join(lines))
    out = tmp_path / "static"
    ran = run_main(
        "distill", "--embedder", teacher, tmp_path / "texts.txt", "--out", out, "--dim", "8",
        "--epochs", "1", "--documents", "lines",
    )  # fmt: skip
    assert "tokens of 8 numbers" in ran.out
    assert "before fitting to 120 others" in ran.out
    assert rs.load_encoder(out).encode(["the river"]).shape == (1, 8)
    asked = run_main(
        "distill", "--embedder", teacher, "--out", tmp_path / "b", "--dim", "4", "--json"
    )
    answer = json.loads(asked.out)
    assert (answer["dim"], answer["n_texts"], answer["agreement"]) == (4, 0, None)
    failed = run_main("distill", "--embedder", teacher, "--out", tmp_path / "c", "--dim", "900")
    assert "dim is 900, and the teacher's vectors have 48" in failed.error()
