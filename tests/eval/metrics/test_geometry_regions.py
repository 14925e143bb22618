"""Regions: whole faces, both sides alike, the same places under a rigid motion and on a real scan."""

import numpy as np
import pytest

from idto3d.population.head_model import load_head_model
from idto3d.population.people import draw_person
from idto3d.population.truth import outer_skin
from idto3d_eval.bench.now_pairs import real_scan
from idto3d_eval.metrics.geometry_now import NOW_LANDMARKS
from idto3d_eval.metrics.geometry_regions import REGIONS, region_errors, region_of
from idto3d_eval.metrics.registration import rotation_matrix
from idto3d_eval.metrics.surface import sample_surface

IBUG = {"nose": range(27, 36), "eyes": range(36, 48), "mouth": range(48, 60), "chin": range(7, 10)}


def person(number):
    vertices, faces = outer_skin(draw_person("validation", number), "neutral")
    return vertices.astype(np.float64), faces, load_head_model().landmark_index


@pytest.mark.parametrize("number", range(4))
def test_landmarks_lie_in_the_regions_they_mark(number):
    vertices, _, index = person(number)
    landmarks = vertices[index]
    found = region_of(landmarks, landmarks[list(NOW_LANDMARKS)])
    for name, marks in IBUG.items():
        share = (found[list(marks)] == REGIONS.index(name)).mean()
        assert share >= 0.85, (name, share)


def test_every_region_has_points_and_both_sides_alike():
    vertices, faces, index = person(0)
    points, _ = sample_surface(vertices, faces, 20_000, 0)
    regions = region_of(points, vertices[index[list(NOW_LANDMARKS)]])
    for number, name in enumerate(REGIONS):
        inside = points[regions == number]
        assert len(inside) > 100, name
        assert (inside[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.06), name


def test_regions_move_with_the_head():
    vertices, faces, index = person(1)
    points, _ = sample_surface(vertices, faces, 5_000, 0)
    marks = vertices[index[list(NOW_LANDMARKS)]]
    turn, shift = rotation_matrix(np.array([0.3, -1.0, 0.4])), np.array([50.0, -80.0, 9.0])
    still, moved = (
        region_of(points, marks),
        region_of(2.0 * points @ turn.T + shift, 2.0 * marks @ turn.T + shift),
    )
    assert (still == moved).mean() > 0.999


def test_an_error_shows_in_its_region_alone():
    vertices, faces, index = person(0)
    points, _ = sample_surface(vertices, faces, 20_000, 0)
    regions = region_of(points, vertices[index[list(NOW_LANDMARKS)]])
    distances = np.where(regions == REGIONS.index("nose"), 3.0, 0.5)
    found = region_errors(distances, regions)
    assert found["region_nose"].value == pytest.approx(3.0)
    assert all(found[f"region_{name}"].value == pytest.approx(0.5) for name in REGIONS if name != "nose")


def test_a_region_without_points_says_so():
    found = region_errors(np.ones(2), np.zeros(2, np.int64))
    assert found["region_nose"].value == 1.0
    assert np.isnan(found["region_ears"].value)
    assert "ears" in found["region_ears"].reason


@pytest.mark.shared_data
def test_a_real_scan_has_every_region(shared_data):
    scan = real_scan(shared_data)
    points, _ = sample_surface(scan.vertices, scan.faces, 20_000, 0)
    regions = region_of(points, scan.landmarks)
    assert all((regions == number).sum() > 50 for number in range(len(REGIONS)))
