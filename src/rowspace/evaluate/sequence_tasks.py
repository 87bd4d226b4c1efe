"""The tasks of a data folder that sequence models are scored on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rowspace.errors import EvaluationError

USUAL = ("trec", "sst2", "subj")
"""What questions ask for (Li & Roth 2002), polarity (Socher et al. 2013), and whether a sentence
tells or judges (Pang & Lee 2004): short texts, of three kinds."""

_ARTICLES = "wikitext*.txt"


def find_sequence_tasks(data: Path | str) -> tuple[dict[str, Path], dict[str, Path]]:
    """What there is: `classify/*/` with labelled texts, `lm/wikitext*.txt` with articles.

    Returns
    -------
    labelled, articles : dict of str to Path
        By name, which of a file is what stands before its first dot.

    Raises
    ------
    EvaluationError
        If there is no folder `data`, or neither in it.
    """
    data = Path(data)
    if not data.is_dir():
        raise EvaluationError(f"there is no folder {data}; give the one that holds the task files")
    folders = sorted(path for path in data.glob("classify/*") if path.is_dir())
    files = sorted(path for path in data.glob(f"lm/{_ARTICLES}") if path.is_file())
    if not folders and not files:
        raise EvaluationError(
            f"{data} holds no classify/*/ nor lm/{_ARTICLES}; give a folder of these"
        )
    return {path.name: path for path in folders}, {path.name.split(".")[0]: path for path in files}


def choose_sequence_tasks(
    data: Path | str, only: Sequence[str] | None = None
) -> tuple[dict[str, Path], dict[str, Path]]:
    """Those of these names; if none is given, `USUAL`, or all labelled texts where there are none.

    Raises
    ------
    EvaluationError
        As `find_sequence_tasks`, and if a name is none of the tasks'.
    """
    labelled, articles = find_sequence_tasks(data)
    if only is None:
        usual = {name: labelled[name] for name in USUAL if name in labelled}
        return usual or labelled, {} if labelled else articles
    for name in only:
        if name not in labelled and name not in articles:
            raise EvaluationError(
                f"there is no task {name!r}; give some of {', '.join([*labelled, *articles])}"
            )
    return (
        {name: labelled[name] for name in only if name in labelled},
        {name: articles[name] for name in only if name in articles},
    )
