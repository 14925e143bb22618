"""A summary that readers rely on has what they rely on, or is refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from idto3d.errors import UserError
from idto3d_eval.summary_file import PROVENANCE, load_summary


def sound() -> dict[str, Any]:
    return {
        "rows": [{"label": "a"}],
        "provenance": {name: kind() for name, kind in PROVENANCE.items()},
        "protocol": {"population": {"identities": ["p"]}, "expressions": ["neutral"]},
    }


def test_a_sound_one_is_read(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(sound()))
    assert load_summary(tmp_path / "summary.json") == sound()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("rows", [{"label": 3}]),
        ("rows", {}),
        ("provenance", []),
        ("provenance", {**sound()["provenance"], "code": {"a": 1.5}}),
        ("provenance", {**sound()["provenance"], "version": 3}),
        ("protocol", []),
        ("protocol", {"population": [], "expressions": []}),
        ("protocol", {"population": {"identities": [1]}, "expressions": []}),
        ("protocol", {"population": {"identities": []}, "expressions": 4}),
    ],
)
def test_another_is_refused(tmp_path: Path, part: str, value: Any) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({**sound(), part: value}))
    with pytest.raises(UserError, match="Found no summary that can be read"):
        load_summary(tmp_path / "summary.json")
