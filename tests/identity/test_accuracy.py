"""The figures on the readers' cards."""

from __future__ import annotations

import numpy as np

from idto3d.attributes import Attributes
from idto3d.expressions import presets
from idto3d.identity.accuracy import (
    attribute_accuracy,
    expression_accuracy,
    landmark_error,
    pair_similarities,
    rank1,
    recogniser_accuracy,
    tar_at_far,
)


def unit_rows(count: int, width: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_pairs_are_each_counted_once() -> None:
    """N photos of P people give all pairs, within and between, across the blocks they are computed in."""
    person = np.repeat(np.arange(130), 5)
    genuine, impostor = pair_similarities(unit_rows(650, 8), person)
    assert len(genuine) == 130 * 10
    assert len(genuine) + len(impostor) == 650 * 649 // 2


def test_matched_impostors_share_their_attributes() -> None:
    """Only pairs alike in sex, age, skin, hair and beard count; the colour of the hair does not matter."""
    attributes = np.zeros((4, len(Attributes.GROUPS)), np.int64)
    attributes[1, list(Attributes.GROUPS).index("hair_colour")] = 3
    attributes[2, list(Attributes.GROUPS).index("sex")] = 1
    _, impostor = pair_similarities(unit_rows(4, 3), np.arange(4), attributes)
    assert len(impostor) == 3  # 0-1, 0-3 and 1-3


def test_tar_in_closed_form() -> None:
    """Impostors 0 to 999: at FAR 1e-2 the threshold leaves ten above it."""
    tar, threshold, reason = tar_at_far(np.array([980.0, 989.0, 990.0, 2000.0]), np.arange(1000.0), 1e-2)
    assert (tar, threshold, reason) == (0.5, 989.0, "")


def test_tar_needs_ten_impostors_above() -> None:
    """Below 10 / FAR impostor pairs the rate is undefined and says why."""
    tar, _, reason = tar_at_far(np.ones(5), np.zeros(999), 1e-2)
    assert np.isnan(tar)
    assert "expected at least 1000" in reason


def test_perfect_recogniser() -> None:
    """One direction a person: every pair is right, and the order of photos does not matter."""
    person = np.repeat(np.arange(60), 4)
    embeddings = unit_rows(60, 40)[person]
    found = recogniser_accuracy(embeddings, person)
    assert found["tar_at_far_0.01"] == found["rank1"] == 1.0
    order = np.random.default_rng(1).permutation(len(person))
    assert recogniser_accuracy(embeddings[order], person[order]) == found
    assert rank1(unit_rows(240, 40, seed=3), person) < 0.1


def test_landmark_error_is_a_share_of_the_eyes_distance() -> None:
    """All points off by a tenth of the eyes' distance is 0.1, at any scale."""
    true = np.random.default_rng(0).normal(size=(3, 68, 2)) * 50
    between = np.linalg.norm(true[:, 36] - true[:, 45], axis=-1)
    read = true + np.stack([0.1 * between, 0 * between], 1)[:, None]
    np.testing.assert_allclose(landmark_error(read, true), 0.1)
    np.testing.assert_allclose(landmark_error(read * 7, true * 7), 0.1)


def test_expression_accuracy_judges_presets_only() -> None:
    """Rows with no preset's actions do not count; the others are judged by the nearest preset."""
    true = np.concatenate([presets(), np.full((1, 52), 0.5, np.float32)])
    assert expression_accuracy(true, true) == 1.0
    wrong = true.copy()
    wrong[1] = true[2]
    assert expression_accuracy(wrong, true) == 12 / 13
    assert np.isnan(expression_accuracy(true[-1:], true[-1:]))


def test_unknown_attributes_do_not_count() -> None:
    """Class -1 is left out of its group."""
    true = np.zeros((2, len(Attributes.GROUPS)), np.int64)
    true[1, 0] = -1
    logits = np.zeros((2, Attributes.dimension))
    logits[1, 1] = 9.0
    assert attribute_accuracy(logits, true)["sex"] == 1.0
