"""A metric's card, and where a run came from, as names and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Entry = Mapping[str, Any]
Facts = list[tuple[str, str]]


def card_facts(metric: Entry, hashes: Mapping[str, str]) -> Facts:
    """All that a card says.

    Args:
        metric: as a summary has it.
        hashes: file of a network -> its sha256.
    """
    low, high = metric["range"]
    networks = [_network(name, hashes) for name in metric["networks"]]
    facts = [
        ("definition", metric["definition"]),
        ("source", metric["source"]),
        ("unit", {"1": "a pure number"}.get(metric["unit"], metric["unit"])),
        ("range", f"{_bound(low)} to {_bound(high)}"),
        ("better", metric["better"]),
        ("how it misleads", " ".join(metric["failure_modes"])),
        ("preprocessing", metric["preprocessing"]),
        ("networks", "; ".join(networks)),
        ("name", metric["name"]),
    ]
    return [(name, text) for name, text in facts if text]


def provenance_facts(summary: Entry) -> Facts:
    """Versions, machine and hashes of a run."""
    told = summary["provenance"]
    facts = [
        ("again", told["command"]),
        ("idto3d-eval", told["version"]),
        ("Python", told["python"]),
        ("platform", f"{told['platform']}, {told['cores']} cores, {told['threads']} threads a job"),
        ("scores.parquet, sha256", told["scores_sha256"]),
    ]
    facts += [(f"archive {sha[:16]}", f"rows {', '.join(rows)}") for sha, rows in told["archives"].items()]
    earlier = told.get("earlier") or {}
    facts += [(f"earlier code: {stage}", f"{count} jobs") for stage, count in earlier.items()]
    return facts


def _network(name: str, hashes: Mapping[str, str]) -> str:
    sha = next((sha for file, sha in hashes.items() if file == name or file.endswith(f"/{name}")), "")
    return f"{name} (sha256 {sha})" if sha else name


def _bound(value: float | None) -> str:
    return "unbounded" if value is None else f"{value:g}"
