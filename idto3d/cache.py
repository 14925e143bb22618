"""Where what can be recomputed is kept between processes."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$IDTO3D_CACHE`, else `idto3d` under the user's cache folder; made if missing."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("IDTO3D_CACHE") or base / "idto3d")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
