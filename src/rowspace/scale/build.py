"""`rowspace build --engine ray`: a space whose shards are made by workers of a cluster.

A worker cuts and encodes a shard's passages and writes them as fragments of the store, where no
reader sees them. The driver, when all shards are made, publishes the fragments in the corpus's
order, indexes them and commits the space. Rows and vectors are those of one process, bit for bit;
they are in more files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from rowspace.errors import RowspaceError, SpaceError
from rowspace.scale.cluster import ClusterConfig, connected
from rowspace.scale.pool import Work
from rowspace.scale.shards import Tries, check_same, make_shards
from rowspace.scale.shared import absolute_corpus, absolute_shards, check_seen
from rowspace.search.build import READ, BuildConfig
from rowspace.search.build_shards import (
    SharedBuild,
    begin,
    encoder_identity,
    put_passages_together,
    staged_shard,
)
from rowspace.search.fields import Field
from rowspace.search.fragments import commit_fragments, fault, need_lance, write_fragments
from rowspace.search.model_state import DEFAULT_MODEL
from rowspace.search.reading import Reading
from rowspace.search.space import Space
from rowspace.search.store import Store, base_schema, to_batch
from rowspace.search.writer import Models, row_schema
from rowspace.space.shards import Made, Shard, ShardFolder, merging
from rowspace.text.corpus import Corpus

_VECTOR = "vector"
"""The column of the first model of a space."""


def build_on_ray(
    corpus: Corpus,
    out: Path,
    *,
    config: BuildConfig,
    cluster: ClusterConfig,
    resume: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Space:
    """Make the space that `build` would, by the workers of a Ray cluster.

    Parameters
    ----------
    corpus : Corpus
        Seen by all nodes under the same paths.
    out : Path
        The space's folder, which all nodes see.
    config : BuildConfig
        With a sentence encoder as its model.
    cluster : ClusterConfig
    resume : bool
        Go on with the shards that are not made yet.
    tell : callable
        Gets a line about the cluster when it is joined.

    Raises
    ------
    ConfigError
        If the model is no sentence encoder.
    CorpusError, SpaceError
        As `build`.
    ClusterError
        If the cluster cannot be joined, a node does not see the files or has another runtime, or
        a shard ends its worker again and again.
    """
    need_lance()
    is_new, is_first = not out.exists(), not (out / ".build").exists()
    shared = begin(corpus, out, config, engine="ray")
    left = [shard for shard in shared.shards if _made(shared, shard) is None]
    if not resume and len(left) < len(shared.shards):
        raise SpaceError(
            f"{out} holds a build that did not finish; add --resume to go on with it, or remove "
            "the folder to start anew"
        )
    job = _job(shared, left, cluster.threads)
    try:
        with connected(cluster) as joined:
            tell(joined.describe())
            make_shards(joined, job, "passages")
    except RowspaceError:
        if is_first and not job.tries.folder.path.exists():
            shared.build.clear(is_new=is_new)  # nothing that a second try could go on with
        raise
    return _finish(shared)


def _job(shared: SharedBuild, shards: Iterable[Shard], threads: int) -> BuildJob:
    build, to_make = shared.build, absolute_shards(shards)
    return BuildJob(
        space=build.out.absolute(),
        corpus=absolute_corpus(build.corpus),
        max_words=build.config.passage_words,
        threads=threads,
        shards=to_make,
        tries=Tries(ShardFolder(shared.folder.path.absolute()), to_make.values()),
        identity=encoder_identity(shared.encoder),
    )


def _made(shared: SharedBuild, shard: Shard) -> Made | None:
    """What was made of a shard, if its fragments are whole too."""
    store = shared.build.out / "store"
    return shared.folder.made(shard, lambda told: fault(store, told["fragments"]))


@dataclass(frozen=True, kw_only=True)
class BuildJob:
    """What the workers do; all paths are absolute."""

    space: Path
    corpus: Corpus
    max_words: int
    threads: int
    shards: dict[int, Shard]
    tries: Tries
    identity: dict[str, Any]
    """What decides the driver's vectors."""

    def start(self) -> Work:
        """Load the space's copy of the model, and see that it runs as the driver's."""
        from rowspace.sentence.loading import load_encoder

        check_seen(self.space / ".build", self.corpus)
        need_lance()
        encoder = load_encoder(self.space / "model", threads=self.threads)
        check_same(self.identity, encoder_identity(encoder))
        schema = base_schema({_VECTOR: encoder.dim})

        def fill(shard: Shard, folder: Path) -> dict[str, Any]:
            reading = Reading()

            def batches() -> Iterator[pa.RecordBatch]:
                for passages, vectors in staged_shard(
                    encoder, self.corpus, shard, self.max_words, folder, reading
                ):
                    yield to_batch(passages, {_VECTOR: vectors})

            fragments = write_fragments(self.space / "store", schema, batches())
            return {
                "passages": reading.report.n_passages,
                "truncated": reading.n_truncated,
                "fragments": fragments,
            }

        def work(number: int) -> dict[str, Any]:
            shard = self.shards[number]
            return self.tries.make(shard, partial(fill, shard))

        return work


def _finish(shared: SharedBuild) -> Space:
    """Publish what the workers wrote."""
    build = shared.build
    with merging(build.work) as is_mine:
        if not is_mine:
            raise SpaceError(f"another process makes {build.out} of the shards; wait for it")
        made = [one for shard in shared.shards if (one := _made(shared, shard)) is not None]
        if len(made) < len(shared.shards):
            raise SpaceError(f"shards of {build.out} were altered; add --resume to make them again")
        if not (build.work / READ).exists():
            build.finish_reading(put_passages_together(build, made))
        fragments = [piece for one in made for piece in one.told["fragments"]]

        def fill(models: Models, fields: Mapping[str, Field]) -> Store:
            assert models[DEFAULT_MODEL].column == _VECTOR
            schema = row_schema(models, {})
            return commit_fragments(build.out / "store", schema, fragments, fields)

        space = build.run_with_store(fill, sum(one.told["truncated"] for one in made))
        build.end()
    return space
