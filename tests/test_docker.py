"""The image is not built here: its files are read, and its command is run as it would be there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rowspace
from tests.dockerfile import Instruction, is_sent, read_stages

ROOT = Path(__file__).resolve().parents[1]
BUILD, FINAL = read_stages(ROOT / "Dockerfile")
NOBODY = "65534"
TOKEN = "a-token-of-the-tests"


def of(stage: list[Instruction], name: str) -> list[Instruction]:
    return [instruction for instruction in stage if instruction.name == name]


def environment() -> dict[str, str]:
    """What the last stage sets, all of it together."""
    return {key: value for one in of(FINAL, "ENV") for key, value in one.settings.items()}


def test_what_is_copied_is_there_and_is_sent() -> None:
    copied = [name for one in of(BUILD, "COPY") for name in one.text.split()[:-1]]
    assert {"src", "pyproject.toml", "examples"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name
        assert is_sent(ROOT / ".dockerignore", name), name
    for name in ("tests/data.py", ".git/config", "docs.space/space.json", "token"):
        assert not is_sent(ROOT / ".dockerignore", name)
    assert not is_sent(ROOT / ".dockerignore", "src/rowspace/__pycache__/files.pyc")


def test_what_the_wheel_is_made_of_is_copied() -> None:
    copied = " ".join(one.text for one in of(BUILD, "COPY"))
    for name in re.findall(r'^"(\S+?)/\S+" = "rowspace/', _pyproject(), re.MULTILINE):
        assert name in copied
    for name in ("README.md", "LICENSE"):
        assert name in copied


def _pyproject() -> str:
    return (ROOT / "pyproject.toml").read_text()


def test_both_stages_are_the_same_slim_python_by_its_tag() -> None:
    images = [stage[0].text.split()[0] for stage in (BUILD, FINAL)]
    assert images == ["python:3.11-slim"] * 2
    installs = [one.text for one in of(BUILD, "RUN") if "pip install" in one.text]
    assert all("--require-hashes" in text or "--no-index" in text for text in installs)


def test_it_does_not_run_as_root_and_is_signalled_itself() -> None:
    assert of(FINAL, "USER")[-1].text == "10001:10001"
    names = [instruction.name for instruction in FINAL]
    assert names.index("RUN") < names.index("USER") < names.index("ENTRYPOINT")
    assert of(FINAL, "ENTRYPOINT")[0].list == ["rowspace"]  # no shell between it and SIGTERM
    assert of(FINAL, "STOPSIGNAL")[0].text == "SIGTERM"
    assert environment()["PYTHONUNBUFFERED"] == "1"
    assert json.loads(of(FINAL, "VOLUME")[0].text) == ["/space", "/cache"]


def test_compose_gives_it_the_token_where_the_command_looks_and_time_to_end() -> None:
    text = (ROOT / "compose.yaml").read_text()
    command = of(FINAL, "CMD")[0].list
    secret = Path(command[command.index("--token-file") + 1])
    assert secret.parent == Path("/run/secrets")
    assert f"secrets: [{secret.name}]" in text
    assert "read_only: true" in text
    grace = re.search(r"stop_grace_period: (\d+)s", text)
    assert grace is not None
    assert int(grace[1]) > 20  # the server's `drain`


@pytest.fixture
def places() -> Iterator[Path]:
    """A folder with `space`, `cache` and `token`, which are the user's, as the command finds them.

    Not pytest's own folder, which other users cannot enter.
    """
    folder = Path(tempfile.mkdtemp(prefix="rowspace-docker-"))
    folder.chmod(0o755)
    corpus = [f"Heat flows from hot to cold, case {i}.\n\nLakes shrink." for i in range(20)]
    (folder / "corpus.txt").write_text("\n\n".join(corpus))
    rowspace.build(
        folder / "corpus.txt",
        out=folder / "space",
        word2vec={"dim": 8, "epochs": 1, "min_count": 2, "n_threads": 1},
    )
    (folder / "cache").mkdir()
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    if as_nobody():
        for path in [folder / "cache", folder / "token", *folder.glob("space/**/*")]:
            os.chown(path, int(NOBODY), int(NOBODY))
        os.chown(folder / "space", int(NOBODY), int(NOBODY))
    yield folder
    shutil.rmtree(folder)


def as_nobody() -> list[str]:
    """What runs a command as another user where this is root: it may read all, and write nothing.

    (It must read Python's own files, which are root's on some machines.)
    """
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    drop += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    if os.getuid() or shutil.which("setpriv") is None:
        return []
    works = subprocess.run([*drop, "true"], capture_output=True, check=False).returncode == 0
    return drop if works else []


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.slow
def test_the_command_serves_a_space_and_its_health_is_checked(places: Path) -> None:
    port = free_port()
    here = {"/space": str(places / "space"), "/run/secrets/token": str(places / "token")}
    settings = {
        key: re.sub("^/cache", str(places / "cache"), value)
        for key, value in environment().items()
        if key != "PATH"
    }
    settings |= {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src")}
    del settings["HOME"]  # as where nobody has said it
    here |= {"0.0.0.0": "127.0.0.1"}  # the tests open no port to others
    command = [here.get(word, word) for word in of(FINAL, "CMD")[0].list]
    process = subprocess.Popen(
        [*as_nobody(), sys.executable, "-m", "rowspace", *command, "--port", str(port)],
        cwd="/",
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()  # at once, as nothing is held back
        assert said == f"http://127.0.0.1:{port}\n", process.communicate(timeout=20)
        check = of(FINAL, "HEALTHCHECK")[0].list
        code = check[2].replace(":8000", f":{port}")
        subprocess.run([sys.executable, check[1], code], check=True, timeout=20)
        assert _search(port, TOKEN)["hits"][0]["text"].startswith("Heat")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            _search(port, "wrong")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
    finally:
        process.kill()
        process.wait()


def _search(port: int, token: str) -> dict[str, Any]:
    """What the server finds for a query, with a token."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/search",
        data=json.dumps({"query": "heat flows", "k": 1}).encode(),
        headers={"content-type": "application/json", "authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)["data"][0]
    return found
