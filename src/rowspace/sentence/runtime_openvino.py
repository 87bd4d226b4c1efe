"""The CPU runtime: OpenVINO, bfloat16 where the processor has it, and no torch once exported.

A model is traced once by torch and written beside its weights, or into the user's cache where its
folder cannot be written. MiniLM on two cores with avx512_bf16: 4 times sentence-transformers'
throughput at a minimum cosine of 0.9999. https://docs.openvino.ai
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, FormatError, MissingExtraError
from rowspace.files import write_folder_atomically, write_json
from rowspace.machine import has_native_bfloat16, n_cores
from rowspace.sentence.batches import Batch
from rowspace.sentence.runtime import Pooled
from rowspace.transformer.model_folder import CONFIG, digest_of

EXPORT = "rowspace-openvino"
"""The folder of an export, in the model's."""
GRAPH, RECORD = "model.xml", "export.json"
FORMAT = 1
MOST_STREAMS = 8
_HINTS = {"float32": "f32", "bfloat16": "bf16"}
_FARTHEST = 1e-3
"""That a trial's numbers may be from torch's, of the largest."""


def openvino() -> Any:
    """The library.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import openvino as found
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "openvino is not installed; run: pip install 'rowspace[openvino]', or give "
            "runtime='torch'"
        ) from error
    return found


class OpenVinoRuntime:
    """Runs an exported transformer.

    Parameters
    ----------
    graph : Path
        The .xml of an export.
    dtype : {"float32", "bfloat16", "int8"}
        int8 is of a graph that was quantised; the rest of it is computed in bfloat16 where the
        processor has it.
    n_threads : int, optional
        As many as there are cores if not given. Each works on a batch of its own, up to
        `MOST_STREAMS` batches.
    """

    def __init__(self, graph: Path, *, dtype: str, n_threads: int | None = None) -> None:
        library = openvino()
        n_threads = n_threads or n_cores()
        hint = _HINTS.get(dtype) or _HINTS["bfloat16" if has_native_bfloat16() else "float32"]
        self._n_streams = min(n_threads, MOST_STREAMS)
        settings = {
            "INFERENCE_PRECISION_HINT": hint,
            "NUM_STREAMS": str(self._n_streams),
            "INFERENCE_NUM_THREADS": n_threads,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._compiled = library.Core().compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            raise FormatError(
                f"{graph} cannot be used ({str(error).strip().splitlines()[-1]}); remove "
                f"{graph.parent}, and it is made anew"
            ) from error
        self._requests = [self._compiled.create_infer_request() for _ in range(self._n_streams)]
        self.dim = int(self._compiled.output(0).get_partial_shape()[2].get_length())
        self.name = f"openvino {dtype}"

    def run(self, batches: Iterable[Batch]) -> Iterator[Pooled]:
        """As `Runtime.run`; several batches are on their way at once."""
        running: list[tuple[Any, Batch]] = []
        free = list(self._requests)
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


def _result(request: Any) -> NDArray[np.float32]:
    request.wait()
    return np.array(request.get_output_tensor(0).data, dtype=np.float32)


def exported(folder: Path, poolings: Sequence[str]) -> Path:
    """The graph of a model's folder, made where there is none yet.

    Parameters
    ----------
    folder : Path
        With the transformer's config.json and safetensors.
    poolings : sequence of str

    Raises
    ------
    MissingExtraError
        If it has to be made, and torch is missing.
    ConfigError
        If OpenVINO cannot carry out the model.
    """
    for home in _homes(folder):
        if _is_of(home, folder, poolings):
            return home / GRAPH
    for home in _homes(folder):
        if os.access(home.parent, os.W_OK):
            _export(folder, home, poolings)
            return home / GRAPH
    raise ConfigError(
        f"neither {folder} nor {_cache(folder).parent} can be written, where the export would be; "
        "make one of them writable, or give runtime='torch'"
    )


def _homes(folder: Path) -> list[Path]:
    """Where an export may be: beside the model, or in the cache, as for one of the hub."""
    cache = _cache(folder)
    cache.parent.mkdir(parents=True, exist_ok=True)
    is_hub = (folder / CONFIG).is_symlink()
    return [cache] if is_hub else [folder / EXPORT, cache]


def _cache(folder: Path) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return home / "rowspace" / EXPORT / name


def _is_of(home: Path, folder: Path, poolings: Sequence[str]) -> bool:
    """Whether an export is there, of these weights and this pooling."""
    try:
        record = json.loads((home / RECORD).read_text())
    except (OSError, ValueError):
        return False
    wanted = {"format": FORMAT, "poolings": list(poolings)}
    if any(record.get(name) != value for name, value in wanted.items()):
        return False
    if record.get("files") == _stamps(folder):
        return True
    return bool(record.get("digest") == digest_of(folder, "float32"))


def _stamps(folder: Path) -> list[list[Any]]:
    """Names, sizes and times of what decides the graph: cheaper than a digest of gigabytes."""
    paths = [folder / CONFIG, *sorted(folder.glob("*.safetensors"))]
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths]


def _export(folder: Path, home: Path, poolings: Sequence[str]) -> None:
    try:
        from rowspace.sentence.tracing import trace
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError(
            f"{folder} has no export for OpenVINO yet, and making one needs torch once; run: "
            "pip install 'rowspace[torch]', or load it once where torch is and copy the folder"
        ) from error
    graph, trial, expected = trace(folder, poolings)
    with write_folder_atomically(home) as temporary:
        openvino().save_model(graph, temporary / GRAPH, compress_to_fp16=False)
        _check(temporary / GRAPH, trial, expected)
        record = {
            "format": FORMAT,
            "poolings": list(poolings),
            "files": _stamps(folder),
            "digest": digest_of(folder, "float32"),
        }
        write_json(temporary / RECORD, record)


def _check(graph: Path, trial: Batch, expected: NDArray[np.float32]) -> None:
    """Raise where the graph does not do what torch does, on texts of other lengths."""
    (_, found), *_ = OpenVinoRuntime(graph, dtype="float32", n_threads=1).run([trial])
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    if not error < _FARTHEST:
        raise ConfigError(
            f"OpenVINO's numbers are {error:.1%} from torch's for this model, so it is not used; "
            "give runtime='torch'"
        )


def best_dtype() -> str:
    """bfloat16 where the processor multiplies it itself, else float32."""
    return "bfloat16" if has_native_bfloat16() else "float32"


def warn_of_fallback(error: Exception) -> None:
    """Say once why torch runs a model that OpenVINO was to run."""
    warnings.warn(f"the model runs in torch, which is slower: {error}", stacklevel=4)
