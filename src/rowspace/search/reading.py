"""A corpus read into passages, by its sections, and what is learnt of it on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from rowspace.errors import CorpusError
from rowspace.search.fields import FieldTypes
from rowspace.text.corpus import Corpus, Document
from rowspace.text.passages import Passage, split_passages
from rowspace.text.sections import Section

BATCH_PASSAGES = 512
"""Passages that are encoded together; batches begin anew at each section."""
_MAX_SOURCES = 100


@dataclass
class ReadReport:
    """What was read."""

    n_documents: int = 0
    n_passages: int = 0
    n_words: int = 0
    """Runs of non-space."""
    n_characters: int = 0
    n_empty: int = 0
    """Documents with neither text nor title, which are left out."""
    sources: dict[str, int] = field(default_factory=dict)
    """Documents of each of the first hundred files."""
    n_sources: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """(file, reason) of what a folder held that is not text."""
    field_types: dict[str, str] = field(default_factory=dict)
    sections: list[int] = field(default_factory=list)
    """Passages of each section."""
    seconds: float = 0.0


@dataclass
class Reading:
    """What is learnt of documents while they are read."""

    report: ReadReport = field(default_factory=ReadReport)
    types: FieldTypes = field(default_factory=FieldTypes)
    document_ids: list[tuple[str, list[str]]] = field(default_factory=list)
    """Of each file, in order."""
    source_ends: tuple[str, str] | None = None
    """The first and the last file that gave a passage."""
    n_truncated: int = 0
    """Passages whose end the encoder did not read."""

    def __post_init__(self) -> None:
        self._seen: set[str] = set()
        self._note_all(self.document_ids)

    def begin(self, document: Document) -> None:
        """Take note of a document's id; CorpusError if another has it."""
        self._note(document.document_id, document.source)
        self._ids_of(document.source).append(document.document_id)

    def end(self, document: Document, n_passages: int) -> None:
        """Count a document that gave so many passages."""
        report = self.report
        if n_passages == 0:
            report.n_empty += 1
            return
        self.types.observe(document.document_id, document.metadata)
        report.n_documents += 1
        report.n_passages += n_passages
        report.n_words += len(document.text.split())
        report.n_characters += len(document.text)
        self._count_sources(document.source, document.source, {document.source: 1}, 1)

    def add(self, other: Reading) -> None:
        """Take over what was learnt of the documents that come next.

        Raises
        ------
        CorpusError
            If two documents have one id.
        """
        self._note_all(other.document_ids)
        for source, ids in other.document_ids:
            self._ids_of(source).extend(ids)
        report, more = self.report, other.report
        for name in ("n_documents", "n_passages", "n_words", "n_characters", "n_empty", "seconds"):
            setattr(report, name, getattr(report, name) + getattr(more, name))
        if other.source_ends is not None:
            self._count_sources(*other.source_ends, more.sources, more.n_sources)
        report.skipped += more.skipped
        report.sections += more.sections
        self.types.add(other.types)
        self.n_truncated += other.n_truncated

    def _count_sources(self, first: str, last: str, sources: dict[str, int], n: int) -> None:
        """Count documents of `n` files that stand together."""
        report = self.report
        goes_on = self.source_ends is not None and self.source_ends[1] == first
        report.n_sources += n - goes_on
        for source, n_documents in sources.items():
            if source in report.sources or len(report.sources) < _MAX_SOURCES:
                report.sources[source] = report.sources.get(source, 0) + n_documents
        self.source_ends = (first if self.source_ends is None else self.source_ends[0], last)

    def _ids_of(self, source: str) -> list[str]:
        """The list to put the ids of documents from the last file into."""
        if not self.document_ids or self.document_ids[-1][0] != source:
            self.document_ids.append((source, []))
        return self.document_ids[-1][1]

    def _note_all(self, document_ids: list[tuple[str, list[str]]]) -> None:
        for source, ids in document_ids:
            for document_id in ids:
                self._note(document_id, source)

    def _note(self, document_id: str, source: str) -> None:
        if document_id in self._seen:
            raise CorpusError(
                f"two documents have the id {document_id!r}, the second in {source}; give each "
                "its own"
            )
        self._seen.add(document_id)

    def as_json(self) -> dict[str, Any]:
        """What `reading_from` makes the same of."""
        return asdict(self)


def reading_from(record: dict[str, Any]) -> Reading:
    """What `as_json` gave, read from a file."""
    ends = record["source_ends"]
    return Reading(
        report_from(record["report"]),
        FieldTypes(
            {
                name: {kind: (example[0], example[1]) for kind, example in kinds.items()}
                for name, kinds in record["types"]["kinds"].items()
            }
        ),
        [(source, ids) for source, ids in record["document_ids"]],
        None if ends is None else (ends[0], ends[1]),
        record["n_truncated"],
    )


def report_from(record: dict[str, Any]) -> ReadReport:
    """A report from its fields, read from a file."""
    return ReadReport(**{**record, "skipped": [tuple(entry) for entry in record["skipped"]]})


def read_passages(
    corpus: Corpus, section: Section, max_words: int, reading: Reading
) -> Iterator[Passage]:
    """The passages of a section, one at a time; `reading` learns of them."""
    n_before, n_skipped = reading.report.n_passages, len(corpus.skipped)
    for document in corpus.documents_in(section):
        reading.begin(document)
        n_passages = 0
        for passage in split_passages(document, max_words):
            n_passages += 1
            yield passage
        reading.end(document, n_passages)
    reading.report.sections.append(reading.report.n_passages - n_before)
    reading.report.skipped += corpus.skipped[n_skipped:]


def shard_passages(
    corpus: Corpus, sections: Iterable[Section], max_words: int, reading: Reading
) -> Iterator[list[Passage]]:
    """The passages of sections, in the lists that are encoded together.

    Parameters
    ----------
    corpus : Corpus
    sections : iterable of Section
        As of a shard.
    max_words : int
        The most words in a passage.
    reading : Reading
        A new one, for a shard; it learns of the documents.
    """
    for section in sections:
        passages = read_passages(corpus, section, max_words, reading)
        while batch := list(islice(passages, BATCH_PASSAGES)):
            yield batch


def batch_sizes(sections: Sequence[int]) -> Iterator[int]:
    """How many passages are encoded together, of sections with so many each."""
    for n_passages in sections:
        for start in range(0, n_passages, BATCH_PASSAGES):
            yield min(BATCH_PASSAGES, n_passages - start)
