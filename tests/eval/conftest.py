"""Lets tests and the workers that they start import the fake stages; Ray's tests take turns."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)
if HERE not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH", "")]))

# Ray's first cluster writes a token into the home, which tests would overwrite for each other; a test
# of its own has a home of its own.
os.environ["RAY_AUTH_MODE"] = "disabled"


@contextlib.contextmanager
def turn_with_ray(asked: bool) -> Iterator[None]:
    """Clusters that begin on one machine at once time out at their start."""
    with (Path(tempfile.gettempdir()) / "idto3d-tests-with-ray.lock").open("w") as handle:
        if asked:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module", autouse=True)
def _module_with_ray(request: pytest.FixtureRequest) -> Iterator[None]:
    with turn_with_ray("_ray" in request.path.name):
        yield


@pytest.fixture(autouse=True)
def _test_with_ray(request: pytest.FixtureRequest, _module_with_ray: None) -> Iterator[None]:
    named = any(sign in request.node.name for sign in ("_ray", "[ray"))
    with turn_with_ray(named and "_ray" not in request.path.name):
        yield
