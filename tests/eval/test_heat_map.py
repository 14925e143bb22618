"""Heat maps: their colours mean millimetres, and their pictures and files show the head."""

import io

import numpy as np
import trimesh
from PIL import Image

from idto3d.glb_bounds import split_container
from idto3d.population.head_model import load_head_model
from idto3d.population.people import draw_person
from idto3d.population.truth import outer_skin
from idto3d_eval.heat_map import (
    COLOURS,
    FULL_MM,
    VIEWS,
    ErrorMap,
    coloured_glb,
    colours_of,
    error_map,
    pictures,
    sheet,
)
from idto3d_eval.metrics.geometry_now import NOW_LANDMARKS
from idto3d_eval.metrics.surface import Surface
from idto3d_eval.reference import skin

PLANE = np.array([[-45, 20], [-15, 20], [15, 20], [45, 20], [0, -30], [-25, -55], [25, -55]], float)
LANDMARKS = np.c_[PLANE, np.sqrt(100.0**2 - (PLANE**2).sum(axis=1))]


def truth():
    ball = trimesh.creation.icosphere(subdivisions=4, radius=100.0)
    return skin(np.asarray(ball.vertices), np.asarray(ball.faces, np.int64), LANDMARKS, 6000)


def test_colours_run_from_blue_to_red_and_stop():
    shown = colours_of(np.array([0.0, FULL_MM, 99.0]))
    assert shown[0].tolist() == COLOURS[0].tolist()
    assert shown[1].tolist() == shown[2].tolist() == COLOURS[-1].tolist()


def test_a_long_nose_is_farthest_at_its_tip():
    vertices, faces = outer_skin(draw_person("validation", 0), "neutral")
    vertices, index = vertices.astype(np.float64), load_head_model().landmark_index
    own = skin(vertices, faces, vertices[index[list(NOW_LANDMARKS)]], 6000)
    away = np.linalg.norm(vertices - vertices[index[30]], axis=1)
    longer = vertices + 8.0 * np.exp(-((away / 12.0) ** 2))[:, None] * [0.0, 0.0, 1.0]
    found = error_map(Surface(longer, faces), own.landmarks, own)
    assert found.distances is not None
    worst = found.vertices[found.distances.argmax()]
    assert np.linalg.norm(worst - vertices[index[30]]) < 10.0
    assert found.distances.max() > 4.0 * np.median(found.distances)


def test_a_far_spot_is_red_where_it_is_and_nowhere_else():
    own = truth()
    spot = np.linalg.norm(own.vertices - [0.0, 0.0, 100.0], axis=1) < 40.0
    drawn = pictures(ErrorMap(own.vertices, own.faces, np.where(spot, 2.0 * FULL_MM, 0.0)), 64)
    assert set(drawn) == set(VIEWS)
    red = {name: picture[..., 0].astype(int) - picture[..., 2] > 60 for name, picture in drawn.items()}
    middle = np.argwhere(red["front"]).mean(axis=0)
    assert 100 < red["front"].sum() < 1000
    assert abs(middle[1] - 32.0) < 2.0
    assert red["back"].sum() == 0


def test_a_head_that_cannot_be_laid_is_grey_and_says_why():
    own = truth()
    found = error_map(Surface(own.vertices, own.faces), np.full((7, 3), np.nan), own)
    assert found.distances is None
    assert "landmarks" in found.reason
    assert (found.colours() == 190).all()
    assert Image.open(io.BytesIO(sheet({"neutral": found}, "a title", 64))).width > 4 * 64


def test_a_glb_holds_metres_and_a_colour_a_vertex():
    own = truth()
    found = ErrorMap(own.vertices, own.faces, np.linspace(0.0, 6.0, len(own.vertices)))
    read = trimesh.load(io.BytesIO(coloured_glb(found)), file_type="glb", force="mesh", process=False)
    np.testing.assert_allclose(np.abs(read.vertices).max(), 0.1, atol=1e-3)
    # In the file they are linear light, as glTF asks; half a step of 8 bits is 6.5 of sRGB at black.
    document, binary = split_container(coloured_glb(found), "the heat map")
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    start = document["bufferViews"][accessor["bufferView"]].get("byteOffset", 0)
    linear = np.frombuffer(binary, np.uint8, 4 * accessor["count"], start).reshape(-1, 4)[:, :3] / 255.0
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(255.0 * srgb, found.colours(), atol=6.5)
    assert document["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0.0
