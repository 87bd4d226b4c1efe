"""`rowspace serve` and `rowspace explore`."""

from __future__ import annotations

import os
import stat
import threading
import warnings
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from rowspace.errors import ConfigError
from rowspace.explore.extrapolation import read_extrapolation
from rowspace.explore.subject import open_subject
from rowspace.serve.config import ServeConfig
from rowspace.serve.run import listen
from rowspace.serve.run import serve as run_server
from rowspace.serve.served import Served, load_served
from rowspace.serve.workers import serve_workers

TOKEN_VARIABLE = "ROWSPACE_TOKEN"  # noqa: S105
"""Where the token is where no file is given: on a command line all users of a machine see it."""
_MAX_TOKEN = 4096

FC = TypeVar("FC", bound=Callable[..., Any])
_defaults = ServeConfig()


def _address_options(command: FC) -> FC:
    """Add `--port` and `--token-file`."""
    port = click.option(
        "--port", default=_defaults.port, show_default=True, help="0 takes a free one."
    )
    token = click.option(
        "--token-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Whose one line clients must send as `Authorization: Bearer`.  [default: the "
        f"variable {TOKEN_VARIABLE}, if set]",
    )
    return port(token(command))


@click.command()
@click.argument("path", metavar="SPACE")
@click.option(
    "--host",
    default=_defaults.host,
    show_default=True,
    help="The address to listen to; any but a loopback one needs a token.",
)
@_address_options
@click.option("--rerank", metavar="MODEL", help="A cross-encoder for /v1/rerank.")
@click.option("--name", help="What the model is called.  [default: as the folder, or in the space]")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name by which the server may be called too, as of a proxy; may be repeated.",
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="A site whose pages may call it, as https://example.org; may be repeated.",
)
@click.option("--no-explorer", is_flag=True, help="Leave out the pages at /explore/.")
@click.option(
    "--queue-tokens",
    default=_defaults.queue_tokens,
    show_default=True,
    help="How many tokens may wait; what is beyond is refused.",
)
@click.option(
    "--deadline",
    default=_defaults.deadline,
    show_default=True,
    help="Seconds after which a request that still waits is given up.",
)
@click.option("--log", is_flag=True, help="Write a line about each request to stderr.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Processes that answer, each with its share of the cores; without the explorer.",
)
def serve(
    path: str,
    rerank: str | None,
    name: str | None,
    token_file: Path | None,
    no_explorer: bool,
    workers: int,
    **options: Any,
) -> None:
    """Answer requests by SPACE, as OpenAI's server does, and show it at /explore/.

    SPACE is a space, or the folder of an encoder.
    """
    config = ServeConfig(token=read_token(token_file), explorer=not no_explorer, **options)
    if workers > 1 and config.explorer:
        click.echo(
            "rowspace: the explorer is left out, which works in one process; --no-explorer says "
            "so, and `rowspace explore` shows the space",
            err=True,
        )
    with listen(config) as listener:
        if workers > 1:
            serve_workers(path, workers, config, listener, click.echo, rerank=rerank, name=name)
            return
        served = load_served(path, rerank)
        if name is not None:
            served.name = name
        if served.space is not None and config.explorer:
            served.subjects = [open_subject(path, served.space)]
        run_server(served, config, listener, click.echo)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="SPACE [OTHER]")
@_address_options
@click.option("--open/--no-open", "opens", default=False, help="Open a browser.  [default: no]")
@click.option(
    "--extrapolation",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="What `rowspace extrapolate` found, to show among the positions.  [default: the folder "
    "extrapolation in SPACE, if there is one]",
)
def explore(
    paths: tuple[str, ...],
    port: int,
    token_file: Path | None,
    opens: bool,
    extrapolation: Path | None,
) -> None:
    """Show SPACE in the browser: a map, neighbours, analogies; with OTHER, compare the two."""
    if len(paths) > 2:
        raise ConfigError(f"{len(paths)} paths are given; give one, or two that are compared")
    config = ServeConfig(port=port, token=read_token(token_file))

    def started(address: str) -> None:
        page = f"{address}/explore/"
        click.echo(page)
        if opens:  # a browser that is slow to start does not keep the server
            threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()

    with listen(config) as listener:
        subjects = [open_subject(path) for path in paths]
        first = subjects[0]
        if extrapolation is not None:
            read_extrapolation(extrapolation)  # says now what is amiss with it
            first.extrapolation = extrapolation
        served = Served(first.name, first.path, first.space, subjects=subjects)
        run_server(served, config, listener, started)


def read_token(file: Path | None) -> str | None:
    """The token that clients must send; None if there is none.

    Parameters
    ----------
    file : Path or None
        Of one line; without one, the variable ROWSPACE_TOKEN is taken.

    Raises
    ------
    ConfigError
        If it is empty, or no text.
    """
    if file is None:
        if TOKEN_VARIABLE not in os.environ:
            return None
        return _one_line(os.environ[TOKEN_VARIABLE], f"the variable {TOKEN_VARIABLE}")
    mode = file.stat().st_mode
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        warnings.warn(
            f"other users may read or write the token in {file}; run: chmod 600 {file}",
            stacklevel=2,
        )
    with file.open("rb") as stream:
        data = stream.read(_MAX_TOKEN + 1)
    try:
        return _one_line(data.decode(), str(file))
    except UnicodeDecodeError as error:
        raise ConfigError(f"the token in {file} is no UTF-8; give one line of text") from error


def _one_line(text: str, where: str) -> str:
    token = text.strip()
    if not token:
        raise ConfigError(f"there is no token in {where}; write one, as of `openssl rand -hex 32`")
    if len(text) > _MAX_TOKEN:
        raise ConfigError(f"the token in {where} has more than {_MAX_TOKEN:,} bytes; give one line")
    return token
