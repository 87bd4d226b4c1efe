"""Runs a page of the documentation: what a reader would type, in order, in one process.

`python -m tests.docs.session docs/guide/search.md` runs a page and shows what each block prints;
`python -m pytest tests/docs -k guide/search` runs it as the tests do.

Python blocks are one session: names persist from block to block. Lines of console blocks are run in
the same folder, those of `rowspace` in the same process. `rowspace serve` and `rowspace explore`
start a server in the background until the page ends, on a free port that takes the place of the one
on the page. Whatever a shell has to do (pipes, `$(…)`, `*`) is done by bash. The notes that a page
may hold are described in `pages.py` and `needs.py`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import select
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tests.docs.needs import prepare
from tests.docs.pages import ROOT, Block, Page, PageError, commands_of, read_page

SERVERS = ("serve", "explore")
SKIPPED = 5
ENDED = "=== ended:"
"""Begins the line that a page's run ends with: its name and its status."""
_START_SECONDS = 60
_DEFAULT_PORT = "8000"
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"$`\\]|\\.)*\"", re.DOTALL)


class Session:
    """A page's run, in the current folder."""

    def __init__(self, page: Page, tools: Path) -> None:
        self.page = page
        self.names: dict[str, Any] = {"__name__": "__page__"}
        self.addresses: dict[str, str] = {}
        self.servers: list[subprocess.Popen[str]] = []
        self.environment = _environment(tools)

    def run(self) -> None:
        """Run all blocks; the first that fails raises."""
        for block in self.page.blocks:
            if block.language == "console" or (block.is_setup and block.code.startswith("$ ")):
                self._run_console(block)
            elif block.language == "python" or block.is_setup:
                self._run_python(block)

    def end(self) -> None:
        """End the servers."""
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            try:
                server.communicate(timeout=_START_SECONDS)
            finally:
                server.kill()

    @contextlib.contextmanager
    def _told(self, line: int, text: str) -> Iterator[None]:
        print(f"--- {self.page.name}:{line} {text}", flush=True)
        start, cpu = time.monotonic(), _cpu_seconds()
        yield
        spent = f"{time.monotonic() - start:.1f} s, {_cpu_seconds() - cpu:.1f} s of the processor"
        print(f"--- {spent}", flush=True)

    def _run_python(self, block: Block) -> None:
        above = "\n" * (block.line - 1)  # so that a traceback names the page's lines
        with self._told(block.line, block.language):
            exec(compile(above + self._addressed(block.code), self.page.path, "exec"), self.names)

    def _run_console(self, block: Block) -> None:
        fails = block.run == "fails"
        added = _Added("" if fails else block.run)
        for line, command in commands_of(block):
            with self._told(line, command):
                self._run_command(command, added, fails)
        added.check()

    def _run_command(self, command: str, added: _Added, fails: bool) -> None:
        one_line = command.replace("\\\n", " ")
        program, *arguments = shlex.split(one_line, comments=True)
        if program != "rowspace" or _wants_shell(command):
            if program == "rowspace" and added.to(arguments) != arguments:
                raise PageError("a shell runs this command, to which no note adds options")
            code = self._run_shell(command)
        elif arguments[0] in SERVERS and not fails:
            code = self._start_server(added.to(arguments))
        else:
            code = _run_program(added.to(arguments))
        sys.stdout.flush()
        if (code != 0) != fails:
            raise AssertionError(f"exit status {code}" + (", but it is meant to fail" * fails))

    def _run_shell(self, command: str) -> int:
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", self._addressed(command)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            check=False,
        ).returncode

    def _start_server(self, arguments: list[str]) -> int:
        shown = arguments[arguments.index("--port") + 1] if "--port" in arguments else _DEFAULT_PORT
        server = subprocess.Popen(
            [sys.executable, "-m", "rowspace", *arguments, "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.servers.append(server)
        assert server.stdout is not None
        ready, _, _ = select.select([server.stdout], [], [], _START_SECONDS)
        line = server.stdout.readline() if ready else ""
        print(line, end="")
        address = re.search(r"http://([\w.:]+:\d+)", line)
        if address is None:
            return server.poll() or 1
        self.addresses[shown] = address[1]
        return 0

    def _addressed(self, text: str) -> str:
        for port, address in self.addresses.items():
            text = re.sub(rf"\b(127\.0\.0\.1|localhost):{port}\b", address, text)
        return text


def _cpu_seconds() -> float:
    """Of this process, and of the programs that it waited for."""
    return sum(os.times()[:4])


class _Added:
    """The options that a note adds to the commands that have them; each has to meet one."""

    def __init__(self, text: str) -> None:
        words = shlex.split(text)
        starts = [i for i, word in enumerate(words) if word.startswith("--")]
        if text and starts[:1] != [0]:
            raise PageError(f"<!-- run: {text} --> is neither options nor `fails`")
        self.options = [words[i:j] for i, j in itertools.pairwise([*starts, len(words)])]
        self.unused = {option[0] for option in self.options}

    def to(self, arguments: list[str]) -> list[str]:
        known = _options_of(arguments)
        mine = [option for option in self.options if option[0] in known]
        self.unused -= {option[0] for option in mine}
        return arguments + [word for option in mine for word in option]

    def check(self) -> None:
        if self.unused:
            raise PageError(f"no command of the block has {', '.join(sorted(self.unused))}")


def _options_of(arguments: list[str]) -> set[str]:
    from rowspace.cli import cli

    context = cli.make_context("rowspace", [], resilient_parsing=True)
    words = iter(arguments)
    while isinstance(context.command, click.Group):
        command = context.command.get_command(context, next(words, ""))
        if command is None:
            return set()
        context = command.make_context(None, list(arguments), resilient_parsing=True)
    return {name for each in context.command.params for name in each.opts}


def _run_program(arguments: list[str]) -> int:
    from rowspace.cli import main

    sys.argv = ["rowspace", *arguments]
    try:
        main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def _wants_shell(command: str) -> bool:
    bare = _QUOTED.sub("", command)
    return re.search(r"[|<>&;*$`]", re.sub(r"\s#.*", "", bare)) is not None


def _environment(tools: Path) -> dict[str, str]:
    """For shells: `rowspace` on the path, and a curl that fails where the server refuses."""
    program = tools / "rowspace"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m rowspace "$@"\n')
    program.chmod(0o755)
    (tools / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    path = f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return os.environ | {"PATH": path, "CURL_HOME": str(tools)}


def run_page(path: Path) -> int:
    """Run a page in a folder of its own; its exit status, `SKIPPED` if it lacks what it needs."""
    page = read_page(path.resolve())
    with tempfile.TemporaryDirectory() as temporary:
        folder, tools = Path(temporary, "page"), Path(temporary, "tools")
        folder.mkdir()
        tools.mkdir()
        try:
            prepare(page, folder)
        except pytest.skip.Exception as skipped:
            print(f"--- {page.name} is skipped: {skipped}")
            return SKIPPED
        except Exception:
            traceback.print_exc()
            return 1
        os.chdir(folder)
        session = Session(page, tools)
        try:
            session.run()
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            session.end()
            os.chdir("/")
    return 0


def _main(paths: list[Path]) -> int:
    codes = set()
    for path in [path.resolve() for path in paths]:
        code = run_page(path)
        sys.stderr.flush()
        print(f"{ENDED} {path.relative_to(ROOT)} {code}", flush=True)
        codes.add(code)
    return 1 if 1 in codes else min(codes, default=0)


if __name__ == "__main__":
    sys.exit(_main([Path(path) for path in sys.argv[1:]]))
