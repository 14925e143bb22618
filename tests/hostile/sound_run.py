"""A finished run of fake stages, of which hostile ones differ in one file."""

from __future__ import annotations

import os
from pathlib import Path

from tests.dashboard.fake_runs import finished

ROWS = "[{method: good, label: good}, {method: mean, label: mean}, {method: truth, label: truth}]"


def make(folder: Path) -> Path:
    """Makes it, in some seconds."""
    return finished(folder, 2, ROWS)


def file(name: str) -> bytes:
    """A file of the run that `HOSTILE_RUN` names."""
    return (Path(os.environ["HOSTILE_RUN"]) / name).read_bytes()
