"""The doctor: weights against their cards, what draws and where, and that nothing optional is a failure."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch

from idto3d_eval import catalogue, doctor
from idto3d_eval.doctor import Check
from idto3d_eval.single import shipped_weights


def test_shipped_weights_are_those_of_their_cards() -> None:
    checks = doctor._weights()
    assert {"recogniser_a", "recogniser_b", "reader_methods", "guidance/unet"} <= {
        check.name for check in checks
    }
    assert [check.name for check in checks if check.failed] == []


def test_another_files_hash_and_a_missing_part_are_failures_that_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in shipped_weights().glob("recogniser_*"):
        shutil.copy(path, tmp_path)
    with (tmp_path / "recogniser_a.onnx").open("ab") as file:
        file.write(b"x")
    (tmp_path / "recogniser_b.onnx").unlink()
    cards = {name: card for name, card in catalogue.model_cards().items() if name.startswith("recogniser")}
    monkeypatch.setattr(doctor, "shipped_weights", lambda: tmp_path)
    monkeypatch.setattr(doctor, "model_cards", lambda: cards)
    found = {check.name: check for check in doctor._weights()}
    assert "its card says another" in found["recogniser_a"].found
    assert found["recogniser_b"].found == "no recogniser_b.onnx"
    assert found["guidance/unet"].failed
    assert all("idto3d-eval train" in check.row()["do"] for check in found.values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_without_cuda_embree_is_used_and_nothing_fails() -> None:
    checks = {check.name: check for check in [*doctor._rasterisers(), *doctor._devices()]}
    assert checks["rasteriser embree"].found == "used for meshes on cpu"
    assert checks["rasteriser nvdiffrast"].row()[""] == "absent"
    assert checks["CUDA"].row()[""] == "absent"
    assert not any(check.failed for check in checks.values())


def test_on_a_cuda_machine_without_nvdiffrast_the_doctor_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "nvdiffrast", None)
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", None)
    absent = next(check for check in doctor._rasterisers() if check.name == "rasteriser nvdiffrast")
    assert not absent.failed
    assert "pip install" in absent.row()["do"]
    assert "--no-build-isolation" in absent.row()["do"]


def test_what_is_optional_is_absent_and_what_is_needed_fails() -> None:
    assert Check("a", False, "", "b", optional=True).row() == {
        "check": "a",
        "": "absent",
        "found": "",
        "do": "b",
    }
    assert Check("a", False, "", "b").row()[""] == "FAILED"


def test_weights_of_the_paper_and_the_validator_are_told_with_their_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    paper, validator = doctor._paper_weights()[0], doctor._validator()[0]
    assert "models pull public" in paper.row()["do"]
    assert "npm ci" in validator.row()["do"]
    assert not paper.failed
    assert not validator.failed
    (tmp_path / "weights" / "public").mkdir(parents=True)
    (tmp_path / "weights" / "public" / "profile.json").write_text("{}")
    assert doctor._paper_weights()[0].passed
