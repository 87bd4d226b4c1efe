"""`rowspace compare`: what is printed, kept and written; the rows of BM25."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rowspace.cli import cli
from rowspace.cli.compare_rows import BM25
from rowspace.errors import ConfigError, EvaluationError
from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import Costs
from rowspace.evaluate.compare.saving import as_dict, read_comparison
from rowspace.evaluate.compare.scorers.retrieval import RetrievalScorer
from rowspace.evaluate.compare.scorers.similarity import SimilarityScorer
from rowspace.sentence.encoder import SentenceEncoder
from rowspace.space.formats import save
from tests.evaluate.test_analogy import offset_vectors
from tests.evaluate.test_tasks import write_data
from tests.sentence.small_folders import write_sentence_encoder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rowspace" / "compare"


@pytest.fixture
def models(tmp_path: Path) -> list[str]:
    """Two word models, one with more noise."""
    for name, noise in (("clean", 0.0), ("noisy", 0.9)):
        save(offset_vectors(noise=noise), tmp_path / f"{name}.txt")
    return [f"{name}={tmp_path / name}.txt" for name in ("clean", "noisy")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


@pytest.fixture(autouse=True)
def costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring is tested where it is, and takes a process a model."""

    def measured(model: Contender, texts: list[str], queries: list[str]) -> Costs:
        assert texts
        assert queries
        return Costs(
            texts_per_second=50.0, query_ms=2.0, memory_bytes=10**6, disk_bytes=10**5, dim=20
        )

    monkeypatch.setattr("rowspace.cli.compare.measure_costs", measured)


def _run(models: list[str], data: Path, *more: str) -> Result:
    arguments = ["compare", *models, "--data", str(data), *more]
    return CliRunner().invoke(cli, arguments)


def _json(models: list[str], data: Path, *more: str) -> dict[str, Any]:
    result = _run(models, data, "--json", *more)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def _lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_every_number_of_the_tables_is_the_outcomes(models: list[str], data: Path) -> None:
    found = _json(models, data, "--no-costs")
    lines = _lines(_run(models, data, "--no-costs"))
    n_rows = 0
    for entry in found["entries"]:
        for task, outcome in entry["outcomes"].items():
            kind, name = task.split("/", 1)
            start = next(i for i, line in enumerate(lines) if line.startswith(f"{kind}: {name} "))
            row = next(x for x in lines[start:] if x.startswith(f"{entry['name']}  "))
            said = f"{outcome['value']:.3f}  [{outcome['low']:.3f}, {outcome['high']:.3f}]"
            assert said in row
            n_rows += 1
    assert n_rows > 15
    names = [line.split("  ")[0] for line in lines[: lines.index("")]]
    assert names == ["model", "clean", "clean + BM25", "noisy", "noisy + BM25", "BM25"]
    (one,) = [e for e in found["entries"] if e["name"] == "clean"]
    scores = [o["value"] for o in one["outcomes"].values() if o["kind"] == "similarity"]
    header = lines[0].split()
    cells = lines[1].split()
    assert header[1] == "similarity"
    assert cells[1] == f"{sum(scores) / len(scores):.3f}"


def test_words_alone_and_beside_vectors_are_what_eval_finds(models: list[str], data: Path) -> None:
    found = {entry["name"]: entry for entry in _json(models, data, "--no-costs")["entries"]}
    modes = [part for mode in ("dense", "lexical", "hybrid") for part in ("--mode", mode)]
    path = models[0].split("=")[1]
    result = CliRunner().invoke(cli, ["eval", path, "--data", str(data), *modes, "--json"])
    expected = json.loads(result.stdout)["retrieval"]
    names = {"dense": "clean", "lexical": BM25, "hybrid": f"clean + {BM25}"}
    for mode, name in names.items():
        ndcg = expected[mode]["drinks"]["scores"]["ndcg_at_k"]
        assert found[name]["outcomes"]["retrieval/drinks"]["value"] == pytest.approx(ndcg)
    assert found[BM25]["era"] == "lexical"
    assert [name for name, entry in found.items() if entry["matches_words"]] == [
        "clean + BM25",
        "noisy + BM25",
        "BM25",
    ]


def test_the_same_command_scores_nothing_again(
    models: list[str], data: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _run(models[:1], data).stdout
    assert "50 2.0 1MB 100kB 20" in " ".join(first.split())
    assert cache.is_dir()
    calls: list[str] = []
    score = RetrievalScorer.score

    def counted(self: RetrievalScorer, model: Any) -> Any:
        calls.append(model.name)
        return score(self, model)

    monkeypatch.setattr(RetrievalScorer, "score", counted)
    again = _run(models[:1], data).stdout
    assert again == first
    assert calls == []
    _json(models, data, "--no-costs")
    assert calls == ["noisy"]
    _json(models, data, "--no-costs", "--no-cache")
    assert calls == ["noisy", "clean", "noisy"]


def test_costs_are_those_of_these_texts(
    models: list[str], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []

    def measured(model: Contender, texts: list[str], queries: list[str]) -> Costs:
        lengths.append(sum(map(len, texts)))
        return Costs(texts_per_second=1.0, query_ms=1.0, memory_bytes=None, disk_bytes=None, dim=20)

    monkeypatch.setattr("rowspace.cli.compare.measure_costs", measured)
    for _ in range(2):
        _json(models[:1], data, "--task", "analogy")
    assert len(lengths) == 1
    home = data / "retrieval" / "drinks"
    documents = {**RetrievalScorer("x", home).task.documents, "new": "filler1 " * 9}
    next(home.glob("corpus.jsonl*")).unlink()
    lines = [json.dumps({"_id": name, "text": text}) for name, text in documents.items()]
    (home / "corpus.jsonl").write_text("\n".join(lines))
    _json(models[:1], data, "--task", "analogy")
    assert len(lengths) == 2
    assert lengths[1] > lengths[0]


def test_an_embedder_and_its_row_with_words_read_each_text_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sentence_encoder(tmp_path / "embedder", "bert")
    read: list[int] = []
    encode = SentenceEncoder.encode

    def counted(self: SentenceEncoder, texts: Any, **settings: Any) -> Any:
        read.append(len(texts))
        return encode(self, texts, **settings)

    monkeypatch.setattr(SentenceEncoder, "encode", counted)
    found = _json([str(tmp_path / "embedder")], data, "--task", "retrieval", "--no-costs")
    assert [entry["name"] for entry in found["entries"]] == ["embedder", "embedder + BM25", BM25]
    task = RetrievalScorer("x", data / "retrieval" / "drinks").task
    assert read.count(len(task.documents)) == 1


def test_an_interrupt_says_that_the_same_command_goes_on(
    models: list[str], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _json(models, data, "--no-costs", "--no-cache", "--only", "drinks,places")
    score, calls = SimilarityScorer.score, [0]

    def interrupted(self: SimilarityScorer, model: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return score(self, model)

    options = ["--no-costs", "--only", "drinks,places"]
    with monkeypatch.context() as patch:
        patch.setattr(SimilarityScorer, "score", interrupted)
        with pytest.raises(KeyboardInterrupt, match="the same command goes on from there"):
            _run_raising(models, data, *options)
    resumed = _json(models, data, *options)
    for one, other in zip(whole["entries"], resumed["entries"], strict=True):
        for task, outcome in one["outcomes"].items():
            kept = other["outcomes"][task]
            assert {**outcome, "seconds": 0} == {**kept, "seconds": 0}


def _run_raising(models: list[str], data: Path, *more: str) -> None:
    with cli.make_context("rowspace", ["compare", *models, "--data", str(data), *more]) as context:
        cli.invoke(context)


def test_a_broken_task_among_good_ones_is_said_with_its_reason(
    models: list[str], data: Path
) -> None:
    (data / "retrieval" / "drinks" / "qrels" / "test.tsv").unlink()
    (data / "word" / "similarity" / "broken.tsv").write_text("one\n")
    lines = _lines(_run(models, data, "--no-costs"))
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("not scored")) :]
    assert any("retrieval: drinks" in line and "no qrels/test.tsv" in line for line in table)
    assert any("similarity: broken" in line and "broken.tsv" in line for line in table)
    assert any("places" in line for line in lines)
    assert not any(line.startswith(BM25) for line in lines)


def test_a_folder_has_the_page_and_the_comparison(
    models: list[str], data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "report"
    result = _run(models, data, "--no-costs", "--out", str(out))
    assert _lines(result)[-1] == f"see {out / 'compare.html'}"
    back = read_comparison(out)
    found = _json(models, data, "--no-costs")
    assert json.loads(json.dumps(as_dict(back)))["entries"] == found["entries"]
    page = (out / "compare.html").read_text()
    assert "clean + BM25" in page
    assert back.settings["data"] == "data"


def test_what_to_take_is_said_for_what_is_asked(models: list[str], data: Path) -> None:
    lines = _lines(_run(models, data, "--need", "generation", "--need", "retrieval"))
    said = lines[lines.index("for generation:") :]
    assert "None of these can write text" in said[1]
    assert "for retrieval:" in said
    found = _json(models, data, "--need", "keyword-free", "--under-ms", "0.000001")
    (one,) = found["recommendations"]
    assert one["name"] is None
    assert "Nothing answers a query within" in one["sentences"][0]
    costs = {entry["name"]: entry["costs"] for entry in found["entries"]}
    assert costs["clean + BM25"]["query_ms"] == pytest.approx(
        costs["clean"]["query_ms"] + costs["BM25"]["query_ms"]
    )
    assert set(found["settings"]["search_ms"]) == {str(costs["clean"]["dim"])}


def test_what_cannot_be_compared_says_so(models: list[str], data: Path, tmp_path: Path) -> None:
    def error(*arguments: str, given: Path = data) -> BaseException | None:
        return _run(list(arguments), given, "--no-costs").exception

    assert "there is no task 'nope'; give some of" in str(error(*models, "--only", "nope"))
    assert isinstance(error(*models, given=tmp_path / "none"), EvaluationError)
    assert isinstance(error(models[0], models[0]), ConfigError)
    assert "@sideways" in str(error(f"{models[0]}@sideways")) or "sideways" in str(
        error(f"{models[0]}@sideways")
    )
    result = _run([], data)
    assert result.exit_code == 2
    (data / "retrieval" / "drinks" / "qrels" / "test.tsv").unlink()
    nothing = str(error(*models[:1], "--task", "retrieval"))
    assert "could be scored (retrieval/drinks: " in nothing
    assert "has no qrels/test.tsv" in nothing
