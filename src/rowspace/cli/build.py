"""`rowspace build`: the main job."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowspace.cli.corpus import corpus_options, make_corpus
from rowspace.cli.encode_texts import tell_of_cluster, tell_of_shards
from rowspace.cli.index import describe_status
from rowspace.cli.options import cluster_config, engine_options, shard_option
from rowspace.cli.output import emit_json, json_option
from rowspace.cli.train import config_options
from rowspace.errors import ConfigError
from rowspace.search.build import WORD2VEC_DEFAULTS, BuildConfig
from rowspace.search.build import build as build_space
from rowspace.search.build_shards import build_share, is_shared
from rowspace.search.fusion import SENTENCE_DENSE_WEIGHT, SIF_DENSE_WEIGHT
from rowspace.search.space import Space
from rowspace.space.shards import ShardsReport
from rowspace.static.word2vec import Word2VecConfig
from rowspace.storage.address import is_address
from rowspace.text.corpus import Corpus

if TYPE_CHECKING:
    from rowspace.scale.cluster import ClusterConfig

COMMANDLINE = click.core.ParameterSource.COMMANDLINE


@click.command()
@click.argument("corpus", nargs=-1, required=True)
@click.option("--out", required=True,
              help="The space to make: a folder, or an address as s3://BUCKET/NAME.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with a build that was stopped.")
@click.option("--model", metavar="DIR|FILE|NAME",
              help="Word vectors or a sentence encoder to use instead of training.")  # fmt: skip
@click.option("--passage-words", default=120, show_default=True,
              help="The most words in a passage.")  # fmt: skip
@click.option("--language", default="english", show_default=True,
              help="What the text index stems by; `none` for no stemming.")  # fmt: skip
@click.option("--dense-weight", type=float,
              help="How much meaning counts in a hybrid search, beside 1 for words.  [default: "
              f"{SIF_DENSE_WEIGHT}, with a sentence encoder {SENTENCE_DENSE_WEIGHT}]")  # fmt: skip
@config_options(
    Word2VecConfig, with_phrases=False, **WORD2VEC_DEFAULTS, epochs=None, min_count=None
)
@shard_option
@engine_options
@corpus_options
@json_option
@click.pass_context
def build(
    context: click.Context,
    /,
    corpus: tuple[str, ...],
    out: str,
    resume: bool,
    model: str | None,
    passage_words: int,
    language: str,
    dense_weight: float | None,
    documents: str,
    encoding: str,
    errors: str,
    shard: tuple[int, int] | None,
    engine: str | None,
    address: str | None,
    workers: int | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Turn CORPUS (files, folders, or - for stdin) into a space to search and look at.

    Cuts documents into passages, trains word vectors on them or takes a model that is given, and
    stores passages, vectors and a full-text index. If it is stopped, the same command with
    --resume goes on where it was.
    """
    started = time.monotonic()
    given = {name for name in settings if context.get_parameter_source(name) is COMMANDLINE}
    config = BuildConfig(
        word2vec={name: settings[name] for name in given},
        model=model,
        passage_words=passage_words,
        language=None if language == "none" else language,
        dense_weight=dense_weight,
    )
    texts = make_corpus(corpus, documents, encoding, errors)
    cluster = cluster_config(engine, address, workers)
    try:
        space = _build(texts, out, config, resume, shard, cluster)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; add --resume to go on where it stopped") from None
    if isinstance(space, ShardsReport):
        tell_of_shards(space, Path(out), "passages", as_json)
        return
    status = space.status()
    if as_json:
        emit_json({"out": out, **status})
        return
    click.echo(
        f"{status['documents']:,} documents in {status['passages']:,} passages, "
        f"built in {time.monotonic() - started:.0f} s"
    )
    click.echo(f"the index   {describe_status(status)}")
    click.echo(f"the space   {out}")
    if not is_address(out):
        click.echo(f"the report  {Path(out) / 'report.html'}")
    click.echo(f'try         rowspace search {out} "your question"')


def _build(
    corpus: Corpus,
    out: str,
    config: BuildConfig,
    resume: bool,
    share: tuple[int, int] | None,
    cluster: ClusterConfig | None,
) -> Space | ShardsReport:
    """By this process, as one of several, or on a cluster."""
    if is_address(out) and (cluster is not None or share is not None):
        raise ConfigError(
            "--shard and --engine build in a folder; give one as --out, then `rowspace copy` it "
            f"to {out}"
        )
    if cluster is not None:
        if share is not None:
            raise ConfigError("give --shard or --engine, not both")
        from rowspace.scale.build import build_on_ray

        return build_on_ray(
            corpus, Path(out), config=config, cluster=cluster, resume=resume, tell=tell_of_cluster
        )
    if share is None and not (resume and is_shared(Path(out))):
        return build_space(corpus, out, resume=resume, config=config)
    return build_share(corpus, out, config=config, share=share or (1, 1), resume=resume)
