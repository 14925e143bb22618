"""What `power` promises is what the test then finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from idto3d_eval import statistics
from idto3d_eval.statistics.power import _saddlepoint_p


@pytest.mark.parametrize(
    ("count", "tests"), [(8, 1), (12, 1), (12, 20), (19, 50), (20, 1), (24, 100), (50, 20)]
)
def test_promises_are_kept(count: int, tests: int) -> None:
    level = 0.05 / tests
    effect = (stats.norm.ppf(1 - level / 2) + 0.9) / np.sqrt(count) * (1.2 if count < 20 else 1.0)
    gaps = np.random.default_rng([count, tests]).normal(2.0 * effect, 2.0, size=(600, count))
    found = np.mean([statistics.sign_flip_p(row, 1000) <= level for row in gaps])
    assert 0.3 < found < 0.999
    assert statistics.power_at(count, 2.0 * effect, 2.0, 0.05, tests) == pytest.approx(found, abs=0.05)


def test_no_effect_is_found_at_the_attainable_level() -> None:
    for count in (8, 12, 25, 300):
        level = statistics.attainable_level(count, 0.05)
        # Half of it where the closed form leaves the far tail out.
        assert statistics.power_at(count, 0.0, 1.0) == pytest.approx(level, abs=0.026)


def test_what_no_outcome_can_reach_has_no_power() -> None:
    assert statistics.power_at(5, 100.0, 1.0) == 0.0
    assert statistics.power_at(12, 100.0, 1.0, 0.05, tests=103) == 0.0
    assert statistics.power_at(12, 100.0, 1.0, 0.05, tests=102) == 1.0
    assert statistics.power_at(30, 100.0, 1.0, 0.05, tests=20_000) == 0.0
    assert statistics.power_at(30, 100.0, 1.0, 0.05, tests=20_000, resamples=100_000) == 1.0


def test_the_number_needed_is_the_least_that_reaches_the_power() -> None:
    for effect in (1.2, 0.5, 0.1):
        need = statistics.identities_needed(effect, 1.0)
        assert need.identities is not None
        assert need.power >= 0.8 > statistics.power_at(need.identities - 1, effect, 1.0)
        assert statistics.identities_needed(-2.0 * effect, 2.0) == need
    assert statistics.identities_needed(0.0001, 1.0).identities is None


def test_the_approximation_is_near_the_exact_p() -> None:
    gaps = np.random.default_rng(0).normal(0.4, 1.0, size=(40, 19))
    exact = np.array([statistics.sign_flip_p(row, 1) for row in gaps])
    inside = (exact > 3e-4) & (exact < 0.5)
    assert np.allclose(_saddlepoint_p(gaps)[inside], exact[inside], rtol=0.1)
