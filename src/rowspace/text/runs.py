"""The work folder of a run that can stop and go on: it knows its settings and its text."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rowspace.errors import ClusterError, ConfigError, RowspaceError, TrainingError
from rowspace.files import remember, write_folder_atomically, write_json
from rowspace.text.corpus import Corpus

SETTINGS = "settings.json"
FILES = "files.json"


def work_folder_of(out: Path) -> Path:
    """The folder beside `out` that a run works in until `out` is there.

    Raises
    ------
    ConfigError
        If `out` is there, or is no name of something to make.
    """
    if out.name in ("", ".."):  # as the current folder, which an empty name is too
        raise ConfigError(f"out is '{out}', which is no name; give the name of what is to be made")
    if out.exists():
        raise ConfigError(f"{out} exists; give another --out, or remove it")
    return out.with_name(out.name + ".training")


def free_work_folder(out: Path, resume: bool) -> Path:
    """As `work_folder_of`, where a run that did not finish is there only to be gone on with.

    Raises
    ------
    ConfigError
        As `work_folder_of`, and if there is a run and `resume` is False.
    """
    work = work_folder_of(out)
    if work.exists() and not resume:
        raise ConfigError(f"{work} holds a run that did not finish; add --resume, or remove it")
    return work


@contextlib.contextmanager
def work_folder(out: Path, resume: bool, learned: tuple[str, ...]) -> Iterator[Path]:
    """The folder beside `out` to work in.

    It stays after an interrupt or the loss of a process, to go on with, and after an error once
    there is something in it that was learned: what matches one of these patterns.
    """
    work = free_work_folder(out, resume)
    is_new = not work.exists()
    try:
        yield work
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; add --resume to go on where it stopped") from None
    except ClusterError:
        raise
    except (RowspaceError, MemoryError) as error:
        if any(any(work.glob(pattern)) for pattern in learned):
            if isinstance(error, TrainingError):
                raise TrainingError(f"{error}; {work} keeps what was saved before") from error
        elif is_new:  # the same again would fail again, and with other settings it cannot go on
            shutil.rmtree(work, ignore_errors=True)
        raise


def remember_run(
    folder: Path,
    corpus: Corpus,
    config: dict[str, Any],
    more: dict[str, Any],
    read: str,
    since: str = "its words were counted",
) -> None:
    """Write down what a run is of, or check that it is the run that is there.

    Parameters
    ----------
    folder : Path
        Made if missing.
    corpus : Corpus
    config : dict
        The settings that decide the result.
    more : dict
        What else does.
    read : str
        The file in the folder that is there once the text has been read, after which the text
        must not change.
    since : str
        What was done then, for the error of a text that has.

    Raises
    ------
    ConfigError
        If the folder holds a run of another text or with other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"corpus": corpus.description(), "config": config, **more}
    if not remember(folder / SETTINGS, settings):
        saved = json.loads((folder / SETTINGS).read_text())
        raise ConfigError(
            f"{folder} holds a run on another corpus or with other settings; give the same "
            f"ones ({_difference(saved, settings)}), or remove it"
        )
    check_files(folder, corpus.sizes(), read, since)


def check_files(folder: Path, sizes: dict[str, int], read: str, since: str) -> None:
    """Write down the sizes of a text, or check that they are the same once it was read.

    Arguments as of `remember_run`; raises ConfigError.
    """
    if not (folder / read).exists():
        write_json(folder / FILES, sizes)
    elif (folder / FILES).exists() and sizes:  # the text may be gone, or have been stdin
        before = json.loads((folder / FILES).read_text())
        changed = sorted(path for path in sizes | before if sizes.get(path) != before.get(path))
        if changed:
            raise ConfigError(
                f"{changed[0]} has changed since {since} for the run in {folder}; put it "
                f"back, or remove {folder} to start anew"
            )


def _difference(saved: Any, given: dict[str, Any]) -> str:
    """The first setting that is another one, and what it was."""
    try:
        before = {**saved, **saved["corpus"], **saved["config"]}
        now = json.loads(json.dumps({**given, **given["corpus"], **given["config"]}))
        names = [name for name in now if name not in ("corpus", "config")]
        name = next(name for name in names if before.get(name) != now[name])
    except (KeyError, TypeError, StopIteration):
        return "it is of another version"
    if name == "sections":
        return "it is of another version"
    if name == "start":
        return "another --start"
    return f"{name} was {json.dumps(before.get(name))}, not {json.dumps(now[name])}"


def readable_twice(corpus: Corpus, work: Path) -> Corpus:
    """A corpus that can be read more than once: what cannot, as stdin, is kept in `work`."""
    once = [path for path, _ in corpus.files() if not path.is_file()]
    if not once:
        return corpus
    kept_as = {path: f"{number}{path.suffix or '.txt'}" for number, path in enumerate(once)}
    kept = work / "corpus"
    if not kept.exists():
        with write_folder_atomically(kept) as folder:
            for path, name in kept_as.items():
                _copy(path, folder / name)
    paths = [kept / kept_as[path] if path in kept_as else path for path, _ in corpus.files()]
    return Corpus(paths, corpus.documents, corpus.encoding, corpus.errors)


def _copy(source: Path, target: Path) -> None:
    with target.open("wb") as writing:
        if str(source) == "-":
            shutil.copyfileobj(sys.stdin.buffer, writing)
        else:
            with source.open("rb") as reading:
                shutil.copyfileobj(reading, writing)
