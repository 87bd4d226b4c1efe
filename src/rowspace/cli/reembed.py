"""`rowspace reembed`: another encoder for a space, beside the one it has or in its place."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import click

from rowspace.cli.output import emit_json, json_option
from rowspace.errors import ConfigError
from rowspace.search.fusion import SENTENCE_DENSE_WEIGHT, SIF_DENSE_WEIGHT
from rowspace.search.space import Space, open_space


@click.command()
@click.argument("path", metavar="SPACE")
@click.option("--model", metavar="DIR|FILE|NAME",
              help="A sentence encoder or word vectors to encode all passages with.")  # fmt: skip
@click.option("--name", help="What the model is called in SPACE.  [default: as the one it "
              "replaces; with --keep, as its folder]")  # fmt: skip
@click.option("--keep", is_flag=True,
              help="Keep the model that SPACE has, and add the new one.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with a run that was stopped.")
@click.option("--dense-weight", type=float,
              help="How much meaning counts in a hybrid search, beside 1 for words.  [default: "
              f"{SIF_DENSE_WEIGHT}, with a sentence encoder {SENTENCE_DENSE_WEIGHT}]")  # fmt: skip
@click.option("--default", "default", metavar="NAME",
              help="Only make this model the one that searches take.")  # fmt: skip
@click.option("--remove", metavar="NAME", help="Only remove this model and its vectors.")
@click.option("--timeout", default=60.0, show_default=True,
              help="Seconds to wait for another process that writes.")  # fmt: skip
@json_option
def reembed(
    path: str,
    model: str | None,
    default: str | None,
    remove: str | None,
    timeout: float,
    as_json: bool,
    **settings: Any,
) -> None:
    """Encode all passages of SPACE with another model, in place of its own or beside it.

    SPACE can be searched and added to meanwhile. If it is stopped, the same command with --resume
    goes on where it was. `rowspace search --model NAME` asks a model that is kept beside another.
    """
    if sum(one is not None for one in (model, default, remove)) != 1:
        raise ConfigError("give one of --model, --default and --remove")
    if model is None and any(settings.values()):
        raise ConfigError("--name, --keep, --resume and --dense-weight go with --model alone")
    space = open_space(path)
    started = time.monotonic()
    if model is not None:
        done = _encode(space, model, timeout=timeout, **settings)
    elif default is not None:
        space.choose_default(default, timeout=timeout)
        done = f"{default} is the default"
    else:
        assert remove is not None
        space.remove_model(remove, timeout=timeout)
        done = f"removed {remove}"
    status = space.status()
    if as_json:
        emit_json({"model": status["model"], "models": status["models"]})
        return
    click.echo(f"{done}, {time.monotonic() - started:.0f} s")
    for name, about in status["models"].items():
        mark = " (default)" if name == status["model"] else ""
        click.echo(f"{name}{mark}: {about['encoder']}, {about['dim']} dimensions")


def _encode(space: Space, model: str, *, keep: bool, name: str | None, **settings: Any) -> str:
    try:
        if keep:
            space.add_model(name or _name_of(model), model, **settings)
        else:
            space.reembed(model, name=name, **settings)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; add --resume to go on where it stopped") from None
    return f"{space.status()['passages']:,} passages encoded"


def _name_of(model: str) -> str:
    """A model's name in a space, from its folder, its file or its name on a hub."""
    name = Path(model).resolve().name if Path(model).exists() else Path(model).name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._-")[:64]
