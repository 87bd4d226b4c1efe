"""`rowspace encode --engine ray`: the shards of a corpus, made by workers of a cluster.

Each worker loads the model once and makes shards as `rowspace encode --shard` does; the driver puts
them together. So the files are, byte for byte, those of one process.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rowspace.errors import ClusterError, ConfigError
from rowspace.progress import track
from rowspace.scale.cluster import Cluster, ClusterConfig, connected
from rowspace.scale.pool import Work, run
from rowspace.scale.shared import (
    Tries,
    absolute_corpus,
    absolute_model,
    absolute_shards,
    check_seen,
)
from rowspace.sentence.text_encoding import EncodingSettings, load_encoding
from rowspace.space.encoding import EncodingReport, npy_path, report_of
from rowspace.space.encoding_shards import ShardedRun, begin, encode_shard, merge
from rowspace.space.shards import Shard
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
    work_folder_of(npy_path(out))
    settings = replace(settings, model=absolute_model(settings.model), threads=cluster.threads)
    found = load_encoding(settings, corpus)
    try:
        with connected(cluster) as joined:
            tell(joined.describe())
            sharded = begin(corpus, out, dim=found.dim, identity=found.identity, dtype=found.dtype)
            n_new = _make(joined, settings, corpus, sharded, found.identity, resume)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; add --resume to go on where it stopped") from None
    counts = merge(sharded)
    if counts is None:
        raise ConfigError(f"another process puts together {out}; wait for it")
    return report_of(counts, found.dim, n_new, time.monotonic() - started)


def _make(
    cluster: Cluster,
    settings: EncodingSettings,
    corpus: Corpus,
    sharded: ShardedRun,
    identity: dict[str, Any],
    resume: bool,
) -> int:
    """Have the shards made that are not; tells how many texts were encoded."""
    left = [shard for shard in sharded.shards if sharded.folder.made(shard) is None]
    if not resume and len(left) < len(sharded.shards):
        raise ConfigError(f"{sharded.work} holds shards that are made; add --resume, or remove it")
    tries = Tries(replace(sharded, work=sharded.work.absolute()).folder, left)
    job = _Encode(
        settings, absolute_corpus(corpus), sharded, absolute_shards(left), tries, identity
    )
    n_texts = 0
    with track("encoding", sum(shard.n_bytes for shard in left)) as tracker:
        for number, told in run(cluster, job, [shard.number for shard in left]):
            n_texts += told["texts"]
            tracker.advance(job.shards[number].n_bytes, f"{n_texts:,} texts")
            if told["is_late"]:
                warnings.warn(
                    f"another process has made shard {number + 1} in the meantime; that one is "
                    "kept",
                    stacklevel=2,
                )
    return n_texts


@dataclass(frozen=True)
class _Encode:
    """What workers do."""

    settings: EncodingSettings
    corpus: Corpus
    sharded: ShardedRun
    shards: dict[int, Shard]
    tries: Tries
    identity: dict[str, Any]
    """What decides the driver's vectors."""

    def start(self) -> Work:
        """Load the model, and see that it is the driver's."""
        folder = self.tries.folder
        check_seen(folder.path.parent, self.corpus)
        found = load_encoding(self.settings, self.corpus)
        check_same(self.identity, found.identity)

        def work(number: int) -> dict[str, Any]:
            shard = self.shards[number]
            told = {"texts": 0}
            if not folder.missing([shard]):
                return {**told, "is_late": True}
            self.tries.check(shard)

            def fill(into: Path) -> dict[str, int]:
                counts = encode_shard(found.encode, self.corpus, shard, into, self.sharded.rows)
                told["texts"] = counts["texts"]
                return counts

            with warnings.catch_warnings():  # the driver tells
                warnings.simplefilter("ignore")
                return {"is_late": not folder.make(shard, fill), **told}

        return work


def check_same(driver: dict[str, Any], worker: dict[str, Any]) -> None:
    """Raise ClusterError where something that decides the vectors is another here."""
    for name, value in driver.items():
        if worker.get(name) != value:
            raise ClusterError(
                f"the {name} is {worker.get(name)!r}, and the driver's {value!r}, so the vectors "
                "would not be the same; have the same model, packages and kind of processor on "
                "every node, or give --dtype float32"
            )
