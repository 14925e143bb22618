"""What a metric's card says, as names and texts: the same in the report and on the dashboard's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def card_facts(metric: Mapping[str, Any], hashes: Mapping[str, str]) -> dict[str, str]:
    """Name -> text of all that a card says; what it does not say is left out.

    Args:
        metric: as a summary has it.
        hashes: file of a network -> its sha256.
    """
    low, high = metric.get("range", (None, None))
    networks = [_network(name, hashes) for name in metric.get("networks", ())]
    facts = {
        "definition": metric["definition"],
        "source": metric.get("source", ""),
        "unit": {"1": "a pure number"}.get(metric["unit"], metric["unit"]),
        "range": f"{_bound(low)} to {_bound(high)}",
        "better": metric["better"],
        "how it misleads": " ".join(metric.get("failure_modes", ())),
        "preprocessing": metric.get("preprocessing", ""),
        "networks": "; ".join(networks),
    }
    return {name: text for name, text in facts.items() if text}


def _bound(value: float | None) -> str:
    return "unbounded" if value is None else f"{value:g}"


def _network(name: str, hashes: Mapping[str, str]) -> str:
    sha = next((sha for file, sha in hashes.items() if file == name or file.endswith(f"/{name}")), "")
    return f"{name} (sha256 {sha})" if sha else name
