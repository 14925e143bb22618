"""Identity: closed forms, the floor for unread views, and invariances."""

import numpy as np
import pytest

from idto3d_eval.metrics.identity import (
    calibrated_identity,
    identity_counted,
    identity_similarity,
    own_minus_cross,
    view_floor,
)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_similarity_with_itself_is_one():
    photos = unit(np.random.default_rng(0).normal(size=(1, 16)))
    assert identity_similarity(photos, photos) == pytest.approx([1.0])


def test_similarity_is_the_mean_of_pairwise_cosines():
    rng = np.random.default_rng(1)
    renders, photos = rng.normal(size=(2, 3, 8)), rng.normal(size=(5, 8))
    slow = [
        [np.mean([r @ p / np.linalg.norm(r) / np.linalg.norm(p) for p in photos]) for r in row]
        for row in renders
    ]
    np.testing.assert_allclose(identity_similarity(renders, photos), slow, atol=1e-12)


def test_similarity_ignores_length_order_and_batch():
    rng = np.random.default_rng(2)
    renders, photos = rng.normal(size=(6, 8)), rng.normal(size=(4, 8))
    whole = identity_similarity(renders, photos)
    np.testing.assert_allclose(identity_similarity(3.0 * renders, photos[::-1]), whole, atol=1e-12)
    parts = [float(identity_similarity(render, photos)) for render in renders]
    assert parts == whole.tolist()


def test_a_view_without_a_face_is_nan_not_zero():
    renders = np.array([[1.0, 0.0], [np.nan, np.nan]])
    similarity = identity_similarity(renders, np.array([[1.0, 0.0]]))
    assert similarity[0] == 1.0
    assert np.isnan(similarity[1])


def test_photos_without_a_face_are_refused():
    with pytest.raises(ValueError, match="leave out photos"):
        identity_similarity(np.ones((1, 2)), np.full((1, 2), np.nan))


def test_the_floor_is_the_mean_over_impostors_whose_face_is_read():
    impostors = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[np.nan, np.nan]]])
    np.testing.assert_allclose(view_floor(impostors, np.array([[1.0, 0.0]])), [0.5])


def test_an_unread_view_counts_as_its_floor():
    s, floor, ceiling = identity_counted(
        np.array([[0.6, np.nan]]), np.array([[0.1, 0.3]]), np.array([[0.8, 0.9]])
    )
    assert s == pytest.approx((0.6 + 0.3) / 2)
    assert floor == pytest.approx(0.2)
    assert ceiling == pytest.approx(0.85)


def test_views_that_nobody_can_read_are_left_out_for_all():
    s, floor, ceiling = identity_counted(np.array([0.6, 0.9]), np.array([0.1, np.nan]), np.array([0.8, 0.9]))
    assert (s, floor, ceiling) == (0.6, 0.1, 0.8)


def test_the_true_head_is_one_and_an_impostor_zero():
    floor, ceiling = np.array([0.1, 0.2]), np.array([0.7, 0.9])
    assert calibrated_identity(ceiling, floor, ceiling).value == pytest.approx(1.0)
    assert calibrated_identity(floor, floor, ceiling).value == pytest.approx(0.0)


def test_calibration_is_a_ratio_of_sums_not_a_mean_of_ratios():
    measured = calibrated_identity(np.array([0.3, 0.5]), np.array([0.1, 0.4]), np.array([0.2, 0.9]))
    assert measured.value == pytest.approx((0.2 + 0.1) / (0.1 + 0.5))


def test_calibration_without_a_span_has_a_reason():
    measured = calibrated_identity(np.array([0.3]), np.array([0.4]), np.array([0.2]))
    assert np.isnan(measured.value)
    assert "ceiling" in measured.reason


def test_own_minus_cross_by_hand():
    similarity = np.array([[0.9, 0.2, 0.1], [0.3, 0.8, 0.3], [0.5, 0.4, 0.7]])
    np.testing.assert_allclose(own_minus_cross(similarity), [0.9 - 0.4, 0.8 - 0.3, 0.7 - 0.2])


def test_a_statue_of_one_person_has_no_gap():
    assert own_minus_cross(np.tile([0.4, 0.7, 0.1], (3, 1))) == pytest.approx([0.0, 0.0, 0.0])
