"""Where a run came from, as names and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def provenance_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
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
