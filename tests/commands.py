"""Every command of the command line, for the tests of its documentation."""

from __future__ import annotations

import click

from rowspace.cli import cli


def all_commands() -> dict[str, click.Command]:
    """By name; those of a group as "train word2vec", beside the group itself."""
    context = click.Context(cli)
    found: dict[str, click.Command] = {}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": child for sub, child in command.commands.items()}
    return found
