"""Models of any era to contenders: told by their files, loaded when they are first asked.

A transformer that nobody made into an embedder has no way of its own to read a text, so it is
read in several unless one is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from rowspace.evaluate.compare.models_contender import ModelContender, SharedModel
from rowspace.evaluate.compare.models_files import digest, disk_bytes
from rowspace.evaluate.compare.models_kinds import Identity
from rowspace.evaluate.compare.models_mapped import FitSample
from rowspace.evaluate.compare.models_remote import RemoteModel
from rowspace.evaluate.compare.models_shared import SharedEncoder
from rowspace.evaluate.compare.models_texts import TableModel, TransformerModel
from rowspace.evaluate.compare.models_wanted import Wanted, all_wanted
from rowspace.evaluate.compare.models_words import WordModel
from rowspace.evaluate.compare.spec import Spec, parse_spec
from rowspace.sentence.prompts import Prompts


def open_contenders(
    specs: Iterable[Spec | str],
    fit_texts: Iterable[str] | Callable[[], Iterable[str]] = (),
    *,
    keeps_remote: bool = True,
    remembers: bool = True,
) -> list[ModelContender]:
    """Make the contenders of a comparison, without loading any of them.

    Parameters
    ----------
    specs : iterable of Spec or str
        As `parse_spec` reads them. A transformer without a reading becomes several contenders.
    fit_texts : iterable of str, or callable that gives it
        What whitening and all-but-the-top are fitted to: at most 5,000 of them, spread evenly. It
        is read when the first of them is needed.
    keeps_remote : bool
        Whether vectors that a server gave are kept in the user's cache.
    remembers : bool
        Whether the vectors of the last texts are kept in memory, so that rows of one model read
        each text once; not where it is timed.

    Raises
    ------
    ConfigError
        If a model cannot be read as is asked for, or two are called the same.
    FormatError
        If there is no such model.

    Examples
    --------
    >>> [one.name for one in open_contenders(["models/minilm", "CLS=models/minilm@cls"])]
    ['minilm', 'CLS']
    """
    parsed = [parse_spec(spec) if isinstance(spec, str) else spec for spec in specs]
    wanted, sample = all_wanted(parsed), FitSample(fit_texts)
    groups: dict[tuple[Any, ...], list[Wanted]] = {}
    for one in wanted:
        groups.setdefault(one.group, []).append(one)
    made = {
        contender.name: contender
        for members in groups.values()
        for contender in _open_group(members, sample, keeps_remote, remembers)
    }
    return [made[one.name] for one in wanted]


def _open_group(
    members: list[Wanted], sample: FitSample, keeps: bool, remembers: bool
) -> list[ModelContender]:
    """The contenders that share one model."""
    first = members[0]
    poolings = [one.reading.pooling or "" for one in members]
    shared = (
        _open_remote(first.spec, keeps, remembers)
        if first.identity is None
        else _open_local(first.identity, first.spec.model, poolings, remembers)
    )
    shared.users = {one.name for one in members}
    size = None if first.identity is None else disk_bytes(first.identity.path)
    return [_contender(one, shared, sample, size) for one in members]


def _contender(
    one: Wanted, shared: SharedModel, sample: FitSample, disk_bytes: int | None
) -> ModelContender:
    read_as, identity = one.reading.pooling or "", one.identity
    # A transformer's poolings are parts of one encoder's vectors.
    places = getattr(shared.model, "poolings", ()) or (read_as,)
    return ModelContender(
        name=one.name,
        spec=one.exact_spec,
        era="remote" if identity is None else identity.era,
        kind=one.kind,
        can_generate=identity is not None and identity.can_generate,
        disk_bytes=disk_bytes,
        shared=shared,
        texts=shared.encoders.get(read_as) or shared.encoders[""],
        read_as=read_as,
        step=one.reading.step,
        place=places.index(read_as),
        n_places=len(places),
        sample=sample,
    )


def _open_remote(spec: Spec, keeps: bool, remembers: bool) -> SharedModel:
    assert spec.remote is not None, "a model that is told by its files is opened by them"
    url, name = spec.remote
    model = RemoteModel(url, name, is_kept=keeps)
    encoder = SharedEncoder(model.load_encoder, remembers=remembers)
    return SharedModel(model, lambda: ["remote", url, name, model.version], {"": encoder})


def _open_local(
    identity: Identity, source: str, poolings: list[str], remembers: bool
) -> SharedModel:
    """A model of files; `poolings` are those of its readings, one of each."""
    path, form, different = identity.path, identity.form, tuple(dict.fromkeys(poolings))
    prompts = Prompts.of({}, source).as_dict()
    model: WordModel | TableModel | TransformerModel
    if form == "words":
        words = model = WordModel(path)
        encoders = {
            average: SharedEncoder(
                functools.partial(words.load_encoder, average), remembers=remembers
            )
            for average in different
        }
    else:
        if form == "table":
            model = TableModel(path)
        else:
            model = TransformerModel(source, path, different if form == "transformer" else ())
        encoders = {"": SharedEncoder(model.load_encoder, remembers=remembers)}
    return SharedModel(model, lambda: [form, digest(path), prompts], encoders)
