"""What every test shares: few threads, no network, and where the real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from idto3d.population.first_build import build_elsewhere

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session", autouse=True)
def _model_of_heads() -> None:
    """Built once on a machine, before tests whose time counts need it."""
    build_elsewhere()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs, scan and recogniser; tests that need it are skipped where it is not.

    IDTO3D_SHARED_DATA names it; a folder `shared/data` in the checkout or beside it is found by itself.
    """
    named = os.environ.get("IDTO3D_SHARED_DATA")
    places = [Path(named)] if named else [ROOT / "shared" / "data", ROOT.parent / "shared" / "data"]
    for place in places:
        if place.is_dir():
            return place
    pytest.skip(f"no real data at {places[-1]}; set IDTO3D_SHARED_DATA to the folder that holds it")
