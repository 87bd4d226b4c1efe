"""Can a space find its own passages? A measure that needs no judged queries.

The query is one sentence of a passage, the answer that passage: known-item search, as in Azzopardi
& de Rijke (2006), "Automatic construction of known-item finding test beds". Words help more here
than in real queries, so compare spaces and settings with it, not meaning with words.
"""

from __future__ import annotations

from collections.abc import Iterable

from rowspace.search.index.queries import middle_sentence
from rowspace.search.request import MODES
from rowspace.search.space import Space
from rowspace.text.passages import Passage


def found_again(
    space: Space, passages: Iterable[Passage], k: int = 10
) -> tuple[dict[str, float], int]:
    """Share of passages that the sentence in their middle finds among the first k hits.

    Parameters
    ----------
    space : Space
    passages : iterable of Passage
        Those without a sentence of five words are passed over.
    k : int

    Returns
    -------
    (share by mode of search, number of passages probed)
        Each share in [0, 1]; no shares where nothing could be probed.
    """
    probes = [
        (sentence, f"{passage.document_id}#{passage.position}")
        for passage in passages
        if (sentence := middle_sentence(passage.text)) is not None
    ]
    if not probes:
        return {}, 0
    queries = [sentence for sentence, _ in probes]
    shares = {}
    for mode in MODES:
        found = space.search_batch(queries, k, mode)
        n_found = sum(
            passage_id in {hit.passage_id for hit in hits}
            for hits, (_, passage_id) in zip(found, probes, strict=True)
        )
        shares[mode] = n_found / len(probes)
    return shares, len(probes)
