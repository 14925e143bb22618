"""`idto3d-eval export` as a user calls it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from idto3d_eval.cli import Settings, app
from tests.export.heads import head, puffed, stretched, write_head


@pytest.fixture(scope="module")
def asset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    neutral, other = head(), head(14)
    return write_head(
        tmp_path_factory.mktemp("asset") / "head",
        neutral=neutral,
        smile=replace(neutral, vertices=stretched(neutral.vertices)),
        anger=replace(other, vertices=puffed(other.vertices, 10.0)),
    )


def _export(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["export", *map(str, arguments)], obj=Settings())
    return result.exit_code, result.stdout, result.stderr


def test_files_sizes_and_residuals_are_told(asset: Path, tmp_path: Path) -> None:
    """A shape of its own topology is said to be registered, one of the neutral's to be exact."""
    code, told, _ = _export(asset, "--out", tmp_path / "out")
    assert code == 0
    lines = {line.split()[0]: line for line in told.splitlines() if line.strip()}
    assert "KiB" in lines["morphs.glb"]
    assert "obj/anger_metallic.png" in lines
    assert "0.000" in lines["smile"]
    assert "own mesh" in lines["smile"]
    assert "registered" in lines["anger"]
    assert str(tmp_path / "out") in told.splitlines()[-1]


def test_expressions_are_named_with_commas_or_again(asset: Path, tmp_path: Path) -> None:
    code, told, _ = _export(asset, "--out", tmp_path, "--expressions", "neutral, smile", "--no-obj")
    assert code == 0
    assert "anger" not in told
    _export(asset, "--out", tmp_path, "--expressions", "neutral", "--expressions", "smile", "--no-morphs")
    assert sorted(path.name for path in (tmp_path / "obj").glob("*.obj")) == ["neutral.obj", "smile.obj"]


def test_an_error_is_one_sentence(asset: Path, tmp_path: Path) -> None:
    code, told, error = _export(asset, "--out", tmp_path / "out", "--expressions", "joy")
    assert (code, told) == (2, "")
    assert "'joy'" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
