"""`rowspace eval`: what is printed, and what is not kept silent."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from rowspace.cli import cli
from rowspace.errors import ConfigError, EvaluationError, MissingExtraError
from rowspace.space.formats import save
from tests.evaluate.test_analogy import offset_vectors
from tests.evaluate.test_tasks import OneWord, write_data


class LetterEncoder:
    """A text's vector counts its letters: enough to rank documents."""

    dim = 26
    fingerprint = "letters"

    def __init__(self, vectors: object = None) -> None:
        pass

    @classmethod
    def from_vectors(cls, vectors: object) -> LetterEncoder:
        return cls(vectors)

    def encode_tokens(self, texts: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        return self.encode([" ".join(text) for text in texts])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        letters = "abcdefghijklmnopqrstuvwxyz"
        return np.array([[text.lower().count(x) for x in letters] for text in texts], np.float32)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Vectors on disk; retrieval encodes with letters, so that no other stage is tested here."""
    stub = SimpleNamespace(SIFEncoder=LetterEncoder)
    monkeypatch.setitem(sys.modules, "rowspace.static.sif", stub)
    path = tmp_path / "vectors.txt"
    save(offset_vectors(noise=0.9), path)
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["eval", *arguments])


def test_every_task_has_a_line_in_the_tables(model: str, data: Path) -> None:
    result = _run(model, "--data", str(data))
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["word", "similarity", "spearman", "pearson", "scored", "pairs"] in lines
    assert ["places", "3", "4"] in [[line[0], *line[-2:]] for line in lines if line]
    assert ["analogies:", "capitals,", "3cosadd", "accuracy", "correct", "scored", "questions"] in (
        lines
    )
    assert any(line[:1] == ["syntactic"] and line[1] == "–" for line in lines)
    assert any(line[:1] == ["drinks"] and line[-2:] == ["2", "3"] for line in lines)
    assert "drinks: queries without a relevant document in this split, left out: 1" in result.stdout
    assert "not scored" not in result.stdout
    title = "senses: coarsewsd20, neighbors, centroid"
    start = next(i for i, line in enumerate(result.stdout.splitlines()) if line.startswith(title))
    # Two senses of three occurrences each: one said for all has F1 2·3 / (6 + 3) and 0.
    row = result.stdout.splitlines()[start + 1].split()
    assert row[:4] == ["oslo", "2", "6", "0.333"]
    assert row[4:] == ["1.000", "±", "0.000"] * 4 + ["1.000"]
    assert ["dev,", "neighbors"] in [line[:2] for line in lines]
    # Its test texts are one of each label and one without a vector.
    title = "classification: sif accuracy macro-F1 most frequent labels learned from scored"
    start = lines.index(title.split())
    assert [lines[start + 1][0], *lines[start + 1][-3:]] == ["places", "2", "4", "3"]
    assert ["clustering:", "words", "V-measure", "purity", "clusters", "scored"] in lines
    assert "places, sif: test texts without a vector, all given one label: 1" in result.stdout
    assert "cities: lines without a text, left out: 1" in result.stdout
    assert (
        "coarsewsd20/oslo: senses with fewer than 30 examples, all taken: France 3, Peru 3"
        in result.stdout
    )


def test_what_is_missing_is_said_with_the_reason(model: str, data: Path) -> None:
    (data / "word" / "analogy" / "capitals.txt").write_text("only three words\n")
    (data / "retrieval" / "drinks" / "qrels" / "test.tsv").unlink()
    result = _run(model, "--data", str(data))
    assert result.exit_code == 0, result.output
    table = result.stdout.split("not scored")[1]
    assert "capitals.txt line 1 has 3 words" in table
    assert "no qrels/test.tsv" in table


def test_json_holds_the_same_numbers(model: str, data: Path) -> None:
    result = _run(model, "--data", str(data), "--json", "-k", "2")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["model"] == model
    assert found["similarity"]["places"]["unknown_words"] == ["xyzzy"]
    assert found["analogy"]["capitals"]["total"]["n_scored"] == 2
    assert found["analogy"]["capitals"]["syntactic"]["accuracy"] is None
    assert found["retrieval"]["dense"]["drinks"]["k"] == 2
    assert 0 < found["retrieval"]["dense"]["drinks"]["scores"]["ndcg_at_k"] <= 1
    sense = found["sense"]["own vector"]["coarsewsd20/oslo"]
    assert sense["scores"]["nearest"][0]["n_examples"] == 1
    assert sense["scores"]["nearest"][0]["macro_f1"] == sense["most_frequent_f1"]
    assert found["wic"]["neighbors"]["wic/dev"]["n_pairs"] == 10
    assert found["classification"]["sif"]["places"]["n_test"] == 3
    assert found["clustering"]["words"]["cities"]["n_clusters"] == 2
    assert found["skipped"] == []


def test_only_the_task_asked_for_is_run(model: str, data: Path) -> None:
    result = _run(model, "--data", str(data), "--task", "analogy", "--method", "3cosmul")
    assert result.stdout.startswith("analogies: capitals, 3cosmul")
    assert "retrieval" not in result.stdout
    assert "similarity" not in result.stdout


def test_each_mode_has_its_table(model: str, data: Path) -> None:
    modes = ("dense", "lexical", "hybrid")
    arguments = [part for mode in modes for part in ("--mode", mode)]
    result = _run(model, "--data", str(data), "--task", "retrieval", "--json", *arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["retrieval"]
    assert list(found) == list(modes)
    # Both queries share a word with d1 only, which is relevant to the first of them.
    assert found["lexical"]["drinks"]["scores"]["reciprocal_rank"] == 0.5


def test_nothing_scored_is_an_error_with_the_reasons(model: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = _run(model, "--data", str(tmp_path / "empty"))
    assert isinstance(result.exception, EvaluationError)
    assert "has no folder word/similarity" in str(result.exception)
    assert result.stdout == ""


def test_the_data_folder_may_come_from_the_environment(
    model: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWSPACE_DATA", str(data))
    assert _run(model, "--task", "similarity").exit_code == 0


def test_without_a_data_folder_the_option_is_named(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROWSPACE_DATA", raising=False)
    result = _run(model)
    assert result.exit_code == 2
    assert "--data" in result.stderr


def test_examples_and_limit_reach_the_sense_tasks(model: str, data: Path) -> None:
    options = ("--task", "sense", "--examples", "2", "--limit", "4", "--json")
    result = _run(model, "--data", str(data), *options)
    assert result.exit_code == 0, result.output
    word = json.loads(result.stdout)["sense"]["neighbors"]["coarsewsd20/oslo"]
    assert [score["n_examples"] for score in word["scores"]["centroid"]] == [2]
    assert word["n_test"] == {"France": 2, "Peru": 2}


def test_sentence_pairs_have_their_tables_and_what_to_know(model: str, data: Path) -> None:
    result = _run(model, "--data", str(data), "--task", "sts", "--average", "mean")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["sentence", "similarity:", "mean", "spearman", "pearson", "pairs"]
    assert [(line[0], line[-1]) for line in lines[1:5] if line[0] != "mean"] == [
        ("trips", "6"),
        ("a", "3"),
        ("b", "3"),
    ]
    assert lines[2][:3] == ["mean", "of", "files"]
    assert ["same", "1", "2"] in [[line[0], *line[-2:]] for line in lines if line]
    known = offset_vectors(noise=0.9).key_to_index  # where of some words the lower case is
    pairs = [("paris", "paris"), ("paris", "rome"), ("paris", "peru"), ("oslo", "spain")]
    pairs += [("oslo", "oslo"), ("oslo", "?")]
    n_zero = sum(first not in known or second not in known for first, second in pairs)
    note = "pairs with a text without a vector, counted with cosine 0"
    assert f"trips, mean: {note}: {n_zero}" in result.stdout


def test_sentence_pairs_in_json(model: str, data: Path) -> None:
    (data / "sentence" / "flat").mkdir()
    pairs = "score\tsentence1\tsentence2\n1\tqqq\tzzz\n2\tzzz\tyyy\n"
    (data / "sentence" / "flat" / "x.tsv").write_text(pairs)
    arguments = ("--task", "sts", "--average", "sif", "--average", "mean", "--json")
    result = _run(model, "--data", str(data), *arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found["sts"]) == ["sif", "mean"]
    trips = found["sts"]["sif"]["trips"]
    assert (trips["n_pairs"], list(trips["parts"])) == (6, ["a", "b"])
    mean = (trips["parts"]["a"]["spearman"] + trips["parts"]["b"]["spearman"]) / 2
    assert trips["mean_spearman"] == pytest.approx(mean)
    assert found["sts"]["mean"]["flat"]["spearman"] is None  # all cosines are 0
    assert found["pairs"]["sif"]["same"]["n_positive"] == 1


def test_each_average_ranks_documents(model: str, data: Path) -> None:
    averages = ("--average", "sif", "--average", "mean", "--mode", "dense", "--mode", "lexical")
    result = _run(model, "--data", str(data), "--task", "retrieval", "--json", *averages)
    assert result.exit_code == 0, result.output
    assert list(json.loads(result.stdout)["retrieval"]) == ["dense, sif", "dense, mean", "lexical"]


def test_only_the_named_tasks_are_run(model: str, data: Path) -> None:
    result = _run(model, "--data", str(data), "--only", "trips,places", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found["similarity"]) == ["places"]
    assert list(found["sts"]["sif"]) == ["trips"]
    assert not found["pairs"] and not found["retrieval"] and not found["sense"]


def test_a_name_that_is_no_task_is_said(model: str, data: Path) -> None:
    result = _run(model, "--data", str(data), "--task", "retrieval", "--only", "wine")
    assert isinstance(result.exception, EvaluationError)
    assert str(result.exception) == "there is no task 'wine'; give some of drinks"


def test_the_split_chooses_the_pairs(model: str, data: Path) -> None:
    (data / "sentence" / "same" / "dev.tsv").write_text(
        "sentence1\tsentence2\tlabel\na\ta\t1\nb\tc\t0\nb\td\t0\n"
    )
    arguments = ("--task", "sts", "--only", "same", "--split", "dev", "--json")
    result = _run(model, "--data", str(data), *arguments)
    assert json.loads(result.stdout)["pairs"]["sif"]["same"]["n_pairs"] == 3


@pytest.fixture
def transformer(tmp_path: Path) -> Path:
    """The folder of a small random BERT and a tokenizer of characters."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path / "bert"
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=60,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(folder)
    tokens = ["[UNK]", *"abcdefghijklmnopqrstuvwxyzFOP"]
    word_level = tokenizers.models.WordLevel(
        {token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"
    )
    tokenizer = tokenizers.Tokenizer(word_level)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.WhitespaceSplit(),
            tokenizers.pre_tokenizers.Split("", "isolated"),
        ]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_of_a_transformer_sense_tasks_alone_are_scored(transformer: Path, data: Path) -> None:
    result = _run(str(transformer), "--data", str(data), "--layers", "-2,-1", "--examples", "2")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("senses: coarsewsd20, transformer, centroid")
    assert "word in context, cross-validated" in result.stdout
    assert "similarity" not in result.stdout


def test_a_layer_that_is_not_there_is_said(transformer: Path, data: Path) -> None:
    result = _run(str(transformer), "--data", str(data), "--layers", "9")
    assert isinstance(result.exception, ConfigError)
    assert "there is no layer 9" in str(result.exception)


def test_a_transformer_encodes_pairs_and_ranks_documents(transformer: Path, data: Path) -> None:
    arguments = ("--task", "sts", "--task", "retrieval", "--mode", "hybrid", "--json")
    result = _run(str(transformer), "--data", str(data), *arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["n_words"] is None  # its table of tokens was not read
    assert found["sts"]["encoder"]["trips"]["n_pairs"] == 6
    assert found["retrieval"]["hybrid"]["drinks"]["n_queries"] == 2
    assert found["skipped"] == []


def test_of_a_sentence_encoder_pairs_and_retrieval_are_scored(
    transformer: Path, data: Path
) -> None:
    (transformer / "1_Pooling").mkdir()
    (transformer / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    kinds = {"Transformer": "", "Pooling": "1_Pooling"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(kinds.items())
    ]
    (transformer / "modules.json").write_text(json.dumps(modules))
    result = _run(str(transformer), "--data", str(data))
    assert result.exit_code == 0, result.output
    titles = [line.split("  ")[0] for line in result.stdout.split("\n\n")]
    assert titles[:3] == [
        "sentence similarity: encoder",
        "sentence pairs: encoder",
        "retrieval: dense",
    ]
    assert "senses" not in result.stdout


def test_of_static_tokens_the_table_is_read_and_the_encoder_loaded(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    safetensors = pytest.importorskip("safetensors.numpy")
    folder = tmp_path / "static"
    folder.mkdir()
    vectors = offset_vectors(noise=0.9)
    safetensors.save_file({"embeddings": vectors.matrix}, folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "model2vec"}')
    words = tokenizers.models.WordLevel(vectors.key_to_index, unk_token="filler0")
    tokenizers.Tokenizer(words).save(str(folder / "tokenizer.json"))
    loaded: list[str] = []

    def load_encoder(model: str) -> OneWord:
        loaded.append(model)
        return OneWord(vectors)

    monkeypatch.setattr("rowspace.sentence.loading.load_encoder", load_encoder)
    result = _run(str(folder), "--data", str(data), "--only", "places,trips", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert loaded == [str(folder)]
    assert found["similarity"]["places"]["n_scored"] == 3
    pairs = [("Paris", "Paris", 5), ("Paris", "Rome", 3), ("Paris", "Peru", 1)]
    cosines = [vectors.similarity(a, b) for a, b, _ in pairs]
    expected = np.corrcoef(cosines, [score for *_, score in pairs])[0, 1]
    trips = found["sts"]["encoder"]["trips"]
    assert trips["parts"]["a"]["pearson"] == pytest.approx(expected, abs=1e-6)
    assert trips["n_zero"] == 1


def test_without_torch_a_transformer_asks_for_the_extra(
    transformer: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else find_spec(name)
    )
    result = _run(str(transformer), "--data", str(data))
    assert isinstance(result.exception, MissingExtraError)
    assert "pip install 'rowspace[torch]'" in str(result.exception)
