import json
from pathlib import Path

import pytest

from rowspace.cli.layers import draw_sentences
from rowspace.text.corpus import Corpus
from tests.program import RunMain
from tests.search.test_report import vectors_of
from tests.transformer.small_encoders import write_animals, write_encoder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("models") / "gpt", "gpt2")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_animals(tmp_path / "text.txt", 40)


def test_each_layer_is_a_row_and_findings_follow(
    model: Path, text: Path, run_main: RunMain
) -> None:
    ran = run_main("geometry", model, "--text", text)
    assert ran.code == 0, ran
    lines = ran.out.splitlines()
    assert lines[0].endswith("words of 40 sentences, drawn of 40; 48 numbers a vector")
    table = lines[lines.index(next(x for x in lines if x.startswith("layer  random words"))) :]
    assert [row.split()[0] for row in table[1:4]] == ["0", "1", "2"]
    assert any(line.startswith("most contextual: layer ") for line in lines)
    assert ran.err == ""


def test_a_sample_too_small_to_whiten_has_no_table_of_it(
    model: Path, tmp_path: Path, run_main: RunMain
) -> None:
    ran = run_main("geometry", model, "--text", write_animals(tmp_path / "small.txt", 20))
    assert ran.code == 0, ran
    assert "without the mean and" in ran.out
    assert "nan" not in ran.out
    assert "whitened," not in ran.out


def test_json_and_page_hold_the_layers(
    model: Path, text: Path, tmp_path: Path, run_main: RunMain
) -> None:
    page = tmp_path / "page.html"
    ran = run_main("geometry", model, "--text", text, "--layers", "0,-1", "--json", "--out", page)
    record = json.loads(ran.out)
    assert [layer["layer"] for layer in record["layers"]] == [0, 2]
    assert record["out"] == [str(page)]
    figures = record["layers"][1]["raw"]["contextuality"]
    shown = f"{figures['self_similarity']:.3f}"
    assert shown in page.read_text()
    assert shown in run_main("geometry", model, "--text", text).out


def test_sentences_are_drawn_by_the_seed(model: Path, text: Path, run_main: RunMain) -> None:
    def record(*more: str) -> object:
        ran = run_main("geometry", model, "--text", text, "--json", "--max-sentences", "20", *more)
        return json.loads(ran.out)

    assert record() == record("--seed", "0") != record("--seed", "1")


def test_titles_are_read_as_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"title": "An owl.", "text": "The cat saw."}\n')
    assert draw_sentences(Corpus(path), 9, 0) == ["An owl.", "The cat saw."]


def test_a_transformer_without_text_is_said_to_be_one(model: Path, run_main: RunMain) -> None:
    ran = run_main("geometry", model, "--clusters", "none")
    assert "is a transformer, and this is its table of tokens" in ran.err
    assert "add --text CORPUS" in ran.err
    assert ran.out.splitlines()[0].endswith("vectors of 48 numbers measured")


def test_expected_errors_are_one_line(
    model: Path, text: Path, tmp_path: Path, run_main: RunMain
) -> None:
    vectors_of(20).save(tmp_path / "words")
    (tmp_path / "empty.txt").write_text("\n\n")
    for arguments, message in (
        ([model, "--text", text, "--bias", "he:she"], "--bias is for the space of words"),
        ([tmp_path / "words", "--layers", "1"], "--layers is for the layers of a transformer"),
        ([model, "--text", text, "--layers", "a"], "--layers has 'a', which is no number"),
        ([model, "--text", text, "--out", tmp_path / "drawn"], "is no .html page"),
        ([model, "--text", tmp_path / "empty.txt"], "the text has no sentence in it"),
        ([model, "--text", tmp_path / "none.txt"], "there is no file or folder"),
        ([tmp_path / "words", "--text", text], "give the folder of a transformer"),
    ):
        assert message in run_main("geometry", *arguments).error()
