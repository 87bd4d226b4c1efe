"""`torchrun` as tests run it: several processes of this machine, ended with the test."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.program import Ran, finish, start


def start_together(
    n: int, *arguments: str | Path, module: str = "rowspace"
) -> subprocess.Popen[str]:
    """Start `module` in n processes, which meet at a free port."""
    options = ("--standalone", "--nproc-per-node", str(n), "-m", module)
    return start(*options, *arguments, module="torch.distributed.run")


def run_together(n: int, *arguments: str | Path, module: str = "rowspace") -> Ran:
    """Run `module` in n processes to its end."""
    return finish(start_together(n, *arguments, module=module))
