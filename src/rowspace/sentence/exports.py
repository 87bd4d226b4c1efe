"""Exports: a transformer's graph for OpenVINO, traced once by torch and kept beside its weights.

Where the model's folder cannot be written, as on the hub's cache, it is in the user's cache. An
export is made anew where the weights, the pooling or the format have changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rowspace.errors import ConfigError, MissingExtraError
from rowspace.files import write_folder_atomically, write_json
from rowspace.sentence.batches import Batch
from rowspace.sentence.quantized_graph import quantize_graph
from rowspace.sentence.runtime_openvino import OpenVinoRuntime, openvino
from rowspace.transformer.model_folder import CONFIG, digest_of

if TYPE_CHECKING:
    from rowspace.sentence.tracing import Traced

EXPORT, INT8 = "rowspace-openvino", "rowspace-openvino-int8"
SCORES = "rowspace-openvino-scores"
"""The folders of exports, in the model's."""
GRAPH, RECORD = "model.xml", "export.json"
FORMAT = 2
_FARTHEST = 1e-3
"""That a trial's numbers may be from torch's, of the largest."""
_ONE = threading.Lock()
"""Threads of a process export one after the other; processes may do so side by side."""


@dataclass(frozen=True)
class Export:
    """A graph on the disk."""

    graph: Path
    """The .xml, its weights beside it."""
    n_rows: int
    """Token ids that the model has rows for."""


def exported(folder: Path, poolings: Sequence[str]) -> Export:
    """The graph of a model's folder, made where there is none yet.

    Parameters
    ----------
    folder : Path
        With the transformer's config.json and safetensors.
    poolings : sequence of str

    Raises
    ------
    MissingExtraError
        If OpenVINO is missing; or torch, and it has to be made.
    FormatError
        If the weights are no numbers.
    ConfigError
        If OpenVINO cannot carry out the model, or there is no place to write to.
    """
    openvino()
    with _ONE:
        found = _found(EXPORT, folder, poolings)
        return found or _export(
            folder,
            _writable(EXPORT, folder),
            _traced_as(poolings),
            lambda tracing: tracing.trace(folder, _traced_as(poolings)),
        )


def exported_scores(folder: Path, has_types: bool) -> Export:
    """The graph of a cross-encoder's folder, made where there is none yet.

    Parameters
    ----------
    folder : Path
    has_types : bool
        Whether the model has a vector for each type of token.

    Raises
    ------
    MissingExtraError, FormatError, ConfigError
        As `exported`.
    """
    openvino()
    what = ["scores, by types of tokens" if has_types else "scores"]
    with _ONE:
        found = _found(SCORES, folder, what)
        return found or _export(
            folder,
            _writable(SCORES, folder),
            what,
            lambda tracing: tracing.trace_scores(folder, has_types),
        )


def quantized(
    folder: Path,
    poolings: Sequence[str],
    token_ids: Callable[[], Sequence[Sequence[int]]],
    *,
    is_new: bool = False,
) -> Export:
    """The graph of a model's folder in int8, made of the other where there is none yet.

    Parameters
    ----------
    folder : Path
    poolings : sequence of str
    token_ids : callable
        Gives texts to find ranges by, as the model reads them.
    is_new : bool
        Whether to make it anew in any case.

    Raises
    ------
    MissingExtraError, FormatError, ConfigError
        As `exported`.
    """
    exact = exported(folder, poolings)
    with _ONE:
        found = None if is_new else _found(INT8, folder, poolings)
        if found is not None:
            return found
        graph = quantize_graph(exact.graph, token_ids(), len(poolings))
        home, stamps = _writable(INT8, folder), _stamps(folder)
        with write_folder_atomically(home) as temporary:
            openvino().save_model(graph, temporary / GRAPH, compress_to_fp16=False)
            write_json(temporary / RECORD, _record(folder, poolings, exact.n_rows, stamps))
        return Export(home / GRAPH, exact.n_rows)


def _found(name: str, folder: Path, poolings: Sequence[str]) -> Export | None:
    """The export of that name which is of these weights and this pooling."""
    if name == EXPORT:
        poolings = _traced_as(poolings)
    for home in _homes(name, folder):
        if (record := _record_of(home, folder, poolings)) is not None:
            return Export(home / GRAPH, record["n_rows"])
    return None


def _traced_as(poolings: Sequence[str]) -> list[str]:
    """What a graph is of: weights that are given it, but for a maximum, so one for all of them."""
    return list(poolings) if "max" in poolings else ["mean"]


def _homes(name: str, folder: Path) -> list[Path]:
    """Where an export may be: beside the model, or in the cache, as for one of the hub."""
    is_hub = (folder / CONFIG).is_symlink()
    return [_cache(name, folder)] if is_hub else [folder / name, _cache(name, folder)]


def _cache(name: str, folder: Path) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return home / "rowspace" / name / digest


def _writable(name: str, folder: Path) -> Path:
    """The first home that can be written."""
    cache = _cache(name, folder).parent
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    for home in _homes(name, folder):
        if os.access(home.parent, os.W_OK):
            return home
    raise ConfigError(
        f"neither {folder} nor {cache} can be written, where the export would be; make one of "
        "them writable, or give runtime='torch'"
    )


def _record_of(home: Path, folder: Path, poolings: Sequence[str]) -> dict[str, Any] | None:
    """What is said of the export there; None if it is not of these weights and this pooling."""
    try:
        record: Any = json.loads((home / RECORD).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        return None
    if record["poolings"] != list(poolings):
        return None
    stamps = _stamps(folder)
    if record.get("files") == stamps:
        return record
    if record.get("digest") != digest_of(folder, "float32"):
        return None
    record["files"] = stamps  # of a copy: spares the digest the next time
    with contextlib.suppress(OSError):
        write_json(home / RECORD, record)
    return record


def _stamps(folder: Path) -> list[list[Any]]:
    """Names, sizes and times of what decides the graph: cheaper than a digest of gigabytes."""
    paths = [folder / CONFIG, *sorted(folder.glob("*.safetensors"))]
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths]


def _export(
    folder: Path, home: Path, poolings: Sequence[str], trace: Callable[[Any], Traced]
) -> Export:
    """Write an export; `trace` is given the module that traces, which needs torch."""
    try:
        from rowspace.sentence import tracing
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError(
            f"{folder} has no export for OpenVINO yet, and making one needs torch once; run: "
            "pip install 'rowspace[torch]', or load it once where torch is and copy the folder"
        ) from error
    stamps = _stamps(folder)  # as they are before the weights are read
    traced = trace(tracing)
    with write_folder_atomically(home) as temporary:
        openvino().save_model(traced.graph, temporary / GRAPH, compress_to_fp16=False)
        _check(temporary / GRAPH, traced.trial, traced.expected, traced.n_rows)
        write_json(temporary / RECORD, _record(folder, poolings, traced.n_rows, stamps))
    return Export(home / GRAPH, traced.n_rows)


def _record(
    folder: Path, poolings: Sequence[str], n_rows: int, stamps: list[list[Any]]
) -> dict[str, Any]:
    """What an export is of."""
    return {
        "format": FORMAT,
        "poolings": list(poolings),
        "n_rows": n_rows,
        "files": stamps,
        "digest": digest_of(folder, "float32"),
    }


def _check(graph: Path, trial: Batch, expected: NDArray[np.float32], n_rows: int) -> None:
    """Raise where the graph does not do what torch does, on texts of other lengths."""
    runtime = OpenVinoRuntime(graph, dtype="float32", n_rows=n_rows, n_threads=1)
    (_, found), *_ = runtime.run([trial])
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    if not error < _FARTHEST:
        raise ConfigError(
            f"OpenVINO's numbers are {error:.1%} from torch's for this model, so it is not used; "
            "give runtime='torch'"
        )
