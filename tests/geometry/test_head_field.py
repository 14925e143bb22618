"""The head field starts at its start surface, shares topology over expressions, and follows gradients."""

import numpy as np
import pytest
import torch
import trimesh

from idto3d.errors import UserError
from idto3d.geometry.head_field import HeadField, smooth_gradients
from idto3d.geometry.mesh import Mesh
from idto3d.geometry.preconditioning import UniformAdam, diffuse
from idto3d.geometry.regularisers import (
    eikonal_loss,
    face_pairs,
    laplacian_loss,
    normal_consistency_loss,
    sign_change_loss,
)
from idto3d.geometry.sdf import ellipsoid_sdf, mesh_sdf
from idto3d.geometry.spline_motion import strain_loss
from idto3d.geometry.tet_grid import TetGrid, build_tet_grid

RADII = (70.0, 110.0, 90.0)


@pytest.fixture(scope="module")
def grid() -> TetGrid:
    low = (-RADII[0], -RADII[1], -RADII[2])
    return build_tet_grid(ellipsoid_sdf((0, 0, 0), RADII), low, RADII, resolution=28)


def _reach(vertices: torch.Tensor) -> torch.Tensor:
    """1 on the start ellipsoid."""
    return (vertices / torch.tensor(RADII)).norm(dim=1)


def test_starts_at_the_start_surface_for_every_expression(grid: TetGrid) -> None:
    """Before any step all expressions are the start surface, with the same faces."""
    field = HeadField(grid, 4)
    neutral, faces = field.mesh(0)
    assert _reach(neutral.detach()) == pytest.approx(1.0, abs=0.02)
    for expression in range(1, 4):
        vertices, same = field.mesh(expression)
        assert torch.equal(vertices, neutral)
        assert torch.equal(same, faces)


def test_expression_moves_alone_and_codes_interpolate(grid: TetGrid) -> None:
    """Moving expression 1 leaves the others; half its code gives half its displacement on the same faces."""
    field = HeadField(grid, 3)
    with torch.no_grad():
        field.displacement[0][0][:, 1] = 4.0
    neutral, moved = field.mesh(0)[0], field.mesh(1)[0]
    assert torch.allclose(moved - neutral, torch.tensor([0.0, 4.0, 0.0]), atol=1e-4)
    assert torch.equal(field.mesh(2)[0], neutral)
    half = field.mesh(0.5 * field.code(1))[0]
    assert torch.allclose(half - neutral, torch.tensor([0.0, 2.0, 0.0]), atol=1e-4)


def test_level_set_follows_a_gradient_and_stays_closed(grid: TetGrid) -> None:
    """Pulled toward a sphere of 85 mm, the surface gets there within 1.5 mm, watertight, in one piece."""
    field = HeadField(grid, 1)
    optimiser = UniformAdam(field.parameters(), lr=1.0)
    for _ in range(60):
        vertices, _ = field.mesh(0)
        optimiser.zero_grad()
        (vertices.norm(dim=1) - 85.0).square().mean().backward()
        smooth_gradients(field, passes=2)
        optimiser.step()
    vertices, faces = field.mesh(0)
    error = (vertices.detach().norm(dim=1) - 85.0).abs()
    assert float(error.median()) < 1.5
    shape = trimesh.Trimesh(vertices.detach().numpy(), faces.numpy(), process=False)
    assert shape.is_watertight
    assert shape.volume > 0


def test_displacement_follows_a_gradient(grid: TetGrid) -> None:
    """An expression pulled up by 5 mm moves up by 5 mm, and the neutral head does not."""
    field = HeadField(grid, 3)
    start = field.mesh(0)[0].detach()
    optimiser = torch.optim.Adam(field.displacement[1], lr=0.5)
    for step in range(60):
        optimiser.param_groups[0]["lr"] = 0.5 * (1.0 - step / 60)
        optimiser.zero_grad()
        (field.mesh(2)[0][:, 1] - start[:, 1] - 5.0).square().mean().backward()
        optimiser.step()
    moved = field.mesh(2)[0].detach() - start
    assert moved[:, 1] == pytest.approx(5.0, abs=0.3)
    assert torch.equal(field.mesh(0)[0], start)
    assert torch.equal(field.mesh(1)[0], start)


def test_a_cut_lets_a_smooth_field_part_what_lies_close(grid: TetGrid) -> None:
    """Places told apart move apart: the upper half rises and the lower one stays, without a band between."""

    def apart(points: np.ndarray) -> np.ndarray:
        return points + np.sign(points[:, 1:2]) * np.array([0.0, 60.0, 0.0])

    field = HeadField(grid, 2, apart)
    start = field.mesh(0)[0].detach()
    upper = start[:, 1] > 0
    optimiser = torch.optim.Adam(field.displacement[0], lr=0.3)
    for _ in range(40):
        optimiser.zero_grad()
        (field.mesh(1)[0][:, 1] - start[:, 1] - 5.0 * upper).square().mean().backward()
        optimiser.step()
    moved = (field.mesh(1)[0].detach() - start)[:, 1]
    assert float(moved[upper].min()) > 4.0
    assert float(moved[~upper].max()) < 1.0


def test_neutral_code_is_zero_whatever_its_row_holds(grid: TetGrid) -> None:
    """The stored row of the neutral code is never read."""
    field = HeadField(grid, 2)
    with torch.no_grad():
        field.codes.fill_(3.0)
    assert torch.count_nonzero(field.code(0)) == 0


def test_diffusion_keeps_the_sum_and_spreads(grid: TetGrid) -> None:
    """The filter sums to one, is symmetric and reaches as far as its passes."""
    values = torch.zeros(len(grid.points), 2)
    middle = int(grid.start.abs().argmin())
    values[middle] = torch.tensor([1.0, -2.0])
    spread = diffuse(values, grid, passes=1)
    assert spread.sum(dim=0).tolist() == pytest.approx([1.0, -2.0], abs=1e-5)
    reached = (grid.points[spread[:, 0] != 0] - grid.points[middle]).abs().max() / grid.cell
    assert float(reached) == pytest.approx(1.0, abs=1e-3)
    assert float(spread[:, 0].max()) == pytest.approx(1 / 27)


def test_rim_cannot_cross(grid: TetGrid) -> None:
    """A level set pushed out everywhere stops inside the band, closed."""
    field = HeadField(grid, 1)
    with torch.no_grad():
        field.sdf.fill_(-5.0)
    vertices, faces = field.mesh(0)
    shape = trimesh.Trimesh(vertices.detach().numpy(), faces.numpy(), process=False)
    assert shape.is_watertight


def test_regularisers_are_small_on_the_start_and_grow_with_noise(grid: TetGrid) -> None:
    """Each prior prefers the smooth start to the same surface with noise, and has a gradient."""
    smooth, rough = HeadField(grid, 2), HeadField(grid, 2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        rough.sdf += 3.0 * torch.randn(rough.sdf.shape, generator=generator)
        for values in rough.displacement[0]:
            values += torch.randn(values.shape, generator=generator)
    losses = []
    for field in (smooth, rough):
        vertices, faces = field.mesh(0)
        terms = [
            eikonal_loss(field),
            strain_loss(field.displaced(field.code(1)), field.start(), faces),
            laplacian_loss(vertices, faces),
            normal_consistency_loss(vertices, faces, face_pairs(faces)),
        ]
        (sum(terms) + sign_change_loss(field)).backward()
        losses.append([float(term.detach()) for term in terms])
    assert all(calm < noisy for calm, noisy in zip(*losses, strict=True))
    assert losses[0][0] < 0.05
    assert rough.sdf.grad is not None
    assert torch.isfinite(rough.sdf.grad).all()


def test_signed_distance_of_a_mesh_is_negative_inside() -> None:
    """A box's signed distance is −10 at its centre and +5 just outside; an open mesh is refused."""
    box = trimesh.creation.box(extents=(20, 20, 20))
    mesh = Mesh(np.asarray(box.vertices), np.asarray(box.faces, dtype=np.int64))
    points = np.array([[0.0, 0.1, 0.2], [15.0, 0.3, 0.1]])
    assert mesh_sdf(mesh)(points) == pytest.approx([-9.8, 5.0], abs=1e-4)
    with pytest.raises(UserError, match="open start mesh"):
        mesh_sdf(Mesh(mesh.vertices, mesh.faces[1:]))
