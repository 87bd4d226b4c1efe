from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sentence_transformers import CrossEncoder

from rowspace.cli import cli
from rowspace.errors import FilterError, FormatError, SpaceCorruptError, SpaceError
from rowspace.search.space import open_space
from tests.search.stub import document, make_space
from tests.sentence.small_cross_encoders import write_cross_encoder


@pytest.fixture
def space(tmp_path: Path) -> str:
    documents = [
        document("heat", "Heat flows from hot to cold. " * 5, "Thermodynamics", year=1850),
        document("wing", "A wing in a supersonic flow.", year=1958),
    ]
    make_space(tmp_path / "a.space", documents)
    return str(tmp_path / "a.space")


def _run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, arguments, input=stdin)


def _json(*arguments: str, stdin: str = "") -> Any:
    result = _run(*arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_search_prints_rank_score_title_id_and_the_wrapped_passage(space: str) -> None:
    result = _run("search", space, "supersonic", "--mode", "lexical", "-k", "1")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.split() == ["1", first.split()[1], "[wing]", "s.txt"]
    assert second == "     A wing in a supersonic flow."
    long = _run("search", space, "heat", "-k", "1").stdout.splitlines()
    assert "Thermodynamics  [heat]" in long[0]
    assert len(long) > 2
    assert all(len(line) <= 80 for line in long)


def test_search_json_holds_whole_hits(space: str) -> None:
    found = _json("search", space, "supersonic", "-k", "1", "--where", "year > 1900")
    assert found["query"] == "supersonic"
    hit = found["hits"][0]
    assert (hit["document_id"], hit["metadata"], hit["lexical_rank"]) == ("wing", {"year": 1958}, 1)


def test_search_shows_the_part_with_the_words_in_bold(tmp_path: Path) -> None:
    text = "cold " * 100 + "supersonic wings " + "warm " * 100
    make_space(tmp_path / "a.space", [document("wing", text)], max_words=500)
    arguments = ("search", str(tmp_path / "a.space"), "wing", "--mode", "lexical")
    shown = CliRunner().invoke(cli, arguments, color=True).stdout
    assert "supersonic \x1b[1mwings\x1b[0m warm" in shown
    assert len(shown) < 400
    plain = _run(*arguments).stdout
    assert "…cold" in plain
    assert "\x1b" not in plain
    full = _run(*arguments, "--full").stdout
    assert full.count("cold") == 100
    assert "…" not in full
    hit = _json(*arguments)["hits"][0]
    assert [hit["text"][a:b] for a, b in hit["highlights"]] == ["wings"]
    assert "supersonic wings" in hit["snippet"]


def test_a_documents_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    hostile = document("x\x1b[2J", "Heat\x1b]0;owned\x07 flows.", "Hot\x9b31m")
    path = str(tmp_path / "a.space")
    make_space(tmp_path / "a.space", [hostile])
    for result in (_run("search", path, "heat"), _run("retrieve", path, "heat")):
        assert result.exit_code == 0, result.output
        assert not set(result.output) & {"\x1b", "\x07", "\x9b"}
        assert "owned" in result.output
    assert _json("search", path, "heat")["hits"][0]["document_id"] == "x\x1b[2J"


def test_search_finds_documents_and_differing_ones(space: str) -> None:
    long = document("long", "Heat is a flow of energy here. " * 8)
    open_space(space).add([long])
    result = _run("search", space, "heat", "--group", "-k", "2", "--mode", "lexical")
    assert result.stdout.count("[long]") == 1
    assert "more passage" in result.stdout
    found = _json("search", space, "heat", "--group", "-k", "2", "--mode", "lexical")["hits"]
    assert {hit["document_id"] for hit in found} == {"heat", "long"}
    assert all(more["document_id"] == hit["document_id"] for hit in found for more in hit["more"])
    assert _json("search", space, "heat", "--diversity", "0.5", "-k", "1")["hits"]
    assert "diversity is 3.0" in str(_run("search", space, "x", "--diversity", "3").exception)


def test_search_reads_queries_from_stdin(space: str) -> None:
    result = _run("search", space, "-", "-k", "1", "--mode", "lexical", stdin="wing\n\nzebra\n")
    lines = result.stdout.splitlines()
    assert lines[0] == "> wing"
    assert "[wing]" in lines[1]
    assert lines[3:] == ["> zebra", "nothing found"]
    assert _run("search", space, "-", stdin="").stdout == ""


def test_add_and_delete_tell_what_they_did(space: str, tmp_path: Path) -> None:
    corpus = tmp_path / "new.jsonl"
    rows = [
        {"_id": "wing", "text": "Another wing.", "year": 2000},
        {"_id": "bird", "text": "A penguin."},
        {"_id": "nothing", "text": " "},
    ]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = _run("add", space, str(corpus))
    assert result.exit_code == 0, result.exception
    assert result.stdout == "added 2 documents in 2 passages, 1 of them in place of older ones\n"
    assert "left out, being empty: nothing" in result.stderr
    assert _json("add", space, str(corpus))["replaced"] == 2
    assert _run("delete", space, "bird", "nobody").stdout == "deleted 1 of 2 documents\n"
    assert _run("delete", space, "-", stdin="wing\n").stdout == "deleted 1 of 1 documents\n"
    assert _json("delete", space, "--where", "year < 1900") == {"deleted": 1}
    assert "one of the two" in str(_run("delete", space).exception)
    assert _json("status", space)["documents"] == 0


def test_status_prints_a_line_a_fact(space: str) -> None:
    lines = _run("status", space).stdout.splitlines()
    facts = dict(line.split(maxsplit=1) for line in lines)
    assert facts["documents"] == "2"
    assert facts["fields"] == "year (int)"
    assert facts["writer"].split() == ["active", "no"]


def test_verify_names_what_is_damaged(space: str) -> None:
    assert _run("verify", space).stdout == f"{space} is whole\n"
    Path(space, "model", "config.json").write_text("[]")
    result = _run("verify", space)
    assert "model/config.json is altered" in result.stdout
    assert isinstance(result.exception, SpaceCorruptError)
    assert "1 problems" in str(result.exception)


def test_errors_are_ours(space: str, tmp_path: Path) -> None:
    assert isinstance(_run("search", space, "x", "--where", "yaer = 3").exception, FilterError)
    assert isinstance(_run("status", str(tmp_path / "no")).exception, SpaceError)
    run = subprocess.run(
        [sys.executable, "-m", "rowspace", "search", str(tmp_path / "no"), "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == (
        f"rowspace: there is no space at {tmp_path / 'no'}; make one with `rowspace build`\n"
    )


def test_compact_tells_the_bytes_before_and_now(space: str) -> None:
    _run("delete", space, "wing")
    before = _json("status", space)["bytes"]
    found = _json("compact", space)
    assert found["bytes_before"] == before
    assert found["bytes"] == _json("status", space)["bytes"] < before
    assert _run("compact", space).stdout.endswith(" now\n")
    assert _json("search", space, "heat")["hits"][0]["document_id"] == "heat"


def test_retrieve_prints_a_block_of_limited_tokens(space: str) -> None:
    result = _run("retrieve", space, "heat", "--mode", "lexical", "-k", "1")
    assert result.stdout.startswith("[1] Thermodynamics (s.txt)\nHeat flows from hot to cold.")
    found = _json("retrieve", space, "heat", "--max-tokens", "40", "--mode", "lexical")
    assert found["n_tokens"] <= 40
    assert found["passages"][0]["is_cut"]
    assert found["passages"][0]["passage_ids"] == ["heat#0"]
    assert _run("retrieve", space, "zebra", "--mode", "lexical").stdout == "nothing found\n"
    told = _run("retrieve", space, "heat", "--mode", "lexical", "--max-tokens", "3").stdout
    assert told == "no passage fits 3 tokens; give --max-tokens more\n"
    piped = _run("retrieve", space, "-", "--mode", "lexical", stdin="zebra\nwing\n").stdout
    assert piped.splitlines()[:4] == ["> zebra", "nothing found", "", "> wing"]
    assert "max_tokens is 0" in str(_run("retrieve", space, "x", "--max-tokens", "0").exception)


def test_tune_prints_each_weight_and_saves_the_best(space: str, tmp_path: Path) -> None:
    judged = tmp_path / "judged"
    (judged / "qrels").mkdir(parents=True)
    queries = [{"_id": "a", "text": "heat flows"}, {"_id": "b", "text": "supersonic wing"}]
    (judged / "queries.jsonl").write_text("".join(json.dumps(one) + "\n" for one in queries))
    lines = ["query-id\tcorpus-id\tscore", "a\theat\t1", "b\twing\t1", "b\tgone\t1"]
    (judged / "qrels" / "test.tsv").write_text("\n".join(lines))
    result = _run("tune", space, str(judged), "--weights", "0,0.5")
    assert result.exit_code == 0, result.exception
    shown = result.stdout.splitlines()
    assert shown[0].split() == ["weight", "nDCG@10"]
    assert [line.split()[0] for line in shown[1:4]] == ["0", "0.5", "1"]
    assert "the space's" in shown[3]
    assert shown[4].startswith("held out: 0.8")
    assert "1 relevant documents are not in" in result.stderr
    tuned = _json("tune", space, str(judged), "--weights", "0,0.5", "--save")
    assert tuned["saved"]
    assert open_space(space).dense_weight == tuned["best"] == 1
    assert "give numbers" in str(_run("tune", space, str(judged), "--weights", "a").exception)
    missing = _run("tune", space, str(judged), "--split", "dev").exception
    assert "has no qrels/dev.tsv; it has test" in str(missing)


def test_search_and_retrieve_rerank_by_a_cross_encoder(space: str, tmp_path: Path) -> None:
    model = str(write_cross_encoder(tmp_path / "model"))
    plain = _json("search", space, "flow", "-k", "50")["hits"]
    found = _json("search", space, "flow", "-k", "50", "--rerank", model)["hits"]
    pairs = [("flow", f"{hit['title']}\n{hit['text']}".strip()) for hit in plain]
    scores = CrossEncoder(model, device="cpu").predict(pairs)
    expected = {hit["passage_id"]: score for hit, score in zip(plain, scores, strict=True)}
    assert len(found) > 1
    for hit in found:
        # bfloat16 where the processor has it
        assert hit["rerank_score"] == pytest.approx(expected[hit["passage_id"]], abs=0.02)
    reranked = [hit["rerank_score"] for hit in found]
    assert reranked == sorted(reranked, reverse=True)
    printed = _run("search", space, "flow", "-k", "1", "--rerank", model, "--rerank-depth", "9")
    assert printed.stdout.splitlines()[0].split()[1] == f"{reranked[0]:.4f}"
    block = _json("retrieve", space, "flow", "-k", "1", "--rerank", model)
    assert block["passages"][0]["passage_ids"] == [found[0]["passage_id"]]
    missing = _run("search", space, "flow", "--rerank", str(tmp_path / "none"))
    assert isinstance(missing.exception, FormatError)
    assert "there is no folder" in str(missing.exception)
