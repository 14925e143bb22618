"""Agreement by hand-computed cases, and careless raters found in simulated studies."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars
import pytest

from idto3d_eval.preference.reliability import careless_raters, krippendorff_alpha, reliability
from idto3d_eval.preference.simulate import Design, answers_of, simulate


def row(rater: str, pair: str, answer: str, **told: str) -> dict[str, Any]:
    """An answer to "identity" on a, left, and b."""
    plain = {
        "rater": rater,
        "pair": rater + pair,
        "question": "identity",
        "kind": "pair",
        "identity": "ada",
        "expression": "neutral",
        "left": "a",
        "right": "b",
        "answer": answer,
        "expected": "",
        "repeats": "",
    }
    return {**plain, **told, "position": 0, "seconds": 5.0}


def test_alpha_is_that_of_a_case_computed_by_hand() -> None:
    """Two raters, three units: a a, a b, b b. Coincidences o_ab = 1 (twice), n_a = n_b = 3, n = 6.

    alpha = 1 - (n - 1) * (o_ab + o_ba) / (2 * n_a * n_b) = 1 - 5 * 2 / 18 = 4/9.
    """
    said = [("ada", "left", "left"), ("bo", "left", "right"), ("cy", "right", "right")]
    rows = [
        row(rater, person, answer, identity=person)
        for person, *both in said
        for rater, answer in zip(("r1", "r2"), both, strict=True)
    ]
    alpha, units = krippendorff_alpha(polars.DataFrame(rows))
    assert alpha == pytest.approx(4 / 9)
    assert units == 3
    # The same with sides swapped for the second rater: what was preferred is the same.
    turned = [
        one
        if one["rater"] == "r1"
        else {**one, "left": "b", "right": "a", "answer": {"left": "right", "right": "left"}[one["answer"]]}
        for one in rows
    ]
    assert krippendorff_alpha(polars.DataFrame(turned))[0] == pytest.approx(4 / 9)
    # What only one rater judged says nothing of agreement, and neither do attention pairs.
    more = [*rows, row("r1", "x", "tie", identity="di"), row("r2", "y", "left", kind="attention")]
    assert krippendorff_alpha(polars.DataFrame(more)) == (pytest.approx(4 / 9), 3)


def test_full_agreement_is_one_and_no_overlap_is_undefined() -> None:
    rows = [row(rater, "1", "left") for rater in ("r1", "r2")]
    rows += [row(rater, "2", "tie", identity="bo") for rater in ("r1", "r2")]
    assert krippendorff_alpha(polars.DataFrame(rows)) == (pytest.approx(1.0), 2)
    assert np.isnan(krippendorff_alpha(polars.DataFrame([rows[0], rows[2]]))[0])
    assert np.isnan(krippendorff_alpha(polars.DataFrame(rows[:2]))[0])  # all said the same


def test_repeats_and_attention_pairs_are_counted_by_rater() -> None:
    rows = [
        row("r1", "1", "left"),
        row("r1", "2", "right", kind="repeat", left="b", right="a", repeats="r11"),  # alike
        row("r1", "3", "left", kind="attention", expected="left"),
        row("r1", "4", "tie", kind="attention", expected="right"),
        row("r2", "1", "tie"),
        row("r2", "2", "left", kind="repeat", left="b", right="a", repeats="r21"),  # not alike
        row("r2", "3", "left", kind="repeat", left="b", right="a", repeats="gone"),
        row("r3", "1", "right"),
    ]
    found = reliability(polars.DataFrame(rows))
    assert (found.attention, found.passed) == (2, 0.5)
    assert (found.repeats, found.consistent) == (2, 0.5)
    table = found.by_rater.to_dicts()
    assert [one["rater"] for one in table] == ["r1", "r2", "r3"]
    assert [one["consistent"] for one in table] == [1.0, 0.0, None]
    assert [one["passed"] for one in table] == [0.5, None, None]
    assert [one["left"] for one in table] == [1.0, None, 0.0]


def test_careless_raters_are_found_and_others_are_not() -> None:
    found = careless = wrong = 0
    for seed in range(20):
        study = simulate(np.random.default_rng(seed), Design())
        flagged = np.isin(study.votes.raters, careless_raters(answers_of(study)).flagged)
        found += int((flagged & study.careless).sum())
        wrong += int((flagged & ~study.careless).sum())
        careless += int(study.careless.sum())
    assert found / careless >= 0.9
    assert wrong / (20 * 27) <= 0.05


def test_nobody_is_flagged_where_nobody_is_careless() -> None:
    for seed in range(5):
        answers = answers_of(simulate(np.random.default_rng(seed), Design(careless=0.0)))
        assert len(careless_raters(answers).flagged) <= 1


def test_votes_alone_tell_where_a_study_has_neither_attention_pairs_nor_repeats() -> None:
    study = simulate(np.random.default_rng(0), Design(attention=0, repeats=0))
    result = careless_raters(answers_of(study))
    posterior = result.posterior
    assert posterior[study.careless].min() > posterior[~study.careless].mean()


def test_the_estimated_shares_are_those_simulated() -> None:
    study = simulate(np.random.default_rng(0), Design(raters=200))
    result = careless_raters(answers_of(study))
    assert result.share == pytest.approx(0.1, abs=0.02)
    assert result.passed == pytest.approx(0.95, abs=0.02)
    assert 0.5 < result.remembered < 0.95


def test_order_of_rows_does_not_matter_and_more_questions_are_judged_together() -> None:
    answers = answers_of(simulate(np.random.default_rng(0), Design()))
    mixed = careless_raters(answers.sample(fraction=1.0, shuffle=True, seed=1))
    assert np.allclose(careless_raters(answers).posterior, mixed.posterior)
    other = answers_of(simulate(np.random.default_rng(0), Design())).with_columns(
        polars.lit("geometry").alias("question"),
        pair="g" + polars.col("pair"),
        repeats=polars.when(polars.col("repeats") != "")
        .then("g" + polars.col("repeats"))
        .otherwise(polars.lit("")),
    )
    twice = careless_raters(polars.concat([answers, other]))
    assert twice.flagged == careless_raters(answers).flagged


ODD = 4  # raters of a study who answer oddly
STUDIES = 6


def oddly_answered(habit: str, seed: int) -> tuple[polars.DataFrame, set[str]]:
    """A study of forty raters who look, four of whom then answer by a habit or a taste; and who those are."""
    rng = np.random.default_rng(seed)
    answers = answers_of(simulate(rng, Design(raters=40, careless=0.0)))
    odd = set(sorted(answers["rater"].unique())[:ODD])
    rows = []
    for told in answers.iter_rows(named=True):
        if told["rater"] in odd:
            told["answer"] = _by_habit(habit, told, rng)
        rows.append(told)
    return polars.DataFrame(rows, schema=answers.schema), odd


def _by_habit(habit: str, told: dict[str, Any], rng: np.random.Generator) -> str:
    if habit == "always left":
        return "left"
    if habit == "a coin":
        return str(rng.choice(("left", "right")))
    if told["kind"] == "attention":
        return str(told["expected"])
    if habit == "ties":
        return "tie" if rng.random() < 0.45 else str(told["answer"])
    return {"left": "right", "right": "left"}.get(told["answer"], told["answer"])


@pytest.mark.parametrize(("habit", "least"), [("always left", 1.0), ("a coin", 0.9)])
def test_who_answers_by_a_habit_is_found(habit: str, least: float) -> None:
    found = 0
    for seed in range(STUDIES):
        answers, odd = oddly_answered(habit, seed)
        flagged = set(careless_raters(answers).flagged)
        assert flagged <= odd
        found += len(flagged)
    assert found / (ODD * STUDIES) >= least


@pytest.mark.parametrize("habit", ["the opposite taste", "ties"])
def test_who_looks_is_left_alone_whatever_their_taste(habit: str) -> None:
    """Attention pairs right, and every preference the other way round or nearly half of all pairs tied."""
    for seed in range(STUDIES):
        assert careless_raters(oddly_answered(habit, seed)[0]).flagged == ()


def test_without_attention_pairs_always_left_is_found_and_the_opposite_taste_is_left_alone() -> None:
    for seed in range(2):
        answers, odd = oddly_answered("always left", seed)
        assert set(careless_raters(answers.filter(polars.col("kind") == "pair")).flagged) == odd
        answers, _ = oddly_answered("the opposite taste", seed)
        assert careless_raters(answers.filter(polars.col("kind") == "pair")).flagged == ()


def test_flagged_are_those_from_the_posterior_asked_for_on() -> None:
    answers = answers_of(simulate(np.random.default_rng(0), Design()))
    for flagged_at in (0.01, 0.5, 0.99):
        result = careless_raters(answers, ("left", "right", "tie"), flagged_at)
        above = [name for name, own in zip(result.raters, result.posterior, strict=True) if own >= flagged_at]
        assert list(result.flagged) == above
    assert len(careless_raters(answers, flagged_at=0.0).flagged) == len(result.raters)
