"""Unwrapping, baking and the material field."""

import numpy as np
import pytest
import torch
import trimesh

from idto3d.errors import UserError
from idto3d.geometry.mesh import Mesh
from idto3d.texture.bake import bake, dilate, rasterise_atlas
from idto3d.texture.maps import material_maps
from idto3d.texture.material_field import MaterialField, SurfaceGrid, material_smoothness
from idto3d.texture.unwrap import Unwrapped, unwrap

RADIUS = 90.0
SKIN = (0.45, 0.25, 0.18)


@pytest.fixture(scope="module")
def sphere() -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions=3, radius=RADIUS)
    return Mesh(np.asarray(shape.vertices, dtype=np.float64), np.asarray(shape.faces, dtype=np.int64))


@pytest.fixture(scope="module")
def unwrapped(sphere: Mesh) -> Unwrapped:
    return unwrap(sphere, 128)


def _field(sphere: Mesh, code_size: int = 0) -> MaterialField:
    return MaterialField(
        torch.tensor(sphere.vertices, dtype=torch.float32),
        torch.tensor(sphere.faces),
        SKIN,
        code_size,
        levels=(8, 24),
        code_levels=(8,),
    )


def _points(sphere: Mesh) -> torch.Tensor:
    return torch.tensor(sphere.vertices, dtype=torch.float32)


def test_unwrapping_keeps_the_faces(sphere: Mesh, unwrapped: Unwrapped) -> None:
    """Split vertices lead back to the same triangles, in the same order; UVs lie in the unit square."""
    assert np.array_equal(unwrapped.source[unwrapped.faces], sphere.faces)
    assert unwrapped.uvs.min() >= 0.0
    assert unwrapped.uvs.max() <= 1.0


def test_charts_do_not_overlap(unwrapped: Unwrapped) -> None:
    """The UV triangles' areas add up to what rasterising them covers."""
    a, b, c = (unwrapped.uvs[unwrapped.faces[:, corner]].astype(np.float64) for corner in range(3))
    first, second = b - a, c - a
    area = 0.5 * np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum()
    assert area == pytest.approx(rasterise_atlas(unwrapped, 512).mask.mean(), rel=0.02)
    assert area > 0.4


def test_unwrapping_is_deterministic(sphere: Mesh, unwrapped: Unwrapped) -> None:
    """The same mesh gives the same charts."""
    again = unwrap(sphere, 128)
    assert np.array_equal(again.uvs, unwrapped.uvs)
    assert np.array_equal(again.faces, unwrapped.faces)


def test_nothing_to_unwrap_is_refused() -> None:
    """A mesh without faces gets a sentence."""
    with pytest.raises(UserError, match="without faces"):
        unwrap(Mesh(np.zeros((3, 3)), np.zeros((0, 3), dtype=np.int64)))


def test_baked_positions_lie_on_the_surface(sphere: Mesh, unwrapped: Unwrapped) -> None:
    """Baked positions are on the sphere, and each vertex's UV looks up its own position."""
    texels = rasterise_atlas(unwrapped, 256)
    positions = bake(texels, unwrapped.faces, sphere.vertices[unwrapped.source], lambda points: points)
    assert np.linalg.norm(positions[texels.mask], axis=1) == pytest.approx(RADIUS, abs=1.5)
    column = np.clip((unwrapped.uvs[:, 0] * 256).astype(int), 0, 255)
    row = np.clip(((1.0 - unwrapped.uvs[:, 1]) * 256).astype(int), 0, 255)
    found = positions[row, column]
    assert np.linalg.norm(found - sphere.vertices[unwrapped.source], axis=1).max() < 8.0


def test_dilation_repeats_the_nearest() -> None:
    """Empty texels take the nearest covered value; covered ones stay."""
    image = np.zeros((4, 6, 1), dtype=np.float32)
    mask = np.zeros((4, 6), dtype=bool)
    image[:, 0], image[:, 5] = 1.0, 2.0
    mask[:, 0] = mask[:, 5] = True
    assert dilate(image, mask)[2, :, 0].tolist() == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]
    assert not dilate(image, np.zeros((4, 6), dtype=bool))[:, 1:5].any()


def test_material_starts_at_the_given_colour(sphere: Mesh) -> None:
    """Before any step every point has the start albedo, and values keep to their ranges."""
    with torch.no_grad():
        material = _field(sphere)(_points(sphere))
    assert torch.allclose(material.albedo, torch.tensor(SKIN).expand_as(material.albedo), atol=1e-5)
    assert float(material.roughness.min()) == pytest.approx(0.55, abs=1e-5)
    assert float(material.metallic.max()) < 0.01


def test_material_learns_a_pattern(sphere: Mesh) -> None:
    """A two-tone target is learned on the surface within a few steps."""
    field, points = _field(sphere), _points(sphere)
    target = torch.where(points[:, :1] > 0, 0.7, 0.2).expand(-1, 3)
    optimiser = torch.optim.Adam(field.parameters(), lr=0.1)
    for _ in range(40):
        optimiser.zero_grad()
        (field(points).albedo - target).square().mean().backward()
        optimiser.step()
    far = points[:, 0].abs() > 20.0
    assert (field(points).albedo - target)[far].abs().max().item() < 0.1


def test_code_moves_only_its_own_expression(sphere: Mesh) -> None:
    """What is learned under one code leaves neutral and the other code alone."""
    field, points = _field(sphere, code_size=2), _points(sphere)
    first, second = torch.eye(2)
    optimiser = torch.optim.Adam([p for grid in field.moved for p in grid.parameters()], lr=0.1)
    for _ in range(20):
        optimiser.zero_grad()
        field(points, first).albedo.mean().neg().backward()
        optimiser.step()
    start = torch.tensor(SKIN)
    assert (field(points, first).albedo - start).min().item() > 0.1
    assert torch.allclose(field(points, second).albedo, start.expand(len(points), 3), atol=1e-5)
    assert torch.allclose(field(points).albedo, start.expand(len(points), 3), atol=1e-5)


def test_surface_grid_interpolates_trilinearly_with_the_right_gradient(sphere: Mesh) -> None:
    """Lattice values set to a linear function give that function, and the gradient passes gradcheck."""
    points = _points(sphere)
    grid = SurfaceGrid(points, 12, 1)
    place = torch.stack(torch.meshgrid(*(torch.arange(n) for n in grid.shape), indexing="ij"), -1).reshape(
        -1, 3
    )
    linear = (place * grid.cell + grid.lower) @ torch.tensor([0.1, -0.2, 0.3])
    with torch.no_grad():
        grid.values[0][grid.rows, 0] = linear
    assert torch.allclose(grid(points)[:, 0], points @ torch.tensor([0.1, -0.2, 0.3]), atol=1e-3)
    small = SurfaceGrid(points[:40].double(), 4, 2)
    (start,) = small.values
    values = torch.nn.Parameter(torch.randn_like(start, dtype=torch.float64))
    small.values = torch.nn.ParameterList([values])
    weights = torch.randn(40, 2, dtype=torch.float64)
    (small(points[:40].double()) * weights).sum().backward()
    assert values.grad is not None
    direction = torch.randn_like(values)
    direction[0] = 0.0  # the row without a parameter
    slope = float((values.grad * direction).sum())
    with torch.no_grad():
        before = small(points[:40].double())
        values += direction
        change = float(((small(points[:40].double()) - before) * weights).sum())
    assert slope == pytest.approx(change, abs=1e-9)


def test_colour_says_where_it_would_be_another(sphere: Mesh) -> None:
    """The gradient along a point's motion is the colour's own slope: what moves a brow is found in colour."""
    field = _field(sphere)
    with torch.no_grad():
        for values in field.shared.parameters():
            values.normal_(0, 0.3, generator=torch.Generator().manual_seed(1))
    points = (_points(sphere)[:50] + 0.01).double().float().requires_grad_()
    field(points).albedo.sum().backward()
    step = torch.tensor([0.01, 0.0, 0.0])
    with torch.no_grad():
        slope = (field(points + step).albedo - field(points - step).albedo).sum(1) / 0.02
    close = (points.grad[:, 0] - slope).abs() < 0.02 + 0.1 * slope.abs()  # type: ignore[index]
    assert close.float().mean() > 0.9  # the others lie next to a cell's side


def test_smoothness_is_zero_for_one_colour(sphere: Mesh) -> None:
    """A uniform material costs nothing; a noisy one does."""
    field, points = _field(sphere), _points(sphere)
    generator = torch.Generator().manual_seed(0)
    assert material_smoothness(field, points, None, generator).item() == pytest.approx(0.0, abs=1e-6)
    with torch.no_grad():
        field.shared[1].values[0][1:].normal_(generator=generator)
    assert material_smoothness(field, points, None, generator).item() > 0.02


def test_maps_hold_the_field_in_srgb(sphere: Mesh, unwrapped: Unwrapped) -> None:
    """A uniform field bakes to one sRGB colour everywhere, seams and gaps included."""
    texels = rasterise_atlas(unwrapped, 64)
    albedo, rough = material_maps(
        _field(sphere), texels, unwrapped.faces, sphere.vertices[unwrapped.source], None
    )
    assert albedo.shape == rough.shape == (64, 64, 3)
    expected = [round(255 * (1.055 * value ** (1 / 2.4) - 0.055)) for value in SKIN]
    assert np.abs(albedo.reshape(-1, 3).astype(int) - expected).max() <= 1
    assert set(rough[..., 1].reshape(-1)) == {round(255 * 0.55)}


def test_a_field_starts_at_the_colours_it_is_given(sphere: Mesh) -> None:
    """Colours that change over the surface come back to within what the finest grid can draw."""

    def colour(places: torch.Tensor) -> torch.Tensor:
        along = places[:, 1:2] / RADIUS
        return torch.cat([0.4 + 0.2 * along, 0.3 - 0.1 * along, torch.full_like(along, 0.2)], 1)

    points = _points(sphere)
    field = MaterialField(points, torch.tensor(sphere.faces), colour, levels=(8, 24))
    torch.testing.assert_close(field(points).albedo, colour(points), rtol=0, atol=0.01)
