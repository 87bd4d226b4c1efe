"""The process in which `costs.measure_costs` has a model loaded and timed.

It reads what to do from stdin and writes one line of JSON to stdout.
"""

from __future__ import annotations

import contextlib
import json
import signal
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rowspace.errors import RowspaceError
from rowspace.evaluate.compare.models import open_contenders
from rowspace.space.encoder import Encoder, encode_documents, encode_queries

_WARM_UP, _ROUNDS, _QUERIES = 16, 3, 30
_SECONDS_OF_TEXTS, _SECONDS_OF_QUERIES = 1.5, 2.0
"""Of a round, and of all queries."""


def measure(spec: str, texts: Sequence[str], queries: Sequence[str]) -> dict[str, Any]:
    """Load a model and time it: its speed is that of the fastest round, its wait the median."""
    before = _start_memory()
    (contender,) = open_contenders([spec], texts[:256], keeps_remote=False, remembers=False)
    encoder = contender.encoder()
    encode_documents(encoder, texts[:_WARM_UP])
    encode_queries(encoder, queries[:1])
    speed = _texts_per_second(encoder, texts)
    query_ms = _query_ms(encoder, queries)
    most = _memory("VmHWM")
    return {
        "texts_per_second": speed,
        "query_ms": query_ms,
        "memory_bytes": None if before is None or most is None else max(0, most - before),
        "dim": getattr(encoder, "base", encoder).dim,  # whitening keeps all where texts are many
    }


def _texts_per_second(encoder: Encoder, texts: Sequence[str]) -> float:
    # The texts of a round follow from a first guess, so that a slow model takes no longer.
    some = texts[: 4 * _WARM_UP]
    guess = len(some) / _seconds(lambda: encode_documents(encoder, some))
    n = max(len(some), min(len(texts), int(guess * _SECONDS_OF_TEXTS)))
    round_of = texts[:n]
    return max(n / _seconds(lambda: encode_documents(encoder, round_of)) for _ in range(_ROUNDS))


def _query_ms(encoder: Encoder, queries: Sequence[str]) -> float:
    waits: list[float] = []
    end = time.perf_counter() + _SECONDS_OF_QUERIES
    for place in range(_QUERIES):
        query = [queries[place % len(queries)]]
        waits.append(_seconds(lambda query=query: encode_queries(encoder, query)))  # type: ignore[misc]
        if time.perf_counter() > end:
            break
    return 1000 * statistics.median(waits)


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return max(time.perf_counter() - start, 1e-9)


def _start_memory() -> int | None:
    """Resident bytes now, from which on the most is counted anew."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> int | None:
    """Bytes of a line of Linux's status of this process; None on other systems."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) << 10
    return None


def main() -> None:
    """Measure what stdin asks for."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word
    warnings.simplefilter("ignore")  # they were seen where the model is scored
    asked = json.load(sys.stdin)
    try:
        found = measure(asked["spec"], asked["texts"], asked["queries"])
    except (RowspaceError, OSError) as error:
        found = {"error": str(error)}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
