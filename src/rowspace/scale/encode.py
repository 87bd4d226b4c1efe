"""`rowspace encode --engine ray`: the shards of a corpus, made by workers of a cluster."""

from __future__ import annotations

from pathlib import Path

from rowspace.scale.cluster import ClusterConfig
from rowspace.sentence.text_encoding import EncodingSettings
from rowspace.space.encoding import EncodingReport
from rowspace.text.corpus import Corpus


def encode_on_ray(
    settings: EncodingSettings,
    corpus: Corpus,
    out: Path,
    *,
    cluster: ClusterConfig,
    resume: bool = False,
) -> EncodingReport:
    """Write what `encode_corpus` would, by the workers of a cluster."""
    raise NotImplementedError
