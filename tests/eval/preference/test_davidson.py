"""Strengths from votes: golden files, an independent implementation, closed forms and invariance."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import choix
import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d_eval.preference.davidson import (
    bradley_terry_fit,
    cells_of,
    components,
    davidson_fit,
    fit_cells,
    outcome_chances,
    win_matrix,
)
from idto3d_eval.preference.simulate import Design, simulate_votes
from idto3d_eval.preference.votes import LEFT, RIGHT, TIE, Votes, choix_pairs, votes_of
from tests.reference.davidson_refit import refit


def counted(left: int, right: int, tie: int) -> Votes:
    """So many votes on a, shown left, and b."""
    rows = [("a", "b", "left")] * left + [("a", "b", "right")] * right + [("a", "b", "tie")] * tie
    return votes_of(("a", "b"), rows)


def decided(seed: int, methods: int = 6, count: int = 400) -> Votes:
    """Votes without ties, either side alike."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=methods)
    pairs = np.array([rng.permutation(methods)[:2] for _ in range(count)])
    wins = rng.random(count) < 1.0 / (1.0 + np.exp(theta[pairs[:, 1]] - theta[pairs[:, 0]]))
    names = tuple(f"m{place}" for place in range(methods))
    none = np.zeros(count, dtype=np.int64)
    return Votes(names, pairs[:, 0], pairs[:, 1], np.where(wins, LEFT, RIGHT), none, none)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["simple", "food"])
def test_strengths_are_evalicas(shared_data: Path, name: str) -> None:
    folder = shared_data / "votes" / "evalica"
    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        rows = [(row["left"], row["right"], row["winner"]) for row in csv.DictReader(file)]
    with (folder / f"{name}-golden.csv").open(encoding="utf-8") as file:
        golden = {
            row["item"]: float(row["score"])
            for row in csv.DictReader(file)
            if row["algorithm"] == "bradley_terry"
        }
    strengths = np.exp(bradley_terry_fit(votes_of(tuple(golden), rows)))
    assert np.allclose(strengths / strengths.sum(), list(golden.values()), rtol=0, atol=1e-6)


@pytest.mark.shared_data
@pytest.mark.parametrize("number", [1, 2])
def test_strengths_are_those_of_choixs_own_cases(shared_data: Path, number: int) -> None:
    case = json.loads((shared_data / "votes" / f"testcase-pairwise-{number}.json").read_text())
    names = [str(place) for place in range(case["n_items"])]
    votes = votes_of(names, [(str(first), str(second), "left") for first, second in case["data"]])
    assert np.allclose(bradley_terry_fit(votes), case["ml_est"], rtol=0, atol=1e-6)
    assert np.allclose(davidson_fit(votes, side=False, ridge=0).theta[0], case["ml_est"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_strengths_are_choixs_on_random_votes(seed: int) -> None:
    votes = decided(seed)
    theirs = choix.ilsr_pairwise(len(votes.methods), choix_pairs(votes), tol=1e-12)
    assert np.allclose(bradley_terry_fit(votes), theirs, atol=1e-6)
    # Without ties and without a side, Davidson's model is Bradley and Terry's.
    assert np.allclose(davidson_fit(votes, side=False, ridge=0).theta[0], theirs, atol=1e-6)


def test_strengths_with_ties_and_side_are_a_slow_fits() -> None:
    votes = simulate_votes(np.random.default_rng(3), Design(methods=4, raters=6, pairs=20))
    fit = davidson_fit(votes)
    slow = refit(votes, np.ones(len(votes)), 0.01)
    assert np.allclose([*fit.theta[0], fit.gamma[0], fit.log_nu[0]], slow, atol=1e-5)


def test_two_methods_have_log_odds() -> None:
    fit = davidson_fit(counted(30, 10, 0), side=False, ridge=0)
    assert fit.theta[0, 0] - fit.theta[0, 1] == pytest.approx(np.log(3.0))
    assert fit.nu[0] == 0.0


def test_two_methods_with_ties_have_their_shares() -> None:
    """One pair on one side: the model is saturated, and gives each outcome its share."""
    votes = counted(30, 10, 20)
    fit = davidson_fit(votes, side=False, ridge=0)
    assert outcome_chances(fit, np.array([0]), np.array([1]))[0] == pytest.approx([0.5, 1 / 6, 1 / 3])
    assert fit.theta[0, 0] - fit.theta[0, 1] == pytest.approx(np.log(3.0))
    assert fit.nu[0] == pytest.approx(20 / np.sqrt(30 * 10))  # nu = P(tie) / sqrt(P(left) P(right))


def test_a_side_between_equals_is_its_log_odds() -> None:
    rows = [("a", "b", "left"), ("b", "a", "left")] * 30 + [("a", "b", "right"), ("b", "a", "right")] * 20
    fit = davidson_fit(votes_of(("a", "b"), rows), ridge=0)
    assert fit.gamma[0] == pytest.approx(np.log(1.5))
    assert np.allclose(fit.theta, 0)


def test_ties_and_side_are_recovered() -> None:
    design = Design(
        methods=5, raters=400, pairs=100, careless=0, rater_spread=0, identity_spread=0, side=-0.3, nu=0.8
    )
    fit = davidson_fit(simulate_votes(np.random.default_rng(0), design))
    assert np.allclose(fit.theta[0], design.theta, atol=0.06)
    assert fit.gamma[0] == pytest.approx(-0.3, abs=0.04)
    assert fit.nu[0] == pytest.approx(0.8, abs=0.03)


def test_standard_errors_are_those_that_fits_have() -> None:
    """The inverse information is how estimates spread where votes are independent."""
    design = Design(methods=4, raters=20, pairs=40, careless=0, rater_spread=0, identity_spread=0)
    rng = np.random.default_rng(0)
    fits = [davidson_fit(simulate_votes(rng, design)) for _ in range(300)]
    spread = np.array([[*fit.theta[0], fit.gamma[0], fit.log_nu[0]] for fit in fits]).std(0)
    assert np.allclose(np.sqrt(np.diag(fits[0].covariance)), spread, rtol=0.2)


def test_what_is_not_fitted_has_no_variance() -> None:
    fit = davidson_fit(counted(30, 10, 0), side=False, ridge=0)
    assert np.array_equal(fit.covariance[2:], np.zeros((2, 4)))
    # Two methods: the difference's variance is that of log-odds, 1/30 + 1/10.
    assert np.array([1, -1]) @ fit.covariance[:2, :2] @ [1, -1] == pytest.approx(1 / 30 + 1 / 10)


def test_order_of_votes_and_names_of_methods_do_not_matter() -> None:
    votes = simulate_votes(np.random.default_rng(0), Design(raters=5))
    fit = davidson_fit(votes)
    mixed = davidson_fit(votes.take(np.random.default_rng(1).permutation(len(votes))))
    assert np.allclose(fit.theta, mixed.theta, atol=1e-9)
    turn = np.random.default_rng(2).permutation(8)
    renamed = replace(votes, left=turn[votes.left], right=turn[votes.right])
    assert np.allclose(fit.theta[0], davidson_fit(renamed).theta[0, turn], atol=1e-9)


def test_swapped_sides_turn_the_side_alone() -> None:
    votes = simulate_votes(np.random.default_rng(0), Design(raters=5))
    outcome = np.where(votes.outcome == TIE, TIE, 1 - votes.outcome)
    mirrored = davidson_fit(replace(votes, left=votes.right, right=votes.left, outcome=outcome))
    assert np.allclose(mirrored.theta, davidson_fit(votes).theta, atol=1e-9)
    assert np.allclose(mirrored.gamma, -davidson_fit(votes).gamma, atol=1e-9)


def test_where_the_steps_begin_changes_no_fit() -> None:
    votes = simulate_votes(np.random.default_rng(0), Design(raters=5))
    near = davidson_fit(simulate_votes(np.random.default_rng(1), Design(raters=5)))
    assert np.allclose(fit_cells(cells_of(votes), start=near).theta, davidson_fit(votes).theta, atol=1e-9)


def test_a_method_that_wins_all_has_a_bounded_strength_with_the_ridge_and_none_without() -> None:
    votes = counted(20, 0, 0)
    fit = davidson_fit(votes, side=False)
    assert 3.0 < fit.theta[0, 0] < 10.0
    with pytest.raises(UserError, match="have no bound"):
        davidson_fit(votes, side=False, ridge=0)
    with pytest.raises(UserError, match="have no bound"):
        bradley_terry_fit(votes)


def test_methods_that_no_vote_connects_are_told() -> None:
    apart = votes_of(("a", "b", "c", "d"), [("a", "b", "left"), ("b", "a", "left"), ("c", "d", "tie")])
    assert sorted(map(sorted, components(apart))) == [["a", "b"], ["c", "d"]]
    with pytest.raises(UserError, match="no vote connects"):
        bradley_terry_fit(apart)
    assert np.isfinite(davidson_fit(apart).theta).all()
    joined = votes_of(("a", "b", "c"), [("a", "b", "left"), ("b", "c", "left"), ("c", "a", "left")])
    assert components(joined) == [("a", "b", "c")]


def test_no_votes_are_refused() -> None:
    with pytest.raises(UserError, match="Found no votes"):
        davidson_fit(votes_of(("a", "b"), []))


def test_shares_of_wins_add_up_to_one() -> None:
    share = win_matrix(counted(5, 3, 2))
    assert share[0, 1] == pytest.approx(0.6)
    assert share[1, 0] == pytest.approx(0.4)
    assert np.isnan(share[0, 0])
