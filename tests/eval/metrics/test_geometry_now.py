"""NoW on shapes whose answer is known, and on a real head scan."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from idto3d_eval.bench.now_pairs import SCAN_LANDMARKS, SCAN_MM, draw_deformed, draw_pairs, real_scan
from idto3d_eval.bench.now_parity import bars, compare, load_reference_errors
from idto3d_eval.metrics.geometry_now import (
    VARIANTS,
    cumulative_curve,
    fits_mirrored,
    now_crop,
    now_errors,
    pooled_median,
)
from idto3d_eval.metrics.registration import procrustes
from idto3d_eval.metrics.surface import Surface, sample_surface

TURN = Rotation.from_rotvec([0.4, -0.9, 0.3]).as_matrix()
SHIFT = np.array([130.0, -70.0, 300.0])


def face():
    """A ball of 100 mm with a nose, and seven points on it where a face has them."""
    ball = trimesh.creation.icosphere(subdivisions=5, radius=100.0)
    vertices = np.asarray(ball.vertices)
    bump = np.exp(-((vertices[:, 0] / 12) ** 2) - (((vertices[:, 1] + 15) / 20) ** 2)) * (vertices[:, 2] > 0)
    vertices = vertices * (1.0 + 0.2 * bump)[:, None]
    plane = np.array([[-45, 20], [-15, 20], [15, 20], [45, 20], [0, -30], [-25, -55], [25, -55]], float)
    landmarks = np.c_[plane, np.sqrt(100.0**2 - (plane**2).sum(axis=1))]
    return vertices, np.asarray(ball.faces), landmarks


def scan_of(vertices, faces, count=8_000):
    return sample_surface(vertices, faces, count, seed=0)[0]


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_head_against_itself_has_no_error(variant):
    vertices, faces, landmarks = face()
    result = now_errors(scan_of(vertices, faces), landmarks, Surface(vertices, faces), landmarks, variant)
    assert result.distances.max() < 1e-3
    assert result.median().value < 1e-3


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_the_pose_of_a_head_does_not_count(variant):
    pair = next(draw_pairs(1, None))
    scan = scan_of(pair.scan.vertices, pair.scan.faces)
    still = now_errors(scan, pair.scan.landmarks, Surface(pair.vertices, pair.faces), pair.landmarks, variant)
    moved = Surface(pair.vertices @ TURN.T + SHIFT, pair.faces)
    turned = now_errors(scan, pair.scan.landmarks, moved, pair.landmarks @ TURN.T + SHIFT, variant)
    assert turned.median().value == pytest.approx(still.median().value, abs=1e-3)
    assert still.median().value > 0.1


def test_size_counts_only_for_the_metrical_variant():
    vertices, faces, landmarks = face()
    scan, larger = scan_of(vertices, faces), Surface(1.2 * vertices, faces)
    assert now_errors(scan, landmarks, larger, 1.2 * landmarks, VARIANTS["now"]).median().value < 1e-3
    assert now_errors(scan, landmarks, larger, 1.2 * landmarks, VARIANTS["now_metrical"]).median().value > 0.5


def test_a_mirrored_head_passes_as_published_and_is_refused_by_ours():
    vertices, faces, landmarks = face()
    vertices = vertices + 5.0 * (vertices[:, :1] > 0) * np.array([1.0, 0.3, 0.0])
    flip = np.array([-1.0, 1.0, 1.0])
    scan, mirrored = scan_of(vertices, faces), Surface(vertices * flip, faces[:, ::-1])
    assert (
        now_errors(scan, landmarks, mirrored, landmarks * flip, VARIANTS["now_published"]).median().value
        < 1e-3
    )
    refused = now_errors(scan, landmarks, mirrored, landmarks * flip, VARIANTS["now"])
    assert len(refused.distances) == 0
    assert np.isnan(refused.median().value)
    assert "mirrored" in refused.median().reason


def test_flat_landmarks_that_reading_tips_over_are_no_mirror():
    _, _, landmarks = face()
    flat = landmarks * [1.0, 1.0, 0.02]
    tipped = flat * [1.0, 1.0, -1.0] + np.random.default_rng(0).normal(scale=2.0, size=(7, 3))
    assert procrustes(tipped, flat, scale=True, reflection=True).mirrored
    assert not fits_mirrored(tipped, flat)
    assert fits_mirrored(landmarks * [-1.0, 1.0, 1.0], landmarks)


def test_a_missing_landmark_is_nan_with_a_reason():
    vertices, faces, landmarks = face()
    unread = landmarks.copy()
    unread[[1, 4]] = np.nan
    result = now_errors(
        scan_of(vertices, faces), landmarks, Surface(vertices, faces), unread, VARIANTS["now"]
    )
    assert np.isnan(result.median().value)
    assert result.reason == "2 of the seven landmarks could not be read on the head"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_order_triangulation_and_reading_do_not_move_a_face(number):
    """On two bent faces and on another person's (millimetres away), where one resting place exists."""
    pair = list(draw_pairs(number + 1, None))[number]
    scan = scan_of(pair.scan.vertices, pair.scan.faces, 20_000)
    first = now_errors(
        scan, pair.scan.landmarks, Surface(pair.vertices, pair.faces), pair.landmarks, VARIANTS["now"]
    )
    rng = np.random.default_rng(number)
    fine = Surface(*trimesh.remesh.subdivide(pair.vertices, pair.faces))
    off = pair.landmarks + rng.normal(scale=2.0, size=(7, 3))
    again = now_errors(rng.permutation(scan), pair.scan.landmarks, fine, off, VARIANTS["now"])
    assert first.median().value > 0.05
    # 0.0032 mm was seen on a processor that rounds otherwise, 0.0005 on most.
    assert again.median().value == pytest.approx(first.median().value, abs=5e-3)
    np.testing.assert_allclose(np.sort(again.distances), np.sort(first.distances), atol=5e-2)


def test_a_nearly_round_surface_has_several_resting_places_about_equally_good():
    """Which of them it ends in, rounding decides, so the median is not told to 0.01 mm."""
    vertices, faces, landmarks = face()
    other = vertices * [1.1, 0.95, 1.0]
    scan = scan_of(vertices, faces, 4000)
    found = [now_errors(scan, landmarks, Surface(other, faces), landmarks, VARIANTS["now"])]
    fine = Surface(*trimesh.remesh.subdivide(other, faces))
    shuffled = np.random.default_rng(0).permutation(scan)
    found.append(now_errors(shuffled, landmarks, fine, landmarks, VARIANTS["now"]))
    first, again = (result.refined_residual().value for result in found)
    assert again == pytest.approx(first, rel=5e-3)


def test_the_crop_is_the_published_ball():
    _, _, landmarks = face()
    bridge, nose = (landmarks[1] + landmarks[2]) / 2, landmarks[4]
    centre = nose + 0.3 * (bridge - nose)
    radius = 1.4 * (90.0 + np.linalg.norm(bridge - nose)) / 2
    inside = now_crop(centre + np.array([[0, radius - 0.01, 0], [0, radius + 0.01, 0]]), landmarks)
    assert inside.tolist() == [True, False]


def test_concentric_balls_are_their_gap_apart():
    ball = trimesh.creation.icosphere(subdivisions=5, radius=100.0)
    _, _, landmarks = face()
    scan = scan_of(np.asarray(ball.vertices) * 1.02, ball.faces)
    bumpless = Surface(ball.vertices, ball.faces)
    result = now_errors(scan, landmarks * 1.02, bumpless, landmarks * 1.02, VARIANTS["now_metrical"])
    # Rigid refinement may shift the smaller ball forward, so the error is below the gap but not gone.
    assert 0.02 < result.median().value <= 2.0


def test_the_pooled_median_is_over_points_not_over_people():
    assert pooled_median([np.array([1.0, 1.0, 1.0]), np.array([5.0])]).value == 1.0
    assert pooled_median([]).reason


def test_the_cumulative_curve_counts_points_at_or_below():
    curve = cumulative_curve(np.array([0.5, 1.0, 2.0, 4.0]), np.array([0.0, 1.0, 3.0, 9.0]))
    assert curve.tolist() == [0.0, 0.5, 0.75, 1.0]


@pytest.fixture(scope="module")
def scan(shared_data):
    mesh = trimesh.load(shared_data / "scan" / "LeePerrySmith.obj", force="mesh", process=False)
    vertices, faces = SCAN_MM * np.asarray(mesh.vertices), np.asarray(mesh.faces)
    return vertices, faces, scan_of(vertices, faces, 50_000)


@pytest.mark.shared_data
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_real_scan_against_itself_is_zero(scan, variant):
    vertices, faces, points = scan
    result = now_errors(points, SCAN_LANDMARKS, Surface(vertices, faces), SCAN_LANDMARKS, variant)
    assert 1_000 < len(result.distances) < 25_000
    assert result.distances.max() < 1e-3


@pytest.mark.shared_data
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_real_scan_moved_rigidly_is_the_same(scan, variant):
    vertices, faces, points = scan
    moved = Surface(vertices @ TURN.T + SHIFT, faces)
    result = now_errors(points, SCAN_LANDMARKS, moved, SCAN_LANDMARKS @ TURN.T + SHIFT, variant)
    assert result.distances.max() < 1e-3


@pytest.mark.shared_data
def test_a_real_scan_scaled_differs_only_metrically(scan):
    vertices, faces, points = scan
    larger, landmarks = Surface(1.1 * vertices, faces), 1.1 * SCAN_LANDMARKS
    for name in ("now", "now_published"):
        assert now_errors(points, SCAN_LANDMARKS, larger, landmarks, VARIANTS[name]).distances.max() < 1e-3
    assert (
        now_errors(points, SCAN_LANDMARKS, larger, landmarks, VARIANTS["now_metrical"]).median().value > 0.5
    )


@pytest.mark.shared_data
def test_misread_landmarks_are_mended_by_refinement(scan):
    vertices, faces, points = scan
    off = SCAN_LANDMARKS + np.random.default_rng(0).normal(scale=2.0, size=(7, 3))
    result = now_errors(points, SCAN_LANDMARKS, Surface(vertices, faces), off, VARIANTS["now"])
    assert result.distances.max() < 1e-2


def test_residuals_and_scale_tell_of_the_alignment():
    vertices, faces, landmarks = face()
    off = landmarks + np.random.default_rng(0).normal(scale=2.0, size=(7, 3))
    found = now_errors(
        scan_of(vertices, faces), landmarks, Surface(0.5 * vertices, faces), 0.5 * off, VARIANTS["now"]
    )
    assert 0.5 < found.landmark_residual().value < 5.0
    assert found.refined_residual().value < 1e-2
    assert found.fitted_scale().value == pytest.approx(2.0, rel=1e-3)


def pairs_agree(count, scan):
    reference = load_reference_errors()
    return bars([compare(pair, reference) for pair in draw_deformed(count, scan)])


def test_the_published_variants_agree_with_an_independent_implementation():
    """On synthetic scans; `make test-slow` and `bench now` do it on 50 pairs with the real scan."""
    for bar in pairs_agree(1, None):
        assert bar.passed or "faster" in bar.name, bar.row()


@pytest.mark.shared_data
@pytest.mark.slow
def test_fifty_pairs_with_the_real_scan_agree_within_a_hundredth_and_ten_times_faster(shared_data):
    for bar in pairs_agree(50, real_scan(shared_data)):
        assert bar.passed, bar.row()


@pytest.mark.shared_data
def test_a_pair_with_the_real_scan_agrees(shared_data):
    for bar in pairs_agree(1, real_scan(shared_data)):
        assert bar.passed or "faster" in bar.name, bar.row()


def test_the_independent_closest_points_are_trimesh_s():
    """The reference itself, against a third implementation."""
    module = load_reference_errors().__globals__
    mesh = trimesh.creation.box(extents=(60.0, 90.0, 40.0))
    points = np.random.default_rng(0).uniform(-80.0, 80.0, size=(40, 3))
    _, distance, _ = trimesh.proximity.closest_point_naive(mesh, points)
    found = module["TriangleTree"](np.asarray(mesh.vertices), np.asarray(mesh.faces)).closest(points)
    np.testing.assert_allclose(np.linalg.norm(points - found, axis=1), distance, atol=1e-9)
