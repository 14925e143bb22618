"""Commands of two words stand beside those of one; what they need is asked for before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from idto3d_eval.cli import Settings, app


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), obj=Settings())


def test_train_guidance_and_train_of_a_network_are_two_commands(tmp_path: Path) -> None:
    assert "--patience" in call("train", "guidance", "--help").stdout
    assert "--patience" not in call("train", "--help").stdout
    assert "recogniser_a" in call("train").stdout
    missing = call("train", "guidance", "--out", str(tmp_path))
    assert missing.exit_code == 2
    assert "--base" in missing.stderr
    unknown = call("measure", "hair")
    assert unknown.exit_code == 2
    assert "'hair'" in unknown.stderr


@pytest.mark.parametrize("layout", ["nersemble", "csv"])
def test_what_is_prepared_stands_beside_what_lies_there(layout: str, tmp_path: Path) -> None:
    assert "--recogniser" in call("data", "prepare", layout, "--help").stdout
    nothing = call("data", "prepare", layout, str(tmp_path / "none"), "--out", str(tmp_path / "out"))
    assert nothing.exit_code == 2
    assert nothing.stderr.startswith("Found no")
    assert list(tmp_path.iterdir()) == []


def test_a_model_folder_without_adapters_is_refused(tmp_path: Path) -> None:
    refused = call("measure", "guidance", "--weights", str(tmp_path), "--data", str(tmp_path))
    assert refused.exit_code == 2
    assert "lora_geometry or lora_texture" in refused.stderr
