from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompt_values import PromptValue
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from rowspace.errors import FilterError, MissingExtraError
from rowspace.search.adapters.langchain import RowspaceRetriever, to_langchain
from rowspace.search.space import Space
from tests.search.stub import document, make_space


@pytest.fixture
def space(tmp_path: Path) -> Space:
    documents = [
        document("heat", "Heat flows from hot to cold.", "Thermodynamics", year=1850, score="mine"),
        document("wing", "A wing in a supersonic flow.", "Aerodynamics", year=1958),
    ]
    return make_space(tmp_path / "a.space", documents)


def test_documents_are_the_hits_with_their_citations(space: Space) -> None:
    found = to_langchain(space, k=2, mode="lexical").invoke("flow")
    hits = space.search("flow", k=2, mode="lexical")
    assert [one.page_content for one in found] == [hit.text for hit in hits]
    for one, hit in zip(found, hits, strict=True):
        assert isinstance(one, Document)
        assert one.id == hit.passage_id
        assert one.metadata == hit.metadata | {
            "document_id": hit.document_id,
            "passage_id": hit.passage_id,
            "title": hit.title,
            "source": "s.txt",
            "score": hit.score,
        }


def test_ainvoke_and_batch_find_the_same(space: Space) -> None:
    retriever = to_langchain(space, k=1)
    assert asyncio.run(retriever.ainvoke("wing")) == retriever.invoke("wing")
    assert retriever.batch(["wing", "heat"]) == [retriever.invoke(one) for one in ("wing", "heat")]
    assert asyncio.run(retriever.abatch(["wing"])) == [retriever.invoke("wing")]


def test_a_filter_is_passed_through_from_the_retriever_and_from_a_call(space: Space) -> None:
    retriever = to_langchain(space, where="year < 1900")
    assert [one.metadata["document_id"] for one in retriever.invoke("flow")] == ["heat"]
    assert retriever.invoke("flow", where="year > 1900") == []  # both must hold
    assert retriever.invoke("flow", where='year > 1900 or document_id != ""')[0].id == "heat#0"
    found = to_langchain(space).invoke("flow", where="year > 1900")
    assert [one.metadata["document_id"] for one in found] == ["wing"]
    found = asyncio.run(to_langchain(space).ainvoke("flow", where="year > 1900", k=1))
    assert [one.metadata["document_id"] for one in found] == ["wing"]
    with pytest.raises(FilterError, match="no field 'yaer'"):
        retriever.invoke("flow", where="yaer = 1")


def test_it_is_a_link_of_a_chain(space: Space) -> None:
    def join(documents: list[Document]) -> str:
        return "\n".join(one.page_content for one in documents)

    seen: list[str] = []

    def note(value: PromptValue) -> PromptValue:
        seen.append(value.to_string())
        return value

    prompt = ChatPromptTemplate.from_template("{context}\nQuestion: {question}")
    context = to_langchain(space, k=1) | RunnableLambda(join)
    chain = (
        {"context": context, "question": RunnablePassthrough()}
        | prompt
        | RunnableLambda(note)
        | FakeListChatModel(responses=["an answer", "another"])
        | StrOutputParser()
    )
    assert chain.invoke("supersonic wing") == "an answer"
    assert asyncio.run(chain.ainvoke("supersonic wing")) == "another"
    asked = "Human: A wing in a supersonic flow.\nQuestion: supersonic wing"
    assert seen == [asked, asked]


def test_without_langchain_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    home = RowspaceRetriever.__module__
    monkeypatch.setitem(sys.modules, "langchain_core", None)
    monkeypatch.delitem(sys.modules, home)
    with pytest.raises(MissingExtraError, match=r"pip install 'rowspace\[langchain\]'"):
        importlib.import_module(home)
