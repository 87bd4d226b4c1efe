"""What an export has to know of all rows before it writes the first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rowspace.errors import CorpusError
from rowspace.progress import track
from rowspace.search.milvus.collection import MAX_BYTES
from rowspace.search.milvus.digest import COLUMNS, TEXTS, RowDigest, matrix_of
from rowspace.search.milvus.words import Statistics
from rowspace.search.protocol import PassageStore


@dataclass
class Survey:
    """What the first reading finds out."""

    digest: RowDigest
    words: Statistics | None
    n_documents: int = 0
    n_empty: int = 0
    longest: int = 0


def read_survey(
    store: PassageStore, n: int, column: str, where: str | None, words: Statistics | None
) -> Survey:
    """Read n rows, those that meet a predicate, with the vectors of a column.

    Raises
    ------
    CorpusError
        If a text is longer than Milvus holds.
    """
    survey = Survey(RowDigest(column), words)
    with track("reading", n) as tracker:
        for batch in store.scan([*COLUMNS, column], where):
            survey.longest = max(survey.longest, _check_lengths(batch))
            survey.digest.add(batch)
            if words is not None:
                for text in batch["content"].to_pylist():
                    words.add(text)
            survey.n_documents += batch["position"].to_pylist().count(0)
            survey.n_empty += int((~matrix_of(batch, column).any(axis=1)).sum())
            tracker.advance(batch.num_rows)
    return survey


def _check_lengths(batch: pa.RecordBatch) -> int:
    """See that Milvus can hold every text; returns the bytes of the longest row's."""
    total = np.zeros(batch.num_rows, np.int64)
    for name in TEXTS:
        lengths = pc.binary_length(batch[name]).to_numpy(zero_copy_only=False)
        row = int(lengths.argmax()) if len(lengths) else 0
        if len(lengths) and lengths[row] > MAX_BYTES:
            raise CorpusError(
                f"passage {batch['passage_id'][row].as_py()[:80]!r} has {lengths[row]:,} "
                f"bytes of {name}, and Milvus holds {MAX_BYTES:,} in a text; cut it "
                "shorter, passages by --passage-words of `rowspace build`"
            )
        total += lengths
    return int(total.max(initial=0))
