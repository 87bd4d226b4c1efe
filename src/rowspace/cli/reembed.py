"""`rowspace reembed`: other models for a space that is there."""

from __future__ import annotations

import click

from rowspace.cli.output import emit_json, json_option
from rowspace.cli.search import space_argument
from rowspace.errors import ConfigError
from rowspace.search.space import Space, open_space


@click.command()
@space_argument
@click.option("--model", metavar="DIR|FILE|NAME", help="A sentence encoder, or word vectors.")
@click.option(
    "--name", help="What the model is called in the space.  [default: as the one replaced]"
)
@click.option("--keep", is_flag=True, help="Beside the models there are; `--name` says its name.")
@click.option(
    "--dense-weight",
    type=float,
    help="How much its ranking counts in a hybrid search.  [default: by its kind]",
)
@click.option("--resume", is_flag=True, help="Go on with one that was stopped.")
@click.option("--default", "default", metavar="NAME", help="Make this model the default instead.")
@click.option("--remove", metavar="NAME", help="Remove this model, and its vectors, instead.")
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    help="Seconds to wait for another process that writes.",
)
@json_option
def reembed(
    path: str,
    model: str | None,
    name: str | None,
    keep: bool,
    dense_weight: float | None,
    resume: bool,
    default: str | None,
    remove: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Encode all passages of SPACE with another model, in place of its own or (--keep) beside it.

    Searches and additions go on meanwhile. If it is stopped, the same command with --resume goes
    on where it was. Other models are asked by `rowspace search --model NAME`.
    """
    if [model, default, remove].count(None) != 2:
        raise ConfigError("give one of --model, --default and --remove")
    if keep and name is None:
        raise ConfigError("a model beside the others wants a name; give --name")
    space = open_space(path)
    if model is not None:
        _encode(space, model, name, keep, dense_weight, resume, timeout)
    elif default is not None:
        space.choose_default(default, timeout=timeout)
    else:
        assert remove is not None
        space.remove_model(remove, timeout=timeout)
    if as_json:
        models = {name: state.fingerprint for name, state in space.models.items()}
        emit_json({"models": models, "default": space.default_model})
        return
    for number, (name, state) in enumerate(space.models.items()):
        note = " (the default)" if name == space.default_model else ""
        lead = "models" if number == 0 else ""
        click.echo(f"{lead:<8}{name}{note}: {state.kind}, {state.dim} dimensions")


def _encode(
    space: Space,
    model: str,
    name: str | None,
    keep: bool,
    dense_weight: float | None,
    resume: bool,
    timeout: float,
) -> None:
    try:
        if keep:
            assert name is not None
            space.add_model(name, model, dense_weight=dense_weight, resume=resume, timeout=timeout)
        else:
            space.reembed(
                model, name=name, dense_weight=dense_weight, resume=resume, timeout=timeout
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; add --resume to go on where it stopped") from None
