"""Prompts: what an embedder wants to read before a query, and before a document.

E5 (Wang et al. 2022, https://arxiv.org/abs/2212.03533) writes "query: " and "passage: ", BGE (Xiao
et al. 2023, https://arxiv.org/abs/2309.07597) an instruction before queries alone, Nomic (Nussbaum
et al. 2024, https://arxiv.org/abs/2402.01613) the task. A model that was trained with them and is
read without them finds much less.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rowspace.errors import ConfigError

QUERY_NAMES = ("query", "search_query")
DOCUMENT_NAMES = ("document", "passage", "corpus", "search_document")
OURS = "rowspace"
"""What a folder that we wrote has among its versions."""
_INSTRUCTION = "Represent this sentence for searching relevant passages: "

CONVENTIONS: dict[str, dict[str, str]] = {
    r"(^|[-_/])(multilingual-)?e5-(small|base|large)(-v2)?$": {
        "query": "query: ",
        "document": "passage: ",
    },
    r"nomic-embed-text": {
        "query": "search_query: ",
        "document": "search_document: ",
        "clustering": "clustering: ",
        "classification": "classification: ",
    },
    r"(^|[-_/])bge-(small|base|large)-en(-v1\.5)?$": {"query": _INSTRUCTION, "document": ""},
    r"(^|[-_/])bge-(small|base|large)-zh(-v1\.5)?$": {
        "query": "为这个句子生成表示以用于检索相关文章：",
        "document": "",
    },
    r"mxbai-embed-large": {"query": _INSTRUCTION, "document": ""},
}
"""The prompts of published models whose folders do not say them, by a pattern of the name."""


@dataclass(frozen=True)
class Prompts:
    """The prompts of a model.

    Parameters
    ----------
    texts : mapping of str to str
        By name.
    default : str, optional
        The name of the one that `encode` takes where none is asked for.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None

    def __post_init__(self) -> None:
        if self.default is not None and self.default not in self.texts:
            raise ConfigError(
                f"the default prompt is {self.default!r}, and the prompts are {self._names()}; "
                "name one of them"
            )

    @classmethod
    def of(cls, content: Mapping[str, Any], name: str = "") -> Prompts:
        """What a `config_sentence_transformers.json` says, else what models of this name want."""
        texts = content.get("prompts") or {}
        says_all = OURS in (content.get("__version__") or {})  # also that there are none
        if says_all or any(texts.values()):
            return cls(dict(texts), content.get("default_prompt_name"))
        for pattern, known in CONVENTIONS.items():
            if re.search(pattern, name.lower()):
                return cls(dict(known))
        return cls(dict(texts), content.get("default_prompt_name"))

    @property
    def query(self) -> str:
        """Before a query.

        Raises
        ------
        ConfigError
            If there are prompts and none is called one of queries, as where each task has its own.
        """
        known = self.default is not None or any(name in self.texts for name in QUERY_NAMES)
        if any(self.texts.values()) and not known and self.document == "":
            raise ConfigError(
                f"this model has the prompts {self._names()}, and none is said to be that of "
                'queries; give one of them as prompt_name=, or prompt="" for none'
            )
        return self._first(QUERY_NAMES)

    @property
    def document(self) -> str:
        """Before a document."""
        return self._first(DOCUMENT_NAMES)

    @property
    def alike(self) -> str:
        """Before either of two texts that are compared, neither of which is the query.

        The default, or that of queries where documents have one too (E5); an instruction that is
        for searches alone (BGE) is left out.
        """
        if self.default is not None:
            return self.texts[self.default]
        return self.query if self.document else ""

    def _first(self, names: tuple[str, ...]) -> str:
        found = next((name for name in names if name in self.texts), self.default)
        return "" if found is None else self.texts[found]

    def resolve(self, name: str | None, prompt: str | None) -> str:
        """The prompt of an `encode`: the one given, the named one, or the default.

        Raises
        ------
        ConfigError
            If there is none of that name; or none was asked for, and the model reads queries and
            documents with different ones.
        """
        if prompt is not None:
            return prompt
        name = self.default if name is None else name
        if name is not None:
            if name not in self.texts:
                raise ConfigError(
                    f"there is no prompt {name!r}; the model has {self._names()}: give one of "
                    "them, or the text itself as prompt="
                )
            return self.texts[name]
        if self.query != self.document:
            raise ConfigError(
                f"this model reads queries with the prompt {self.query!r} and documents with "
                f"{self.document!r}; call encode_query or encode_document, or give prompt_name= "
                "or prompt="
            )
        return self.query

    def _names(self) -> str:
        return ", ".join(map(repr, self.texts)) or "none"

    def as_dict(self) -> dict[str, Any]:
        """As `config_sentence_transformers.json` has them."""
        return {"prompts": dict(self.texts), "default_prompt_name": self.default}
