from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path

import pytest
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer

from rowspace.errors import FilterError, MissingExtraError
from rowspace.search.adapters.llama_index import RowspaceRetriever, to_llama_index
from rowspace.search.space import Space
from tests.search.stub import document, make_space


@pytest.fixture
def space(tmp_path: Path) -> Space:
    documents = [
        document("heat", "Heat flows from hot to cold.", "Thermodynamics", year=1850),
        document("wing", "A wing in a supersonic flow.", "Aerodynamics", year=1958),
    ]
    return make_space(tmp_path / "a.space", documents)


def test_nodes_are_the_hits_with_their_citations(space: Space) -> None:
    found = to_llama_index(space, k=2, mode="lexical").retrieve("flow")
    hits = space.search("flow", k=2, mode="lexical")
    assert [(one.text, one.score) for one in found] == [(hit.text, hit.score) for hit in hits]
    for one, hit in zip(found, hits, strict=True):
        assert one.node_id == hit.passage_id
        assert one.node.ref_doc_id == hit.document_id
        assert one.metadata == hit.metadata | {
            "document_id": hit.document_id,
            "passage_id": hit.passage_id,
            "title": hit.title,
            "source": "s.txt",
            "score": hit.score,
        }


def test_aretrieve_finds_the_same(space: Space) -> None:
    retriever = to_llama_index(space, k=1)
    found = asyncio.run(retriever.aretrieve("wing"))
    assert [one.node_id for one in found] == [one.node_id for one in retriever.retrieve("wing")]
    assert len(found) == 1


def test_a_filter_is_passed_through(space: Space) -> None:
    retriever = to_llama_index(space, where="year < 1900")
    assert [one.node.ref_doc_id for one in retriever.retrieve("flow")] == ["heat"]
    with pytest.raises(FilterError, match="no field 'yaer'"):
        to_llama_index(space, where="yaer = 1").retrieve("flow")


def test_it_serves_a_query_engine(space: Space) -> None:
    model = MockLLM()
    synthesizer = get_response_synthesizer(llm=model, response_mode=ResponseMode.SIMPLE_SUMMARIZE)
    engine = RetrieverQueryEngine(to_llama_index(space, k=1), response_synthesizer=synthesizer)
    answer = engine.query("supersonic wing")
    assert "A wing in a supersonic flow." in str(answer)  # the mock repeats its prompt
    assert "title: Aerodynamics" in str(answer)
    assert "passage_id" not in str(answer)
    assert [one.node_id for one in answer.source_nodes] == ["wing#0"]
    again = asyncio.run(engine.aquery("supersonic wing"))
    assert "A wing in a supersonic flow." in str(again)


@pytest.mark.parametrize("missing", ["llama_index", "llama_index.core"])
def test_without_llama_index_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    home = RowspaceRetriever.__module__
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, home)
    with pytest.raises(MissingExtraError, match=r"pip install 'rowspace\[llama-index\]'"):
        importlib.import_module(home)
