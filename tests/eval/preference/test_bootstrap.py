"""Intervals over raters and identities: draws are refits, covariances as the formula, ends as stated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from idto3d.errors import UserError
from idto3d_eval.preference.bootstrap import davidson_bootstrap, drawn_cells, drawn_weights
from idto3d_eval.preference.clusters import two_way
from idto3d_eval.preference.davidson import RIDGE, cells_of, davidson_fit, fit_cells
from idto3d_eval.preference.simulate import Design, simulate_votes
from tests.reference.davidson_refit import refit

SMALL = Design(methods=4, raters=8, identities=5, pairs=15)


def test_draws_are_slow_refits() -> None:
    votes = simulate_votes(np.random.default_rng(0), SMALL)
    drawn = fit_cells(drawn_cells(votes, 3, seed=5), start=davidson_fit(votes))
    raters, identities = drawn_weights(votes, 3, seed=5)
    for draw in range(3):
        slow = refit(votes, raters[draw, votes.rater] * identities[draw, votes.identity], RIDGE)
        assert np.allclose(drawn.theta[draw], slow[:4], atol=1e-5)
        assert drawn.gamma[draw] == pytest.approx(slow[4], abs=1e-5)
        assert drawn.log_nu[draw] == pytest.approx(slow[5], abs=1e-5)


def test_weights_of_one_count_votes_once() -> None:
    votes = simulate_votes(np.random.default_rng(0), SMALL)
    once = replace(votes, rater=np.zeros_like(votes.rater), identity=np.zeros_like(votes.identity))
    assert np.array_equal(drawn_cells(once, 2, 0).counts[1], cells_of(votes).counts[0])


def test_draws_have_the_covariance_and_the_middle_of_the_intervals() -> None:
    found = davidson_bootstrap(simulate_votes(np.random.default_rng(0), SMALL), draws=200)
    joined = np.concatenate([found.theta, found.gamma[:, None], found.log_nu[:, None]], axis=1)
    assert np.allclose(np.cov(joined.T), found.spread.covariance, atol=1e-9)
    assert np.allclose(found.theta.mean(0), found.fit.theta[0])
    assert np.allclose(found.theta.sum(1), 0)


def test_covariance_over_raters_is_how_strengths_vary_when_raters_are_left_out() -> None:
    """The sandwich is the first order of the jackknife (Efron 1982), vote by vote a different calculation."""
    votes = simulate_votes(np.random.default_rng(0), Design(methods=4, raters=60, identities=40, pairs=30))
    theta = np.array([davidson_fit(votes.take(votes.rater != one)).theta[0] for one in range(60)])
    jackknife = 59 / 60 * ((theta - theta.mean(0)) ** 2).sum(0)
    spread = two_way(votes, davidson_fit(votes))
    assert np.allclose(np.diag(spread.by_rater)[:4], jackknife, rtol=0.15)


def test_more_alike_raters_and_people_give_narrower_intervals() -> None:
    def width(spread: float) -> float:
        design = Design(rater_spread=spread, identity_spread=spread)
        votes = [simulate_votes(np.random.default_rng(seed), design) for seed in range(5)]
        return float(np.mean([davidson_bootstrap(one, 1).strengths[3].error for one in votes]))

    assert width(0.0) < width(0.5) < width(1.0)


def test_one_identity_leaves_the_covariance_over_raters() -> None:
    votes = simulate_votes(np.random.default_rng(0), SMALL)
    fit = davidson_fit(votes)
    both = two_way(votes, fit)
    alone = two_way(replace(votes, identity=np.zeros_like(votes.identity)), fit)
    assert np.allclose(alone.covariance, both.by_rater)
    assert alone.spread(np.eye(6)[0])[1] == pytest.approx(7.0)  # 8 raters
    one_rater = two_way(replace(votes, rater=np.zeros_like(votes.rater)), fit)
    assert np.allclose(one_rater.covariance, both.by_identity)


def test_intervals_are_of_students_t() -> None:
    found = davidson_bootstrap(simulate_votes(np.random.default_rng(0), SMALL), draws=1, level=0.9)
    one = found.difference("method_00", "method_03")
    low, high = stats.t.interval(0.9, one.freedom, one.value, one.error)
    assert (one.low, one.high) == pytest.approx((low, high))
    assert one.p == pytest.approx(2 * stats.t.sf(abs(one.value) / one.error, one.freedom))
    assert one.excludes_zero == (one.p < 0.1)
    assert one.freedom >= 1 / (1 / 7 + 1 / 4) - 1e-9


def test_a_difference_turns_its_sign_with_the_order() -> None:
    found = davidson_bootstrap(simulate_votes(np.random.default_rng(0), SMALL), draws=1)
    one, other = (
        found.difference(*names) for names in (("method_00", "method_01"), ("method_01", "method_00"))
    )
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    strengths = [interval.value for interval in found.strengths]
    assert one.value == pytest.approx(strengths[0] - strengths[1])


def test_neighbours_are_in_order_of_rank_and_add_up() -> None:
    found = davidson_bootstrap(simulate_votes(np.random.default_rng(0), Design(raters=10)), draws=1)
    names = [first for first, _, _ in found.adjacent] + [found.adjacent[-1][1]]
    strengths = found.fit.theta[0]
    assert names == [found.methods[place] for place in np.argsort(-strengths)]
    assert all(gap.value >= 0 for _, _, gap in found.adjacent)
    assert sum(gap.value for _, _, gap in found.adjacent) == pytest.approx(np.ptp(strengths))


def test_the_same_seed_gives_the_same_bits_and_no_single_interval_depends_on_it() -> None:
    votes = simulate_votes(np.random.default_rng(0), SMALL)
    first, again, other = (davidson_bootstrap(votes, 20, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.theta, again.theta)
    assert not np.allclose(first.theta, other.theta)
    assert first.strengths == other.strengths


def test_order_of_votes_does_not_matter() -> None:
    votes = simulate_votes(np.random.default_rng(0), SMALL)
    mixed = votes.take(np.random.default_rng(1).permutation(len(votes)))
    first, second = davidson_bootstrap(votes, 20), davidson_bootstrap(mixed, 20)
    assert np.allclose(first.theta, second.theta, atol=1e-8)
    assert np.allclose(first.spread.covariance, second.spread.covariance)


def test_without_a_side_there_is_no_interval_of_one() -> None:
    found = davidson_bootstrap(simulate_votes(np.random.default_rng(0), SMALL), 10, side=False)
    assert (found.side.value, found.side.low, found.side.high) == (0.0, 0.0, 0.0)
    assert np.allclose(found.gamma, 0)


def test_the_interval_of_ties_holds_their_estimate() -> None:
    found = davidson_bootstrap(simulate_votes(np.random.default_rng(0), SMALL), 10)
    assert 0 < found.nu.low < found.nu.value < found.nu.high
    assert found.nu.value == pytest.approx(found.fit.nu[0])


def test_what_says_nothing_of_spread_is_refused() -> None:
    votes = simulate_votes(np.random.default_rng(0), SMALL)
    alone = replace(votes, rater=np.zeros_like(votes.rater), identity=np.zeros_like(votes.identity))
    with pytest.raises(UserError, match="1 rater on 1 identity"):
        davidson_bootstrap(alone)
    for wrong in ({"draws": 0}, {"level": 1.0}, {"ridge": 0.0}):
        with pytest.raises(UserError, match="expected at least one draw"):
            davidson_bootstrap(votes, **wrong)
    with pytest.raises(UserError, match="expected two of"):
        davidson_bootstrap(votes, 1).difference("method_00", "method_00")
