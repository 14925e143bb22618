"""Fitting one photo: smooth and symmetric, true where the truth is known, honest about what it cannot do."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from idto3d.asset import TexturedMesh, read_expression, read_manifest
from idto3d.errors import UserError
from idto3d.geometry.cleanup import reduce_faces
from idto3d.geometry.mesh import Mesh, save_mesh
from idto3d.identity.reader import FaceReading, NoFace
from idto3d.render.light import EnvironmentLight
from idto3d.render.views import render_view
from idto3d_baselines import image_fit
from idto3d_baselines.face_warp import FaceWarp, StartHead, load_start_head, upright
from idto3d_baselines.photo_crop import crop_camera, first_pose, head_crop, outline
from idto3d_baselines.photo_fit import fit_head
from idto3d_baselines.photo_texture import layout_of, textured_head
from idto3d_baselines.specs import GenerateRequest
from idto3d_protocols.schema import Budget

SIZE = 64
SKIN = (168, 120, 96)
LIGHT = EnvironmentLight.from_lamps(
    np.array([[0.4, 0.5, 0.77]]), np.array([[0.35, 0.35, 0.35]]), np.array([0.5, 0.5, 0.5])
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept from, or for, another run."""
    monkeypatch.setenv("IDTO3D_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def head(repository: Path) -> StartHead:
    """The shipped mean head with fewer faces."""
    full = load_start_head(repository / "idto3d" / "weights" / "mean_head.npz")
    reduced = reduce_faces(full.mesh, 3000)
    return StartHead(Mesh(reduced.carry(full.mesh.vertices), reduced.faces), full.landmarks)


def turned(points: np.ndarray, yaw: float) -> np.ndarray:
    """Points [N, 3] of the head frame where the crop's camera sees the head turned by `yaw`."""
    c, s = np.cos(yaw), np.sin(yaw)
    return points @ np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]).T + [3.0, 12.0, 15.0]


def photograph(
    head: StartHead, vertices: np.ndarray, landmarks: np.ndarray, yaw: float, size: int = 96
) -> tuple[np.ndarray, np.ndarray]:
    """A picture [S, S, 3] of plain skin on the views' grey, and its landmarks [68, 2]."""
    albedo = np.full((4, 4, 3), SKIN, np.uint8)
    surface = np.tile(np.array([255, 140, 0], np.uint8), (4, 4, 1))
    mesh = TexturedMesh(
        turned(vertices, yaw), head.mesh.faces, np.full((len(vertices), 2), 0.5), albedo, surface
    )
    camera = crop_camera(size)
    return render_view(mesh, camera, LIGHT, 1).colour, camera.project(turned(landmarks, yaw))


def bent(head: StartHead, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and landmarks of another person: the mean head under random moves of its control points."""
    warp = FaceWarp(head)
    numbers = torch.Generator().manual_seed(seed)
    spreads = torch.from_numpy(warp.spreads).float()[:, None]
    moves = 0.7 * spreads * torch.randn(len(spreads), 3, generator=numbers)
    vertices, landmarks = (
        warp.influence(points).displaced(torch.from_numpy(points).float(), moves).double().numpy()
        for points in (head.mesh.vertices, head.landmarks)
    )
    return vertices, landmarks


def reading(landmarks: np.ndarray, action: float = 0.0, presence: float = 1.0) -> FaceReading:
    return FaceReading(
        landmarks.astype(np.float32), np.full(52, action, np.float32), np.zeros(1, np.float32), presence
    )


def test_the_warp_is_mirror_symmetric(head: StartHead) -> None:
    """Mirroring points and then warping is warping and then mirroring."""
    warp = FaceWarp(head)
    flip = np.array([-1.0, 1.0, 1.0])
    moves = torch.randn(len(warp.widths), 3, generator=torch.Generator().manual_seed(1))
    points = head.mesh.vertices[::50]
    here, there = (
        warp.influence(p).displaced(torch.from_numpy(p).float(), moves).numpy()
        for p in (points, points * flip)
    )
    np.testing.assert_allclose(here * flip, there, atol=2e-4)


def test_a_nod_is_taken_out_of_the_shape(head: StartHead) -> None:
    """A nodding, shifted head settles where the upright one was."""
    c, s = np.cos(0.2), np.sin(0.2)
    nod = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    moved = head.landmarks @ nod.T + [0.0, 5.0, -7.0]
    np.testing.assert_allclose(upright(moved, head.landmarks)(moved), head.landmarks, atol=1e-6)


def test_the_first_pose_finds_a_turned_head(head: StartHead) -> None:
    """With the mean head's own landmarks the pose is exact."""
    image, pixels = photograph(head, head.mesh.vertices, head.landmarks, 0.3)
    crop = head_crop(image, pixels, 96)
    crop = replace(crop, landmarks=pixels)
    rotation, translation = first_pose(head, crop)
    np.testing.assert_allclose(
        head.landmarks @ rotation.T + translation, turned(head.landmarks, 0.3), atol=0.5
    )


def test_a_crop_keeps_the_landmarks_on_their_pixels(head: StartHead) -> None:
    """A mark in the photo lies where the crop says it does, and nothing is invented beyond the border."""
    image, pixels = photograph(head, head.mesh.vertices, head.landmarks, 0.0, 128)
    x, y = pixels[30].astype(int)
    image = image.copy()
    image[y - 1 : y + 2, x - 1 : x + 2] = (0, 255, 0)
    crop = head_crop(image, pixels, 128)
    green = crop.image[..., 1].astype(int) - crop.image[..., 0]
    row, column = np.unravel_index(green.argmax(), green.shape)
    assert np.hypot(column + 0.5 - crop.landmarks[30, 0], row + 0.5 - crop.landmarks[30, 1]) < 2.5
    shifted = head_crop(image, pixels - [60.0, 0.0], 128)
    assert 0.2 < shifted.inside.mean() < 0.9
    assert not shifted.image[~shifted.inside].max() > 250


def test_a_fit_explains_landmarks_and_outline(head: StartHead) -> None:
    """Another person's landmarks are met, their neutral shape is nearer than the mean head was."""
    vertices, landmarks = bent(head)
    image, pixels = photograph(head, vertices, landmarks, 0.25)
    crop = head_crop(image, pixels, SIZE)
    before, after = fit_head(head, crop, 0, 0), fit_head(head, crop, 40, 0)
    assert after.landmark_error < 0.5 * before.landmark_error
    seen = (
        np.linalg.norm(vertices - after.vertices, axis=1),
        np.linalg.norm(vertices - before.vertices, axis=1),
    )
    face = vertices[:, 2] > -30.0
    assert seen[0][face].mean() < 0.9 * seen[1][face].mean()


def test_albedo_is_what_lies_under_the_light(head: StartHead) -> None:
    """Seen with the true light, plain skin comes back plain, on the mirrored side too."""
    image, pixels = photograph(head, head.mesh.vertices, head.landmarks, 0.4, 192)
    crop = replace(head_crop(image, pixels, 192), image=image, landmarks=pixels)
    crop = replace(crop, inside=np.ones(image.shape[:2], bool))
    fitted = fit_head(head, replace(crop, image=image), 0, 0)
    known = replace(fitted, posed=turned(head.mesh.vertices, 0.4), light=LIGHT)
    mesh = textured_head(crop, known, layout_of(head.mesh, 128), head.mesh.faces, 128)
    difference = np.abs(mesh.albedo.astype(int) - SKIN).max(-1)
    assert np.median(difference) <= 4
    assert np.quantile(difference, 0.9) <= 16


def test_an_outline_that_contradicts_the_head_is_not_believed(head: StartHead) -> None:
    """In noise there is no head to be told from the background, or it is nowhere near the landmarks."""
    _, pixels = photograph(head, head.mesh.vertices, head.landmarks, 0.0)
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    crop = head_crop(noise, pixels, SIZE)
    rotation, translation = first_pose(head, crop)
    far = head.mesh.vertices @ rotation.T + translation + [4000.0, 0.0, 0.0]
    assert outline(crop, far, head.mesh.faces, 0) is None


def test_the_best_photo_is_large_frontal_and_still(head: StartHead) -> None:
    """Each of the three decides where the others are equal; photos without a face are passed over."""
    front = crop_camera(100).project(turned(head.landmarks, 0.0))
    side = crop_camera(100).project(turned(head.landmarks, 0.6))
    names = ["a.png", "b.png", "c.png"]
    assert image_fit.best_photo(names, [NoFace("no"), reading(front), reading(2 * front)])[0] == 2
    assert image_fit.best_photo(names, [reading(side), reading(front), NoFace("no")])[0] == 1
    assert image_fit.best_photo(names, [reading(front), reading(front, 0.9), NoFace("no")])[0] == 0


def test_no_face_names_the_photos() -> None:
    with pytest.raises(UserError, match=r"'wall\.png'.*presence 0\.02.*replace or remove"):
        image_fit.best_photo(["wall.png"], [NoFace("no face: presence 0.02, expected at least 0.5")])


@pytest.fixture
def request_of_a_photo(head: StartHead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GenerateRequest:
    """One photo, weights with a light mean head, and a reader that knows where the landmarks are."""
    image, pixels = photograph(head, *bent(head), 0.1)
    Image.fromarray(image).save(tmp_path / "photo.png")
    weights = tmp_path / "weights"
    weights.mkdir()
    save_mesh(weights / "mean_head.npz", head.mesh)
    with np.load(weights / "mean_head.npz") as stored:
        arrays = dict(stored)
    np.savez(weights / "mean_head.npz", **arrays, landmarks=head.landmarks)
    (weights / "reader_methods.onnx").write_bytes(b"reader")
    monkeypatch.setattr(image_fit, "load_reader", lambda path: path)
    monkeypatch.setattr(image_fit, "read_faces", lambda _reader, images: [reading(pixels) for _ in images])
    budget = Budget(
        geometry_steps=0, texture_steps=0, fit_steps=3, geometry_batch=1, texture_batch=1, threads=1
    )
    parameters = {"fit_resolution": 48, "colour_resolution": 64, "texture_size": 64}
    return GenerateRequest(
        "somebody",
        (tmp_path / "photo.png",),
        ("neutral", "smile"),
        7,
        budget,
        weights,
        tmp_path / "head",
        parameters,
    )


def test_a_head_is_a_statue_and_the_same_every_time(request_of_a_photo: GenerateRequest) -> None:
    """Every expression is the neutral head, bit for bit, and so is a second run."""
    request = request_of_a_photo
    steps: list[tuple[int, int, str]] = []
    again = replace(request, out=request.out.with_name("again"))
    image_fit.generate(replace(request, progress=lambda *step: steps.append(step)))
    image_fit.generate(again)
    first, second = read_manifest(request.out), read_manifest(again.out)
    assert first.files["neutral.glb"] == first.files["smile.glb"]
    assert first == second
    assert steps == [(1, 3, "fitting"), (2, 3, "fitting"), (3, 3, "fitting")]
    assert set(first.weights) == {"reader_methods.onnx", "mean_head.npz"}
    assert read_expression(request.out, "smile").albedo.shape == (64, 64, 3)


def test_unknown_parameters_are_refused(request_of_a_photo: GenerateRequest) -> None:
    with pytest.raises(UserError, match="fit_resolutoin=96"):
        image_fit.generate(replace(request_of_a_photo, parameters={"fit_resolutoin": 96}))


def test_a_mean_head_without_landmarks_is_refused(tmp_path: Path, head: StartHead) -> None:
    save_mesh(tmp_path / "mean_head.npz", head.mesh)
    with pytest.raises(UserError, match="expected 68 points in mm"):
        load_start_head(tmp_path / "mean_head.npz")


@pytest.mark.parametrize("name", ["image_fit", "face_warp", "photo_crop", "photo_fit", "photo_texture"])
def test_it_knows_neither_the_population_nor_its_head_model(repository: Path, name: str) -> None:
    """Nothing that this baseline imports is, or is imported from, `idto3d.population` or `anny`."""
    tree = ast.parse((repository / "baselines" / "idto3d_baselines" / f"{name}.py").read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert modules
    assert not [m for m in modules if m.split(".")[0] == "anny" or m.startswith("idto3d.population")]
    assert not [m for m in modules if m.endswith(("truth_asset", "oracle", "impostor", "template_mean"))]
