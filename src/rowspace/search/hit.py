"""One passage that a search found."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rowspace.search.snippets import Match, QueryWords, best_window, spans_of, windowed
from rowspace.search.words import Span

_SHOWN = (
    "document_id",
    "passage_id",
    "text",
    "title",
    "source",
    "metadata",
    "score",
    "dense_rank",
    "lexical_rank",
    "position",
    "rerank_score",
)


@dataclass(frozen=True)
class Hit:
    """One passage that a search found."""

    document_id: str
    passage_id: str
    text: str
    title: str
    source: str
    metadata: dict[str, Any]
    score: float
    """Higher is better: cosine if dense, BM25 if lexical, reciprocal rank fusion if hybrid."""
    dense_rank: int | None = None
    """Its place by meaning, from 1; None if it was not among those looked at."""
    lexical_rank: int | None = None
    """Its place by words, from 1."""
    position: int = 0
    """Its place in the document, from 0."""
    more: tuple[Hit, ...] = ()
    """The other passages of the document that were found, best first, if hits are documents."""
    rerank_score: float | None = None
    """What a reranker gave it, by which hits are then sorted; None without one."""
    query_words: QueryWords | None = field(default=None, repr=False, compare=False)
    """What is looked for in the text to highlight."""

    @property
    def relevance(self) -> float:
        """What it was placed by: `rerank_score` where it has one, else `score`."""
        return self.score if self.rerank_score is None else self.rerank_score

    @property
    def highlights(self) -> tuple[Span, ...]:
        """(first character, one after the last) in `text` of each of the query's words there.

        By stems, as the text index has them. A hit by meaning alone may have none.
        """
        return spans_of(self._matches)

    def snippet(self, n_characters: int = 240) -> str:
        """The part of the text that has most of the query's distinct words.

        Rare words count for more. Where the part is not the whole text, whole words are kept, and
        an ellipsis stands at either end that is cut; a text without any such word begins at its
        beginning.

        Parameters
        ----------
        n_characters : int
            Of the text that is shown, at most, without the ellipses.

        Raises
        ------
        ConfigError
            If `n_characters` is under 1.
        """
        return self.snippet_and_highlights(n_characters)[0]

    def snippet_and_highlights(self, n_characters: int = 240) -> tuple[str, tuple[Span, ...]]:
        """`snippet`, and where the query's words are in it."""
        window = best_window(self.text, self._matches, n_characters)
        return windowed(self.text, self.highlights, window)

    def as_dict(self, n_characters: int = 240) -> dict[str, Any]:
        """All of it for programs, as in `rowspace search --json`, with a `snippet` that long."""
        shown: dict[str, Any] = {name: getattr(self, name) for name in _SHOWN}
        return shown | {
            "highlights": [list(span) for span in self.highlights],
            "snippet": self.snippet(n_characters),
            "more": [hit.as_dict(n_characters) for hit in self.more],
        }

    @cached_property
    def _matches(self) -> tuple[Match, ...]:
        return () if self.query_words is None else self.query_words.find(self.text)
