"""`rowspace eval`: word vectors or an encoder measured on the tasks of a data folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import click

from rowspace.cli.label_tables import label_json, label_tables
from rowspace.cli.options import names, whole_numbers
from rowspace.cli.output import Row, aligned, emit_json, json_option, plain, ratio
from rowspace.cli.rankers import (
    AVERAGES,
    MODES,
    is_space_of_texts,
    make_rankers,
    text_encoders,
)
from rowspace.cli.sense_tables import sense_json, sense_tables
from rowspace.cli.sentence_tables import sentence_json, sentence_tables
from rowspace.cli.sequences import (
    check_alone,
    check_not_given,
    eval_sequences,
    sequence_options,
)
from rowspace.errors import EvaluationError
from rowspace.evaluate.analogy import AnalogyResult, SectionResult
from rowspace.evaluate.occurrence_encoders import (
    SENTENCE_WEIGHT,
    NeighborOccurrences,
    OccurrenceEncoder,
    StaticOccurrences,
    TransformerOccurrences,
)
from rowspace.evaluate.retrieval import RetrievalResult
from rowspace.evaluate.sense import SenseSettings
from rowspace.evaluate.tasks import (
    KINDS,
    Kind,
    Report,
    Settings,
    choose_tasks,
    find_tasks,
    run_tasks,
)
from rowspace.extras import require_torch
from rowspace.sentence.kinds import has_modules, is_text_encoder, is_transformer
from rowspace.space.formats import load
from rowspace.space.vectors import Vectors

EPILOG = """\b
MODEL is a folder of vectors, a space, a word2vec file (.txt, .vec, .bin), a folder of
sentence-transformers or model2vec, or a transformer's. If no task is asked for, sentence pairs and
retrieval are scored of a folder of sentence-transformers, and senses of any other transformer.
DATA holds any of
  word/similarity/*.tsv   word TAB word TAB score (.csv: commas)
  word/analogy/*.txt      as questions-words.txt: `: section`, then four words a line
  word/categorization/*.tsv  word TAB category
  sentence/*/             .tsv with a header of sentence1, sentence2 and score, or label (0 or 1)
                          in any order; of train.tsv, dev.tsv, test.tsv only one is read (--split)
  sentence/lee50/         docs.txt, human-similarity-50x50.txt
  retrieval/*/            corpus.jsonl, queries.jsonl, qrels/test.tsv, as in BEIR
  context/coarsewsd20/    WORD.train.tsv, WORD.test.tsv: sense TAB index TAB sentence
  context/senseval/       WORD.jsonl: sense, index, tokens
  context/wic/*.tsv       label TAB lemma TAB pos TAB index1 TAB index2 TAB both sentences
  classify/*/             .tsv with a header of label, text and perhaps title; train.tsv to learn
                          from, test.tsv or dev.tsv to try on, or any other to be split
Files may be packed (.gz, .xz, .zst); a .tsv of context/ may begin with a header.
Retrieval ranks whole documents: dense by the vectors of texts, lexical by BM25 with English
stemming, hybrid by both. Of word vectors, a text's is their mean, weighted (SIF) or plain. A text
without a vector has cosine 0 with others. Senses are told by cosine to the nearest mean of a
sense's examples (centroid) or the nearest example; of word vectors by the word's own, the same in
every sentence, and by its neighbors'. The threshold of Word-in-Context is tuned on other lemmas
than those it is tried on, in five folds. Labelled texts are told apart by a logistic regression on
their vectors (classification), and clustered by spherical k-means, as are words (clustering).
Sequence models (--task sequence) are a GRU and an LSTM over MODEL's vectors, and over a table drawn
at random, that learn from few and from many labelled texts of classify/ (trec, sst2 and subj if
--only names no others), and tell the next word of lm/wikitext*.txt where --only names it.
"""


@click.command("eval", epilog=EPILOG)
@click.argument("model")
@click.option(
    "--data", required=True, envvar="ROWSPACE_DATA", show_envvar=True, help="Folder of task files."
)
@click.option(
    "--task",
    "kinds",
    multiple=True,
    type=click.Choice([*KINDS, "sequence"]),
    help="Only this kind; may be repeated.  [default: all but sequence, which goes alone]",
)
@click.option("--only", callback=names, help="Only the tasks of these names.", metavar="NAME,…")
@click.option(
    "--mode",
    "modes",
    multiple=True,
    default=["dense"],
    show_default=True,
    type=click.Choice(MODES),
    help="How retrieval ranks documents; may be repeated.",
)
@click.option(
    "--average",
    "averages",
    multiple=True,
    default=["sif"],
    show_default=True,
    type=click.Choice(AVERAGES),
    help="Of word vectors, what a text's vector is: their weighted mean or the plain one; may be "
    "repeated.",
)
@click.option(
    "-k",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    help="Results of each query that count in retrieval.",
)
@click.option("--split", default="test", show_default=True,
              help="The judgements, qrels/SPLIT.tsv, or sentence pairs, SPLIT.tsv.")  # fmt: skip
@click.option(
    "--method",
    default="3cosadd",
    show_default=True,
    type=click.Choice(["3cosadd", "3cosmul"]),
    help="How analogies are answered.",
)
@click.option(
    "--restrict-vocab",
    default=300_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Know only the first N words in word tasks; word2vec's own script takes 30000.",
    metavar="N",
)
@click.option("--case-sensitive", is_flag=True, help="Tell Paris from paris in word tasks.")
@click.option(
    "--examples",
    default="1,3,10,30",
    show_default=True,
    callback=whole_numbers,
    help="Labelled examples of each sense, drawn five times.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Classify at most about N occurrences of a word.  [default: all]",
    metavar="N",
)
@click.option(
    "--layers",
    callback=lambda *asked: None if asked[-1] is None else whole_numbers(*asked),
    help="Of a transformer, in sense tasks: the mean of their vectors at length 1. 0 is the "
    "embeddings, -1 the last.  [default: the last four]",
    metavar="N,N…",
)
@click.option(
    "--hidden",
    is_flag=True,
    help="In sense tasks, read with the mask token in the word's place, and the sentence without "
    "the word; for a masked model.",
)
@click.option(
    "--sentence-weight",
    default=SENTENCE_WEIGHT,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Of a transformer, in sense tasks: how much of the sentence's vector is added to the "
    "word's; 0 is the word's alone.",
)
@sequence_options
@json_option
def eval_command(
    model: str,
    data: str,
    kinds: tuple[Kind, ...],
    only: tuple[str, ...] | None,
    modes: tuple[str, ...],
    averages: tuple[str, ...],
    k: int,
    split: str,
    method: Any,
    restrict_vocab: int,
    case_sensitive: bool,
    examples: tuple[int, ...],
    limit: int | None,
    layers: tuple[int, ...] | None,
    hidden: bool,
    sentence_weight: float,
    as_json: bool,
    **sequence: Any,
) -> None:
    """Measure MODEL on words, their senses, sentence pairs, retrieval and labelled texts."""
    if "sequence" in kinds:
        check_alone(kinds)
        eval_sequences(model, data, only, as_json=as_json, **sequence)
        return
    check_not_given(sequence)
    kinds = kinds or _default_kinds(model)
    tasks, skipped = find_tasks(data, kinds)
    if only is not None:
        tasks, skipped = choose_tasks(tasks, skipped, only)
    found = {task.kind for task in tasks}
    vectors = load(model) if found & _kinds_of_words(model) else None
    texts = text_encoders(model, vectors, averages) if found & _KINDS_OF_TEXTS else {}
    occurrences: dict[str, OccurrenceEncoder] = {}
    if "sense" in found and is_transformer(model):
        occurrences["transformer"] = _transformer(model, layers, hidden, sentence_weight)
    elif vectors is not None:
        occurrences["own vector"] = StaticOccurrences(vectors)
        occurrences["neighbors"] = NeighborOccurrences(vectors)
    settings = Settings(
        method=method,
        case_insensitive=not case_sensitive,
        restrict_vocab=restrict_vocab,
        k=k,
        split=split,
        sense=SenseSettings(n_examples=examples, limit=limit),
    )
    report = run_tasks(
        vectors,
        tasks,
        encoders=texts,
        rankers=make_rankers(texts, modes),
        occurrence_encoders=occurrences,
        settings=settings,
    )
    report.skipped[:0] = skipped
    if not report.has_scores:
        reasons = "; ".join(f"{entry.name}: {entry.reason}" for entry in report.skipped)
        raise EvaluationError(f"no task of {data} could be scored ({reasons})")
    if as_json:
        emit_json(_as_json(model, vectors, report))
    else:
        click.echo("\n\n".join("\n".join(part) for part in _tables(report)))


_KINDS_OF_TEXTS: set[Kind] = {"sts", "retrieval", "classification", "clustering"}

# `rowspace.cli` looks a command up by its name on the command line.
eval = eval_command


# What is loaded


def _default_kinds(model: str) -> tuple[Kind, ...]:
    if has_modules(model) or is_space_of_texts(model):
        return "sts", "retrieval"
    return ("sense",) if is_transformer(model) else KINDS


def _kinds_of_words(model: str) -> set[Kind]:
    """The tasks for which the vectors of words are read."""
    if is_transformer(model):
        return {"similarity", "analogy"}
    is_encoder = is_text_encoder(model) or is_space_of_texts(model)
    return set(KINDS) - (_KINDS_OF_TEXTS if is_encoder else set())


def _transformer(
    model: str, layers: Sequence[int] | None, hidden: bool, sentence_weight: float
) -> TransformerOccurrences:
    require_torch("eval of a transformer")
    from rowspace.transformer.load_encoder import load_encoder

    encoder = load_encoder(model)
    return TransformerOccurrences(
        encoder, layers=layers, hidden=hidden, sentence_weight=sentence_weight
    )


# Tables


def _tables(report: Report) -> Iterator[list[str]]:
    if report.similarity:
        yield _similarity_table(report)
    for name, analogies in report.analogy.items():
        yield _analogy_table(name, analogies)
    yield from sentence_tables(report)
    for mode, results in report.retrieval.items():
        yield _retrieval_table(mode, list(results.values()))
    notes = [
        note
        for mode, results in report.retrieval.items()
        for result in results.values()
        for note in _notes(mode, result)
    ]
    if notes:
        yield list(dict.fromkeys(notes))  # most hold for every mode
    yield from sense_tables(report)
    yield from label_tables(report)
    if report.skipped:
        rows = [(f"{entry.kind}  {entry.name}", entry.reason) for entry in report.skipped]
        yield aligned([("not scored", "reason"), *rows], n_left=2)


def _similarity_table(report: Report) -> list[str]:
    rows: list[Row] = [("word similarity", "spearman", "pearson", "scored", "pairs")]
    rows += [
        (name, ratio(r.spearman), ratio(r.pearson), f"{r.n_scored:,}", f"{r.n_pairs:,}")
        for name, r in report.similarity.items()
    ]
    return aligned(rows)


def _analogy_table(name: str, result: AnalogyResult) -> list[str]:
    def row(section: SectionResult, indent: str) -> Row:
        counts = (section.n_correct, section.n_scored, section.n_questions)
        return (
            indent + section.name,
            ratio(section.accuracy),
            *(f"{count:,}" for count in counts),
        )

    rows: list[Row] = [
        (f"analogies: {name}, {result.method}", "accuracy", "correct", "scored", "questions")
    ]
    rows.append(row(result.total, ""))
    rows += [row(part, "") for part in (result.semantic, result.syntactic) if part is not None]
    rows += [row(section, "  ") for section in result.sections]
    return aligned(rows)


def _retrieval_table(mode: str, results: Sequence[RetrievalResult]) -> list[str]:
    k = results[0].k
    names = (f"nDCG@{k}", f"recall@{k}", f"P@{k}", f"MRR@{k}", f"MAP@{k}")
    rows: list[Row] = [(f"retrieval: {mode}", *names, "queries", "documents")]
    rows += [
        (
            r.task,
            *(ratio(score) for score in r.scores.values()),
            f"{r.n_queries:,}",
            f"{r.n_documents:,}",
        )
        for r in results
    ]
    return aligned(rows)


def _notes(mode: str, result: RetrievalResult) -> Iterator[str]:
    """What a reader must know to trust a row."""
    yield from (f"{result.task}: {note}" for note in result.task_notes)
    yield from (f"{result.task}, {mode}: {note}" for note in result.notes)


# JSON


def _as_json(model: str, vectors: Vectors | None, report: Report) -> dict[str, Any]:
    return {
        "model": model,
        "n_words": None if vectors is None else len(vectors),
        "similarity": {
            name: plain(dataclasses.asdict(result)) for name, result in report.similarity.items()
        },
        "analogy": {name: _analogy_json(result) for name, result in report.analogy.items()},
        **sentence_json(report),
        "retrieval": {
            mode: {name: _retrieval_json(result) for name, result in results.items()}
            for mode, results in report.retrieval.items()
        },
        "sense": {encoder: sense_json(results) for encoder, results in report.senses.items()},
        "wic": {
            encoder: {name: plain(dataclasses.asdict(r)) for name, r in results.items()}
            for encoder, results in report.wic.items()
        },
        **label_json(report),
        "skipped": [dataclasses.asdict(entry) for entry in report.skipped],
    }


def _analogy_json(result: AnalogyResult) -> dict[str, Any]:
    def section(part: SectionResult | None) -> dict[str, Any] | None:
        if part is None:
            return None
        return plain({**dataclasses.asdict(part), "accuracy": part.accuracy})

    return {
        "method": result.method,
        "n_unknown": result.n_unknown,
        "total": section(result.total),
        "semantic": section(result.semantic),
        "syntactic": section(result.syntactic),
        "sections": [section(part) for part in result.sections],
    }


def _retrieval_json(result: RetrievalResult) -> dict[str, Any]:
    fields = dataclasses.asdict(result)
    del fields["per_query"]  # thousands of numbers; `evaluate_rankings` gives them in Python
    return fields
