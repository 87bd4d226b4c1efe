"""What this machine has."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from pathlib import Path

MOST_THREADS = 1024
"""That may be asked for: beyond it systems refuse, and libraries end the process."""


_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def n_cores() -> int:
    """Cores that this process may use, and that its container is given time of."""
    there = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    with contextlib.suppress(OSError, ValueError):
        time, period = map(int, _QUOTA.read_text().split())  # "max" where there is no limit
        return max(1, min(there, -(-time // period)))
    return there


def n_own_cores() -> int:
    """Cores for this process alone: its share, where `torchrun` started several on this machine."""
    return max(1, n_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def available_memory() -> int | None:
    """Bytes this process can still use, of the machine and of its cgroup; None if unknown."""
    found = []
    with contextlib.suppress(OSError, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most = int((group / "memory.max").read_text())  # "max" where there is no limit
        used = int((group / "memory.current").read_text())
        statistics = dict(map(str.split, (group / "memory.stat").read_text().splitlines()))
        found.append(most - used + int(statistics["inactive_file"]))
    return min(found, default=None)


def return_free_memory() -> None:
    """Give freed memory back to the system where the C library keeps it (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def has_native_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself (AVX512-BF16, AMX, Arm's BF16)."""
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & (processor_flags() or set()))


def processor_flags() -> set[str] | None:
    """What the processor says it can do, in Linux's words; None where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, flags = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return set(flags.split())
    return None


def describe() -> str:
    """The processor and how many of its cores may be used, in a few words."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            label, _, value = line.partition(":")
            if label.strip() == "model name":
                name = value.strip()
                break
    cores = n_cores()
    return f"{name}, {cores} {'core' if cores == 1 else 'cores'}"
