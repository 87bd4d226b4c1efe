"""Which runtime carries out a model: OpenVINO on a CPU where it is installed, else torch."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from rowspace.errors import ConfigError, MissingExtraError
from rowspace.sentence.runtime import Runtime

RUNTIMES = ("auto", "openvino", "torch")
DTYPES = ("auto", "float32", "bfloat16", "float16", "int8")
_GPU_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""One of which there is where a driver of NVIDIA or AMD is."""


def check_choices(dtype: str, runtime: str, threads: int | None) -> None:
    """Raise ConfigError for a dtype or runtime that there is not, or less than a thread."""
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; give one of {', '.join(DTYPES)}")
    if runtime not in RUNTIMES:
        raise ConfigError(f"runtime is {runtime!r}; give one of {', '.join(RUNTIMES)}")
    if threads is not None and threads < 1:
        raise ConfigError(f"threads is {threads}; give 1 or more")


def choose_runtime(
    with_openvino: Callable[[], Runtime],
    with_torch: Callable[[], Runtime],
    dtype: str,
    runtime: str,
    device: str | None,
) -> Runtime:
    """The model in OpenVINO or in torch, by what is asked for, installed, and can be carried out.

    Parameters
    ----------
    with_openvino, with_torch : callable
        Load the model in either.
    dtype, runtime, device
        As in `load_encoder`.
    """
    if runtime == "openvino" and device not in (None, "cpu"):
        raise ConfigError(f"device is {device!r}, and openvino runs on cpu; give runtime='torch'")
    if runtime == "openvino" and dtype == "float16":
        raise ConfigError("dtype is 'float16', which openvino does not compute in; give bfloat16")
    if runtime == "torch" and dtype == "int8":
        raise ConfigError("dtype is 'int8', which openvino alone computes in; leave runtime out")
    if _is_openvino(dtype, runtime, device):
        is_wanted = runtime == "openvino" or dtype == "int8"
        try:
            return with_openvino()
        except MissingExtraError:
            if is_wanted or not _has_torch():
                raise
        except ConfigError as error:
            if is_wanted:
                raise
            warnings.warn(f"the model runs in torch, which is slower: {error}", stacklevel=3)
    return with_torch()


def _is_openvino(dtype: str, runtime: str, device: str | None) -> bool:
    if runtime == "openvino" or dtype == "int8":
        return True
    return runtime == "auto" and dtype != "float16" and device in (None, "cpu") and not _has_cuda()


def _has_torch() -> bool:
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def _has_cuda() -> bool:
    """Whether torch has a GPU; it takes a second to load, so not where there can be none."""
    may_have = "torch" in sys.modules or any(map(os.path.exists, _GPU_FILES))
    if not (may_have and _has_torch()):
        return False
    import torch

    return torch.cuda.is_available()


@contextlib.contextmanager
def needs_torch(home: Path) -> Iterator[None]:
    """Say of a model whose modules are imported here which extra is missing, if torch is.

    Raises
    ------
    MissingExtraError
        If it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError(
            f"{home} needs torch, or openvino where it has an export already; run: pip install "
            "'rowspace[torch]' (or 'rowspace[openvino]')"
        ) from error
