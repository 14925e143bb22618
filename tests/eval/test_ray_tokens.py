"""Clusters that ask for a token, as Ray's own do by default."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra `ray` is not installed")

# Whoever starts a cluster of their own first has Ray write `~/.ray/auth_token`.
OWN = """
import os
from idto3d_eval.bench.idle_stages import TABLE
from idto3d_eval.ray_pool import RayPool
for _ in range(2):
    with RayPool(1, TABLE, None, 1) as pool:
        assert pool.room("cpu")
assert os.environ["RAY_AUTH_MODE"] == "token"
"""
RUNNING = """
from ray.cluster_utils import Cluster
from idto3d_eval.bench.idle_stages import TABLE
from idto3d_eval.ray_pool import RayPool
made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
with RayPool(1, TABLE, made.address) as pool:
    assert pool.room("cpu")
made.shutdown()
"""


def python(code: str, home: Path, **variables: str) -> None:
    """Runs code in a home and with Ray's own defaults but for `variables`."""
    defaults = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    environment = {**defaults, "HOME": str(home), **variables}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def test_ray_takes_the_token_that_the_first_cluster_of_a_home_made(tmp_path: Path) -> None:
    python(OWN + RUNNING, tmp_path)
    assert (tmp_path / ".ray" / "auth_token").read_text()


def test_ray_takes_a_token_from_the_environment_for_a_cluster_that_runs(tmp_path: Path) -> None:
    """Dropped from what processes inherit, but the driver itself has to say it."""
    python(RUNNING, tmp_path, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="5c" * 32)
