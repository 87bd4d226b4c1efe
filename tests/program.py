"""The `rowspace` program as tests run it: as a process of its own, or `main` in this one.

`python -m tests.program ACTION TARGET N ARGUMENT...` runs it until TARGET (`module:name`) is called
for the N-th time. Then it kills itself (`die`), or says so and waits for a signal (`wait`).
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Ran:
    """What a run of the program left behind."""

    code: int
    out: str
    err: str

    def error(self) -> str:
        """The one line that an expected error prints, without the program's name."""
        assert self.code == 1, self
        assert self.err.startswith("rowspace: "), self
        assert self.err.endswith("\n"), self
        assert self.err.count("\n") == 1, self
        return self.err.removeprefix("rowspace: ").rstrip("\n")


RunMain = Callable[..., Ran]


def start(
    *arguments: str | Path, module: str = "rowspace", stderr: Any = subprocess.PIPE, **options: Any
) -> subprocess.Popen[str]:
    # Python's own files are compiled once, as on any machine, whatever runs the tests says.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env=environment | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
        **options,
    )


def finish(process: subprocess.Popen[str], stdin: str | None = None) -> Ran:
    out, err = process.communicate(stdin, timeout=120)
    return Ran(process.returncode, out, err)


def run_until_death(moment: str, n: int, *arguments: str | Path) -> None:
    """Run the program until the n-th call of `moment`, where SIGKILL meets it."""
    ran = finish(start("die", moment, str(n), *arguments, module="tests.program"))
    assert ran.code == -signal.SIGKILL, ran


def start_and_wait(moment: str, n: int, *arguments: str | Path) -> subprocess.Popen[str]:
    """Run the program; returns when it calls `moment` for the n-th time and waits for a signal."""
    process = start("wait", moment, str(n), *arguments, module="tests.program")
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n", finish(process)
    return process


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _waiting() -> Callable[[], None]:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)

    def wait() -> None:
        os.write(1, b"waiting\n")  # whole, where several processes write to one pipe
        os.read(reader, 1)

    return wait


def _act_at(target: str, n: int, act: Callable[[], None]) -> None:
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    original = getattr(owner, name)
    calls = itertools.count(1)

    @functools.wraps(original)
    def acting(*arguments: Any, **named: Any) -> Any:
        if next(calls) == n:
            act()
        return original(*arguments, **named)

    setattr(owner, name, acting)


if __name__ == "__main__":
    from rowspace.cli import main

    action, target, n = sys.argv[1:4]
    _act_at(target, int(n), _die if action == "die" else _waiting())
    sys.argv = ["rowspace", *sys.argv[4:]]
    main()
