"""The CPU runtime: OpenVINO, bfloat16 where the processor has it, and no torch once exported.

MiniLM on two cores with avx512_bf16: 4 times sentence-transformers' throughput at a minimum cosine
of 0.9999. https://docs.openvino.ai
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import FormatError, MissingExtraError
from rowspace.machine import has_native_bfloat16, n_cores
from rowspace.sentence.batches import Batch
from rowspace.sentence.runtime import Pooled

MOST_STREAMS = 8
_TELEMETRY = "openvino_telemetry"
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


def openvino() -> Any:
    """The library, without its telemetry, which would tell a server of each import.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        with _without_telemetry():
            import openvino as found
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "openvino is not installed; run: pip install 'rowspace[openvino]', or give "
            "runtime='torch'"
        ) from error
    return found


@functools.cache
def core() -> Any:
    """The library's one Core of this process, which is never let go.

    Each Core gives the thread another stack for signals and takes it back when it goes; of two that
    go in the order they came, the thread is left with one that is gone, and the next Ctrl-C kills.
    """
    return openvino().Core()


@contextlib.contextmanager
def _without_telemetry() -> Iterator[None]:
    """As if its package were not installed, which the library then does without."""
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]


class OpenVinoRuntime:
    """Runs an exported transformer; several threads may run it at once.

    Parameters
    ----------
    graph : Path
        The .xml of an export.
    dtype : {"float32", "bfloat16", "int8"}
        int8 is of a graph that was quantised; the rest of it is computed in bfloat16 where the
        processor has it.
    n_rows : int
        Token ids that the model has rows for.
    n_threads : int, optional
        As many as there are cores if not given. Each works on a batch of its own, up to
        `MOST_STREAMS` batches.
    """

    def __init__(
        self, graph: Path, *, dtype: str, n_rows: int, n_threads: int | None = None
    ) -> None:
        n_threads = n_threads or n_cores()
        self._n_streams = min(n_threads, MOST_STREAMS)
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS.get(dtype) or _HINTS[best_dtype()],
            "NUM_STREAMS": str(self._n_streams),
            "INFERENCE_NUM_THREADS": n_threads,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._compiled = core().compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            raise FormatError(
                f"{graph} cannot be used ({str(error).strip().splitlines()[-1]}); remove "
                f"{graph.parent}, and it is made anew"
            ) from error
        self._idle: list[list[Any]] = []
        self.dim = int(self._compiled.output(0).get_partial_shape()[2].get_length())
        self.n_rows = n_rows
        self.name = f"openvino {dtype}"

    def run(self, batches: Iterable[Batch]) -> Iterator[Pooled]:
        """As `Runtime.run`; several batches are on their way at once."""
        with self._requests() as free:
            running: list[tuple[Any, Batch]] = []
            for batch in batches:
                if not free:
                    request, done = running.pop(0)
                    yield done, _result(request)
                    free.append(request)
                request = free.pop()
                request.start_async([batch.token_ids, batch.mask, batch.weights])
                running.append((request, batch))
            for request, done in running:
                yield done, _result(request)

    @contextlib.contextmanager
    def _requests(self) -> Iterator[list[Any]]:
        """Requests that nobody else uses meanwhile; none is under way afterwards."""
        try:
            requests = self._idle.pop()
        except IndexError:
            requests = [self._compiled.create_infer_request() for _ in range(self._n_streams)]
        try:
            yield requests.copy()
        finally:
            for request in requests:
                request.wait()
            self._idle.append(requests)


def _result(request: Any) -> NDArray[np.float32]:
    request.wait()
    return np.array(request.get_output_tensor(0).data, dtype=np.float32)


def best_dtype() -> str:
    """bfloat16 where the processor multiplies it itself, else float32."""
    return "bfloat16" if has_native_bfloat16() else "float32"
