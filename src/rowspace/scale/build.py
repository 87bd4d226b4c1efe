"""`rowspace build --engine ray`: a space whose shards are made by workers of a cluster."""

from __future__ import annotations

from pathlib import Path

from rowspace.scale.cluster import ClusterConfig
from rowspace.search.build import BuildConfig
from rowspace.search.space import Space
from rowspace.text.corpus import Corpus


def build_on_ray(
    corpus: Corpus,
    out: Path,
    *,
    config: BuildConfig,
    cluster: ClusterConfig,
    resume: bool = False,
) -> Space:
    """Make the space that `build` would, by the workers of a cluster."""
    raise NotImplementedError
