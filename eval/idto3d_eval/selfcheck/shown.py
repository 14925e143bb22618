"""Outcomes of self-checks as rows of a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from idto3d_eval.selfcheck.check import Check, Graded, Known
from idto3d_eval.selfcheck.curves import sparkline
from idto3d_eval.selfcheck.modules import Outcome


def table_rows(outcomes: Mapping[str, Outcome]) -> list[dict[str, str]]:
    """One row for a metric's known cases, one for each that failed, one for each curve."""
    return [row for outcome in outcomes.values() for row in _rows(outcome)]


def as_json(outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """Every check with all its numbers; NaN as null."""
    return [
        {
            "metric": outcome.metric,
            "passed": outcome.passed,
            "why": outcome.why,
            "checks": [_check(check) for check in outcome.checks],
        }
        for outcome in outcomes.values()
    ]


def summary_line(outcomes: Mapping[str, Outcome]) -> str:
    """How many passed, and which did not."""
    failed = [outcome.metric for outcome in outcomes.values() if not outcome.passed]
    checks = sum(len(outcome.checks) for outcome in outcomes.values())
    told = f"{len(outcomes) - len(failed)} of {len(outcomes)} metrics passed, by {checks} checks."
    return f"{told} Not to be reported: {', '.join(failed)}." if failed else told


def known_line(checks: list[Check]) -> str:
    """How many of the known cases hold."""
    known = [check for check in checks if isinstance(check, Known)]
    return f"{sum(check.passed for check in known)} of {len(known)} known cases"


def curve_line(curve: Graded) -> str:
    """From where to where a curve goes."""
    return f"{_short(curve.values[0])} → {_short(curve.values[-1])}" if curve.values else "nothing"


def _rows(outcome: Outcome) -> Iterator[dict[str, str]]:
    known = [check for check in outcome.checks if isinstance(check, Known)]
    good = outcome.passed or (not outcome.stopped and all(check.passed for check in known))
    yield _row(outcome.metric, known_line(outcome.checks), "", "", good and bool(outcome.checks))
    if outcome.stopped:
        yield _row("", outcome.stopped, "", "", False)
    for case in known:
        if not case.passed:
            yield _row("", case.told, "", "", False)
    for check in outcome.checks:
        if isinstance(check, Graded):
            must = f"{check.damage} ({check.expected})"
            yield _row("", must, sparkline(check.values), curve_line(check), check.passed)


def _row(metric: str, check: str, curve: str, found: str, passed: bool) -> dict[str, str]:
    return {
        "metric": metric,
        "check": check,
        "curve": curve,
        "found": found,
        "": "ok" if passed else "FAILED",
    }


def _check(check: Check) -> dict[str, Any]:
    told = {"passed": check.passed, "told": check.told}
    if isinstance(check, Known):
        return {
            "case": check.case,
            "value": _finite(check.value),
            "expected": _finite(check.expected),
            "tolerance": check.tolerance,
            **told,
        }
    return {
        "damage": check.damage,
        "levels": list(check.levels),
        "values": [_finite(value) for value in check.values],
        "expected": check.expected,
        "slack": check.slack,
        **told,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _short(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3g}"
