"""Marching tetrahedra: closed, outward, of the right volume, with the gradient of the level set."""

import numpy as np
import pytest
import torch
import trimesh

from idto3d.errors import UserError
from idto3d.geometry.marching_tets import crossings, march
from idto3d.geometry.sdf import ellipsoid_sdf
from idto3d.geometry.tet_grid import Focus, TetGrid, build_tet_grid

RADIUS = 80.0


@pytest.fixture(scope="module")
def grid() -> TetGrid:
    reach = (RADIUS, RADIUS, RADIUS)
    return build_tet_grid(ellipsoid_sdf((0, 0, 0), reach), (-RADIUS, -RADIUS, -RADIUS), reach, resolution=32)


def _sphere(grid: TetGrid) -> trimesh.Trimesh:
    surface = march(grid, grid.start < 0)
    vertices = crossings(surface, grid.points, grid.start)
    return trimesh.Trimesh(vertices.numpy(), surface.faces.numpy(), process=False)


def test_sphere_is_closed_outward_and_of_its_volume(grid: TetGrid) -> None:
    """A sphere's level set is one watertight body, right in volume within 2 %, with normals outward."""
    sphere = _sphere(grid)
    assert sphere.is_watertight
    assert sphere.is_winding_consistent
    assert sphere.body_count == 1
    assert sphere.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.02)
    large = sphere.area_faces > 1e-6
    outward = np.einsum("ij,ij->i", sphere.face_normals[large], sphere.triangles_center[large])
    assert (outward > 0).all()
    assert np.linalg.norm(sphere.vertices, axis=1) == pytest.approx(RADIUS, abs=0.6)


def test_random_signs_in_the_band_are_watertight(grid: TetGrid) -> None:
    """Whatever the signs inside the band, the surface is closed and never leaves it."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(len(grid.points), generator=generator) < 0.5
    inside = torch.where(grid.rim, grid.start < 0, noise)
    faces = march(grid, inside).faces
    directed = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    size = int(faces.max()) + 1
    forward = torch.sort(directed[:, 0] * size + directed[:, 1]).values
    backward = torch.sort(directed[:, 1] * size + directed[:, 0]).values
    assert torch.equal(forward, backward)  # every edge is walked as often one way as the other


def test_gradient_grows_the_sphere(grid: TetGrid) -> None:
    """Lowering the signed distance everywhere by d moves every vertex outward by d."""
    sdf = grid.start.clone().requires_grad_()
    surface = march(grid, grid.start < 0)
    vertices = crossings(surface, grid.points, sdf)
    vertices.norm(dim=1).mean().backward()
    assert sdf.grad is not None
    assert float(sdf.grad.sum()) == pytest.approx(-1.0, abs=0.02)


def test_edges_join_an_inside_and_an_outside_vertex(grid: TetGrid) -> None:
    """Both ends of every crossed edge exist in the band and differ in sign."""
    inside = grid.start < 0
    edges = march(grid, inside).edges
    assert int(edges.min()) >= 0
    assert bool((inside[edges[:, 0]] != inside[edges[:, 1]]).all())


def test_focus_has_finer_cells_and_the_same_surface() -> None:
    """Cells in the focus are smaller by at most the ratio; the surface stays closed and right."""
    focus = Focus((-30.0, -30.0, 40.0), (30.0, 30.0, 100.0), ratio=2.0)
    reach = (RADIUS, RADIUS, RADIUS)
    low = (-RADIUS, -RADIUS, -RADIUS)
    grid = build_tet_grid(ellipsoid_sdf((0, 0, 0), reach), low, reach, resolution=40, focus=focus)
    assert float(grid.spacing.max() / grid.spacing.min()) == pytest.approx(2.0, abs=0.01)
    inside = (grid.points[grid.cells[:, 0]].abs()[:, :2] < 20.0).all(dim=1)
    depth = grid.points[grid.cells[:, 0], 2]
    front = inside & (depth > 50.0) & (depth < 90.0)
    assert grid.spacing[front].max() == pytest.approx(grid.cell, abs=1e-4)
    assert max(grid.shape) <= 41
    sphere = _sphere(grid)
    assert sphere.is_watertight
    assert sphere.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.02)


def test_too_narrow_a_band_is_refused() -> None:
    """A band under two cells is refused with a sentence."""
    with pytest.raises(UserError, match="at least two cells"):
        build_tet_grid(ellipsoid_sdf((0, 0, 0), (80, 80, 80)), (-80, -80, -80), (80, 80, 80), resolution=8)
