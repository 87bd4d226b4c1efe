"""Tasks of labelled texts, read from folders: what each text is about, or what it asks or feels.

A folder holds `.tsv` files (perhaps packed) whose header names `label` and `text`, and perhaps
`title`, which is put before the text. Files called train, dev (or val) and test are such parts: the
classifier learns from train and is tried on test, or on dev where there is no test. Files of other
names, or train alone, are split here, by a hash of each text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import EvaluationError
from rowspace.evaluate.lines import numbered_lines
from rowspace.evaluate.sampling import places_by_hash, stratified_rows
from rowspace.evaluate.sentence_data import SPLITS, tsv_files

TEST_SHARE = 1 / 3
"""Of the texts of each label, where the files have no split."""

_HEADER = "`label TAB text`"
_EMPTY = "lines without a text, left out"
_AGAIN = "lines that repeat a text, left out"
_OTHER_LABEL = "of these, with another label"


@dataclass(frozen=True, kw_only=True)
class LabelledTexts:
    """Texts and the label that people gave each."""

    texts: Sequence[str]
    labels: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)

    def limited(self, n: int | None, seed: int = 0) -> LabelledTexts:
        """n of them, about as many of each label as its share; see `stratified_rows`."""
        return self.at(stratified_rows(self.texts, self.labels, n, seed))

    def at(self, rows: NDArray[np.int64]) -> LabelledTexts:
        """Those of some rows."""
        return LabelledTexts(
            texts=[self.texts[row] for row in rows], labels=[self.labels[row] for row in rows]
        )


@dataclass(frozen=True, kw_only=True)
class TextTask:
    """Labelled texts to learn from, and others to be tried on."""

    name: str
    """The folder's name."""

    train: LabelledTexts
    test: LabelledTexts
    """None of its texts is in `train`."""

    notes: tuple[str, ...] = ()
    """What was left out and how the texts were split."""

    def limited(self, n_train: int | None, n_test: int | None, seed: int = 0) -> TextTask:
        """At most so many texts of each part; see `LabelledTexts.limited`."""
        train, test = self.train.limited(n_train, seed), self.test.limited(n_test, seed)
        cut = [
            f"{len(kept):,} of {len(part):,} texts of the {name} part"
            for name, kept, part in (("training", train, self.train), ("test", test, self.test))
            if len(kept) < len(part)
        ]
        return replace(self, train=train, test=test, notes=(*self.notes, *cut))


def read_text_task(folder: Path | str, seed: int = 0) -> TextTask:
    """Read a folder of labelled texts (see the module's docstring).

    A text that stands there several times counts once, with its first label, and one of both parts
    belongs to the test part alone. The notes say how many.

    Parameters
    ----------
    folder : path
    seed : int
        Of the split, where the files have none.

    Returns
    -------
    TextTask

    Raises
    ------
    EvaluationError
        If there is no `.tsv`, a line cannot be read, or there are fewer than two labels; the
        message names file and line.
    """
    folder = Path(folder)
    parts, notes = _parts(tsv_files(folder, _HEADER))
    if "test" in parts:
        train, test = parts["train"], parts["test"]
        known = set(test.texts)
        rows = [row for row, text in enumerate(train.texts) if text not in known]
        if len(rows) < len(train):
            notes.append(f"training texts that are in the test part too: {len(train) - len(rows)}")
            train = train.at(np.array(rows, dtype=np.int64))
    else:
        train, test = _split(parts["train"], seed)
        notes.append(f"no split in the files: {len(test):,} of {len(train) + len(test):,} held out")
    _check_labels(folder.name, train, test)
    return TextTask(name=folder.name, train=train, test=test, notes=tuple(notes))


def _parts(files: Mapping[str, Path]) -> tuple[dict[str, LabelledTexts], list[str]]:
    """The texts of train, and of test if the files have such a part, and what was left out."""
    by_split = {SPLITS[name]: path for name, path in files.items() if name in SPLITS}
    held = by_split.get("test", by_split.get("dev"))
    paths = {"train": list(files.values())}
    notes: list[str] = []
    if "train" in by_split and held is not None:
        paths = {"train": [by_split["train"]], "test": [held]}
        if "test" not in by_split:
            notes.append(f"no test part: tried on {held.name}")
    left_out: Counter[str] = Counter()
    parts = {
        name: distinct(chain.from_iterable(map(read_labelled, of_part)), left_out)
        for name, of_part in paths.items()
    }
    return parts, [*notes, *told(left_out)]


def distinct(pairs: Iterable[tuple[str, str]], left_out: Counter[str]) -> LabelledTexts:
    """Each text of (label, text) once, with its first label; others are counted in `left_out`."""
    labels: dict[str, str] = {}
    for label, text in pairs:
        left_out[_EMPTY] += not text
        left_out[_AGAIN] += text in labels
        left_out[_OTHER_LABEL] += labels.get(text, label) != label
        if text:
            labels.setdefault(text, label)
    return LabelledTexts(texts=list(labels), labels=list(labels.values()))


def told(left_out: Counter[str]) -> list[str]:
    """What was left out, in words."""
    return [f"{what}: {n:,}" for what, n in left_out.items() if n]


def read_labelled(path: Path | str) -> Iterator[tuple[str, str]]:
    """The label and the text of each line of a file of tabs whose header names the columns.

    Parameters
    ----------
    path : path
        Its header has `label` and `text`, in any order, and perhaps `title`; other columns are
        passed over. Quotes are characters like any other.

    Yields
    ------
    (label, text)
        The title, if there is one, before the text.

    Raises
    ------
    EvaluationError
        If a column is missing, a line is too short or has no label, or no line follows.
    """
    path = Path(path)
    lines = numbered_lines(path)
    header = [name.strip() for name in next(lines, (1, ""))[1].split("\t")]
    if not {"label", "text"} <= set(header):
        raise EvaluationError(
            f"{path.name} has no columns label and text in its first line "
            f"{' '.join(header)[:80]!r}; begin it with the header {_HEADER}"
        )
    is_empty = True
    for number, line in lines:
        is_empty = False
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) < len(header) or not fields[header.index("label")]:
            raise EvaluationError(
                f"{path.name} line {number} has not the label and the text that its header "
                f"names: {line[:80]!r}; correct or remove it"
            )
        values = dict(zip(header, fields, strict=False))
        yield values["label"], f"{values.get('title', '')} {values['text']}".strip()
    if is_empty:
        raise EvaluationError(f"{path.name} holds no texts; give some below a header {_HEADER}")


def _split(texts: LabelledTexts, seed: int) -> tuple[LabelledTexts, LabelledTexts]:
    """A third of each label's texts is held out, one at least stays."""
    is_held = places_by_hash(texts.texts, texts.labels, f"split {seed}") < TEST_SHARE
    return texts.at(np.flatnonzero(~is_held)), texts.at(np.flatnonzero(is_held))


def _check_labels(name: str, train: LabelledTexts, test: LabelledTexts) -> None:
    n_labels = len(set(train.labels))
    if n_labels < 2:
        raise EvaluationError(
            f"{name} has {n_labels} label in its training part, so there is nothing to tell "
            "apart; give texts of two or more"
        )
    if not test.texts:
        raise EvaluationError(
            f"{name} has {len(train):,} texts and none to be tried on; give more of each label"
        )
