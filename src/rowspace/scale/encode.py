"""`rowspace encode --engine ray`: the shards of a corpus, made by workers of a cluster.

Each worker loads the model once and makes shards as `rowspace encode --shard` does; the driver puts
them together. So the files are, byte for byte, those of one process.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rowspace.errors import ConfigError, RowspaceError
from rowspace.scale.cluster import ClusterConfig, connected
from rowspace.scale.pool import Work
from rowspace.scale.shards import Tries, check_same, make_shards
from rowspace.scale.shared import absolute_corpus, absolute_model, absolute_shards, check_seen
from rowspace.sentence.text_encoding import EncodingSettings, load_encoding
from rowspace.space.encoding import EncodingReport, npy_path, report_of
from rowspace.space.encoding_shards import begin, encode_shard, merge
from rowspace.space.growing import Rows
from rowspace.space.shards import Shard, ShardFolder
from rowspace.text.corpus import Corpus
from rowspace.text.runs import work_folder_of


def encode_on_ray(
    settings: EncodingSettings,
    corpus: Corpus,
    out: Path,
    *,
    cluster: ClusterConfig,
    resume: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> EncodingReport:
    """Write what `encode_corpus` would, byte for byte, by the workers of a Ray cluster.

    Parameters
    ----------
    settings : EncodingSettings
        Which model encodes, and how. Its threads are those of the cluster's settings.
    corpus : Corpus
        Seen by all nodes under the same paths.
    out : Path
        Ends in .npy, in a folder that all nodes see.
    cluster : ClusterConfig
    resume : bool
        Go on with the shards that are not made yet.
    tell : callable
        Gets a line about the cluster when it is joined.

    Raises
    ------
    ConfigError
        As `encode_corpus`.
    ClusterError
        If the cluster cannot be joined, a node does not see the files or has another model, or
        a shard ends its worker again and again.
    """
    started = time.monotonic()
    is_new = not work_folder_of(npy_path(out)).exists()
    settings = replace(settings, model=absolute_model(settings.model), threads=cluster.threads)
    found = load_encoding(settings, corpus)
    sharded = begin(corpus, out, dim=found.dim, identity=found.identity, dtype=found.dtype)
    left = [shard for shard in sharded.shards if sharded.folder.made(shard) is None]
    if not resume and len(left) < len(sharded.shards):
        raise ConfigError(f"{sharded.work} holds shards that are made; add --resume, or remove it")
    folder = ShardFolder(sharded.folder.path.absolute())
    job = EncodeJob(
        settings=settings,
        corpus=absolute_corpus(corpus),
        rows=sharded.rows,
        shards=absolute_shards(left),
        tries=Tries(folder, left),
        identity=found.identity,
    )
    try:
        with connected(cluster) as joined:
            tell(joined.describe())
            n_new = make_shards(joined, job, "texts")
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; add --resume to go on where it stopped") from None
    except RowspaceError:
        if is_new and not folder.path.exists():  # nothing that a second try could go on with
            shutil.rmtree(sharded.work)
        raise
    counts = merge(sharded)
    if counts is None:
        raise ConfigError(f"another process puts together {out}; wait for it")
    return report_of(counts, found.dim, n_new, time.monotonic() - started)


@dataclass(frozen=True, kw_only=True)
class EncodeJob:
    """What the workers do; all paths are absolute."""

    settings: EncodingSettings
    corpus: Corpus
    rows: Rows
    shards: dict[int, Shard]
    tries: Tries
    identity: dict[str, Any]
    """What decides the driver's vectors."""

    def start(self) -> Work:
        """Load the model, and see that it is the driver's."""
        check_seen(self.tries.folder.path.parent, self.corpus)
        found = load_encoding(self.settings, self.corpus)
        check_same(self.identity, found.identity)

        def work(number: int) -> dict[str, Any]:
            shard = self.shards[number]
            return self.tries.make(
                shard, lambda into: encode_shard(found.encode, self.corpus, shard, into, self.rows)
            )

        return work
