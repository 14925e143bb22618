"""What the last self-check of each metric found, and which metrics may therefore not be reported.

A record ships with the package; a user's own lies in the cache and goes before it. A record speaks for a
metric as long as its code and the networks that it reads with are what they were; a metric that changed since
is reported with that mark, and one whose record says that it failed is not reported at all.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from types import ModuleType
from typing import Any

from idto3d.cache import cache_folder
from idto3d.whole_file import write_whole
from idto3d_eval.code_version import code_version
from idto3d_eval.keys import file_sha256
from idto3d_eval.metrics import METRICS, table
from idto3d_eval.selfcheck.check import Check, Graded, Known
from idto3d_eval.selfcheck.modules import Outcome

FILE = "selfcheck.json"
SCHEMA_VERSION = 1
DIGITS = 6  # significant, of a recorded value


@dataclass(frozen=True)
class Record:
    """The self-check of one metric.

    Attributes:
        passed: whether all its checks did.
        why: where not, the first that did not, in one line.
        code: version of the metric's own code then.
        networks: weight file -> sha256 then.
        date: of the check, ISO 8601.
        checks: what was found.
    """

    passed: bool
    why: str
    code: str
    networks: Mapping[str, str]
    date: str
    checks: tuple[Check, ...]

    def current(self, metric: str) -> bool:
        """Whether the metric is what it was then."""
        return (self.code, dict(self.networks)) == (metric_code(metric), network_hashes(metric))


def shipped_file() -> Path:
    """The record that comes with the package."""
    return Path(str(resources.files("idto3d_eval"))) / FILE


def own_file() -> Path:
    """The record of this user's own checks; there or not."""
    return cache_folder() / FILE


def refused() -> dict[str, str]:
    """Metrics whose current record says that they failed -> why; they are not to be reported."""
    found = {}
    for name in METRICS:
        if all(record.passed for record in _records(name)):
            continue  # the common case, in which no code need be hashed
        record = record_of(name)
        if record is not None and not record.passed and record.current(name):
            found[name] = f"self-check failed on {record.date}: {record.why}"
    return found


def record_of(metric: str) -> Record | None:
    """The record that speaks for a metric: a current one before one that is not, the user's own before the
    shipped one; None where it was never checked."""
    found = _records(metric)
    return next((record for record in found if record.current(metric)), found[0] if found else None)


def state_of(metric: str) -> str:
    """How a metric stands, in words: passed, FAILED with the reason, or not checked as it is now."""
    record = record_of(metric)
    if record is None:
        return "not self-checked"
    if not record.current(metric):
        return "not self-checked as it is now"
    return f"passed {record.date}" if record.passed else f"FAILED {record.date}: {record.why}"


def write_records(path: Path, outcomes: Mapping[str, Outcome], date: str | None = None) -> None:
    """Put outcomes into a record; metrics that were not checked now keep what stands there.

    Args:
        path: made if missing; a record of another schema is replaced.
        outcomes: as `run_checks` gives them.
        date: ISO 8601; today's where None.
    """
    when = date or datetime.datetime.now(datetime.UTC).date().isoformat()
    kept = read_records(path)
    for name, outcome in outcomes.items():
        kept[name] = Record(
            outcome.passed, outcome.why, metric_code(name), network_hashes(name), when, tuple(outcome.checks)
        )
    rows = {name: _as_json(kept[name]) for name in METRICS if name in kept}
    lines = ",\n".join(
        f" {json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}" for name, row in rows.items()
    )
    text = f'{{"schema_version": {SCHEMA_VERSION}, "metrics": {{\n{lines}\n}}}}\n'
    write_whole(path, text)


def read_records(path: Path) -> dict[str, Record]:
    """Metric -> record; empty where there is no file, or none that can be read: then nothing was checked."""
    try:
        return dict(_parsed(path, path.stat().st_mtime_ns))
    except OSError:
        return {}


def metric_code(metric: str) -> str:
    """A hash over the public functions and classes of a metric's module and all that they reach: its card's
    words and what stands beside it are not among them.

    Raises:
        KeyError: the module holds nothing that could compute it.
    """
    module = _module_of(metric)
    own = sorted(
        name
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    )
    if not own:
        raise KeyError(f"Found no function in {module.__name__}, expected those that compute {metric!r}.")
    versions = [f"{name} {code_version(f'{module.__name__}:{name}')}" for name in own]
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()[:16]


def network_hashes(metric: str) -> dict[str, str]:
    """The shipped weight files that a metric reads with -> sha256; "" for one that is not there."""
    from idto3d_eval.single import shipped_weights

    return {name: _sha256(shipped_weights() / name) for name in METRICS[metric].networks}


def _records(metric: str) -> list[Record]:
    """The user's own record of a metric and the shipped one, as far as they are there."""
    return [record for path in (own_file(), shipped_file()) if (record := read_records(path).get(metric))]


def _module_of(metric: str) -> ModuleType:
    """The module that computes a metric: the one among those of the table that holds its card, or, where
    cards have a file of their own called NAME_cards, the NAME beside it."""
    modules = [each for each in vars(table).values() if isinstance(each, ModuleType)]
    for module in modules:
        if METRICS[metric] in getattr(module, "CARDS", ()):
            return import_module(module.__name__.removesuffix("_cards"))
    raise KeyError(f"Found the card of {metric!r} in no module of metrics/table.py, expected it in one.")


@functools.cache
def _sha256(path: Path) -> str:
    return file_sha256(path) if path.is_file() else ""


@functools.lru_cache(maxsize=8)
def _parsed(path: Path, changed: int) -> dict[str, Record]:
    del changed  # part of the key: a file that was written again is read again
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema_version"] != SCHEMA_VERSION:
            return {}
        return {name: _from_json(row, name) for name, row in content["metrics"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _as_json(record: Record) -> dict[str, Any]:
    return {
        "passed": record.passed,
        "why": record.why,
        "code": record.code,
        "networks": dict(record.networks),
        "date": record.date,
        "known": [
            {
                "case": check.case,
                "value": _number(check.value),
                "expected": _number(check.expected),
                "tolerance": check.tolerance,
            }
            for check in record.checks
            if isinstance(check, Known)
        ],
        "graded": [
            {
                "damage": check.damage,
                "levels": [_number(level) for level in check.levels],
                "values": [_number(value) for value in check.values],
                "expected": check.expected,
                "slack": check.slack,
            }
            for check in record.checks
            if isinstance(check, Graded)
        ],
    }


def _from_json(row: Mapping[str, Any], metric: str) -> Record:
    known = [
        Known(metric, each["case"], _value(each["value"]), _value(each["expected"]), each["tolerance"])
        for each in row["known"]
    ]
    graded = [
        Graded(
            metric,
            each["damage"],
            tuple(map(_value, each["levels"])),
            tuple(map(_value, each["values"])),
            each["expected"],
            each["slack"],
        )
        for each in row["graded"]
    ]
    return Record(row["passed"], row["why"], row["code"], row["networks"], row["date"], (*known, *graded))


def _number(value: float) -> float | None:
    """A number as JSON can hold it."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def _value(number: float | None) -> float:
    return math.nan if number is None else number
