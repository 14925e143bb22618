"""Does a method know people, or remember them? Figures by group of people, and the gaps between groups.

Groups are of different people, so that nothing is paired: each person is one value (views, expressions and
seeds averaged within), and a gap is a difference of two means with Welch's interval (Welch 1947), which needs
no equal spreads. Calibrated identity is a ratio of sums; its people enter by the values whose mean is the
ratio and whose spread is its linearised one (Cochran 1977, section 2.11).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from idto3d_eval.run_folder import PEOPLE
from idto3d_eval.statistics import holm

if TYPE_CHECKING:
    import polars

    from idto3d_eval.store import Store
    from idto3d_protocols.schema import Protocol

Floats = NDArray[np.float64]
Section = dict[str, Any]

MEASURES = ("calibrated_identity", "joint", "rank1", "expression_accuracy", "now_median")
LEAST = 3  # people of a group, below which there is no gap
SHAPES = ("long", "medium", "broad")
SEEN, UNSEEN, SHIFTED = "seen", "unseen", "shifted"


@dataclass(frozen=True)
class PersonFacts:
    """What groups a person belongs to: name of a grouping -> group, such as {"age": "old"}.

    `face_index` is the height of the face over its width, NaN where no true head is known.
    """

    identity: str
    groups: Mapping[str, str] = field(default_factory=dict)
    face_index: float = math.nan


@dataclass(frozen=True)
class Gap:
    """Mean of the first group less the mean of the second: two samples of different people."""

    value: float
    low: float
    high: float
    p: float  # two-sided, Welch's t; NaN where a group is too small
    first: int  # people
    second: int
    reason: str = ""


def two_sample_gap(first: ArrayLike, second: ArrayLike, level: float) -> Gap:
    """Difference of two groups' means.

    Args:
        first: [A], one value a person; NaN is left out.
        second: [B], of other people.
        level: of the interval, in (0, 1).

    Returns:
        NaN bounds, with the reason, where a group has fewer than three people, or nobody differs.
    """
    one, two = _valid(first), _valid(second)
    value = float(one.mean() - two.mean()) if one.size and two.size else math.nan
    sizes = (one.size, two.size)
    if min(sizes) < LEAST:
        why = f"{min(sizes)} people with a value in a group, expected {LEAST} or more"
        return Gap(value, math.nan, math.nan, math.nan, *sizes, why)
    parts = one.var(ddof=1) / one.size, two.var(ddof=1) / two.size
    error = math.sqrt(sum(parts))
    if error == 0.0:
        return Gap(value, math.nan, math.nan, math.nan, *sizes, "nobody in either group differs")
    freedom = sum(parts) ** 2 / sum(
        part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True) if part > 0
    )
    half = float(stdtrit(freedom, (1 + level) / 2)) * error
    p = 2.0 * float(stdtr(freedom, -abs(value) / error))
    return Gap(value, value - half, value + half, p, *sizes)


def ratio_values(numerators: ArrayLike, denominators: ArrayLike) -> Floats:
    """One value a person whose mean is sum(numerators) / sum(denominators), and whose spread is the ratio's.

    Args:
        numerators: [I], NaN where a person has none.
        denominators: [I].

    Returns:
        [I]; all NaN where the denominators do not add up to more than zero.
    """
    over, under = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    valid = np.isfinite(over) & np.isfinite(under)
    values = np.full(over.shape, np.nan)
    if not valid.any() or under[valid].sum() <= 0:
        return values
    ratio = over[valid].sum() / under[valid].sum()
    values[valid] = ratio + (over[valid] - ratio * under[valid]) / under[valid].mean()
    return values


def terciles(values: ArrayLike) -> list[str]:
    """Which third of these people each is in: `SHAPES`, from the largest face index down; "" where NaN."""
    numbers = np.asarray(values, np.float64)
    valid = numbers[np.isfinite(numbers)]
    if valid.size < len(SHAPES):
        return [""] * numbers.size
    low, high = np.quantile(valid, [1 / 3, 2 / 3])
    return [
        ""
        if math.isnan(number)
        else SHAPES[0]
        if number > high
        else SHAPES[2]
        if number <= low
        else SHAPES[1]
        for number in numbers
    ]


def person_facts(identity: str, population_seed: int, seen: Sequence[str]) -> PersonFacts:
    """Groups of a synthetic person: set by split, sex, age, skin, and the face index of the true head.

    The face index is the morphological facial index, height from nasion to menton over the width of the face,
    with what 68 landmarks have of both: points 27 to 8, and points 0 to 16, which lie where the jaw meets the
    ears and stand for the cheekbones' width.
    """
    from idto3d.expressions import preset
    from idto3d.population.head_model import load_head_model
    from idto3d.population.people import find_person
    from idto3d.population.surface import person_vertices

    person = find_person(identity, population_seed)
    points = person_vertices(person, preset("neutral"))[load_head_model().landmark_index]
    height, width = np.linalg.norm(points[27] - points[8]), np.linalg.norm(points[0] - points[16])
    origin = SEEN if person.split in seen else SHIFTED if person.split == "shifted" else UNSEEN
    looks = person.attributes
    groups = {"set": origin, "sex": looks.sex, "age": looks.age, "skin": looks.skin}
    return PersonFacts(identity, groups, float(height / width))


def with_shapes(people: Sequence[PersonFacts]) -> list[PersonFacts]:
    """The same people with a group of face shape, where it is known: thirds of this very list."""
    shapes = terciles([person.face_index for person in people])
    return [
        PersonFacts(
            person.identity, {**person.groups, **({"face shape": shape} if shape else {})}, person.face_index
        )
        for person, shape in zip(people, shapes, strict=True)
    ]


def comparisons(people: Sequence[PersonFacts]) -> list[tuple[str, str, str, list[str], list[str]]]:
    """Pairs of groups: (grouping, first, second, ids, ids). Sets against each other, two groups against each
    other, and of more each against everybody else."""
    found = []
    for grouping in dict.fromkeys(name for person in people for name in person.groups):
        members: dict[str, list[str]] = {}
        for person in people:
            if grouping in person.groups:
                members.setdefault(person.groups[grouping], []).append(person.identity)
        names = [name for name in (SEEN, UNSEEN, SHIFTED) if name in members] or sorted(members)
        if grouping == "set" or len(names) == 2:
            pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
            found += [(grouping, a, b, members[a], members[b]) for a, b in pairs]
        elif len(names) > 2:
            for name in names:
                others = [one for other in names if other != name for one in members[other]]
                found.append((grouping, name, "all others", members[name], others))
    return found


def values_by_person(scores: polars.DataFrame, label: str) -> dict[str, dict[str, float]]:
    """Measure -> identity -> one value, of one row of the table.

    Args:
        scores: as `tables.score_table` builds it.
        label: the row.
    """
    own = scores.filter((scores["method"] == label) & (scores["identity"] != ""))
    found: dict[str, dict[str, float]] = {}
    for name in MEASURES[1:]:
        found[name] = _means(own.filter(own["metric"] == name))
    parts = [
        _means(own.filter(own["metric"] == f"identity_{name}")) for name in ("counted", "floor", "ceiling")
    ]
    names = sorted(parts[0])
    counted, floor, ceiling = (np.array([part.get(name, np.nan) for name in names]) for part in parts)
    found[MEASURES[0]] = dict(zip(names, zip(counted - floor, ceiling - floor, strict=True), strict=True))  # type: ignore[arg-type]
    return found


def gap_section(
    scores: polars.DataFrame, labels: Sequence[str], people: Sequence[PersonFacts], level: float
) -> Section:
    """The table of gaps: for each row and measure the two groups' figures, the gap, and its interval.

    p is Holm-corrected within a row of the result table and measure, over all its gaps.
    """
    rows: list[list[Any]] = []
    pairs = comparisons(people)
    for label in labels:
        values = values_by_person(scores, label)
        for measure in MEASURES:
            gaps = [_gap(values[measure], measure, a, b, level) for *_, a, b in pairs]
            corrected = holm([gap.p for _, _, gap in gaps])
            for (grouping, first, second, *_), (one, two, gap), p in zip(pairs, gaps, corrected, strict=True):
                if gap.first + gap.second == 0:
                    continue
                told = [_plain(number) for number in (one, two, gap.value, gap.low, gap.high, p)]
                rows.append(
                    [
                        label,
                        measure,
                        grouping,
                        f"{first} ({gap.first})",
                        f"{second} ({gap.second})",
                        *told,
                        gap.reason,
                    ]
                )
    return {
        "title": "Generalisation",
        "note": (
            "Gap: the first group's figure less the second's, in brackets the people of each. Two samples of "
            "different people: nothing is paired, each person is one value, intervals are Welch's; p is "
            "corrected (Holm) over a row's gaps of one measure. Groups overlap: who is old may also be of "
            "one set, and no gap is adjusted for another. Face shape: thirds of these people by height over "
            "width of the true face."
        ),
        "columns": [
            "row",
            "measure",
            "grouping",
            "first",
            "second",
            "of first",
            "of second",
            "gap",
            "low",
            "high",
            "p",
            "why not",
        ],
        "rows": rows,
    }


def facts_of_run(protocol: Protocol, store: Store) -> list[PersonFacts]:
    """Facts of a run's people; photographed ones have the set that their record names and no more.

    Those of synthetic people take their heads' shapes to find out, and are kept in the run as `people.json`.
    """
    population = protocol.population
    if population.label != "synthetic":
        return [_photographed(name, store.root) for name in population.identities]
    asked = population.model_dump(mode="json", include={"identities", "population_seed", "seen"})
    path = store.root / PEOPLE
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["asked"] == asked:
            return [PersonFacts(**person) for person in kept["people"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not written yet, or not by this version: found out anew
    seed, seen = population.population_seed, population.seen
    people = with_shapes([person_facts(name, seed, seen) for name in population.identities])
    told = {"asked": asked, "people": [asdict(person) for person in people]}
    store.write(PEOPLE, json.dumps(told, indent=1) + "\n")
    return people


def _photographed(identity: str, root: Path) -> PersonFacts:
    path = root / "identities" / identity / "identity.json"
    told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return PersonFacts(identity, {"set": str(told.get("split", "photographs"))})


def _gap(
    values: Mapping[str, Any], measure: str, first: Sequence[str], second: Sequence[str], level: float
) -> tuple[float, float, Gap]:
    sides = []
    for group in (first, second):
        own = [values[name] for name in group if name in values]
        if measure == MEASURES[0]:
            pairs = np.array(own, np.float64).reshape(-1, 2)
            sides.append(ratio_values(pairs[:, 0], pairs[:, 1]))
        else:
            sides.append(np.array(own, np.float64))
    means = [float(_valid(side).mean()) if _valid(side).size else math.nan for side in sides]
    return means[0], means[1], two_sample_gap(sides[0], sides[1], level)


def _means(rows: polars.DataFrame) -> dict[str, float]:
    """Identity -> mean of its valid values; NaN where it has none."""
    import polars

    grouped = rows.group_by("identity").agg(polars.col("value").fill_nan(None).mean()).sort("identity")
    return {
        name: math.nan if value is None else float(value)
        for name, value in zip(grouped["identity"], grouped["value"], strict=True)
    }


def _valid(values: ArrayLike) -> Floats:
    numbers = np.asarray(values, np.float64)
    valid: Floats = numbers[np.isfinite(numbers)]
    return valid


def _plain(number: float) -> float | None:
    return None if math.isnan(number) else number
