"""Methods over the linear basis: the classical fit, and the map from the embedding."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import idto3d
from idto3d.asset import read_expression, read_manifest
from idto3d.errors import UserError
from idto3d.geometry.head_basis import HeadBasis, load_head_basis
from idto3d.population.head_model import load_head_model
from idto3d.population.people import draw_person
from idto3d.population.photos import draw_photo
from idto3d_baselines import feed_forward, morphable_fit
from idto3d_baselines.basis_colour import SeenPixels, irradiance, solve_colour, usual_light
from idto3d_baselines.specs import METHODS, GenerateRequest
from idto3d_protocols.schema import Budget

WEIGHTS = Path(idto3d.__file__).parent / "weights"
STEPS = 24
SMALL = {"fit_resolution": 64, "texture_size": 64}


@pytest.fixture(scope="module")
def basis() -> HeadBasis:
    return load_head_basis(WEIGHTS / "head_basis.npz")


def request_of(folder: Path, index: int, photos: int = 2) -> GenerateRequest:
    """A request for a validation person, from their first photos."""
    paths = []
    for number in range(photos):
        path = folder / f"{index}-{number}.png"
        Image.fromarray(draw_photo(draw_person("validation", index), number).image).save(path)
        paths.append(path)
    budget = Budget(
        geometry_steps=0, texture_steps=0, fit_steps=STEPS, geometry_batch=1, texture_batch=1, threads=1
    )
    return GenerateRequest(
        f"validation-{index:04d}",
        tuple(paths),
        ("neutral", "smile"),
        0,
        budget,
        WEIGHTS,
        folder / f"head-{index}",
    )


def vertices_of(folder: Path, basis: HeadBasis, expression: str = "neutral") -> np.ndarray:
    """Vertices [V, 3] mm of a head, its seams joined again."""
    mesh = read_expression(folder, expression)
    joined = np.zeros((len(basis.mean), 3))
    joined[basis.source] = mesh.vertices
    return joined


def test_a_fit_is_nearer_to_the_person_than_the_mean_head(basis: HeadBasis, tmp_path: Path) -> None:
    """In their landmarks, size and place aside; twice the same, and its expressions are displacements."""
    steps: list[tuple[int, int, str]] = []
    request = replace(request_of(tmp_path, 5), parameters=SMALL, progress=lambda *step: steps.append(step))
    morphable_fit.generate(request)
    assert steps[-1] == (STEPS, STEPS, "fitting")
    neutral = vertices_of(request.out, basis)
    model = load_head_model()
    true = model.neutral(draw_person("validation", 5).shape)[model.landmark_index].astype(np.float64)
    assert _away(basis.landmarks(neutral), true) < 0.9 * _away(basis.landmarks(basis.mean), true)

    smile = vertices_of(request.out, basis, "smile")
    np.testing.assert_allclose(smile - neutral, basis.displacement("smile"), atol=2e-3)
    assert read_expression(request.out, "smile").albedo.shape == (64, 64, 3)

    again = replace(request, out=tmp_path / "again", progress=None)
    morphable_fit.generate(again)
    assert read_manifest(again.out) == read_manifest(request.out)
    assert set(read_manifest(again.out).weights) == {"reader_methods.onnx", "head_basis.npz"}


def test_a_fit_needs_a_face_and_known_parameters(tmp_path: Path) -> None:
    request = request_of(tmp_path, 5, photos=1)
    with pytest.raises(UserError, match="fit_resolutoin=96"):
        morphable_fit.generate(replace(request, parameters={"fit_resolutoin": 96}))
    wall = tmp_path / "wall.png"
    Image.fromarray(np.full((96, 96, 3), 128, np.uint8)).save(wall)
    with pytest.raises(UserError, match=r"Found no readable face in 'wall\.png'"):
        morphable_fit.generate(replace(request, photos=(wall,)))


def test_colour_and_lights_are_found_where_the_model_is_right(basis: HeadBasis) -> None:
    """Pixels made by the model: the colour comes back, through two unlike lights."""
    tensors, numbers = basis.torch(), np.random.default_rng(0)
    true = torch.zeros(len(basis.colour))
    true[:3] = torch.tensor([0.8, -1.0, 1.0])
    mean, precision = usual_light()
    spread = torch.linalg.cholesky(torch.linalg.inv(precision))
    looks = []
    for _ in range(2):
        triangle = torch.from_numpy(
            numbers.choice(np.flatnonzero(basis.face_weight[basis.faces].min(1) > 0.9), 3000)
        )
        normals = torch.nn.functional.normalize(
            torch.from_numpy(numbers.normal((0.0, 0.0, 2.0), 1.0, (3000, 3))).float(), dim=1
        )
        light = (mean + spread @ torch.from_numpy(numbers.normal(size=27)).float()).reshape(9, 3)
        look = SeenPixels(torch.zeros(3000, 3), normals, triangle, torch.full((3000, 3), 1 / 3))
        shown = look.mix(tensors.albedo(true), tensors.faces) * irradiance(normals, light)
        looks.append(replace(look, photo=shown))
    found = solve_colour(tensors, looks)
    albedo, wanted = basis.albedo(found.colour.numpy()), basis.albedo(true.numpy())
    inside = basis.face_weight > 0.9
    before = np.abs(basis.albedo_mean - wanted)[inside].mean()
    assert np.abs(albedo - wanted)[inside].mean() < 0.5 * before


def test_two_people_have_two_heads_and_one_person_has_one(basis: HeadBasis, tmp_path: Path) -> None:
    """The map alone: another embedding gives another shape and colour, the same photos the same bytes."""
    requests = [request_of(tmp_path, index) for index in (5, 8)]
    for request in requests:
        feed_forward.generate(request)
    first, second = (vertices_of(request.out, basis) for request in requests)
    assert np.abs(first - second).mean() > 0.5
    colours = [read_expression(request.out, "neutral").albedo.astype(int) for request in requests]
    assert np.abs(colours[0] - colours[1]).mean() > 5.0
    smile = vertices_of(requests[0].out, basis, "smile")
    np.testing.assert_allclose(smile - first, basis.displacement("smile"), atol=2e-3)
    again = replace(requests[0], out=tmp_path / "again")
    feed_forward.generate(again)
    assert read_manifest(again.out) == read_manifest(requests[0].out)
    with pytest.raises(UserError, match="expected none"):
        feed_forward.generate(replace(again, parameters={"strength": 1}))


def test_a_map_over_another_basis_is_refused(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    for path in WEIGHTS.iterdir():
        if path.name != "head_basis.npz":
            (weights / path.name).symlink_to(path)
    with np.load(WEIGHTS / "head_basis.npz") as stored:
        arrays = dict(stored)
    np.savez_compressed(weights / "head_basis.npz", **arrays | {"mean": arrays["mean"] + 1.0})
    with pytest.raises(UserError, match="learned over another basis"):
        feed_forward.generate(replace(request_of(tmp_path, 5, photos=1), weights=weights))


def test_the_map_belongs_to_the_embedded_recogniser() -> None:
    assert METHODS["feed_forward"].profiles == ("embedded",)
    assert "truth" not in METHODS["feed_forward"].conditioned_on + METHODS["morphable_fit"].conditioned_on


@pytest.mark.parametrize(
    "name", ["morphable_fit", "feed_forward", "basis_fit", "basis_colour", "basis_asset"]
)
def test_they_know_neither_the_population_nor_its_head_model(repository: Path, name: str) -> None:
    """Nothing that these methods import is, or is imported from, `idto3d.population` or `anny`."""
    tree = ast.parse((repository / "baselines" / "idto3d_baselines" / f"{name}.py").read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert modules
    assert not [
        m for m in modules if m.split(".")[0] == "anny" or m.startswith(("idto3d.population", "idto3d.train"))
    ]


def _away(points: np.ndarray, true: np.ndarray) -> float:
    """Mean distance, mm, once points [N, 3] are laid on the true ones by turn, shift and size."""
    centre, goal = points.mean(0), true.mean(0)
    left, values, right = np.linalg.svd((true - goal).T @ (points - centre))
    signs = np.array([1.0, 1.0, np.linalg.det(left @ right)])
    scale = (values * signs).sum() / ((points - centre) ** 2).sum()
    laid = scale * (points - centre) @ (left @ np.diag(signs) @ right).T + goal
    return float(np.linalg.norm(laid - true, axis=1).mean())
