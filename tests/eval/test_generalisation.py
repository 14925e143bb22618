"""Gaps between groups, swaps, and quality at equal time: against scipy, closed forms, and simulation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import fake_stages as fake
import numpy as np
import polars
import pytest
from scipy import stats

from idto3d_eval import generalisation
from idto3d_eval.equal_time import at_time, compare_at_time, curve_rows, equal_time_section
from idto3d_eval.generalisation import (
    PersonFacts,
    comparisons,
    facts_of_run,
    gap_section,
    person_facts,
    ratio_values,
    terciles,
    two_sample_gap,
    with_shapes,
)
from idto3d_eval.identity_table import Measured
from idto3d_eval.protocol_sections import protocol_sections
from idto3d_eval.run_folder import PEOPLE
from idto3d_eval.scored import Scored
from idto3d_eval.store import Store
from idto3d_eval.swaps import exact_interval, swap_section, swaps_of
from idto3d_protocols.loader import load_protocol

SMALL = fake.protocol().statistics


def frame(rows: list[tuple[str, str, str, float]]) -> polars.DataFrame:
    """Scores of (method, identity, metric, value)."""
    return polars.DataFrame(
        {
            "method": [row[0] for row in rows],
            "identity": [row[1] for row in rows],
            "metric": [row[2] for row in rows],
            "value": [row[3] for row in rows],
        },
        schema_overrides={"value": polars.Float64},
    )


def test_a_gap_is_welchs() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.5, 0.1, 12), rng.normal(0.3, 0.3, 7)
    gap = two_sample_gap([*first, math.nan], second, 0.95)
    expected = stats.ttest_ind(first, second, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert gap.p == pytest.approx(expected.pvalue)
    assert (gap.low, gap.high) == pytest.approx((interval.low, interval.high))
    assert (gap.first, gap.second) == (12, 7)


def test_a_gap_has_a_reason_where_it_has_no_interval() -> None:
    few = two_sample_gap([1.0, 2.0], [1.0, 2.0, 3.0], 0.95)
    assert math.isnan(few.low)
    assert "2 people" in few.reason
    assert few.value == pytest.approx(-0.5)
    same = two_sample_gap([1.0] * 4, [1.0] * 4, 0.95)
    assert math.isnan(same.p)
    assert "nobody" in same.reason
    assert math.isnan(two_sample_gap([], [1.0], 0.95).value)


def test_people_of_a_ratio_average_to_it_and_spread_as_it_does() -> None:
    """Their standard error is the one that drawing people anew shows."""
    rng = np.random.default_rng(1)
    under = rng.uniform(0.3, 0.9, 40)
    over = 0.6 * under + rng.normal(0, 0.05, 40)
    values = ratio_values([*over, math.nan], [*under, 0.5])
    assert math.isnan(values[-1])
    assert values[:-1].mean() == pytest.approx(over.sum() / under.sum())
    draws = rng.integers(0, 40, (4000, 40))
    spread = (over[draws].sum(1) / under[draws].sum(1)).std()
    assert values[:-1].std(ddof=1) / math.sqrt(40) == pytest.approx(spread, rel=0.08)
    assert np.isnan(ratio_values([1.0], [-1.0])).all()


def test_a_gap_of_nothing_is_found_in_five_percent() -> None:
    """Welch's interval holds its level for groups of 12 with unequal spreads (1,000 simulations)."""
    rng = np.random.default_rng(2)
    missed = sum(
        two_sample_gap(rng.normal(0, 1, 12), rng.normal(0, 3, 12), 0.95).p < 0.05 for _ in range(1000)
    )
    assert missed / 1000 == pytest.approx(0.05, abs=0.02)


def test_thirds_are_of_these_people() -> None:
    assert terciles([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == ["broad", "broad", "medium", "medium", "long", "long"]
    assert terciles([1.0, math.nan, 3.0, 2.0])[1] == ""
    assert terciles([1.0, 2.0]) == ["", ""]


def test_groups_of_a_synthetic_person_are_what_is_true_of_them() -> None:
    seen, shifted = (
        person_facts("guidance-0003", 0, ["guidance"]),
        person_facts("shifted-0001", 0, ["guidance"]),
    )
    assert (seen.groups["set"], shifted.groups["set"]) == ("seen", "shifted")
    assert set(seen.groups) == {"set", "sex", "age", "skin"}
    assert 0.5 < seen.face_index < 1.5
    shaped = with_shapes([seen, shifted, person_facts("heldout-0000", 0, [])])
    assert {person.groups["face shape"] for person in shaped} == {"long", "medium", "broad"}


def test_sets_are_compared_with_each_other_and_many_groups_with_all_others() -> None:
    people = [
        PersonFacts("a", {"set": "seen", "sex": "female", "age": "old"}),
        PersonFacts("b", {"set": "unseen", "sex": "male", "age": "young"}),
        PersonFacts("c", {"set": "shifted", "sex": "male", "age": "middle-aged"}),
    ]
    pairs = [pair[:3] for pair in comparisons(people)]
    assert [pair for pair in pairs if pair[0] == "set"] == [
        ("set", "seen", "unseen"), ("set", "seen", "shifted"), ("set", "unseen", "shifted"),
    ]  # fmt: skip
    assert ("sex", "female", "male") in pairs
    assert ("age", "old", "all others") in pairs
    assert not any(set(one) & set(two) for *_, one, two in comparisons(people))


def test_a_section_finds_the_gap_that_was_put_in() -> None:
    rng = np.random.default_rng(3)
    people = [PersonFacts(f"p{k}", {"set": "seen" if k < 12 else "unseen"}) for k in range(24)]
    rows = []
    for k, person in enumerate(people):
        quality = 0.8 - 0.3 * (k >= 12) + rng.normal(0, 0.05)
        rows += [("m", person.identity, "joint", quality)] * 2  # two expressions
        rows += [
            ("m", person.identity, "identity_floor", 0.2),
            ("m", person.identity, "identity_ceiling", 0.9),
        ]
        rows.append(("m", person.identity, "identity_counted", 0.2 + 0.7 * quality))
    section = gap_section(frame(rows), ["m"], people, 0.95)
    table = [dict(zip(section["columns"], row, strict=True)) for row in section["rows"]]
    assert {line["measure"] for line in table} == {"calibrated_identity", "joint"}
    for line in table:
        assert line["low"] < 0.3 < line["high"]
        assert line["p"] < 1e-6
        assert (line["first"], line["second"]) == ("seen (12)", "unseen (12)")
    assert "nothing is paired" in section["note"]


@pytest.mark.parametrize(("hits", "trials"), [(0, 12), (3, 12), (12, 12)])
def test_the_interval_of_a_count_is_clopper_pearsons(hits: int, trials: int) -> None:
    expected = stats.binomtest(hits, trials).proportion_ci(0.95, method="exact")
    assert exact_interval(hits, trials, 0.95) == pytest.approx((expected.low, expected.high))
    assert math.isnan(exact_interval(0, 0, 0.95)[0])


def test_a_swapped_head_is_compared_with_whom_it_shows_and_whom_it_replaces() -> None:
    """Three people: the head made from b's photos in a's place is nearer to a, and counts."""
    protocol = fake.protocol(people=3, methods="[{method: good, label: s, photos_of: next}]")
    a, b, c = protocol.population.identities
    as_placed = {a: 0.7, b: 0.1, c: 0.1}
    as_pictured = {b: 0.5, c: 0.6, a: math.nan}  # of the heads in the places of a, b, c
    rows = [("s", name, "identity_similarity", value) for name, value in as_placed.items()]
    rows += [("s_as_photos", name, "identity_similarity", value) for name, value in as_pictured.items()]
    found = swaps_of(frame(rows), protocol, "s", 0.95)
    assert (found.wrong, found.pairs, found.missing) == (1, 2, (a,))
    assert found.margins == pytest.approx({b: -0.2, c: 0.5})
    section = swap_section(frame(rows), protocol)
    assert section is not None
    assert section["rows"][0][:4] == ["s", 1, 2, 0.5]
    assert swap_section(frame(rows), fake.protocol()) is None


def test_a_curve_is_read_along_the_logarithm_of_seconds() -> None:
    values = np.array([[0.0, 10.0], [1.0, 20.0]])
    assert at_time([1.0, 100.0], values, 10.0) == pytest.approx([0.5, 15.0])
    assert at_time([100.0, 1.0], values[::-1], 1.0) == pytest.approx([0.0, 10.0])
    assert at_time([1.0, 100.0], values, 0.5) is None
    assert at_time([1.0, 100.0], values, 101.0) is None


def test_a_method_on_the_curve_is_no_better_than_it() -> None:
    rng = np.random.default_rng(4)
    people = rng.normal(0.5, 0.1, 12)
    curve = np.stack([people, people + 0.2, people + 0.4])
    times = [1.0, 10.0, 100.0]
    read = compare_at_time(times, curve, 10.0**1.5, people + 0.3, SMALL)
    assert read.difference == pytest.approx(0.0, abs=1e-12)
    assert read.value == pytest.approx(people.mean() + 0.3)
    better = compare_at_time(times, curve, 10.0, people + 0.3, SMALL)
    assert better.difference == pytest.approx(0.1)
    assert better.difference_low > 0
    assert better.p < 0.01
    under = rng.uniform(0.5, 0.9, 12)
    ratio = compare_at_time(times, curve, 10.0, curve[1], SMALL, under)
    assert ratio.value == pytest.approx(curve[1].sum() / under.sum())
    assert ratio.difference == pytest.approx(0.0, abs=1e-12)
    assert "outside" in compare_at_time(times, curve, 500.0, people, SMALL).reason


def test_the_curve_of_efficiency_is_the_generators_budgets() -> None:
    labels = [row.label for row in curve_rows(load_protocol("efficiency"))]
    assert labels == ["id_to_3d_5", "id_to_3d_25", "id_to_3d_50", "id_to_3d", "id_to_3d_200"]
    assert curve_rows(load_protocol("geometry")) == []


def test_a_section_reads_every_other_row_at_its_own_seconds() -> None:
    protocol = fake.protocol(
        people=4,
        methods="[{method: good, label: a}, {method: good, label: b, budget: {fit_steps: 9}},"
        " {method: good, label: c, budget: {fit_steps: 99}}, {method: other, label: d},"
        " {method: other, label: slow}]",
    )
    level = {"a": 0.2, "b": 0.4, "c": 0.6, "d": 0.5, "slow": 0.9}
    rows: list[Any] = [
        (label, name, "joint", value + 0.01 * k)
        for label, value in level.items()
        for k, name in enumerate(protocol.population.identities)
    ]
    seconds = {"a": 1.0, "b": 10.0, "c": 100.0, "d": 10.0, "slow": 1000.0}
    section = equal_time_section(frame(rows), seconds, protocol, list(level))
    assert section is not None
    table = [dict(zip(section["columns"], row, strict=True)) for row in section["rows"]]
    assert [line["row"] for line in table] == ["d", "slow"]
    assert table[0]["more"] == pytest.approx(0.1)
    assert table[1]["more"] is None
    assert "1000.0 s is outside" in table[1]["why not"]


def test_the_sections_of_a_protocol_are_those_it_has_people_and_rows_for(tmp_path: Path) -> None:
    """Of shipped cross_identity, from scores of every row and person: gaps, swaps, and who was seen."""
    protocol = load_protocol("cross_identity")
    rows: list[Any] = []
    for row in protocol.methods:
        for k, name in enumerate(protocol.population.identities):
            rows += [(row.label, name, "joint", 0.5 + 0.01 * (k % 7)), (row.label, name, "unasked", math.nan)]
            if row.photos_of != "own":
                rows += [
                    (row.label, name, "identity_similarity", 0.1),
                    (f"{row.label}_as_photos", name, "identity_similarity", 0.6),
                ]
    sections = protocol_sections(Scored(protocol, frame(rows).lazy(), Measured(), Store(tmp_path)))
    assert [section["title"] for section in sections] == [
        "Generalisation", "Swaps", "Were these people unseen?",
    ]  # fmt: skip
    assert all(len(row) == len(one["columns"]) for one in sections for row in one["rows"])
    groupings = {row[2] for row in sections[0]["rows"]}
    assert groupings == {"set", "sex", "age", "skin", "face shape"}
    assert [row[:3] for row in sections[1]["rows"]] == [
        ["id_to_3d_swapped", 0, 36], ["feed_forward_swapped", 0, 36],
    ]  # fmt: skip
    json.dumps(sections, allow_nan=False)


def test_who_people_are_is_found_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes their heads' shapes; a run keeps the answer, and asks again for other people."""
    protocol, store = load_protocol("smoke"), Store(tmp_path)
    found = facts_of_run(protocol, store)
    monkeypatch.setattr(generalisation, "person_facts", lambda *_: pytest.fail("found out again"))
    assert facts_of_run(protocol, store) == found
    (tmp_path / PEOPLE).write_text("{")
    monkeypatch.undo()
    assert facts_of_run(protocol, store) == found
