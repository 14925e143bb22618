"""Energy: counters are added up over their turns, and where there are none it says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from idto3d_eval import energy
from idto3d_eval.device import device_memory_mib, device_name
from idto3d_eval.energy import Counter, EnergyMeter, nvml_counters, rapl_counters


def package(folder: Path, name: str, used: int, most: int = 1_000_000) -> Path:
    """A counter as the kernel shows it."""
    made = folder / name
    made.mkdir(parents=True)
    (made / "name").write_text(f"package-{name[-1]}\n")
    (made / "energy_uj").write_text(f"{used}\n")
    (made / "max_energy_range_uj").write_text(f"{most}\n")
    return made


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    places = [package(tmp_path, f"intel-rapl:{index}", 0) for index in range(2)]
    package(tmp_path, "intel-rapl:0:0", 0)
    counters, missing = rapl_counters(tmp_path)
    assert [counter.name for counter in counters] == ["package-0 (RAPL)", "package-1 (RAPL)"]
    assert missing == ""
    meter = EnergyMeter(counters)
    for place, used in zip(places, (250_000, 500_000), strict=True):
        (place / "energy_uj").write_text(str(used))
    found = meter.stop()
    assert found.joules == pytest.approx(0.75)
    assert found.note == "package-0 (RAPL), package-1 (RAPL)"


def test_a_counter_that_turns_over_loses_nothing() -> None:
    readings = iter([0.9, 0.2, 0.7, 0.1])
    meter = EnergyMeter([Counter("one", lambda: next(readings), turns_over=1.0)])
    meter.sample()
    meter.sample()
    assert meter.stop().joules == pytest.approx(0.3 + 0.5 + 0.4)


def test_without_counters_there_is_no_figure_but_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rapl_counters(tmp_path / "none") == ([], "the system has no RAPL counters")
    monkeypatch.setattr(energy, "_NVML", "no_such_library.so")
    counters, missing = nvml_counters()
    assert counters == []
    assert missing == "there is no NVIDIA driver"
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "none")
    found = energy.energy_meter().stop()
    assert found.joules is None
    assert found.note == "the system has no RAPL counters; there is no NVIDIA driver"


def test_a_counter_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (package(tmp_path, "intel-rapl:0", 0) / "energy_uj").unlink()
    assert rapl_counters(tmp_path) == ([], "RAPL's counters may not be read by this user")


def test_without_a_gpu_the_device_is_the_processor() -> None:
    import torch

    if torch.cuda.is_initialized():
        pytest.skip("there is a GPU in use")
    assert device_name()
    assert device_memory_mib() == 0.0
