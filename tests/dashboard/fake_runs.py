"""Finished runs of the evaluation's fake stages, which tests and the workers that they start can import."""

from __future__ import annotations

import os
import sys
from pathlib import Path

FAKES = str(Path(__file__).parents[1] / "eval")
if FAKES not in sys.path:
    sys.path.insert(0, FAKES)
if FAKES not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [FAKES, os.environ.get("PYTHONPATH", "")]))


def finished(folder: Path, people: int, methods: str) -> Path:
    """A folder with a finished run of a small protocol."""
    from fake_stages import finished as made

    return Path(made(folder, people, methods))
