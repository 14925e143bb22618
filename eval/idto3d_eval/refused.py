"""Metrics that failed their self-check: they are not reported, and every report says so."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import cast

RECORD = "idto3d_eval.selfcheck.record"


def refused_metrics() -> dict[str, str]:
    """Metric -> why it is not to be reported, as the last self-check found; none where there was no check."""
    if find_spec(RECORD) is None:
        return {}
    return cast("dict[str, str]", dict(import_module(RECORD).refused()))
