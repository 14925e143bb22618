"""Khronos' own validator finds nothing wrong with any GLB that we write."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idto3d.export.files import export_head
from tests.export.heads import head, puffed, stretched, write_head


@pytest.fixture(scope="module")
def validate(repository: Path) -> Any:
    """Reports on GLB files, by `tests/gltf/validate.mjs`."""
    folder = repository / "tests" / "gltf"
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine; install Node.js 18 or newer to run Khronos' glTF validator")
    if not (folder / "node_modules" / "gltf-validator").is_dir():
        pytest.skip("no glTF validator in tests/gltf; run npm ci there, or make test with npm installed")

    def report(*paths: Path) -> list[dict[str, Any]]:
        done = subprocess.run(
            [node, str(folder / "validate.mjs"), *map(str, paths)], capture_output=True, text=True, check=True
        )
        reports: list[dict[str, Any]] = json.loads(done.stdout)
        return reports

    return report


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The GLBs of a head with three expressions, one of them on a topology of its own, and their export."""
    folder, neutral, other = tmp_path_factory.mktemp("gltf"), head(), head(14)
    asset = write_head(
        folder / "head",
        neutral=neutral,
        smile=replace(neutral, vertices=stretched(neutral.vertices)),
        anger=replace(other, vertices=puffed(other.vertices, 10.0)),
    )
    export_head(asset, folder / "out", obj=False)
    return [*sorted(asset.glob("*.glb")), folder / "out" / "morphs.glb"]


def test_no_errors_warnings_or_hints(validate: Any, files: list[Path]) -> None:
    reports = validate(*files)
    assert len(reports) == 4
    for report in reports:
        assert report["issues"]["messages"] == []
        assert report["info"]["totalVertexCount"] > 0
        assert report["info"]["maxUVs"] == 1
    assert [report["info"]["hasMorphTargets"] for report in reports] == [False, False, False, True]


def test_the_validator_is_awake(validate: Any, files: list[Path], tmp_path: Path) -> None:
    """A position moved behind its accessor's back is an error."""
    data = bytearray(files[-1].read_bytes())
    size = int.from_bytes(data[12:16], "little")
    document = json.loads(data[20 : 20 + size])
    position = document["meshes"][0]["primitives"][0]["targets"][0]["POSITION"]
    view = document["bufferViews"][document["accessors"][position]["bufferView"]]
    start = 28 + size + view["byteOffset"]
    data[start : start + 4] = b"\x00\x00\x80\x40"  # 4 m
    (tmp_path / "broken.glb").write_bytes(data)
    (report,) = validate(tmp_path / "broken.glb")
    errors = [message["code"] for message in report["issues"]["messages"] if message["severity"] == 0]
    assert "ACCESSOR_MAX_MISMATCH" in errors
