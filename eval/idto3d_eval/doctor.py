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

from idto3d_eval.single import shipped_weights

FREE_GIB = 2.0  # what a run of unseen_ids and its caches take, with room
IMPORTS = ("torch", "open3d", "cv2", "onnxruntime", "insightface", "diffusers", "anny", "trimesh", "xatlas")
PACKAGES = {"cv2": "opencv-python"}


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    passed: bool
    found: str
    remedy: str = ""

    def row(self) -> dict[str, str]:
        """The check as a table shows it."""
        return {
            "check": self.name,
            "": "ok" if self.passed else "FAILED",
            "found": self.found,
            "do": "" if self.passed else self.remedy,
        }


def check_installation() -> list[Check]:
    """All checks, in the order in which one would mend them."""
    checks: tuple[Callable[[], list[Check]], ...] = (_python, _libraries, _weights, _disk, _threads)
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
    folder = shipped_weights()
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    size = sum(path.stat().st_size for path in files) / 2**20
    remedy = "restore idto3d/weights from the repository, or train them: idto3d-eval train --help"
    return [Check("weights", bool(files), f"{len(files)} files, {size:.1f} MiB", remedy)]


def _disk() -> list[Check]:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return [Check("disk", free >= FREE_GIB, f"{free:.1f} GiB free", f"free at least {FREE_GIB:g} GiB here")]


def _threads() -> list[Check]:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [Check("processors", count >= 1, str(count))]
