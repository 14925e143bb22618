"""Stability from readings to rows: self-checks pass, sessions are compared, and NaN says why."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars
import pytest
from test_appearance_readings import views_folder

from idto3d.asset import AssetManifest, write_head_asset
from idto3d_eval.cost_sections import by_stage, stability_sections
from idto3d_eval.identity_table import Measured
from idto3d_eval.metrics.stability import same_votes, spread
from idto3d_eval.score import score_method
from idto3d_eval.scored import Scored
from idto3d_eval.selfcheck import cost, stability
from idto3d_eval.selfcheck.appearance import sheet
from idto3d_eval.sessions import FILE, compare_sessions, load_session
from idto3d_eval.store import Store
from idto3d_eval.tables import ScoreRow
from idto3d_protocols.loader import load_protocol


@pytest.mark.parametrize("module", [cost, stability])
def test_every_self_check_passes(module) -> None:  # type: ignore[no-untyped-def]
    assert [check for check in module.checks() if not check.passed] == []


def head(folder: Path, rise: float, jump: int) -> tuple[Path, Path]:
    """A sheet as a head, `rise` mm before where it was, and two pictures of it."""
    mesh = sheet(jump=jump)
    moved = type(mesh)(**{**vars(mesh), "vertices": mesh.vertices + np.array([0.0, 0.0, rise])})
    manifest = AssetManifest(method="m", identity="i", seed=0, expressions=("neutral",))
    write_head_asset(folder / "head", {"neutral": moved}, manifest)
    pictures = [np.full((40, 40, 3), 100 + jump, dtype=np.uint8)] * 2
    return folder / "head", views_folder(folder / "views", pictures, ("neutral",), 2)


def test_two_sessions_are_compared_by_bytes_shape_and_pictures(tmp_path: Path) -> None:
    first, again, moved = (head(tmp_path / name, *how) for name, how in
                           {"a": (0.0, 0), "b": (0.0, 0), "c": (1.5, 7)}.items())  # fmt: skip
    found = []
    for other in (again, moved):
        compare_sessions((first[0], other[0]), (first[1], other[1]), ("neutral",), tmp_path / FILE)
        found.append(load_session(tmp_path / FILE))
    assert (found[0].same_bytes, found[0].distance, found[0].pixels) == (True, 0.0, 0.0)
    assert not found[1].same_bytes
    assert found[1].distance == pytest.approx(1.5, abs=1e-3)
    assert found[1].pixels == 7.0


def test_one_seed_and_one_session_are_undefined_and_say_so() -> None:
    rows = score_method(stability._heads(0, 0.0), stability._references(), None, ("neutral",), ("stability",))
    reasons = {row.metric: row.reason for row in rows}
    assert "one seed" in reasons["seed_spread"]
    assert "one seed" in reasons["icc_seeds_low"]
    for name in ("session_same_bytes", "session_identity_shift", "icc_sessions"):
        assert "one session" in reasons[name]
    assert "was not drawn" in reasons["icc_environments"]
    assert all(math.isnan(row.value) == bool(row.reason) for row in rows)


def test_the_first_session_is_compared_with_none() -> None:
    sessions = {"one": stability._heads(0, 0.0), "two": stability._heads(0, 0.4)}
    rows = score_method(
        sessions["one"],
        stability._references(),
        None,
        ("neutral",),
        ("stability",),
        sessions=sessions,
        session="one",
    )
    reasons = {row.metric: row.reason for row in rows}
    assert "first session" in reasons["session_identity_shift"]
    assert "first session" in reasons["session_pixels"]


def test_identity_moves_by_what_the_second_session_loses() -> None:
    sessions = {"one": stability._heads(0, 0.0), "two": stability._heads(0, 0.4)}
    rows = score_method(
        sessions["two"],
        stability._references(),
        None,
        ("neutral",),
        ("stability",),
        sessions=sessions,
        session="two",
    )
    (shift,) = [row.value for row in rows if row.metric == "session_identity_shift"]
    assert shift == pytest.approx(1.0 - math.cos(0.4), abs=1e-6)


def test_spread_and_votes_in_closed_form() -> None:
    assert spread([1.0, 2.0, 3.0], "seed").value == pytest.approx(1.0)
    assert "1 of 2 seeds" in spread([1.0, math.nan], "seed").reason
    assert same_votes(np.array([[0, 1], [0, 2], [-1, 1]])).value == 0.5
    assert "no readable face" in same_votes(np.array([[-1], [0]])).reason


def test_sections_tell_cost_by_stage_and_why_energy_is_missing() -> None:
    lines = [
        {
            "method": "",
            "stage": "gallery",
            "seconds": 9.0,
            "energy_joules": None,
            "energy_note": "no counter",
        },
        {
            "method": "a",
            "stage": "generate",
            "seconds": 1.0,
            "energy_joules": 2.5,
            "energy_note": "package-0",
        },
        {
            "method": "a",
            "stage": "generate",
            "seconds": 3.0,
            "energy_joules": 4.5,
            "energy_note": "package-0",
        },
    ]
    same = {"peak_memory_mib": 100.0, "device_memory_mib": 0.0, "guidance_calls": 4, "device": "cpu"}
    (section,) = by_stage(polars.DataFrame([{**same, **line} for line in lines]))
    rows = [dict(zip(section["columns"], row, strict=True)) for row in section["rows"]]
    assert [row["stage"] for row in rows] == ["gallery", "generate"]
    assert rows[0]["energy, J"] is None
    assert "no counter" in section["note"]
    assert (rows[1]["seconds, median"], rows[1]["seconds, all"], rows[1]["energy, J"]) == (2.0, 4.0, 7.0)
    assert rows[1]["guidance calls"] == 8


def scored(table: polars.DataFrame) -> Scored:
    return Scored(load_protocol("smoke"), table.lazy(), Measured(), Store(Path("no run")))


def test_a_section_of_correlations_stands_where_they_were_asked_for() -> None:
    found = [
        ScoreRow("", "", "", seed, f"icc_environments{end}", value)
        for seed in (0, 1)
        for end, value in (("", 0.8), ("_low", 0.5), ("_high", 0.9))
    ]
    undefined = ScoreRow("", "", "", 0, "icc_seeds", math.nan, "one seed")
    table = polars.DataFrame(
        [
            {"method": "a", "metric": row.metric, "value": row.value, "reason": row.reason}
            for row in (*found, undefined)
        ]
    )
    (section,) = stability_sections(scored(table))
    lines = {row[1]: row[2:] for row in section["rows"]}
    assert lines["environments"] == [pytest.approx(0.8), pytest.approx(0.5), pytest.approx(0.9), ""]
    assert lines["seeds"] == [None, None, None, "one seed"]
    assert stability_sections(scored(table.filter(polars.col("metric") == "none"))) == []
