"""Seams: none in one colour or a smooth texture, found where planted, blind to motion and triangulation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from skimage.color import rgb2lab

from idto3d_eval.metrics.seams import seam_edges, seam_visibility
from idto3d_eval.selfcheck.appearance import sheet


def test_the_seam_is_found_where_it_was_cut():
    mesh = sheet()
    first, second, length = seam_edges(mesh)
    assert np.array_equal(mesh.vertices[first[:, :2]], mesh.vertices[second[:, :2]])
    assert np.allclose(mesh.vertices[first[:, 0], 0], 0.0)
    assert length.sum() == pytest.approx(60.0)


def test_one_colour_and_a_smooth_texture_have_no_seam():
    assert seam_visibility(sheet(smooth=False)).value == pytest.approx(0.0, abs=1e-9)
    assert seam_visibility(sheet()).value == pytest.approx(0.0, abs=0.3)


def test_a_planted_seam_is_as_visible_as_its_colours_differ():
    greys = [np.full((1, 1, 3), value / 255.0) for value in (120, 140)]
    difference = float(np.abs(rgb2lab(greys[1])[0, 0, 0] - rgb2lab(greys[0])[0, 0, 0]))
    assert seam_visibility(sheet(jump=20, smooth=False)).value == pytest.approx(difference, rel=1e-3)
    assert seam_visibility(sheet(jump=20)).value == pytest.approx(difference, rel=0.1)
    values = [seam_visibility(sheet(jump=jump)).value for jump in (0, 5, 10, 20, 40)]
    assert values == sorted(values)


def test_the_same_jump_inside_a_chart_is_no_seam():
    assert seam_visibility(sheet(jump=40, seam=False)).value == 0.0


def test_motion_order_and_finer_triangles_change_nothing():
    mesh = sheet(jump=20)
    found = seam_visibility(mesh).value
    assert seam_visibility(sheet(jump=20, turn=True)).value == pytest.approx(found, abs=1e-6)
    order = np.random.default_rng(0).permutation(len(mesh.faces))
    turned = np.roll(mesh.faces[order], 1, axis=1)
    assert seam_visibility(replace(mesh, faces=turned)).value == pytest.approx(found, abs=1e-9)


def test_a_seam_that_nobody_sees_is_undefined():
    """The sheet inside a closed box: no ray leaves."""
    mesh, half = sheet(jump=20), 100.0
    corners = np.array([[x, y, z] for x in (-half, half) for y in (-half, half) for z in (-half, half)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    box = np.array([tri for a, b, c, d in quads for tri in ((a, b, c), (a, c, d))]) + len(mesh.vertices)
    inside = replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, corners]),
        faces=np.concatenate([mesh.faces, box]),
        uvs=np.concatenate([mesh.uvs, np.full((8, 2), 0.5)]),
    )
    found = seam_visibility(inside)
    assert math.isnan(found.value)
    assert "seen from outside" in found.reason
