"""The program with several workers, for tests: which processes there are, and who answers whom."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.program import start

TOKEN = "a-token-of-the-tests"
HEADERS = {"authorization": f"Bearer {TOKEN}"}


@dataclass
class Group:
    """A parent and its workers."""

    parent: subprocess.Popen[str]
    address: str
    folder: Path
    """Where its processes keep what is temporary."""
    space: Path
    """What is served."""

    def workers(self) -> list[int]:
        """Process ids of the workers, the oldest first."""
        pid = self.parent.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return sorted(int(one) for one in children if "spawn_main" in command_line(int(one)))

    def counted(self, name: str) -> float:
        """A number of /metrics."""
        text = httpx.get(f"{self.address}/metrics", headers=HEADERS, timeout=30).text
        lines = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(lines[0].split()[1])

    @contextlib.contextmanager
    def client_of(self, pid: int) -> Iterator[httpx.Client]:
        """A client whose connection one of the workers has taken."""
        others = [one for one in self.workers() if one != pid]
        with httpx.Client(base_url=self.address, headers=HEADERS, timeout=30) as client:
            for other in others:  # they cannot take it
                os.kill(other, signal.SIGSTOP)
            try:
                assert client.get("/health").status_code == 200
            finally:
                for other in others:
                    os.kill(other, signal.SIGCONT)
            yield client


@contextlib.contextmanager
def group(space: Path, folder: Path, *options: str) -> Iterator[Group]:
    """`rowspace serve SPACE --workers 2`, in a process group of its own."""
    temporary = folder / "temporary"
    temporary.mkdir()
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        for name in ("OMP_NUM_THREADS", "PROMETHEUS_MULTIPROC_DIR"):
            patch.delenv(name, raising=False)
        given = ["--port", "0", "--workers", "2", "--token-file", str(token), *options]
        parent = start("serve", space, *given, start_new_session=True)
    try:
        assert parent.stdout is not None
        yield Group(parent, parent.stdout.readline().strip(), temporary, space)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.communicate()


def command_line(pid: int) -> str:
    """What every user of the machine can read of a process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:
        return ""


def is_running(pid: int) -> bool:
    """Whether a process is there, and is not only waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def taken_by(pid: int, clients: list[tuple[str, int]]) -> int:
    """How many of some clients, by their addresses, a process holds the connection of."""
    held = {one.raddr for one in psutil.Process(pid).net_connections("tcp4") if one.raddr}
    return len(held.intersection(clients))
