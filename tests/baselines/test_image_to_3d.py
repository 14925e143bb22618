"""Image-to-3D baselines: the photo is held, what is spent is what was declared, and the same again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.asset import AssetManifest, read_expression, read_manifest
from idto3d.errors import UserError
from idto3d.generate import mean_material
from idto3d.geometry.cleanup import reduce_faces
from idto3d.geometry.mean_head import load_mean_head
from idto3d.geometry.mesh import Mesh
from idto3d.guidance import meter
from idto3d.identity.align import five_points
from idto3d.texture.coloured_head import ColouredHead
from idto3d_baselines import dreamcraft3d, magic123, photo_projection
from idto3d_baselines.face_warp import StartHead
from idto3d_baselines.magic123 import schedules
from idto3d_baselines.photo_crop import crop_camera
from idto3d_baselines.photographs import best_of, photographs_of, posed_landmarks
from idto3d_baselines.reference_head import fit_reference, imagine, photo_material, split_calls
from idto3d_baselines.sds_head import open_workshop
from idto3d_baselines.specs import GenerateRequest
from idto3d_baselines.subject import read_photos, subject_of
from tests.baselines.photo_people import make_small, photo_request, pictures


@pytest.fixture
def weights(repository: Path) -> Path:
    return repository / "idto3d" / "weights"


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures()  # with the head model that may be kept already
    monkeypatch.setenv("IDTO3D_CACHE", str(tmp_path / "cache"))
    make_small(monkeypatch)


def test_five_points_pose_the_mean_head(weights: Path) -> None:
    """The mean head's own five points give back its landmarks, turned or not."""
    landmarks = load_mean_head(weights / "mean_head.npz").landmarks.astype(np.float64)
    c, s = np.cos(0.4), np.sin(0.4)
    turned = landmarks @ np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]).T
    for posed in (landmarks, turned):
        camera = crop_camera(200)
        five = camera.project(five_points(posed))
        assert np.abs(posed_landmarks(five, landmarks) - camera.project(posed)).max() < 2.0


def test_projection_moves_nothing_and_asks_nobody(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every expression is the mean head itself, whoever is shown, without a guidance call."""
    full = load_mean_head(weights / "mean_head.npz")
    reduced = reduce_faces(full.mesh, 2500)
    head = StartHead(Mesh(reduced.carry(full.mesh.vertices), reduced.faces), full.landmarks.astype(float))
    monkeypatch.setattr(photo_projection, "load_start_head", lambda _path: head)
    before = meter.spent()
    photo_projection.generate(photo_request(tmp_path / "head", weights, 50))
    manifest = read_manifest(tmp_path / "head")
    assert meter.spent() == before
    assert manifest.guidance_calls == 0
    assert len({manifest.files[f"{name}.glb"] for name in manifest.expressions}) == 1
    made = read_expression(tmp_path / "head", "smile").vertices
    distance = np.sqrt(((made[:, None] - head.mesh.vertices[None]) ** 2).sum(-1).min(1))
    assert distance.max() < 0.01
    assert read_expression(tmp_path / "head", "smile").albedo.std() > 5.0


def test_the_reference_view_is_held(tmp_path: Path, weights: Path) -> None:
    """The head matches its photo better than the mean head does, better after score distillation than before
    it, and better at the photo's camera than the same head turned away."""
    request = photo_request(tmp_path / "head", weights, 60)
    found = read_photos(request)
    shop = open_workshop(request, subject_of(found), 60)
    _, photo = best_of(request, photographs_of(request, found, shop.mean_head.landmarks))
    body, view = fit_reference(shop, photo, request.expressions, 12)
    material = photo_material(shop, body, view)

    def miss(vertices: torch.Tensor, colours: object) -> float:
        with torch.no_grad():
            return float(view.loss(ColouredHead(body.faces, body.places, body.on_mean, colours), vertices))  # type: ignore[arg-type]

    fitted = body.vertices["neutral"]
    mean = miss(body.on_mean, mean_material(body.places, body.faces, shop.mean_head))
    before = miss(fitted, material)
    moved = imagine(shop, body, material, view, shop.colour, 60, schedules(request)[1], 1, stage="both")
    after = miss(moved.vertices["neutral"], material)
    turned = moved.vertices["neutral"] * torch.tensor([-1.0, 1.0, -1.0]) + torch.tensor([0.0, 0.0, -120.0])
    assert shop.colour.calls == 60
    assert after < before < mean
    assert after < 0.5 * miss(turned, material)


def made_by(method: object, request: GenerateRequest) -> AssetManifest:
    """The head's manifest; its calls are those measured, and its expressions are distinct."""
    before = meter.spent()
    method.generate(request)  # type: ignore[attr-defined]
    manifest = read_manifest(request.out)
    assert manifest.guidance_calls == meter.spent() - before
    meshes = [read_expression(request.out, name).vertices for name in manifest.expressions]
    assert all(np.abs(mesh - meshes[0]).max() > 0.5 for mesh in meshes[1:])
    return manifest


@pytest.mark.parametrize("method", [magic123, dreamcraft3d])
def test_a_head_spends_what_is_declared(tmp_path: Path, weights: Path, method: object) -> None:
    """To the last call, which fits no step, tuning included."""
    made = made_by(method, photo_request(tmp_path / "head", weights, 41))
    assert made.guidance_calls == 41


def test_the_same_request_makes_the_same_head(tmp_path: Path, weights: Path) -> None:
    """Bit for bit, the tuned prior included; what `dreamcraft3d` does, `magic123` does too."""
    first, second = (
        made_by(dreamcraft3d, photo_request(tmp_path / name, weights, 31, ("neutral", "smile")))
        for name in ("first", "second")
    )
    assert first == second


def test_calls_are_split_to_the_last() -> None:
    for calls in (0, 1, 7, 900):
        shape, colour, others = split_calls(calls, 5)
        assert shape + colour + sum(others) == calls
        assert len(others) == 4


@pytest.mark.parametrize("method", [photo_projection, magic123, dreamcraft3d])
def test_without_a_photo_there_is_no_head(tmp_path: Path, weights: Path, method: object) -> None:
    request: GenerateRequest = replace(photo_request(tmp_path / "head", weights, 10), photos=())
    with pytest.raises(UserError, match="Found 0 photos, expected at least 1"):
        method.generate(request)  # type: ignore[attr-defined]
    assert not request.out.exists()
