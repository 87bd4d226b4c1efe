"""BM25 over the passages' titles and texts, by Lance's full text index.

Robertson & Zaragoza (2009), https://doi.org/10.1561/1500000019, in Lucene's variant: k1 = 1.2,
b = 0.75, and an idf that is never negative. A word repeated in a query counts each time.

Words are found by Unicode's segmentation (ICU), which also cuts Chinese, Japanese and Thai, then
lower-cased, stripped of accents, and in a language stripped of stop words and stemmed. The
statistics are those of the last time the index was built, see docs/decisions/bm25.md.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError

K1 = 1.2
B = 0.75
LANGUAGES = (
    "arabic",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
)

# Lance's ICU analyzer drops the stop words of all languages together, and every single letter and
# digit ("IL-2" is gone), so the English ones are given: Snowball's list and the contractions,
# which ICU keeps whole.
_ENGLISH_STOP_WORDS = """
i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her
hers herself it its itself they them their theirs themselves what which who whom this that these
those am is are was were be been being have has had having do does did doing a an the and but if or
because as until while of at by for with about against between into through during before after
above below to from up down in out on off over under again further then once here there when where
why how all any both each few more most other some such no nor not only own same so than too very
can will just should now
i'm you're he's she's it's we're they're i've you've we've they've i'd you'd he'd she'd we'd they'd
i'll you'll he'll she'll we'll they'll isn't aren't wasn't weren't hasn't haven't hadn't doesn't
don't didn't won't wouldn't shan't shouldn't can't couldn't mustn't let's that's who's what's here's
there's when's where's why's how's
""".split()  # noqa: SIM905


def check_language(language: str | None) -> str | None:
    """The language's name as it is kept.

    Raises
    ------
    ConfigError
        If there is no stemmer for it.
    """
    if language is None or language.lower() in LANGUAGES:
        return language and language.lower()
    raise ConfigError(
        f"there is no stemmer for {language!r}; give one of {', '.join(LANGUAGES)}, or none"
    )


@functools.cache
def stop_words(language: str | None) -> tuple[str, ...]:
    """What the index leaves out after stemming; empty of other languages, see `indexed_words`."""
    if language != "english":
        return ()
    curly = (word.replace("'", "’") for word in _ENGLISH_STOP_WORDS)
    return tuple(dict.fromkeys([*_ENGLISH_STOP_WORDS, *curly]))


def analyzer(language: str | None) -> Any:
    """Lance's settings of the full text index for a language; None neither stems nor stops."""
    from lancedb.index import FTS

    settings: dict[str, Any] = {"max_token_length": None}  # by default longer ones are dropped
    if language is None:
        return FTS(base_tokenizer="icu", stem=False, remove_stop_words=False, **settings)
    if language == "english":
        return FTS(base_tokenizer="icu", custom_stop_words=list(stop_words(language)), **settings)
    return FTS(base_tokenizer="simple", language=language.title(), **settings)


def indexed_words(words: Sequence[str], language: str | None) -> set[str]:
    """Those of the words that the index of a language keeps.

    Lance's lists of stop words are its own but for English, so it is asked, by an index of these
    words in memory: 5 ms.
    """
    if not words or language in (None, "english"):  # of which `stop_words` knows all
        return set(words)
    import lancedb
    import pyarrow as pa
    from lancedb.query import MatchQuery

    table = lancedb.connect("memory://").create_table("words", pa.table({"word": list(words)}))
    table.create_index("word", config=analyzer(language))
    query: Any = MatchQuery(" ".join(words), "word")  # type: ignore[call-arg]
    search = table.search(query, query_type="fts").select(["word", "_score"])
    found: list[str] = search.limit(len(words)).to_arrow()["word"].to_pylist()
    return set(found)


def bm25(
    table: Any, column: str, query: str, k: int, predicate: str | None = None
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """The k rows of a Lance table that score best.

    Parameters
    ----------
    table : lancedb Table
    column : str
        A column with a full text index.
    query : str
        Plain words; nothing in it is an operator.
    k : int
    predicate : str or None
        SQL that a row must meet; k rows that meet it are found where there are as many.

    Returns
    -------
    (n,) uint64 array, (n,) float32 array
        Row ids and scores above 0, best first, equal ones by row id; n is at most k.
    """
    from lancedb.query import MatchQuery

    words: Any = MatchQuery(query, column)  # type: ignore[call-arg]
    found = table.search(words, query_type="fts").select(["_score"])
    if predicate is not None:
        found = found.where(predicate, prefilter=True)
    rows = found.with_row_id(True).limit(k).to_arrow()
    ids = rows["_rowid"].to_numpy()
    # Lance keeps the factor (k1 + 1) of the 1994 formula; Lucene and others dropped it.
    scores = rows["_score"].to_numpy() / np.float32(K1 + 1)
    order = np.lexsort((ids, -scores))
    return ids[order], scores[order]
