"""Prompts by name, by the conventions of published models, and where a choice has to be made."""

from __future__ import annotations

import pytest

from rowspace.errors import ConfigError
from rowspace.sentence.prompts import Prompts

BGE = "Represent this sentence for searching relevant passages: "


# As their model cards on the hub say.
@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("intfloat/e5-small-v2", "query: ", "passage: "),
        ("intfloat/multilingual-e5-base", "query: ", "passage: "),
        ("models/e5-large", "query: ", "passage: "),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("BAAI/bge-small-en-v1.5", BGE, ""),
        ("BAAI/bge-large-en", BGE, ""),
        ("BAAI/bge-base-zh-v1.5", "为这个句子生成表示以用于检索相关文章：", ""),
        ("mixedbread-ai/mxbai-embed-large-v1", BGE, ""),
        ("BAAI/bge-m3", "", ""),
        ("intfloat/e5-mistral-7b-instruct", "", ""),
        ("sentence-transformers/all-MiniLM-L6-v2", "", ""),
    ],
)
def test_published_models_read_what_their_cards_say(name: str, query: str, document: str) -> None:
    prompts = Prompts.of({"prompts": {"query": "", "document": ""}}, name)
    assert (prompts.query, prompts.document) == (query, document)
    if query != document:
        with pytest.raises(ConfigError, match="call encode_query or encode_document, or give"):
            prompts.resolve(None, None)
    else:
        assert prompts.resolve(None, None) == ""


def test_what_a_folder_says_comes_before_its_name() -> None:
    prompts = Prompts.of({"prompts": {"query": "Q: "}}, "intfloat/e5-small-v2")
    assert (prompts.query, prompts.document) == ("Q: ", "")


def test_a_prompt_is_given_named_or_the_default() -> None:
    prompts = Prompts({"query": "q: ", "passage": "p: ", "sts": "s: "}, "sts")
    assert prompts.resolve(None, "x: ") == "x: "
    assert prompts.resolve("sts", "") == ""
    assert prompts.resolve("passage", None) == "p: "
    assert prompts.resolve(None, None) == "s: "
    assert (prompts.query, prompts.document) == ("q: ", "p: ")
    with pytest.raises(ConfigError, match="no prompt 'doc'; the model has 'query', 'passage', 's"):
        prompts.resolve("doc", None)
    with pytest.raises(ConfigError, match="the default prompt is 'a', and the prompts are none"):
        Prompts({}, "a")


def test_one_prompt_for_both_is_no_choice() -> None:
    prompts = Prompts({"query": "a: ", "document": "a: "})
    assert prompts.resolve(None, None) == "a: "


def test_prompts_of_tasks_are_no_choice_for_a_query() -> None:
    prompts = Prompts({"web_search_query": "Instruct: find\nQuery: ", "sts_query": "Instruct: "})
    with pytest.raises(ConfigError, match="none is said to be that of queries"):
        _ = prompts.query
    with pytest.raises(ConfigError, match="'web_search_query', 'sts_query'"):
        prompts.resolve(None, None)
    assert prompts.resolve("sts_query", None) == "Instruct: "
    assert prompts.document == ""  # whose documents are read as they are


def test_a_folder_that_we_wrote_says_that_it_has_no_prompts() -> None:
    content = {"__version__": {"rowspace": "0.1.0"}, "prompts": {}}
    assert Prompts.of(content, "my-e5-small") == Prompts()
    assert Prompts.of({}, "my-e5-small").query == "query: "


@pytest.mark.parametrize(
    ("texts", "alike"),
    [
        ({"query": "query: ", "document": "passage: "}, "query: "),
        ({"query": "Represent this: ", "document": ""}, ""),
        ({}, ""),
    ],
)
def test_texts_that_are_compared_are_read_alike(texts: dict[str, str], alike: str) -> None:
    assert Prompts(texts).alike == alike
    assert Prompts({**texts, "sts": "same: "}, "sts").alike == "same: "
