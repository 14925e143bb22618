"""A metric agrees with people where it prefers what they prefer: closed forms, scipy, and too little."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars
import pytest
from scipy import stats

from idto3d.errors import UserError
from idto3d_eval.preference.agreement import LEAST_VOTES, Agreement, agreement, kendall_tau
from idto3d_eval.preference.run_metrics import MetricRows, metrics_of, read_metrics

METHODS = ("a", "b", "c", "d")
PEOPLE = tuple(f"p{number}" for number in range(8))


def answers(each: int = 40, noise: float = 0.0, seed: int = 0) -> polars.DataFrame:
    """Votes for the method that comes first in the alphabet, but for a share that goes the other way."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in PEOPLE:
        for number in range(each):
            left, right = (METHODS[place] for place in rng.choice(4, 2, replace=False))
            first = (left < right) == (rng.random() >= noise)
            rows.append(
                {
                    "rater": f"r{number % 5}",
                    "question": "identity",
                    "kind": "pair",
                    "identity": person,
                    "expression": "neutral",
                    "left": left,
                    "right": right,
                    "answer": "left" if first else "right",
                }
            )
    return polars.DataFrame(rows)


def metric(values: dict[tuple[str, str, str], float], higher: bool = True) -> MetricRows:
    """A metric of some values."""
    return MetricRows("m", "M", higher, False, values)


def by_method(values: tuple[float, ...]) -> dict[tuple[str, str, str], float]:
    """The same value for all of a method's heads."""
    return {
        (name, who, "neutral"): value for name, value in zip(METHODS, values, strict=True) for who in PEOPLE
    }


def only(table: polars.DataFrame, one: MetricRows) -> Agreement:
    """Of one metric."""
    return agreement(table, METHODS, [one], draws=200)[0]


def test_a_metric_that_prefers_what_people_prefer_has_one() -> None:
    """And its opposite nothing; lower can be the better."""
    right = only(answers(), metric(by_method((4, 3, 2, 1))))
    wrong = only(answers(), metric(by_method((1, 2, 3, 4))))
    lower = only(answers(), metric(by_method((1, 2, 3, 4)), higher=False))
    for found in (right, lower):
        assert (found.accuracy.value, found.accuracy.low, found.accuracy.high) == (1.0, 1.0, 1.0)
        assert (found.tau.value, found.votes, found.identities, found.methods) == (1.0, 320, 8, 4)
    assert (wrong.accuracy.value, wrong.tau.value) == (0.0, -1.0)


def test_equal_values_count_half() -> None:
    """A metric that tells only a from the others is right on a's pairs, and half on the others."""
    table = answers()
    found = only(table, metric(by_method((1, 0, 0, 0))))
    with_a = ((table["left"] == "a") | (table["right"] == "a")).mean()
    assert found.accuracy.value == pytest.approx(with_a + (1 - with_a) / 2)


def test_a_metric_of_chance_lies_about_one_half() -> None:
    """The interval holds it."""
    rng = np.random.default_rng(5)
    values = {(name, who, "neutral"): rng.normal() for name in METHODS for who in PEOPLE}
    found = only(answers(noise=0.5), metric(values))
    assert found.accuracy.low < 0.5 < found.accuracy.high
    assert found.tau.low < 0.0 < found.tau.high


def test_ties_and_repeats_say_nothing() -> None:
    """Only decided votes on pairs are counted, neither and tie are no preference."""
    table = answers()
    odd = table.with_columns(answer=polars.Series(["tie", "neither"] * 160), rater=polars.lit("other"))
    repeats = table.with_columns(kind=polars.lit("repeat"))
    one = metric(by_method((4, 3, 2, 1)))
    assert only(polars.concat([table, odd, repeats]), one).votes == only(table, one).votes == 320


def test_kendall_is_that_of_scipy_with_ties_too() -> None:
    """An independent implementation; undefined where all are equal."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 4, (50, 7)).astype(float), rng.integers(0, 9, (50, 7)).astype(float)
    expected = [stats.kendalltau(one, other).statistic for one, other in zip(x, y, strict=True)]
    np.testing.assert_allclose(kendall_tau(x, y), expected, atol=1e-12)
    assert np.isnan(kendall_tau(np.ones((1, 5)), y[:1, :5])).all()


def test_too_little_is_said_and_not_shown() -> None:
    """No values, few votes, equal values, few people."""
    nothing = only(answers(), metric({}))
    assert np.isnan(nothing.accuracy.value)
    assert nothing.accuracy.reason == f"0 decided votes on heads with a value, expected {LEAST_VOTES}"
    assert nothing.tau.reason == "0 methods with a value, expected 3"
    equal = only(answers(), metric(by_method((1, 1, 1, 1))))
    assert (equal.accuracy.reason, equal.tau.reason) == (
        "all heads have the same value",
        "all methods have the same value",
    )
    few = answers().filter(polars.col("identity").is_in(PEOPLE[:3]))
    found = only(few, metric(by_method((4, 3, 2, 1))))
    assert found.accuracy.value == 1.0
    assert np.isnan(found.accuracy.low)
    assert "3 people" in found.accuracy.reason


def test_the_order_of_votes_changes_nothing() -> None:
    """Bit for bit."""
    table = answers(noise=0.3)
    one = metric(by_method((4, 3, 1, 2)))
    assert only(table, one) == only(table.sample(fraction=1.0, shuffle=True, seed=1), one)


def test_a_head_without_a_value_of_its_own_has_its_persons_or_its_methods() -> None:
    """From the nearest on."""
    one = metric({("a", "p0", "neutral"): 1.0, ("a", "p0", ""): 2.0, ("a", "", ""): 3.0})
    heads = [("a", "p0", "neutral"), ("a", "p0", "smile"), ("a", "p1", "smile"), ("b", "p0", "neutral")]
    np.testing.assert_array_equal(one.of(heads), [1.0, 2.0, 3.0, np.nan])


def test_a_runs_rows_are_averaged_over_views_and_its_directions_kept(tmp_path: Path) -> None:
    """NaN is left out; what has no better end is no metric to compare by; calibrated identity is made up."""
    cards = [
        {"name": "one", "title": "One", "better": "lower", "headline": True},
        {"name": "size", "title": "Size", "better": "neither"},
        {"name": "calibrated_identity", "title": "Calibrated", "better": "higher"},
    ]
    rows = [
        ("a", "p", "neutral", view, "one", value) for view, value in (("x", 1.0), ("y", 3.0), ("z", np.nan))
    ]
    rows += [
        ("a", "p", "", "", f"identity_{name}", value)
        for name, value in (("counted", 0.5), ("floor", 0.2), ("ceiling", 0.8))
    ]
    table = polars.DataFrame(
        rows, ["method", "identity", "expression", "view", "metric", "value"], orient="row"
    )
    one, calibrated = metrics_of(table, cards)
    assert (one.metric, one.higher, one.headline, dict(one.values)) == (
        "one",
        False,
        True,
        {("a", "p", "neutral"): 2.0},
    )
    assert calibrated.values["a", "p", ""] == pytest.approx(0.5)
    with pytest.raises(UserError, match="no finished run"):
        read_metrics(tmp_path)
    table.write_parquet(tmp_path / "scores.parquet")
    (tmp_path / "summary.json").write_text(json.dumps({"metrics": cards}))
    assert read_metrics(tmp_path) == [one, calibrated]
