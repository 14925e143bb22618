"""The linear head basis: what it says of people, and which files are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import idto3d
from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS, preset
from idto3d.geometry import head_basis
from idto3d.geometry.head_basis import HeadBasis, load_head_basis, save_head_basis
from idto3d.geometry.head_regression import HeadRegression, load_head_regression, save_head_regression
from idto3d.population.head_model import load_head_model
from idto3d.population.people import draw_person
from idto3d.train.head_basis import neutral_shapes, principal, training_people
from idto3d.train.head_regression import ridge
from idto3d.train.head_topology import Topology, _halve, make_topology

BASIS = Path(idto3d.__file__).parent / "weights" / "head_basis.npz"


@pytest.fixture(scope="module")
def basis() -> HeadBasis:
    return load_head_basis(BASIS)


@pytest.fixture(scope="module")
def topology() -> Topology:
    model = load_head_model()
    people = training_people()
    return make_topology(np.mean([model.neutral(p.shape) for p in people], axis=0, dtype=np.float64))


@pytest.fixture(scope="module")
def shipped_topology(basis: HeadBasis, topology: Topology) -> Topology:
    """The topology that the shipped basis was made on, where this machine makes the same one: halving decides
    by comparing lengths, and a processor that rounds the mean head otherwise ends with other faces."""
    if not np.array_equal(topology.faces, basis.faces):
        pytest.skip(
            f"this processor rounds otherwise: {len(topology.faces)} faces are made here, the shipped basis "
            f"has {len(basis.faces)}"
        )
    return topology


def test_components_are_orthonormal_and_fall(basis: HeadBasis) -> None:
    for axes, deviations in (
        (basis.shape, basis.shape_deviations),
        (basis.colour, basis.colour_deviations),
    ):
        rows = axes.reshape(len(axes), -1)
        np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=2e-3)
        assert (np.diff(deviations) <= 1e-6).all()


def test_a_training_head_is_rebuilt_within_a_millimetre(basis: HeadBasis, shipped_topology: Topology) -> None:
    """The topology is made again from its people, and the components say what they are like."""
    np.testing.assert_array_equal(shipped_topology.faces, basis.faces)
    head = neutral_shapes([draw_person("guidance", 7)], shipped_topology)[0]
    axes = basis.shape.reshape(len(basis.shape), -1)
    coefficients = axes @ (head - basis.mean).reshape(-1) / basis.shape_deviations
    away = np.linalg.norm(basis.vertices(coefficients) - head, axis=1)
    assert away.mean() < 1.0
    assert away.mean() < 0.2 * np.linalg.norm(basis.mean - head, axis=1).mean()


def test_its_topology_is_its_own(basis: HeadBasis) -> None:
    """Neither as many vertices as the people's topology nor any of its faces' corners in its order."""
    model = load_head_model()
    assert len(basis.mean) != len(model.mean)
    assert len(basis.faces) != len(model.faces)


def test_landmarks_lie_where_the_peoples_do(basis: HeadBasis, shipped_topology: Topology) -> None:
    person = draw_person("validation", 3)
    vertices = neutral_shapes([person], shipped_topology)[0]
    true = load_head_model().neutral(person.shape)[load_head_model().landmark_index]
    assert np.linalg.norm(basis.landmarks(vertices) - true, axis=1).max() < 1.5


def test_expressions_are_displacements_of_the_mean_head(basis: HeadBasis, shipped_topology: Topology) -> None:
    assert basis.expression_names == EXPRESSIONS
    own = shipped_topology.carry(np.tensordot(preset("smile"), load_head_model().actions, 1))
    np.testing.assert_allclose(basis.displacement("smile"), own, atol=0.02)
    coefficients = np.array([1.0, -2.0])
    moved = basis.vertices(coefficients, "smile") - basis.vertices(coefficients)
    np.testing.assert_allclose(moved, basis.displacement("smile"), atol=1e-4)
    assert not basis.displacement("neutral").any()


def test_outside_the_crop_there_is_one_skin_colour_and_no_hair(basis: HeadBasis) -> None:
    outside = basis.face_weight == 0.0
    assert outside.sum() > 500
    colour = basis.albedo(np.array([1.5, -1.0, 2.0]))[outside]
    assert np.ptp(colour, axis=0).max() < 2e-3


def test_tensors_say_the_same_and_are_differentiable(basis: HeadBasis) -> None:
    tensors = basis.torch()
    shape = torch.randn(10, generator=torch.Generator().manual_seed(0), requires_grad=True)
    weights = torch.zeros(len(EXPRESSIONS))
    weights[EXPRESSIONS.index("kiss")] = 1.0
    vertices = tensors.vertices(shape, weights)
    expected = basis.vertices(shape.detach().numpy(), "kiss")
    np.testing.assert_allclose(vertices.detach().numpy(), expected, atol=1e-3)
    np.testing.assert_allclose(
        tensors.landmarks(vertices).detach().numpy(), basis.landmarks(expected), atol=1e-3
    )
    colour = torch.ones(4)
    np.testing.assert_allclose(tensors.albedo(colour).numpy(), basis.albedo(np.ones(4)), atol=1e-5)
    vertices.sum().backward()
    assert shape.grad is not None


def test_seams_are_split_over_the_same_faces(basis: HeadBasis) -> None:
    np.testing.assert_array_equal(basis.source[basis.uv_faces], basis.faces)


def test_the_file_keeps_within_its_bound_and_survives_a_round_trip(basis: HeadBasis, tmp_path: Path) -> None:
    assert BASIS.stat().st_size <= head_basis.MAX_FILE_BYTES
    save_head_basis(tmp_path / "again.npz", basis)
    again = load_head_basis(tmp_path / "again.npz")
    np.testing.assert_array_equal(again.shape, basis.shape)
    np.testing.assert_array_equal(again.uv_faces, basis.uv_faces)


def test_files_that_are_no_basis_are_one_sentence(
    basis: HeadBasis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"Found no readable head basis.*train head_basis`\.$"):
        load_head_basis(tmp_path / "nobody.npz")
    np.savez(tmp_path / "other.npz", mean=np.zeros(3))
    with pytest.raises(UserError, match="Found no readable head basis"):
        load_head_basis(tmp_path / "other.npz")
    broken = tmp_path / "broken.npz"
    save_head_basis(broken, replace(basis, faces=basis.faces + len(basis.mean)))
    with pytest.raises(UserError, match="Found faces outside 0 to"):
        load_head_basis(broken)
    save_head_basis(broken, replace(basis, mean=np.full_like(basis.mean, np.nan)))
    with pytest.raises(UserError, match="Found NaN in mean"):
        load_head_basis(broken)
    monkeypatch.setattr(head_basis, "MAX_FILE_BYTES", 100)
    with pytest.raises(UserError, match=r"Found \d+ bytes in 'head_basis.npz', expected at most 100"):
        load_head_basis(BASIS)
    with pytest.raises(UserError, match="Found no expression 'yawn'"):
        basis.displacement("yawn")


def test_principal_components_rebuild_what_they_span() -> None:
    numbers = np.random.default_rng(0)
    rows = numbers.normal(size=(20, 3)) @ numbers.normal(size=(3, 40)) + 5.0
    found = principal(rows, 3)
    np.testing.assert_allclose(found.rebuilt(rows), rows, atol=1e-9)
    assert found.coefficients(rows).std(0, ddof=1) == pytest.approx(np.ones(3))


def test_halved_edges_leave_no_gap_and_keep_the_area() -> None:
    """A tetrahedron stays closed, whichever edges are too long."""
    points = np.array([[0.0, 0, 0], [9, 0, 0], [0, 5, 0], [0, 0, 2]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
    finer, triangles, split = _halve(points, faces, np.full(4, 5.5))
    assert split
    edges = np.sort(np.stack([triangles, np.roll(triangles, -1, 1)], -1).reshape(-1, 2), 1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()

    def area(vertices: np.ndarray, corners: np.ndarray) -> float:
        a, b, c = (vertices[corners[:, k]] for k in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum())

    assert area(finer, triangles) == pytest.approx(area(points, faces))


def test_ridge_recovers_a_linear_map_and_shrinks_with_its_strength() -> None:
    numbers = np.random.default_rng(1)
    rows, true = numbers.normal(size=(60, 5)), numbers.normal(size=(5, 2))
    np.testing.assert_allclose(ridge(rows, rows @ true, 1e-9), true, atol=1e-5)
    assert np.linalg.norm(ridge(rows, rows @ true, 100.0)) < np.linalg.norm(true)


def test_a_regression_belongs_to_one_recogniser(tmp_path: Path) -> None:
    """It survives a round trip, and an embedding of another length is refused in a sentence."""
    made = HeadRegression(
        np.zeros(4, np.float32),
        np.eye(4, dtype=np.float32),
        np.zeros(6, np.float32),
        np.ones((1, 6), np.float32),
        np.full((6, 3), 0.5, np.float32),
        np.ones((1, 6, 3), np.float32),
        "sha",
    )
    save_head_regression(tmp_path / "map.npz", made)
    read = load_head_regression(tmp_path / "map.npz")
    head = read.head(np.array([1.0, 0.5, -2.0, 0.25]))
    np.testing.assert_allclose(head.shape, [1.0, 0.5])
    assert head.relief.max() == 0.0  # hair does not grow inwards
    assert head.albedo == pytest.approx(((0.75 + 0.055) / 1.055) ** 2.4)
    assert read.basis_sha256 == "sha"
    with pytest.raises(UserError, match=r"embedding of shape \[3\], expected \[4\]"):
        read.head(np.zeros(3))
    with pytest.raises(UserError, match="Found no readable map"):
        load_head_regression(tmp_path / "nobody.npz")
    save_head_regression(tmp_path / "map.npz", replace(made, look=np.ones((1, 5, 3), np.float32)))
    with pytest.raises(UserError, match="do not fit each other"):
        load_head_regression(tmp_path / "map.npz")
