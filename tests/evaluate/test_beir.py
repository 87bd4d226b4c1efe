"""Reading retrieval tasks: what is read, what is counted, what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from rowspace.errors import EvaluationError
from rowspace.evaluate.beir import read_qrels, read_retrieval_task
from tests.data import shared_data

DOCUMENTS = (
    {"_id": "d1", "title": "Tea", "text": "leaves in hot water"},
    {"_id": "d2", "title": "", "text": "roasted beans"},
    {"_id": "d3", "text": "rivers and lakes"},
)
QUERIES = (
    {"_id": "q1", "text": "hot drink"},
    {"_id": "q2", "text": "fresh water"},
    {"_id": "q3", "text": "nobody judged this"},
)
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t1\nq2\td3\t1\n"


def write_task(
    folder: Path,
    documents: Sequence[Mapping[str, object]] = DOCUMENTS,
    queries: Sequence[Mapping[str, object]] = QUERIES,
    qrels: str = QRELS,
) -> Path:
    (folder / "qrels").mkdir(parents=True)
    lines = "".join(json.dumps(document) + "\n" for document in documents)
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    lines = "".join(json.dumps(query) + "\n" for query in queries)
    (folder / "queries.jsonl").write_text(lines)
    (folder / "qrels" / "test.tsv").write_text(qrels)
    return folder


def test_a_folder_is_read_with_titles_joined_to_texts(tmp_path: Path) -> None:
    task = read_retrieval_task(write_task(tmp_path / "drinks"))
    assert task.name == "drinks"
    assert task.documents == {
        "d1": "Tea leaves in hot water",
        "d2": "roasted beans",
        "d3": "rivers and lakes",
    }
    assert task.queries["q2"] == "fresh water"
    assert task.qrels == {"q1": {"d1": 2, "d2": 1}, "q2": {"d3": 1}}
    assert task.judged_queries == ["q1", "q2"]


def test_judgements_of_unknown_queries_and_documents_are_counted(tmp_path: Path) -> None:
    qrels = QRELS + "q9\td1\t1\nq9\td2\t1\nq2\td8\t1\nq2\td9\t0\n"
    task = read_retrieval_task(write_task(tmp_path / "t", qrels=qrels))
    assert task.n_unknown_queries == 1
    assert task.n_unknown_documents == 1  # d9 is not relevant, so it changes nothing


def test_a_query_with_only_zero_grades_is_not_judged(tmp_path: Path) -> None:
    task = read_retrieval_task(write_task(tmp_path / "t", qrels=QRELS + "q3\td1\t0\n"))
    assert task.judged_queries == ["q1", "q2"]


def test_a_missing_split_names_those_there_are(tmp_path: Path) -> None:
    folder = write_task(tmp_path / "t")
    with pytest.raises(EvaluationError, match=r"no qrels/dev\.tsv; it has test"):
        read_retrieval_task(folder, "dev")


def test_a_missing_corpus_is_named(tmp_path: Path) -> None:
    folder = write_task(tmp_path / "t")
    (folder / "corpus.jsonl.gz").unlink()
    with pytest.raises(EvaluationError, match=r"has no corpus\.jsonl"):
        read_retrieval_task(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", r"queries\.jsonl line 4 is not JSON"),
        ("[1]", r"queries\.jsonl line 4 is not a JSON object"),
        ('{"text": "no id"}', r"queries\.jsonl line 4 has no '_id'"),
        ('{"_id": "q4"}', r"queries\.jsonl line 4 has no 'text'"),
        ('{"_id": "q1", "text": "again"}', r"queries\.jsonl line 4 repeats the _id 'q1'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    folder = write_task(tmp_path / "t")
    with (folder / "queries.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(EvaluationError, match=message):
        read_retrieval_task(folder)


@pytest.mark.parametrize("line", ["q1\td1", "q1\td1\thigh", "q1 0 d1 1"])
def test_a_bad_judgement_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "test.tsv"
    path.write_text(f"query-id\tcorpus-id\tscore\n{line}\n")
    with pytest.raises(EvaluationError, match=r"test\.tsv line 2 is not"):
        read_qrels(path)


def test_one_document_with_two_grades_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td1\t1\nq1\td1\t2\n")
    with pytest.raises(EvaluationError, match=r"line 4 grades document 'd1' 2 .* earlier line 1"):
        read_qrels(path)


@pytest.mark.parametrize(
    ("name", "n_documents", "n_judged"),
    [("adi", 82, 35), ("cisi", 1460, 76), ("cranfield", 1400, 225), ("scifact", 5183, 300)],
)
def test_the_shared_collections_are_read_whole(name: str, n_documents: int, n_judged: int) -> None:
    task = read_retrieval_task(shared_data("retrieval", name))
    assert (len(task.documents), len(task.judged_queries)) == (n_documents, n_judged)
    assert (task.n_unknown_queries, task.n_unknown_documents) == (0, 0)
