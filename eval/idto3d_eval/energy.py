"""Energy that the machine itself tells: RAPL's package counters on Linux, NVML's on NVIDIA GPUs; else why
not.

A counter counts the whole package or card, whoever is at work on it: with several workers, or other programs,
their share is in it.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
EVERY = 60.0  # seconds between readings: RAPL's counters turn over after minutes to hours
_PACKAGE = re.compile(
    r"intel-rapl:\d+"
)  # AMD's carry the same name; its parts (core, dram) have a second number
_NVML = "libnvidia-ml.so.1"


@dataclass(frozen=True)
class Counter:
    """A counter of energy: a name, how to read it in joules, and at which value it starts anew."""

    name: str
    read: Callable[[], float]
    turns_over: float = 0.0  # joules; 0 for a counter that does not


@dataclass(frozen=True)
class Energy:
    """What a piece of work took. `joules` is None where no counter tells; `note` names counters, or says "
    "why."""

    joules: float | None
    note: str


class EnergyMeter:
    """Adds up counters from its start to its end; a thread reads them in between, so that no turn is "
    "missed."""

    def __init__(self, counters: Sequence[Counter], missing: str = "") -> None:
        self._counters, self._missing = list(counters), missing
        self._total = 0.0
        self._last = [counter.read() for counter in self._counters]
        self._lock, self._done = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        if self._counters:
            self._thread.start()

    def stop(self) -> Energy:
        """Joules since the start."""
        self._done.set()
        if not self._counters:
            return Energy(None, self._missing)
        self._thread.join()
        try:
            self.sample()
        except OSError as error:
            return Energy(None, f"a counter stopped answering ({error.strerror})")
        return Energy(round(self._total, 3), ", ".join(counter.name for counter in self._counters))

    def sample(self) -> None:
        """Adds what the counters moved since the last reading."""
        with self._lock:
            for index, counter in enumerate(self._counters):
                now = counter.read()
                moved = now - self._last[index]
                self._total += moved + (counter.turns_over if moved < 0.0 else 0.0)
                self._last[index] = now

    def _watch(self) -> None:
        while not self._done.wait(EVERY):
            try:
                self.sample()
            except OSError:
                return


def energy_meter() -> EnergyMeter:
    """A meter over all counters that can be read here, started."""
    cpu, cpu_missing = rapl_counters(POWERCAP)
    gpu, gpu_missing = nvml_counters()
    return EnergyMeter([*cpu, *gpu], "; ".join(part for part in (cpu_missing, gpu_missing) if part))


def rapl_counters(powercap: Path) -> tuple[list[Counter], str]:
    """Counters of the CPU packages, or why there are none.

    Args:
        powercap: the kernel's folder (Documentation/power/powercap).
    """
    found: list[Counter] = []
    folders = sorted(powercap.iterdir()) if powercap.is_dir() else []
    refused = False
    for folder in folders:
        if not _PACKAGE.fullmatch(folder.name):
            continue
        try:
            _microjoules(folder / "energy_uj")
            most = _microjoules(folder / "max_energy_range_uj")
            name = (folder / "name").read_text().strip()
        except (OSError, ValueError):
            refused = True
            continue
        found.append(Counter(f"{name} (RAPL)", _reader(folder / "energy_uj"), most))
    if found:
        return found, ""
    if refused:
        return [], "RAPL's counters may not be read by this user"
    return [], "the system has no RAPL counters"


def nvml_counters() -> tuple[list[Counter], str]:
    """Counters of NVIDIA GPUs, or why there are none."""
    try:
        library = ctypes.CDLL(_NVML)
    except OSError:
        return [], "there is no NVIDIA driver"
    if library.nvmlInit_v2() != 0:
        return [], "the NVIDIA driver does not answer"
    count = ctypes.c_uint()
    library.nvmlDeviceGetCount_v2(ctypes.byref(count))
    found = []
    for index in range(count.value):
        handle = ctypes.c_void_p()
        if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) != 0:
            continue
        counter = Counter(f"GPU {index} (NVML)", _gpu_reader(library, handle))
        try:
            counter.read()
        except OSError:  # before Volta there is no counter
            continue
        found.append(counter)
    return found, "" if found else "no GPU tells its energy"


def _reader(path: Path) -> Callable[[], float]:
    return lambda: _microjoules(path)


def _microjoules(path: Path) -> float:
    return int(path.read_text()) * 1e-6


def _gpu_reader(library: ctypes.CDLL, handle: ctypes.c_void_p) -> Callable[[], float]:
    def read() -> float:
        millijoules = ctypes.c_ulonglong()
        code = library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules))
        if code != 0:
            raise OSError(code, f"NVML error {code}")
        return millijoules.value * 1e-3

    return read
