"""On which device a job ran, and how much of a GPU's memory it took, without loading torch for it."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any


def reset_device_memory() -> None:
    """Starts torch's high-water mark of GPU memory anew, where a GPU is in use."""
    cuda = _cuda()
    if cuda is not None:
        cuda.reset_peak_memory_stats()


def device_name() -> str:
    """The GPU that torch has in use, else the processor."""
    cuda = _cuda()
    return str(cuda.get_device_name()) if cuda is not None else processor_name()


def device_memory_mib() -> float:
    """Largest GPU memory that torch held since the reset, MiB; 0 without a GPU in use."""
    cuda = _cuda()
    return round(cuda.max_memory_allocated() / 2**20, 1) if cuda is not None else 0.0


def processor_name() -> str:
    """What the system calls its processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cuda() -> Any:
    """torch's module of GPUs where one is in use, else None; torch is not imported for this."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None
