"""Simulated studies are what their design says, and the strengths called true are what fits tend to."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from idto3d_eval.preference.davidson import davidson_fit
from idto3d_eval.preference.simulate import Design, answers_of, simulate, simulate_votes, true_fit
from idto3d_eval.preference.votes import LEFT, RIGHT, TIE, votes_from

ALIKE = Design(careless=0.0, rater_spread=0.0, identity_spread=0.0)


def test_a_study_is_the_same_to_the_bit() -> None:
    first, again = (answers_of(simulate(np.random.default_rng(4), Design())) for _ in range(2))
    assert first.equals(again)
    assert not first.equals(answers_of(simulate(np.random.default_rng(5), Design())))


def test_truth_is_the_design_where_raters_and_people_are_alike() -> None:
    fit = true_fit(ALIKE)
    assert np.allclose(fit.theta[0], ALIKE.theta, atol=1e-6)
    assert fit.gamma[0] == pytest.approx(ALIKE.side, abs=1e-6)
    assert fit.nu[0] == pytest.approx(ALIKE.nu, abs=1e-6)


def test_truth_is_what_many_unlike_raters_and_people_are_fitted_with() -> None:
    design = Design(
        methods=4, raters=3000, identities=3000, rater_spread=0.8, identity_spread=0.8, careless=0
    )
    fit, truth = davidson_fit(simulate_votes(np.random.default_rng(0), design)), true_fit(design)
    assert np.allclose(fit.theta, truth.theta, atol=0.04)
    assert fit.gamma[0] == pytest.approx(truth.gamma[0], abs=0.02)
    assert np.abs(truth.theta[0]).max() < 0.85 * np.abs(design.theta).max()  # and not the average rater's


def test_every_pair_of_every_person_comes_once_before_any_comes_again() -> None:
    votes = simulate_votes(np.random.default_rng(0), Design())
    low, high = np.minimum(votes.left, votes.right), np.maximum(votes.left, votes.right)
    times = Counter(zip(low, high, votes.identity, strict=True))
    assert len(times) == 28 * 12
    assert set(times.values()) == {3, 4}  # 1,200 votes on 336 cells
    assert abs((votes.left < votes.right).mean() - 0.5) < 0.05


def test_careless_raters_answer_by_chance_and_others_pass_what_they_look_at() -> None:
    study = simulate(np.random.default_rng(0), Design(raters=2000))
    assert study.careless.sum() == 200
    own = study.careless[study.votes.rater]
    shares = np.bincount(study.votes.outcome[own], minlength=3) / own.sum()
    assert np.allclose(shares, 1 / 3, atol=0.02)
    passed = (study.attention_answer == study.attention_expected).mean(1)
    assert passed[study.careless].mean() == pytest.approx(1 / 3, abs=0.04)
    assert passed[~study.careless].mean() == pytest.approx(0.95, abs=0.01)


def test_repeats_are_answered_alike_as_often_as_stated() -> None:
    design = replace(ALIKE, raters=2000, remembered=1.0)
    study = simulate(np.random.default_rng(0), design)
    first = study.votes.outcome[study.repeat_place]
    assert np.array_equal(study.repeat_answer, np.where(first == TIE, TIE, RIGHT + LEFT - first))
    # Drawn anew, a repeat has the chances that its votes have.
    study = simulate(np.random.default_rng(0), replace(design, remembered=0.0))
    assert (study.repeat_answer == TIE).mean() == pytest.approx((study.votes.outcome == TIE).mean(), abs=0.02)
    assert (study.repeat_answer == LEFT).mean() == pytest.approx(
        (study.votes.outcome == LEFT).mean(), abs=0.02
    )


def test_the_table_holds_the_votes_and_repeats_swap_their_sides() -> None:
    study = simulate(np.random.default_rng(0), Design(raters=6))
    table = answers_of(study)
    assert Counter(table["kind"]) == {"pair": 240, "attention": 36, "repeat": 24}
    assert set(table["answer"]) == {"left", "right", "tie"}
    votes = votes_from(table)
    for name in ("left", "right", "outcome", "rater", "identity"):
        assert np.array_equal(getattr(votes, name), getattr(study.votes, name)), name
    pairs = {row["pair"]: row for row in table.iter_rows(named=True)}
    assert len(pairs) == len(table)
    for row in table.filter(table["kind"] == "repeat").iter_rows(named=True):
        before = pairs[row["repeats"]]
        assert (row["rater"], row["left"], row["right"]) == (before["rater"], before["right"], before["left"])
        assert row["position"] > before["position"]
    for row in table.filter(table["kind"] == "attention").iter_rows(named=True):
        assert row[row["expected"]] == "(intact)"
