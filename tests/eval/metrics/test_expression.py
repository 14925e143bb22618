"""Expression: the nearest preset, one vote a head, drift and the joint score."""

import numpy as np
import pytest

from idto3d.expressions import EXPRESSIONS, presets
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.expression import (
    expression_accuracy,
    expression_consistency,
    expression_distance,
    expression_error,
    expression_read,
    identity_drift,
    joint,
)

PRESETS = presets().astype(np.float64)
NAN = np.full(52, np.nan)


@pytest.mark.parametrize("index", range(len(EXPRESSIONS)))
def test_every_preset_is_nearest_to_itself(index):
    assert expression_accuracy(PRESETS[index][None], PRESETS, index).value == 1.0
    assert expression_error(PRESETS[index][None], PRESETS[index]).value == 0.0


def test_a_head_has_one_vote_from_the_mean_of_its_views():
    smile, neutral = EXPRESSIONS.index("smile"), EXPRESSIONS.index("neutral")
    views = np.stack([PRESETS[smile], PRESETS[smile], PRESETS[neutral]])
    assert expression_accuracy(views, PRESETS, smile).value == 1.0
    assert expression_accuracy(views[::-1], PRESETS, smile).value == 1.0
    assert expression_accuracy(views, PRESETS, neutral).value == 0.0


def test_unread_views_have_no_vote():
    smile = EXPRESSIONS.index("smile")
    assert expression_accuracy(np.stack([NAN, PRESETS[smile]]), PRESETS, smile).value == 1.0
    unread = expression_accuracy(NAN[None], PRESETS, smile)
    assert np.isnan(unread.value)
    assert unread.reason
    assert expression_error(NAN[None], PRESETS[smile]).reason == unread.reason


def test_error_is_the_euclidean_distance():
    actions = PRESETS[0].copy()
    actions[:2] += [0.3, 0.4]
    assert expression_error(actions[None], PRESETS[0]).value == pytest.approx(0.5)


def test_a_statue_does_not_drift_and_another_person_does():
    rows = np.random.default_rng(0).normal(size=(3, 8))
    assert identity_drift(rows, 2.0 * rows).value == pytest.approx(0.0, abs=1e-12)
    assert identity_drift(rows, -rows).value == pytest.approx(2.0)


def test_drift_pairs_view_by_view_and_skips_unread_ones():
    e, n = np.eye(4)[:3], np.eye(4)[:3].copy()
    n[1] = np.nan
    n[2] = np.eye(4)[3]
    assert identity_drift(e, n).value == pytest.approx(0.5)
    assert np.isnan(identity_drift(e[1:2], n[1:2]).value)


def test_a_puppet_and_a_statue_both_fail_the_joint_score():
    right, wrong = Measurement(1.0), Measurement(0.0)
    unread = Measurement(np.nan, "no face")
    assert [joint(a, b).value for a, b in ((right, right), (right, wrong), (wrong, right))] == [1.0, 0.0, 0.0]
    assert joint(right, unread) is unread


@pytest.mark.parametrize("index", range(len(EXPRESSIONS)))
def test_what_is_read_is_the_place_of_the_nearest_preset(index):
    assert expression_read(PRESETS[index][None], PRESETS).value == index
    assert expression_read(NAN[None], PRESETS).reason


def test_aed_is_the_mean_l1_over_views_read_on_both():
    rng = np.random.default_rng(1)
    a, b = rng.random((4, 52)), rng.random((4, 52))
    assert expression_distance(a, b).value == pytest.approx(np.abs(a - b).mean())
    assert expression_distance(a, b[0]).value == pytest.approx(np.abs(a - b[0]).mean())
    half, other = a.copy(), b.copy()
    half[0], other[1] = np.nan, np.nan
    assert expression_distance(half, other).value == pytest.approx(np.abs(a - b)[2:].mean())
    assert "both" in expression_distance(half[:2], other[:2]).reason


def test_consistency_is_the_cosine_to_the_mean_change_of_the_others():
    rng = np.random.default_rng(2)
    changes = rng.normal(size=(4, 52))
    for person, found in enumerate(expression_consistency(changes)):
        mean = np.delete(changes, person, axis=0).mean(axis=0)
        cosine = changes[person] @ mean / np.linalg.norm(changes[person]) / np.linalg.norm(mean)
        assert found.value == pytest.approx(cosine)
    changes[1] = np.nan
    found = expression_consistency(changes[:2])
    assert "nobody else" in found[0].reason
    assert "with and without" in found[1].reason


def test_a_face_that_does_not_change_is_consistent_with_nothing():
    changes = np.zeros((3, 52))
    assert [found.value for found in expression_consistency(changes)] == [0.0, 0.0, 0.0]
