"""`rowspace serve` under ten times what it can do: what it answers, its memory, how it comes back.

    python -m benchmarks.serve_overload [--seconds 120] [--times 10]

Three requests of four have one sentence, the fourth has 32. First the server is asked as fast as
it answers, by clients that each wait for their answer; then,
for so many seconds, that many times the rate is sent, each request at its time whether or not
those before are answered, on connections that are kept. Answers may be 200, 429 and 503 only. The
resident memory is the mean of the last third beside that of the first. At the end one request is
sent again and again until it is answered with 200 in less than a second.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common import record
from benchmarks.contextual_speed import minilm
from benchmarks.http_load import ask, exchange, free_port, request_bytes, run_load, server
from benchmarks.serve_speed import sentences

CLIENTS = 32
LARGE = 32
"""Sentences of each fourth request."""
MOST_OPEN = 800
"""Requests under way at once; one that is due beyond that waits for a connection."""
RECOVERY = 1.0
"""Seconds, within which the server has to answer again."""
STATUSES = {200, 429, 503}
CLOSING = {503}
"""After which the connection is not kept."""
_TICK = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--times", type=float, default=10)
    arguments = parser.parse_args()
    folder, port = minilm(), free_port()
    requests = mixed_requests(800, folder.name)
    command = ["-m", "rowspace", "serve", str(folder), "--port", str(port)]
    with server(command, port) as process:
        run_load(port, requests[:80], CLIENTS)
        rate = run_load(port, requests[:400], CLIENTS).per_second
        flood = Flood(port, process.pid, itertools.cycle(requests))
        asyncio.run(flood.run(arguments.times * rate, arguments.seconds))
        recovery = seconds_until_answered(port, requests[1])
    thirds = len(flood.memory) // 3
    first, last = statistics.mean(flood.memory[:thirds]), statistics.mean(flood.memory[-thirds:])
    answered = ", ".join(f"{n:,} x {status}" for status, n in sorted(flood.statuses.items()))
    sent = sum(flood.statuses.values())
    lines = [
        f"full speed {rate:,.0f} requests/s; sent {sent / arguments.seconds:,.0f}/s for "
        f"{arguments.seconds:.0f} s ({sent / arguments.seconds / rate:.1f} times)",
        f"answers {answered}; connections broken {flood.n_broken}",
        f"waits of what was answered with 200: p50 {1000 * flood.wait(50):,.0f} ms, "
        f"p99 {1000 * flood.wait(99):,.0f} ms",
        f"resident memory, first third {first / 2**20:,.0f} MiB, last {last / 2**20:,.0f} MiB "
        f"({100 * (last / first - 1):+.1f} %)",
        f"answers again after {recovery:.2f} s",
    ]
    record("The server: overload", lines)
    assert set(flood.statuses) <= STATUSES, set(flood.statuses)
    assert recovery < RECOVERY, recovery


def mixed_requests(n: int, model: str) -> list[bytes]:
    """Requests of one sentence, and each fourth of `LARGE`."""
    left = iter(sentences(n * LARGE))
    inputs = [list(itertools.islice(left, 1 if i % 4 else LARGE)) for i in range(n)]
    return [request_bytes({"model": model, "input": texts}) for texts in inputs]


class Flood:
    """Requests at a rate that does not follow the answers.

    Parameters
    ----------
    port, pid : int
        Of the server.
    requests : iterator of bytes
        Without an end.
    """

    def __init__(self, port: int, pid: int, requests: Iterator[bytes]) -> None:
        self.port, self.pid, self.requests = port, pid, requests
        self.statuses: collections.Counter[int] = collections.Counter()
        self.waits: list[float] = []
        self.memory: list[int] = []
        """Bytes, every second."""
        self.n_broken = 0
        self._due: asyncio.Queue[bytes] = asyncio.Queue()

    def wait(self, percent: float) -> float:
        """The wait, in seconds, that so many percent of the requests answered did not exceed."""
        waits = sorted(self.waits)
        return waits[min(len(waits) - 1, int(len(waits) * percent / 100))] if waits else 0.0

    async def run(self, rate: float, seconds: float) -> None:
        """Send; ends after so many seconds, with what is under way then left behind."""
        clients = [asyncio.create_task(self._client()) for _ in range(MOST_OPEN)]
        watch = asyncio.create_task(self._watch())
        started, sent = time.monotonic(), 0
        while (passed := time.monotonic() - started) < seconds:
            while sent < rate * passed and self._due.qsize() < MOST_OPEN:
                self._due.put_nowait(next(self.requests))
                sent += 1
            await asyncio.sleep(_TICK)
        for task in (*clients, watch):
            task.cancel()
        await asyncio.gather(*clients, watch, return_exceptions=True)

    async def _client(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    while await self._one(reader, writer) not in CLOSING:
                        pass
                finally:
                    writer.close()
            except (OSError, asyncio.IncompleteReadError):
                self.n_broken += 1

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        request = await self._due.get()
        started = time.monotonic()
        status, _ = await exchange(reader, writer, request)
        self.statuses[status] += 1
        if status == 200:
            self.waits.append(time.monotonic() - started)
        return status

    async def _watch(self) -> None:
        while True:
            with Path(f"/proc/{self.pid}/status").open() as file:
                lines = dict(line.split(":", 1) for line in file)
            self.memory.append(1024 * int(lines["VmRSS"].split()[0]))
            await asyncio.sleep(1)


def seconds_until_answered(port: int, request: bytes) -> float:
    """Seconds from now until a request is answered with 200; up to a minute."""
    started = time.monotonic()
    while (passed := time.monotonic() - started) < 60:
        if ask(port, request)[0] == 200:
            return time.monotonic() - started
        time.sleep(_TICK)
    return passed


if __name__ == "__main__":
    main()
