import json
from pathlib import Path

import numpy as np
import pytest

from rowspace.space.vectors import Vectors
from tests.program import RunMain
from tests.transformer.senses.meadow import MONEY, RIVER, sentences, write_model

TEXT = sentences(RIVER, 30) + sentences(MONEY, 20)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("meadow"))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(TEXT) + "\n")
    return path


def test_senses_are_printed_with_sentences(model: Path, text: Path, run_main: RunMain) -> None:
    ran = run_main("senses", model, "bank", text)
    assert ran.code == 0, ran
    lines = ran.out.splitlines()
    assert lines[0] == "bank: 2 senses in 50 occurrences (50 sentences)"
    assert lines[1].startswith("Of 1 to 8 senses tried: silhouette 0.")
    assert "Sense 1: 30 (60 %)" in lines
    assert "Sense 2: 20 (40 %)" in lines
    assert sum("[bank]" in line for line in lines) == 10
    assert max(map(len, lines)) <= 100 or not any("[bank]" in x for x in lines if len(x) > 100)
    assert ran.err == ""


def test_stdin_is_read_and_cut_into_sentences(model: Path, run_main: RunMain) -> None:
    paragraph = b"The boat bank. The loan bank and the bank! No more."
    record = json.loads(run_main("senses", model, "bank", "-", "--json", stdin=paragraph).out)
    assert record["n_sentences"] == 3
    assert [o["sentence"] for o in record["occurrences"]] == [
        "The boat bank.",
        "The loan bank and the bank!",
        "The loan bank and the bank!",
    ]


def test_json_holds_every_occurrence(model: Path, text: Path, run_main: RunMain) -> None:
    arguments = ("--senses", "2", "--layers", "-1,-2", "--max-occurrences", "40", "--json")
    record = json.loads(run_main("senses", model, "bank", text, *arguments).out)
    assert record["layers"] == [2, 1]
    assert record["n_occurrences"] == 50
    assert record["n_read"] == len(record["occurrences"]) == 40
    for occurrence in record["occurrences"]:
        assert occurrence["sentence"][occurrence["start"] : occurrence["end"]] == "bank"
    sizes = [sense["size"] for sense in record["senses"]]
    names = [occurrence["sense"] for occurrence in record["occurrences"]]
    assert sizes == [names.count("1"), names.count("2")]


def test_examples_name_the_senses(
    model: Path, text: Path, tmp_path: Path, run_main: RunMain
) -> None:
    examples = tmp_path / "examples.tsv"
    examples.write_text(f"of a river\t{TEXT[0]}\nof money\t3\t{TEXT[-1]}\n")
    ran = run_main("senses", model, "bank", text, "--examples", examples, "--by", "nearest")
    assert "\nof a river: 30 (60 %)\n" in ran.out
    assert "\nof money: 20 (40 %)\n" in ran.out
    assert "The senses are those of 2 labelled examples." in ran.out
    assert "\ndoubtful, by how much nearer" in ran.out


@pytest.mark.parametrize("arguments", [[], ["--senses", "1"], ["--max-occurrences", "2"]])
def test_a_page_needs_nothing_else(
    model: Path, text: Path, tmp_path: Path, run_main: RunMain, arguments: list[str]
) -> None:
    text.write_text(text.read_text() + "the boat bank </script><b>&\n")
    page = tmp_path / "new" / "bank.html"
    ran = run_main("senses", model, "bank", text, "--out", page, *arguments)
    assert ran.out.splitlines()[-1] == f"wrote {page}"
    html = page.read_text()
    assert "</script><b>&" not in html
    assert "<mark>bank</mark>" in html
    assert "src=" not in html
    assert 'href="http' not in html
    record = json.loads(run_main("senses", model, "bank", text, "--json", *arguments).out)
    assert html.count("data-i=") == record["n_read"]


def test_expected_errors_are_one_line(
    model: Path, text: Path, tmp_path: Path, run_main: RunMain
) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "bad.tsv").write_text("river\tno such word\n")
    Vectors(["x", "y"], np.eye(2)).save(tmp_path / "words")
    bad = tmp_path / "bad.tsv"
    for arguments, message in (
        ([model, "bnak", text], "'bnak' does not occur in the 50 sentences"),
        ([model, "bank", tmp_path / "empty.txt"], "there is no sentence to read"),
        ([model, "bank", tmp_path / "none.txt"], "there is no file or folder"),
        ([model, "bank", text, "--senses", "51"], "cannot be parted into 51 senses"),
        ([model, "bank", text, "--layers", "3"], "there is no layer 3; give 0"),
        ([model, "bank", text, "--layers", "x"], "--layers has 'x', which is no number"),
        ([model, "bank", text, "--examples", bad], "bad.tsv:1: 'bank' does not occur"),
        ([model, "bank", text, "--examples", bad, "--senses", "2"], "leave --senses out"),
        ([model, "bank", text, "--out", tmp_path / "p.pdf"], "is no page; give a name that ends"),
        ([tmp_path / "words", "bank", text], "holds word vectors, and a word's senses need"),
        ([bad, "bank", text], "bad.tsv is a file, and a word's senses need a vector for each"),
        ([tmp_path / "no", "bank", text], "there is no folder"),
        ([model, " ", text], "the word is empty"),
    ):
        assert message in run_main("senses", *arguments).error(), message
    assert not (tmp_path / "p.pdf").exists()
