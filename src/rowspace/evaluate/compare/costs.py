"""What a model costs to run here: texts a second, a query's wait, memory, disk.

Each is measured in a process of its own, which loads nothing else; it is ended when the measuring
is interrupted. Other programs that run meanwhile make a model look slower than it is.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from rowspace.evaluate.compare.contender import Contender
from rowspace.evaluate.compare.outcome import Costs, LackingError
from rowspace.machine import describe
from rowspace.progress import track

_CHILD = "rowspace.evaluate.compare.costs_child"
_SECONDS = 300
"""That a process may take; it paces itself, but loading may write an export first."""


def measure_costs(contender: Contender, texts: Sequence[str], queries: Sequence[str]) -> Costs:
    """Measure what a contender's encoder costs, in a process of its own.

    Parameters
    ----------
    contender : Contender
        It is loaded anew by its `spec`, and not touched here.
    texts : sequence of str
        Documents like those it is meant for; as many are encoded as there is time for, some
        seconds. A map is fitted to them, too.
    queries : sequence of str
        Encoded one by one, up to thirty.

    Returns
    -------
    Costs
        Of a model behind an API, speed and wait are those of the network and the server, and
        there is no memory or disk.

    Raises
    ------
    LackingError
        If there is nothing to encode, the model cannot be loaded, or the process ends early.
    """
    if not texts or not queries:
        what = "texts" if queries else "queries"
        raise LackingError(f"there are no {what} to measure costs by; give some hundred")
    asked = {"spec": contender.spec, "texts": list(texts), "queries": list(queries)}
    with track(f"measuring what {contender.name} costs"):
        found = _ask_child(asked, contender.name)
    is_remote = contender.era == "remote"
    return Costs(
        texts_per_second=found["texts_per_second"],
        query_ms=found["query_ms"],
        memory_bytes=None if is_remote else found["memory_bytes"],
        disk_bytes=None if is_remote else contender.disk_bytes,
        dim=found["dim"],
        machine=describe(),
    )


def _ask_child(asked: dict[str, Any], name: str) -> dict[str, Any]:
    process = subprocess.Popen(
        [sys.executable, "-m", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        output, errors = process.communicate(json.dumps(asked).encode(), timeout=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise LackingError(
            f"the costs of {name} were not measured in {_SECONDS} seconds; try again when the "
            "machine is less busy"
        ) from error
    finally:  # an interrupt too ends it
        process.kill()
        process.communicate()
    if process.returncode:
        raise LackingError(_why(name, process.returncode, errors))
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    if "error" in found:
        raise LackingError(f"the costs of {name} cannot be measured: {found['error']}")
    return found


def _why(name: str, code: int, errors: bytes) -> str:
    if code < 0:
        reason = f"was ended by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            reason += ", as happens where memory is short"
    else:
        last = errors.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        reason = f"ended with code {code} ({last[-1]})"
    return f"the process that measured the costs of {name} {reason}; try again"
