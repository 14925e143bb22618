"""All that is known of one metric: its card, the sha256 of its networks, and what its self-check found."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from idto3d_eval.metrics import METRICS
from idto3d_eval.selfcheck.check import Graded
from idto3d_eval.selfcheck.curves import sparkline
from idto3d_eval.selfcheck.document import range_of
from idto3d_eval.selfcheck.record import network_hashes, record_of, state_of
from idto3d_eval.selfcheck.shown import curve_line, known_line


def card_fields(name: str) -> dict[str, Any]:
    """Field -> what it says, in the order in which `metrics show` prints them.

    Args:
        name: of `METRICS`.
    """
    fields = asdict(METRICS[name])
    failures, better = fields.pop("failure_modes"), fields.pop("better")
    del fields["low"], fields["high"]
    hashes = network_hashes(name)
    fields |= {
        "range": range_of(METRICS[name]),
        "better": better,
        "networks": {file: f"sha256 {sha or 'unknown: no such file'}" for file, sha in hashes.items()},
        "misleads": failures,
        "self-check": state_of(name),
    }
    record = record_of(name)
    if record is not None:
        curves = [check for check in record.checks if isinstance(check, Graded)]
        fields["known cases"] = known_line(list(record.checks))
        fields["curves"] = [
            f"{sparkline(curve.values)}  {curve_line(curve)}, {curve.damage}" for curve in curves
        ]
    return fields
