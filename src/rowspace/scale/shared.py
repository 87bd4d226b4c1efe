"""What the driver and the workers of a cluster both see: files, under names that mean one thing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from rowspace.errors import ClusterError
from rowspace.space.shards import Shard
from rowspace.storage.files import file_path
from rowspace.text.corpus import Corpus


def absolute_corpus(corpus: Corpus) -> Corpus:
    """A corpus whose relative paths are spelled out, as a worker runs in another folder."""
    paths = [file_path(path).absolute() for path in corpus.description()["paths"]]
    return dataclasses.replace(corpus, paths=paths, skipped=[])


def absolute_shards(shards: Iterable[Shard]) -> dict[int, Shard]:
    """Shards by number, with the files' paths spelled out."""
    return {shard.number: _absolute(shard) for shard in shards}


def _absolute(shard: Shard) -> Shard:
    sections = tuple(
        dataclasses.replace(
            section,
            parts=tuple(
                dataclasses.replace(part, path=part.path.absolute()) for part in section.parts
            ),
        )
        for section in shard.sections
    )
    return dataclasses.replace(shard, sections=sections)


def absolute_model(model: str) -> str:
    """A model's path spelled out; a name on the hub stays as it is."""
    return str(Path(model).absolute()) if Path(model).exists() else model


def check_seen(work: Path, corpus: Corpus) -> None:
    """See in a worker that the work folder and the corpus are the driver's.

    Raises
    ------
    ClusterError
        If one is not there.
    """
    if not work.is_dir():
        raise ClusterError(
            f"there is no folder {work}; give an --out in a folder that all nodes see"
        )
    for path in corpus.description()["paths"]:
        if not file_path(path).exists():
            raise ClusterError(f"there is no {path}; put the corpus where all nodes see it")
