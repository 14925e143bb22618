"""Whether this machine and this installation can run: each check says what was found and what to do."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from idto3d_eval.catalogue import card_file, model_cards
from idto3d_eval.keys import file_sha256
from idto3d_eval.single import shipped_weights

if TYPE_CHECKING:
    import torch

FREE_GIB = 2.0  # what a run of unseen_ids and its caches take, with room
SHIPPED_FILES = ("mean_head.npz",)
GUIDANCE_PARTS = tuple(
    f"guidance/{part}"
    for part in ("unet", "scheduler", "codec", "condition_encoder", "lora_geometry", "lora_texture")
)
PAPER_WEIGHTS = Path("weights/public")  # where `models pull public` puts them
IMPORTS = ("torch", "open3d", "cv2", "onnxruntime", "insightface", "diffusers", "anny", "trimesh", "xatlas")
PACKAGES = {"cv2": "opencv-python"}


@dataclass(frozen=True)
class Check:
    """One thing looked at; `optional` where everything else works without it, so that it cannot fail."""

    name: str
    passed: bool
    found: str
    remedy: str = ""
    optional: bool = False

    @property
    def failed(self) -> bool:
        """Whether something that is needed is not there."""
        return not self.passed and not self.optional

    def row(self) -> dict[str, str]:
        """The check as a table shows it."""
        return {
            "check": self.name,
            "": "ok" if self.passed else "FAILED" if self.failed else "absent",
            "found": self.found,
            "do": "" if self.passed else self.remedy,
        }


def check_installation() -> list[Check]:
    """All checks, in the order in which one would mend them."""
    checks: tuple[Callable[[], list[Check]], ...] = (
        *(_python, _libraries, _weights, _paper_weights, _devices, _rasterisers, _validator, _disk, _threads),
    )
    return [check for group in checks for check in group()]


def _python() -> list[Check]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return [Check("python", sys.version_info >= (3, 11), found, "install Python 3.11 or newer")]


def _libraries() -> list[Check]:
    """Each heavy library is imported in a process of its own: one that crashes must not end the others."""
    return [_library(name) for name in IMPORTS]


def _library(name: str) -> Check:
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return Check(name, True, metadata.version(PACKAGES.get(name, name)))
    lines = done.stderr.strip().splitlines() or [f"the import ended with code {done.returncode}"]
    missing = "cannot open shared object" in lines[-1]
    remedy = (
        "install the system package that holds that library, or run make install"
        if missing
        else "pip install -c constraints.txt -e '.[dev]', or run make install"
    )
    return Check(name, False, lines[-1][:160], remedy)


def _weights() -> list[Check]:
    """The shipped networks: each file against the sha256 of its card, and the parts of the denoiser."""
    folder = shipped_weights()
    remedy = "restore idto3d/weights from the repository, or train them: idto3d-eval train --help"
    checks = []
    for name, card in model_cards().items():
        path = card_file(folder, name)
        if not path.is_file():
            checks.append(Check(name, False, f"no {path.name}", remedy))
            continue
        found = file_sha256(path)
        same = found == card.get("sha256")
        told = f"{path.stat().st_size / 2**20:.1f} MiB, sha256 {found[:12]}"
        checks.append(Check(name, same, told if same else f"{told}, its card says another", remedy))
    for name in (*SHIPPED_FILES, *GUIDANCE_PARTS):
        path = folder / name
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        there = bool(files) and all(file.is_file() for file in files)
        size = sum(file.stat().st_size for file in files) / 2**20 if there else 0.0
        checks.append(Check(name, there, f"{size:.1f} MiB" if there else f"no {name}", remedy))
    return checks


def _paper_weights() -> list[Check]:
    """Public networks of the paper's size, which only the profile `paper` needs."""
    there = (PAPER_WEIGHTS / "profile.json").is_file()
    found = str(PAPER_WEIGHTS) if there else f"no profile.json in {PAPER_WEIGHTS}"
    remedy = "only the profile paper needs them: idto3d-eval models pull public"
    return [Check("paper weights", there, found, remedy, optional=True)]


def _devices() -> list[Check]:
    """CUDA devices with their memory; the CPU does everything but the profile `paper`."""
    import torch

    if not torch.cuda.is_available():
        remedy = "only the profile paper needs one, and a torch built for it"
        return [Check("CUDA", False, f"no device, torch {torch.__version__}", remedy, optional=True)]
    return [_device(torch.cuda.get_device_properties(index)) for index in range(torch.cuda.device_count())]


def _device(properties: torch._C._CudaDeviceProperties) -> Check:
    memory = properties.total_memory / 2**30
    return Check("CUDA", True, f"{properties.name}, {memory:.1f} GiB")


def _rasterisers() -> list[Check]:
    """Every rasteriser, and for meshes on which device it is used; nvdiffrast is needed where CUDA is."""
    import torch

    from idto3d.render.backend import BACKENDS

    checks = []
    for device, backend in BACKENDS.items():
        name, optional = f"rasteriser {backend.name}", device != "cpu"
        if optional and not torch.cuda.is_available():
            found = f"for meshes on {device}, of which there are none"
            checks.append(Check(name, False, found, "nothing: meshes stay on the CPU", optional=True))
            continue
        missing = backend.missing()
        found, _, remedy = missing.partition("; ")
        told = found if missing else f"used for meshes on {device}"
        checks.append(Check(name, not missing, told, remedy, optional=optional))
    return checks


def _validator() -> list[Check]:
    """Node and npm, with which exported GLBs can be held against Khronos' own validator."""
    node, npm = shutil.which("node"), shutil.which("npm")
    remedy = "only the tests' glTF validator needs it: install Node.js 18 or newer, then npm ci in tests/gltf"
    if node is None or npm is None:
        return [Check("node", False, "not on the PATH", remedy, optional=True)]
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return [Check("node", bool(told), told or "does not start", remedy, optional=True)]


def _disk() -> list[Check]:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return [Check("disk", free >= FREE_GIB, f"{free:.1f} GiB free", f"free at least {FREE_GIB:g} GiB here")]


def _threads() -> list[Check]:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [Check("processors", count >= 1, str(count))]
