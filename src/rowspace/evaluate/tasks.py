"""The tasks in a data folder, run one after another on one model.

The folder holds `word/similarity/*.tsv`, `word/analogy/*.txt`, `word/categorization/*.tsv`,
`sentence/*/` with pairs of texts (`sentence_data`), `retrieval/*/` in BEIR's layout, `context/*/`
with senses of words (`sense_tasks`) and `classify/*/` with labelled texts (`labelled_texts`), which
are clustered too; any part may be missing. What is not scored is in the report with the reason,
never left out silently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from rowspace.errors import ConfigError, EvaluationError, RowspaceError
from rowspace.evaluate.analogy import AnalogyResult, Method, evaluate_analogies, read_analogies
from rowspace.evaluate.beir import RetrievalTask, read_retrieval_task
from rowspace.evaluate.classification import (
    ClassificationResult,
    ClassificationSettings,
    evaluate_classification,
)
from rowspace.evaluate.clustering import (
    ClusteringResult,
    ClusteringSettings,
    evaluate_text_clustering,
    evaluate_word_clustering,
    read_categories,
)
from rowspace.evaluate.labelled_texts import read_text_task
from rowspace.evaluate.occurrence_encoders import OccurrenceEncoder
from rowspace.evaluate.pair_classification import PairResult, evaluate_pair_classification
from rowspace.evaluate.retrieval import RetrievalResult, evaluate_rankings
from rowspace.evaluate.sense import SenseResult, SenseSettings
from rowspace.evaluate.sense_tasks import HOME, find_sense_tasks, run_sense_task
from rowspace.evaluate.sentence_data import read_sentence_task
from rowspace.evaluate.sequence_tasks import USUAL, find_sequence_tasks
from rowspace.evaluate.similarity import SimilarityResult, read_pairs, word_similarity
from rowspace.evaluate.sts import STSResult, evaluate_sts_task
from rowspace.evaluate.wic import WicResult
from rowspace.progress import track
from rowspace.space.encoder import Encoder
from rowspace.space.vectors import Vectors
from rowspace.text.streams import bare_suffix

Kind = Literal[
    "similarity", "analogy", "sts", "retrieval", "sense", "classification", "clustering", "sequence"
]

KINDS: tuple[Kind, ...] = get_args(Kind)[:7]
"""What `run_tasks` scores."""

WORDS = "words"
"""What clusters of words are called in a report, among those of encoders."""

Ranker = Callable[[RetrievalTask, int], Mapping[str, Sequence[str]]]
"""`ranker(task, k)`: up to k document ids for every judged query, best first."""

# Where a kind's tasks are, below the data folder, and how files end; without that, folders.
_HOMES: dict[Kind, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "similarity": (("word/similarity", (".tsv", ".csv")),),
    "analogy": (("word/analogy", (".txt",)),),
    "sts": (("sentence", ()),),
    "retrieval": (("retrieval", ()),),
    "classification": (("classify", ()),),
    "clustering": (("word/categorization", (".tsv",)), ("classify", ())),
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task of a data folder, not read yet."""

    kind: Kind
    name: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A task, or all of a kind, that was not scored."""

    kind: Kind
    name: str
    """The task's name, or the folder's where all of it is missing."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How tasks are scored."""

    method: Method = "3cosadd"
    """How analogies are answered."""

    case_insensitive: bool = True
    """Fold case in the word tasks."""

    restrict_vocab: int | None = 300_000
    """Words known in the word tasks, the most frequent; None for all."""

    k: int = 10
    """Results of each query that count in retrieval."""

    split: str = "test"
    """Which judgements of a retrieval task, and which file of sentence pairs."""

    sense: SenseSettings = field(default_factory=SenseSettings)
    """How senses are told apart."""

    classification: ClassificationSettings = field(default_factory=ClassificationSettings)
    """How texts are classified."""

    clustering: ClusteringSettings = field(default_factory=ClusteringSettings)
    """How words and texts are clustered."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"k is {self.k}, so no result counts; give 1 or more")
        if self.restrict_vocab is not None and self.restrict_vocab < 1:
            raise ConfigError(
                f"restrict_vocab is {self.restrict_vocab}, so no word is known; give 1 or more"
            )


@dataclass(kw_only=True)
class Report:
    """What came out, by task name."""

    similarity: dict[str, SimilarityResult] = field(default_factory=dict)
    analogy: dict[str, AnalogyResult] = field(default_factory=dict)
    sts: dict[str, dict[str, STSResult]] = field(default_factory=dict)
    """Scored sentence pairs: by encoder, then task."""

    pairs: dict[str, dict[str, PairResult]] = field(default_factory=dict)
    """Labelled sentence pairs: by encoder, then task."""

    retrieval: dict[str, dict[str, RetrievalResult]] = field(default_factory=dict)
    """By ranker, then task."""

    senses: dict[str, dict[str, SenseResult]] = field(default_factory=dict)
    """By occurrence encoder, then task."""

    wic: dict[str, dict[str, WicResult]] = field(default_factory=dict)
    """By occurrence encoder, then task."""

    classification: dict[str, dict[str, ClassificationResult]] = field(default_factory=dict)
    """By encoder, then task."""

    clustering: dict[str, dict[str, ClusteringResult]] = field(default_factory=dict)
    """By encoder, or "words" where the categories of words were looked for, then task."""

    skipped: list[Skipped] = field(default_factory=list)

    @property
    def has_scores(self) -> bool:
        """Whether any task was scored."""
        words, sentences = (self.similarity, self.analogy), (self.sts, self.pairs)
        texts = (self.retrieval, self.classification, self.clustering)
        return any((*words, *sentences, *texts, self.senses, self.wic))


def find_tasks(data: Path | str, kinds: Sequence[Kind] = KINDS) -> tuple[list[Task], list[Skipped]]:
    """List the tasks in a data folder.

    Parameters
    ----------
    data : path
        See the module's docstring for the layout.
    kinds : sequence of str
        Some of `KINDS`, or "sequence", which `compare` and `sequence_curves` score.

    Returns
    -------
    tasks : list of Task
        By kind, then name.
    skipped : list of Skipped
        Kinds without a folder or any task in it, and files that are no task.

    Raises
    ------
    EvaluationError
        If there is no folder `data`.
    """
    data = Path(data)
    if not data.is_dir():
        raise EvaluationError(f"there is no folder {data}; give the one that holds the task files")
    tasks: list[Task] = []
    skipped: list[Skipped] = []
    for kind in dict.fromkeys(kinds):
        found, passed_over = _find_kind(data, kind)
        tasks += found
        skipped += passed_over
    return tasks, skipped


def choose_tasks(
    tasks: Sequence[Task], skipped: Sequence[Skipped], names: Sequence[str]
) -> tuple[list[Task], list[Skipped]]:
    """Keep the tasks of these names, and what is said of them.

    Raises
    ------
    EvaluationError
        If a name is none of the tasks'.
    """
    known = {task.name for task in tasks} | {entry.name for entry in skipped}
    for name in names:
        if name not in known:
            raise EvaluationError(
                f"there is no task {name!r}; give some of {', '.join(task.name for task in tasks)}"
            )
    return (
        [task for task in tasks if task.name in names],
        [entry for entry in skipped if entry.name in names],
    )


def run_tasks(
    vectors: Vectors | None,
    tasks: Sequence[Task],
    *,
    encoders: Mapping[str, Encoder] | None = None,
    rankers: Mapping[str, Ranker] | None = None,
    occurrence_encoders: Mapping[str, OccurrenceEncoder] | None = None,
    settings: Settings | None = None,
) -> Report:
    """Score a model on tasks; one that cannot be read or scored becomes `Skipped`.

    Parameters
    ----------
    vectors : Vectors or None
        For the word tasks.
    tasks : sequence of Task
    encoders : mapping of str to Encoder
        For the tasks of sentence pairs and labelled texts: what gives a text a vector, by its name
        in the report.
    rankers : mapping of str to callable
        For the retrieval tasks: what ranks documents, by the name it has in the report.
    occurrence_encoders : mapping of str to OccurrenceEncoder
        For the sense tasks: what gives a word in its sentence a vector, by its name in the report.
    settings : Settings

    Returns
    -------
    Report
    """
    settings = settings or Settings()
    report = Report()
    with track("evaluating", total=len(tasks)) as progress:
        for task in tasks:
            progress.advance(0, note=task.name)
            try:
                if task.kind == "retrieval":
                    _run_retrieval(task, rankers or {}, settings, report)
                elif task.kind == "sts":
                    _run_sentences(task, encoders or {}, settings, report)
                elif task.kind == "sense":
                    _run_sense(task, occurrence_encoders or {}, settings, report)
                elif task.kind in ("classification", "clustering") and task.path.is_dir():
                    _run_texts(task, encoders or {}, settings, report)
                else:
                    _run_words(vectors, task, settings, report)
            except (RowspaceError, OSError) as error:
                skipped = Skipped(kind=task.kind, name=task.name, reason=str(error))
                report.skipped.append(skipped)
            progress.advance()
    return report


def _run_words(vectors: Vectors | None, task: Task, settings: Settings, report: Report) -> None:
    if vectors is None:
        raise EvaluationError("no word vectors were given")
    if task.kind == "similarity":
        report.similarity[task.name] = word_similarity(
            vectors,
            read_pairs(task.path),
            case_insensitive=settings.case_insensitive,
            restrict_vocab=settings.restrict_vocab,
        )
    elif task.kind == "clustering":
        words, notes = read_categories(task.path)
        report.clustering.setdefault(WORDS, {})[task.name] = evaluate_word_clustering(
            vectors,
            words,
            settings.clustering,
            notes=notes,
            case_insensitive=settings.case_insensitive,
            restrict_vocab=settings.restrict_vocab,
        )
    else:
        report.analogy[task.name] = evaluate_analogies(
            vectors,
            read_analogies(task.path),
            method=settings.method,
            case_insensitive=settings.case_insensitive,
            restrict_vocab=settings.restrict_vocab,
        )


def _run_sentences(
    task: Task, encoders: Mapping[str, Encoder], settings: Settings, report: Report
) -> None:
    if not encoders:
        raise EvaluationError("nothing was given that gives texts their vectors")
    sentence_task = read_sentence_task(task.path, settings.split)
    for name, encoder in encoders.items():
        if sentence_task.column == "label":
            labelled = evaluate_pair_classification(encoder, sentence_task.pairs)
            report.pairs.setdefault(name, {})[task.name] = labelled
        else:
            scored = evaluate_sts_task(encoder, sentence_task)
            report.sts.setdefault(name, {})[task.name] = scored


def _run_texts(
    task: Task, encoders: Mapping[str, Encoder], settings: Settings, report: Report
) -> None:
    if not encoders:
        raise EvaluationError("nothing was given that gives texts their vectors")
    texts = read_text_task(task.path, settings.classification.seed)
    for name, encoder in encoders.items():
        if task.kind == "classification":
            told = evaluate_classification(encoder, texts, settings.classification)
            report.classification.setdefault(name, {})[task.name] = told
        else:
            found = evaluate_text_clustering(encoder, texts, settings.clustering)
            report.clustering.setdefault(name, {})[task.name] = found


def _run_retrieval(
    task: Task, rankers: Mapping[str, Ranker], settings: Settings, report: Report
) -> None:
    if not rankers:
        raise EvaluationError("nothing was given that ranks documents")
    retrieval_task = read_retrieval_task(task.path, settings.split)
    for name, ranker in rankers.items():
        rankings = ranker(retrieval_task, settings.k)
        result = evaluate_rankings(retrieval_task, rankings, settings.k)
        report.retrieval.setdefault(name, {})[task.name] = result


def _run_sense(
    task: Task, encoders: Mapping[str, OccurrenceEncoder], settings: Settings, report: Report
) -> None:
    if not encoders:
        raise EvaluationError("nothing was given that gives words in sentences their vectors")
    for name, result in run_sense_task(task.name, task.path, encoders, settings.sense).items():
        if isinstance(result, WicResult):
            report.wic.setdefault(name, {})[task.name] = result
        else:
            report.senses.setdefault(name, {})[task.name] = result


def _find_senses(data: Path) -> tuple[list[Task], list[Skipped]]:
    found, passed_over = find_sense_tasks(data)
    tasks = [Task(kind="sense", name=name, path=path) for name, path in found]
    skipped = [Skipped(kind="sense", name=name, reason=reason) for name, reason in passed_over]
    if not found and not skipped:
        reason = f"{data / HOME} holds no task"
        skipped.append(Skipped(kind="sense", name=HOME, reason=reason))
    return tasks, skipped


def _find_sequences(data: Path) -> tuple[list[Task], list[Skipped]]:
    try:
        labelled, articles = find_sequence_tasks(data)
    except EvaluationError as error:
        return [], [Skipped(kind="sequence", name="classify", reason=str(error))]
    usual = {name: path for name, path in labelled.items() if name in USUAL} or labelled
    found = {**usual, **articles}
    reason = f"sequence models take minutes each, so of labelled texts they read {', '.join(usual)}"
    skipped = [
        Skipped(kind="sequence", name=name, reason=reason) for name in labelled if name not in usual
    ]
    return [Task(kind="sequence", name=name, path=path) for name, path in found.items()], skipped


def _find_kind(data: Path, kind: Kind) -> tuple[list[Task], list[Skipped]]:
    if kind == "sense":
        return _find_senses(data)
    if kind == "sequence":
        return _find_sequences(data)
    paths: list[Path] = []
    skipped: list[Skipped] = []
    for where, suffixes in _HOMES[kind]:
        found, passed_over = _find_files(data, kind, where, suffixes)
        paths += found
        skipped += passed_over
    stems = Counter(_stem(path) for path in paths)
    tasks = [
        # Two files of one stem (a.tsv, a.csv) keep their suffix, so that neither hides the other.
        Task(kind=kind, name=_stem(path) if stems[_stem(path)] == 1 else path.name, path=path)
        for path in paths
    ]
    return tasks, skipped


def _find_files(
    data: Path, kind: Kind, where: str, suffixes: tuple[str, ...]
) -> tuple[list[Path], list[Skipped]]:
    folder = data / where
    if not folder.is_dir():
        return [], [Skipped(kind=kind, name=where, reason=f"{data} has no folder {where}")]
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    found = [p for p in paths if (bare_suffix(p) in suffixes if suffixes else p.is_dir())]
    reason = f"not a {' or '.join(suffixes) or 'folder'}"
    skipped = [
        Skipped(kind=kind, name=path.name, reason=reason) for path in paths if path not in found
    ]
    if not found:
        skipped.append(Skipped(kind=kind, name=where, reason=f"{folder} holds no task"))
    return found, skipped


def _stem(path: Path) -> str:
    """`a` of the file a.tsv.gz; a folder's whole name."""
    return path.name if path.is_dir() else path.name.split(bare_suffix(path))[0]
