"""Estimates and their uncertainty, with the identity as the unit: views, seeds and expressions of one head
are not independent, so they are averaged within an identity before anything is resampled (as clusters,
Field & Welsh 2007). `docs/statistics.md` says which interval and which test is used when, and why.
"""

from idto3d_eval.statistics.estimates import (
    LEVEL,
    RESAMPLES,
    Difference,
    Estimate,
    coverage_bounds,
    identity_means,
    mean_interval,
    paired_difference,
    paired_effect,
    ratio_difference,
    ratio_of_sums,
)
from idto3d_eval.statistics.intervals import interval_method, studentised_bounds
from idto3d_eval.statistics.paired_tests import (
    EXACT_BELOW,
    attainable_level,
    describe_test,
    holm,
    least_p,
    sign_flip_p,
)
from idto3d_eval.statistics.power import Need, identities_needed, power_at
from idto3d_eval.statistics.ranks import best_set, rank_intervals

__all__ = [
    "EXACT_BELOW",
    "LEVEL",
    "RESAMPLES",
    "Difference",
    "Estimate",
    "Need",
    "attainable_level",
    "best_set",
    "coverage_bounds",
    "describe_test",
    "holm",
    "identities_needed",
    "identity_means",
    "interval_method",
    "least_p",
    "mean_interval",
    "paired_difference",
    "paired_effect",
    "power_at",
    "rank_intervals",
    "ratio_difference",
    "ratio_of_sums",
    "sign_flip_p",
    "studentised_bounds",
]
