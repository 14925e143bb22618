"""What `.ci/audit` makes of pip-audit's words: nothing known, something known, or nobody could be asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

AUDIT = Path(__file__).parent.parent / ".ci" / "audit"
SKIPPED = "one  Dependency not found on PyPI and could not be audited: one (1)"
OTHER = "two  Dependency not found on PyPI and could not be audited: two (2)"


@pytest.mark.parametrize(
    ("said", "ended", "expected"),
    [
        ("No known vulnerabilities found", 0, 0),
        (f"No known vulnerabilities found\n{SKIPPED}", 0, 0),
        ("Found 1 known vulnerability in 1 package", 1, 1),
        (f"No known vulnerabilities found\n{SKIPPED}\n{OTHER}", 0, 3),
        ("requests.exceptions.ConnectionError: Max retries exceeded", 1, 3),
    ],
)
def test_an_index_that_knows_nothing_is_no_clean_bill(
    tmp_path: Path, said: str, ended: int, expected: int
) -> None:
    (tmp_path / "listed.txt").write_text("one==1 --hash=sha256:00\ntwo==2 --hash=sha256:00\n")
    asked = tmp_path / "pip-audit"
    asked.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\nexit {ended}\n")
    asked.chmod(0o755)
    command = ["bash", str(AUDIT), str(asked), str(tmp_path / "listed.txt")]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == expected
