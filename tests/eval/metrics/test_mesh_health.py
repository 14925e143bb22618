"""Mesh health on shapes whose answers are known."""

import numpy as np
import pytest
import trimesh

from idto3d_eval.metrics.mesh_health import NAMES, measure_mesh, triangle_quality, uv_coverage, uv_stretch
from idto3d_eval.metrics.table import METRICS


def ball(radius=80.0, subdivisions=3):
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    vertices = np.asarray(mesh.vertices)
    uvs = 0.5 + 0.4 * vertices[:, :2] / radius
    return vertices, np.asarray(mesh.faces, np.int64), uvs


def square(side=1.0, cells=8):
    """A flat square of the given side in the texture, mapped to 100 mm."""
    line = np.linspace(0.0, 1.0, cells + 1)
    x, y = (part.ravel() for part in np.meshgrid(line, line))
    vertices = np.c_[100.0 * x, 100.0 * y, np.zeros_like(x)]
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    faces = np.concatenate(
        [
            np.c_[corner, corner + 1, corner + cells + 2],
            np.c_[corner, corner + cells + 2, corner + cells + 1],
        ]
    )
    return vertices, faces, side * np.c_[x, y]


def value(found, name):
    return found[name].value


def test_a_ball_is_sound():
    found = measure_mesh(*ball())
    assert set(found) == set(NAMES) == {name for name, card in METRICS.items() if card.family == "mesh"}
    assert (
        value(found, "mesh_watertight")
        == value(found, "mesh_outward")
        == value(found, "mesh_components")
        == 1
    )
    for name in (
        "mesh_open_edges",
        "mesh_self_intersections",
        "mesh_degenerate",
        "mesh_slivers",
    ):
        assert value(found, name) == 0.0
    assert value(found, "mesh_triangle_quality") > 0.95
    assert value(found, "uv_overlap") > 0.9  # its back lies under its front


def test_an_open_neck_shows_in_the_border_alone():
    vertices, faces, uvs = ball()
    found = measure_mesh(vertices, faces[vertices[faces][:, :, 1].mean(1) > -60.0], uvs)
    assert value(found, "mesh_watertight") == 0.0
    assert 0.0 < value(found, "mesh_open_edges") < 0.1
    assert value(found, "mesh_components") == 1.0
    assert value(found, "mesh_self_intersections") == 0.0


def test_a_seam_is_no_border():
    vertices, faces, uvs = ball()
    split = (
        vertices[faces].reshape(-1, 3),
        np.arange(3 * len(faces)).reshape(-1, 3),
        uvs[faces].reshape(-1, 2),
    )
    found = measure_mesh(*split)
    assert value(found, "mesh_watertight") == value(found, "mesh_components") == 1.0


def test_balls_through_each_other_intersect_and_count():
    vertices, faces, uvs = ball()
    both = (
        np.concatenate([vertices, vertices + np.array([60.0, 3.0, 1.0])]),
        np.concatenate([faces, faces + len(vertices)]),
        np.concatenate([uvs, uvs]),
    )
    found = measure_mesh(*both)
    assert value(found, "mesh_components") == 2.0
    assert value(found, "mesh_self_intersections") > 0.01


def test_an_inward_ball_and_a_face_without_area_are_told():
    vertices, faces, uvs = ball()
    assert value(measure_mesh(vertices, faces[:, ::-1], uvs), "mesh_outward") == 0.0
    flat = np.concatenate([faces, [[0, 0, 1]]])
    assert value(measure_mesh(vertices, flat, uvs), "mesh_degenerate") == pytest.approx(1 / len(flat))


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ([[0, 0, 0], [2, 0, 0], [1, np.sqrt(3), 0]], 1.0),
        ([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.sqrt(3) / 2),
        ([[0, 0, 0], [1, 0, 0], [2, 0, 0]], 0.0),
        ([[0, 0, 0], [0, 0, 0], [0, 0, 0]], 0.0),
    ],
)
def test_triangle_quality_is_its_closed_form(corners, expected):
    assert triangle_quality(np.array([corners], float))[0] == pytest.approx(expected)


@pytest.mark.parametrize("side", [1.0, 0.5, 0.25])
def test_coverage_of_a_square_is_its_area(side):
    _, faces, uvs = square(side)
    covered, overlap = uv_coverage(uvs, faces)
    assert covered == pytest.approx(side**2, abs=0.01)
    assert overlap < 1e-3
    twice = uv_coverage(np.concatenate([uvs, uvs]), np.concatenate([faces, faces + len(uvs)]))
    assert twice == pytest.approx((covered, 1.0), abs=1e-3)


def test_stretch_is_one_for_a_similarity_and_known_for_a_stretched_square():
    vertices, faces, uvs = square(0.7)
    assert uv_stretch(vertices, faces, uvs) == pytest.approx((1.0, 0.0))
    # Singular values s and 1/s of an area-keeping map: the root of their mean square.
    wide = vertices * [2.0, 0.5, 1.0]
    assert uv_stretch(wide, faces, uvs)[0] == pytest.approx(np.sqrt((4.0 + 0.25) / 2.0))


def test_a_texture_of_one_texel_is_unmapped():
    vertices, faces, uvs = ball()
    found = measure_mesh(vertices, faces, np.full_like(uvs, 0.5))
    assert value(found, "uv_unmapped") == pytest.approx(1.0)
    assert np.isnan(value(found, "uv_stretch"))
    assert found["uv_stretch"].reason


def test_order_and_motion_change_nothing():
    vertices, faces, uvs = ball()
    order = np.random.default_rng(0).permutation(len(faces))
    turn = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    first = measure_mesh(vertices, faces, uvs)
    again = measure_mesh(vertices @ turn.T, faces[order], uvs)
    assert {k: v.value for k, v in again.items()} == pytest.approx(
        {k: v.value for k, v in first.items()}, abs=1e-6
    )
