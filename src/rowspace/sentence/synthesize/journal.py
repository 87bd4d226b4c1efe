"""What a server has answered, on the disk the moment it is received.

A file of JSON lines: first the settings, then an answer each. A line that a crash cut short is
dropped. One process writes it at a time.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rowspace.errors import ConfigError, FormatError
from rowspace.files import fsync_file


@dataclass(frozen=True)
class Answer:
    """What came back for a prompt."""

    key: str
    """Of the prompt."""
    content: str
    input_tokens: int
    output_tokens: int


class Journal:
    """The answers of a run, and of those that it goes on with.

    Parameters
    ----------
    path : Path
        It is made if it is not there.
    identity : dict
        The settings; a file that was made with others is not gone on with.

    Raises
    ------
    ConfigError
        If it was made with other settings, or another process writes it.
    FormatError
        If it is damaged.
    """

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path = path
        self.answers: dict[str, Answer] = {}
        """By the key of the prompt, in the order received."""
        self.input_tokens = self.output_tokens = 0
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self._lock()
            self._read(json.loads(json.dumps(identity)))
        except BaseException:
            self.close()
            raise

    def add(self, answer: Answer) -> None:
        """Keep an answer; it is on the disk when this returns."""
        self._append(asdict(answer))
        self._count(answer)

    def close(self) -> None:
        """Let another process write it."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"{self.path} is being written by another process; wait for it to finish"
            ) from error

    def _read(self, identity: dict[str, Any]) -> None:
        data = self.path.read_bytes()
        end = data.rfind(b"\n") + 1
        if end < len(data):
            os.ftruncate(self._descriptor, end)
        lines = data[:end].splitlines()
        if not lines:
            self._append({"settings": identity})
            fsync_file(self.path.absolute().parent)
            return
        for number, line in enumerate(lines, start=1):
            try:
                self._take(number, json.loads(line), identity)
            except (ValueError, TypeError, KeyError) as error:
                if isinstance(error, ConfigError):
                    raise
                raise FormatError(
                    f"{self.path}, line {number}, is damaged ({error}); remove the line and what "
                    "follows to go on from there, or the file to start anew"
                ) from error

    def _take(self, number: int, record: dict[str, Any], identity: dict[str, Any]) -> None:
        if number > 1:
            self._count(Answer(**record))
            return
        before = record["settings"]
        for name in identity | before:
            if identity.get(name) != before.get(name):
                raise ConfigError(
                    f"{self.path} was made with {name} {before.get(name)!r}, not "
                    f"{identity.get(name)!r}; give the same, or another --out"
                )

    def _count(self, answer: Answer) -> None:
        if answer.key not in self.answers:
            self.input_tokens += answer.input_tokens
            self.output_tokens += answer.output_tokens
        self.answers[answer.key] = answer

    def _append(self, record: dict[str, Any]) -> None:
        data = json.dumps(record).encode() + b"\n"
        while data:  # a disk that is nearly full takes a part
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)
