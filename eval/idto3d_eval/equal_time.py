"""Quality at equal time, read from a curve: one method at several budgets, against what others take.

Between two budgets of the curve a person's quality is interpolated along the logarithm of seconds, and the
difference to another method is paired on people. Seconds are taken as they are: that they vary between heads
is no part of the interval. Nothing is read outside the curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from idto3d_eval.generalisation import MEASURES, values_by_person
from idto3d_eval.statistics import mean_interval, paired_difference, ratio_difference, ratio_of_sums
from idto3d_protocols.schema import MethodRow, Protocol, Statistics

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AtTime:
    """The curve's quality at a time, and how much another method has more than it there.

    Attributes:
        value, low, high: of the curve.
        difference, difference_low, difference_high, p: method less curve, paired on people.
        reason: why there is none, "" where there is.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    difference: float = math.nan
    difference_low: float = math.nan
    difference_high: float = math.nan
    p: float = math.nan
    reason: str = ""


def at_time(seconds: ArrayLike, values: ArrayLike, when: float) -> Floats | None:
    """Each person's value at a time, from a curve.

    Args:
        seconds: [B] of the budgets, all above 0.
        values: [B, I], NaN where a person has none.
        when: seconds to read at.

    Returns:
        [I], or None where the curve does not reach there.
    """
    times, table = np.asarray(seconds, np.float64), np.asarray(values, np.float64)
    order = np.argsort(times)
    times, table = times[order], table[order]
    if not len(times) or not times[0] <= when <= times[-1]:
        return None
    above = int(np.searchsorted(times, when))
    if times[above] == when:
        return np.asarray(table[above])
    share = math.log(when / times[above - 1]) / math.log(times[above] / times[above - 1])
    return np.asarray((1 - share) * table[above - 1] + share * table[above])


def compare_at_time(
    seconds: ArrayLike,
    curve: ArrayLike,
    when: float,
    other: ArrayLike,
    statistics: Statistics,
    denominators: ArrayLike | None = None,
) -> AtTime:
    """A method against the curve at the method's own time.

    Args:
        seconds: [B] of the curve's budgets.
        curve: [B, I] quality, or numerators of a ratio of sums where `denominators` is given.
        when: seconds that the other method takes.
        other: [I] the same of the other method, the same people in order.
        statistics: resamples and level.
        denominators: [I] of the ratio.
    """
    read = at_time(seconds, curve, when)
    if read is None:
        times = np.sort(np.asarray(seconds, np.float64))
        reach = f"{times[0]:.1f} to {times[-1]:.1f} s" if len(times) else "nothing"
        return AtTime(reason=f"the curve spans {reach}, and {when:.1f} s is outside")
    asked = statistics.bootstrap, statistics.level
    if denominators is None:
        names = [str(number) for number in range(len(read))]
        own = mean_interval(read, names, *asked)
        value = own.value, own.low, own.high
        more = paired_difference(other, read, *asked)
    else:
        value = ratio_of_sums(read, denominators, *asked)
        more = ratio_difference(other, read, denominators, *asked)
    return AtTime(*value, more.value, more.low, more.high, more.p)


def curve_rows(protocol: Protocol) -> list[MethodRow]:
    """The rows of the curve: those of one method that differ in their steps and in nothing else, the most
    there are of any method; fewer than three make no curve."""
    groups: dict[tuple[str, str], list[MethodRow]] = {}
    for row in protocol.methods:
        if row.photos_of == "own" and row.weights is None and row.repeat == 0 and row.budget.threads is None:
            groups.setdefault((row.method, repr(sorted(row.parameters.items()))), []).append(row)
    largest = max(groups.values(), key=len, default=[])
    return largest if len(largest) >= 3 else []


def equal_time_section(
    scores: polars.DataFrame, seconds: Mapping[str, float | None], protocol: Protocol, others: Sequence[str]
) -> dict[str, Any] | None:
    """The table of every other row against the curve at that row's own time; None without a curve.

    Args:
        scores: as `tables.score_table` builds it.
        seconds: label -> median seconds a head; None or 0 where unknown.
        protocol: whose rows make the curve.
        others: labels to compare, those of the curve left out.
    """
    curve = [row.label for row in curve_rows(protocol) if seconds.get(row.label)]
    if len(curve) < 2:
        return None
    times = [float(seconds[label] or 0.0) for label in curve]
    found = {label: values_by_person(scores, label) for label in dict.fromkeys([*curve, *others])}
    people = protocol.population.identities
    rows: list[list[Any]] = []
    for label in others:
        when = seconds.get(label)
        if label in curve or not when:
            continue
        for measure in MEASURES:
            own, table, under = _columns(found, measure, label, curve, people)
            if not np.isfinite(own).any():
                continue
            read = compare_at_time(times, table, float(when), own, protocol.statistics, under)
            figures = (read.value, read.low, read.high, read.difference)
            more = (read.difference_low, read.difference_high, read.p)
            rows.append(
                [
                    label,
                    float(when),
                    measure,
                    *(None if math.isnan(x) else x for x in (*figures, *more)),
                    read.reason,
                ]
            )
    return {
        "title": "Quality at equal time",
        "note": (
            f"The curve is {', '.join(curve)} at "
            f"{', '.join(f'{time:.1f}' for time in times)} s a head (medians), read between budgets along "
            "the logarithm of seconds; more: the row's figure less the curve's at the row's own seconds, "
            "paired on people. p is not corrected. Nothing is read outside the curve."
        ),
        "columns": [
            "row",
            "seconds",
            "measure",
            "curve",
            "low",
            "high",
            "more",
            "more low",
            "more high",
            "p",
            "why not",
        ],
        "rows": rows,
    }


def _columns(
    found: Mapping[str, Mapping[str, Mapping[str, Any]]],
    measure: str,
    label: str,
    curve: Sequence[str],
    people: Sequence[str],
) -> tuple[Floats, Floats, Floats | None]:
    """[I] of the row, [B, I] of the curve, and the denominators [I] of a ratio."""
    ratio = measure == MEASURES[0]
    missing: Any = (math.nan, math.nan) if ratio else math.nan
    table = np.array(
        [[found[name][measure].get(person, missing) for person in people] for name in (label, *curve)],
        np.float64,
    )
    if not ratio:
        return table[0], table[1:], None
    return table[0, :, 0], table[1:, :, 0], table[0, :, 1]
