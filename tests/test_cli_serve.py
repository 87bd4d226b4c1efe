from __future__ import annotations

import json
import signal
import subprocess
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path
from typing import Any

import click
import pytest

from rowspace.cli import serve as cli
from rowspace.cli.serve import TOKEN_VARIABLE, read_token
from rowspace.errors import ConfigError
from rowspace.serve.config import ServeConfig
from rowspace.serve.run import address_of, listen
from rowspace.serve.served import Served
from rowspace.space.vectors import Vectors
from tests.program import RunMain, start

TOKEN = "a-token-of-the-tests"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    Vectors(["heat", "cold"], [[1.0, 0.0], [0.0, 1.0]]).save(path)
    return path


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(f"{TOKEN}\n")
    return path


def test_a_token_is_read_from_a_file_or_the_environment(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert read_token(None) is None
    assert read_token(token_file) == TOKEN
    monkeypatch.setenv(TOKEN_VARIABLE, "another-of-the-tests")
    assert read_token(None) == "another-of-the-tests"
    assert read_token(token_file) == TOKEN


def test_a_token_that_others_may_read_is_warned_of(token_file: Path) -> None:
    token_file.chmod(0o640)
    with pytest.warns(UserWarning, match="other users may read or write the token in .*chmod 600"):
        assert read_token(token_file) == TOKEN


def test_no_token_where_one_should_be_is_an_error(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_file.write_text(" \n")
    with pytest.raises(ConfigError, match=f"there is no token in {token_file}"):
        read_token(token_file)
    token_file.write_bytes(b"\xff" * 20)
    with pytest.raises(ConfigError, match="is no UTF-8"):
        read_token(token_file)
    token_file.write_text("t" * 5000)
    with pytest.raises(ConfigError, match="has more than 4,096 bytes"):
        read_token(token_file)
    monkeypatch.setenv(TOKEN_VARIABLE, "")
    with pytest.raises(ConfigError, match=f"there is no token in the variable {TOKEN_VARIABLE}"):
        read_token(None)


def test_what_keeps_it_from_starting_is_one_line(
    run_main: RunMain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    nothing = tmp_path / "nothing"
    with listen(ServeConfig(port=0)) as taken:
        port = taken.getsockname()[1]
        in_use = run_main("serve", nothing, "--port", str(port)).error()
    assert in_use.startswith(f"cannot listen to 127.0.0.1:{port}: ")  # before anything is loaded
    assert "there is no token" in run_main("serve", nothing, "--host", "0.0.0.0").error()
    assert str(nothing) in run_main("serve", nothing, "--port", "0").error()
    assert str(nothing) in run_main("explore", nothing, "--port", "0").error()
    assert "No such file" in run_main("serve", nothing, "--token-file", nothing).error()
    assert "3 paths are given" in run_main("explore", *[nothing] * 3).error()


def test_options_reach_the_server(
    run_main: RunMain, words: Path, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    monkeypatch.setattr(cli, "run_server", lambda *arguments: called.append(arguments))
    monkeypatch.setattr(cli, "load_served", lambda path, rerank: Served(str(path), words))
    options = ["--port", "0", "--name", "mine", "--token-file", token_file, "--no-explorer"]
    options += ["--allow-host", "a.example", "--allow-host", "b.example:1", "--log"]
    options += ["--allow-origin", "https://a.example", "--queue-tokens", "7", "--deadline", "0.5"]
    assert run_main("serve", words, *options).code == 0
    served, config, _, started = called[0]
    assert served.name == "mine"
    assert config == ServeConfig(
        port=0,
        token=TOKEN,
        hosts=("a.example", "b.example:1"),
        origins=("https://a.example",),
        queue_tokens=7,
        deadline=0.5,
        explorer=False,
        log=True,
    )
    assert started is click.echo


def test_a_browser_is_opened_only_where_that_is_asked(
    run_main: RunMain, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)

    def run(_: Served, config: ServeConfig, listener: Any, started: Any) -> None:
        started(address_of(listener))

    monkeypatch.setattr(cli, "run_server", run)
    for option in ((), ("--no-open",)):
        assert run_main("explore", words, "--port", "0", *option).code == 0
    assert opened == []
    shown = run_main("explore", words, "--port", "0", "--open").out.strip()
    assert shown.endswith("/explore/")
    assert opened == [shown]


def test_the_program_serves_until_it_is_told_to_end(words: Path, token_file: Path) -> None:
    process = start("explore", words, "--port", "0", "--token-file", token_file)
    try:
        assert process.stdout is not None
        page = process.stdout.readline().strip()
        assert _get(page) == 200
        assert _get(f"{page}api/about") == 401
        assert _get(f"{page}api/about", TOKEN) == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        _end(process)


def _get(url: str, token: str | None = None) -> int:
    request = urllib.request.Request(url)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            assert json.loads(error.read())["error"]["message"]
            return error.code


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
