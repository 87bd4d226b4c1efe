"""Options of the trainers: one for each setting, and where a run reads and writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rowspace.cli.output import json_option
from rowspace.errors import ConfigError

if TYPE_CHECKING:
    from rowspace.scale.cluster import ClusterConfig

Command = TypeVar("Command", bound=Callable[..., Any])


def field_options(
    fields: Iterable[dataclasses.Field[Any]],
    helps: Mapping[str, str],
    choices: Mapping[str, Sequence[str]],
    defaults: Mapping[str, Any],
) -> Callable[[Command], Command]:
    """Add one option for each field of a config; a tuple is given with commas between.

    Parameters
    ----------
    fields : iterable of dataclasses.Field
    helps, choices : mapping
        By the name of a field: what it is, and what it may be.
    defaults : mapping
        Those that are other than the field's own.
    """
    shown = list(fields)

    def add(command: Command) -> Command:
        for field in reversed(shown):
            default = defaults.get(field.name, field.default)
            command = _option(field, default, helps[field.name], choices.get(field.name))(command)
        return command

    return add


def _option(
    field: dataclasses.Field[Any], default: Any, text: str, choices: Sequence[str] | None
) -> Callable[[Command], Command]:
    name = "--" + field.name.replace("_", "-")
    if isinstance(default, bool):
        name = f"{name}/--no-{name[2:]}"
        return click.option(name, default=default, show_default=True, help=text)
    if isinstance(default, tuple):
        parse = whole_numbers if "int" in str(field.type) else _names
        shown = ",".join(map(str, default))
        return click.option(
            name, default=shown, show_default=bool(shown), callback=parse, help=text
        )
    kind: Any = type(default)
    if default is None:
        kind = next(k for k in (float, int, str) if k.__name__ in str(field.type))
    if choices is not None:
        kind = click.Choice(choices)
    if default is None and field.default is not None:
        text += " Chosen by the corpus if not given."
    return click.option(
        name, type=kind, default=default, show_default=default is not None, help=text
    )


def _names(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def whole_numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """A callback of click: whole numbers with commas between; None where nothing was given."""
    if not value:
        return None if value is None else ()
    found = []
    for part in value.split(","):
        if not part.strip().removeprefix("-").isdecimal():
            raise ConfigError(
                f"{parameter.opts[0]} has {part.strip()!r}, which is no number; give whole numbers "
                "with commas between, as 128,256,512"
            )
        found.append(int(part))
    return tuple(found)


def names(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    """A callback of click: names with commas between; None where nothing was given."""
    return None if value is None else _names(context, parameter, value)


def run_options(command: Command, *more: Callable[[Command], Command]) -> Command:
    """The options of every trainer, with `more` of one's own."""
    options: tuple[Callable[[Command], Command], ...] = (
        json_option,
        click.option("--resume", is_flag=True, help="Go on with a run that was interrupted."),
        *more,
        click.option("--out", required=True, type=click.Path(path_type=Path), help="To write."),
        click.argument("corpus", nargs=-1, required=True),
    )
    for option in options:
        command = option(command)
    return command


def shard_option(command: Command) -> Command:
    """Add `--shard i/n`, which reaches the command as (i, n) or None."""
    option = click.option(
        "--shard",
        metavar="I/N",
        callback=_share,
        help="Be the I-th of N processes that make the result together: start each of them with "
        "the same command and its own I, from 1 to N.",
    )
    return option(command)


def _share(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    if value is None:
        return None
    index, _, n = value.partition("/")
    if not (index.isdecimal() and n.isdecimal() and 1 <= int(index) <= int(n)):
        raise ConfigError(
            f"--shard is {value!r}; give which of how many processes this is, as 2/4, from 1 on"
        )
    return int(index), int(n)


def engine_options(command: Command) -> Command:
    """Add `--engine`, `--address` and `--workers`; see `cluster_config`."""
    engine = click.option(
        "--engine",
        type=click.Choice(["ray"]),
        help="What spreads the work over processes or machines; this process alone if not given.",
    )
    address = click.option(
        "--address",
        metavar="HOST:PORT",
        help="With --engine: a cluster that runs, or auto for the one on this machine; one is "
        "started here if not given.",
    )
    workers = click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="With --engine: processes at once; as many as processors if not given.",
    )
    return engine(address(workers(command)))


def cluster_config(
    engine: str | None, address: str | None, workers: int | None, threads: int = 1
) -> ClusterConfig | None:
    """What the options of `engine_options` say; None where this process works alone.

    Raises
    ------
    ConfigError
        If an option is given without --engine.
    """
    if engine is None:
        for name, given in (("--address", address), ("--workers", workers)):
            if given is not None:
                raise ConfigError(f"{name} is for --engine ray; give that too, or leave it out")
        return None
    from rowspace.scale.cluster import ClusterConfig

    return ClusterConfig(address=address, workers=workers, threads=threads)
