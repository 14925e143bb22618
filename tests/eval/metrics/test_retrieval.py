"""Retrieval: ranks, ties, and rates that are undefined below enough pairs."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from idto3d_eval.metrics.retrieval import MINIMUM_GALLERY, rank1, rank5, rank_within, tar_at_far, template


def gallery(dimension=8):
    rows = np.random.default_rng(0).normal(size=(MINIMUM_GALLERY, dimension))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_person_finds_itself():
    mate = np.eye(8)[0]
    assert rank1(mate, mate, gallery()).value == 1.0


def test_a_gallery_person_is_not_mistaken_for_the_mate():
    people = gallery()
    assert rank1(people[3], np.eye(8)[0], people).value == 0.0


def test_a_tie_is_an_error():
    people = gallery()
    assert rank1(people[3], people[3], people).value == 0.0


def test_a_rank_counts_whoever_is_as_near_or_nearer():
    rng = np.random.default_rng(4)
    people, probe = gallery(), template(rng.normal(size=(1, 8)))
    order = np.argsort(-(people @ probe))
    for place in (0, 3, 4, 5, 20):
        others = np.delete(people, order[place], axis=0)
        others = np.concatenate([others, -probe[None]])  # back to 200
        mate = people[order[place]]
        assert rank5(probe, mate, others).value == float(place < 5)
        assert rank1(probe, mate, others).value == float(place < 1)
        assert rank_within(probe, mate, others, place + 1).value == 1.0
        assert rank_within(probe, mate, others, place).value == 0.0 or place == 0


def test_rank_is_invariant_to_the_gallery_order():
    people, probe = gallery(), template(np.random.default_rng(5).normal(size=(3, 8)))
    results = {
        rank1(probe, people[7], np.roll(np.delete(people, 7, 0), shift, 0)).value for shift in range(9)
    }
    assert rank1(probe, people[7], people[np.arange(MINIMUM_GALLERY) != 7]).reason
    assert (
        results == {rank1(probe, people[7], np.delete(people, 7, 0)).value} or np.isnan(list(results)).all()
    )


@pytest.mark.parametrize(
    ("probe", "mate", "people", "reason"),
    [
        (np.full(8, np.nan), np.eye(8)[0], gallery(), "any view"),
        (np.eye(8)[0], np.full(8, np.nan), gallery(), "scoring photo"),
        (np.eye(8)[0], np.eye(8)[0], gallery()[:50], "holds 50 people"),
    ],
)
def test_undefined_ranks_have_a_reason(probe, mate, people, reason):
    measured = rank1(probe, mate, people)
    assert np.isnan(measured.value)
    assert reason in measured.reason


def test_a_template_skips_views_without_a_face():
    rows = np.array([[3.0, 0.0], [np.nan, np.nan], [0.0, 3.0]])
    np.testing.assert_allclose(template(rows), np.sqrt([0.5, 0.5]))
    assert np.isnan(template(rows[1:2])).all()


def test_tar_is_undefined_below_ten_over_far_pairs():
    measured = tar_at_far(np.ones(5), np.zeros(999), 1e-2)
    assert np.isnan(measured.value)
    assert measured.reason == "999 impostor pairs, expected 1000 or more for a FAR of 0.01"
    assert tar_at_far(np.ones(5), np.zeros(1000), 1e-2).value == 1.0


def test_tar_by_hand():
    impostor = np.arange(1000) / 1000.0  # ten impostors above 0.989
    assert tar_at_far(np.array([0.9885, 0.9895, 0.999, np.nan]), impostor, 1e-2).value == pytest.approx(2 / 3)


def test_tar_agrees_with_a_roc_curve():
    rng = np.random.default_rng(1)
    genuine, impostor = rng.normal(1.5, 1.0, 300), rng.normal(0.0, 1.0, 5000)
    labels = np.r_[np.ones(300), np.zeros(5000)]
    false, true, _ = roc_curve(labels, np.r_[genuine, impostor], drop_intermediate=False)
    assert tar_at_far(genuine, impostor, 1e-2).value == pytest.approx(true[false <= 1e-2].max())
