"""Self-checks: how they judge, that every metric has some, and that a metric that fails is refused."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from idto3d_eval.cli import Settings, app
from idto3d_eval.metrics import METRICS, table
from idto3d_eval.selfcheck import budget, modules, record
from idto3d_eval.selfcheck.check import Check, Graded, Known
from idto3d_eval.selfcheck.curves import sparkline
from idto3d_eval.selfcheck.document import RENEW, document
from idto3d_eval.selfcheck.modules import MODULES, Outcome, run_checks

RENEWED_BY = f"renew it with: {RENEW}"


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, so that no record of the machine's is read or written."""
    monkeypatch.setenv("IDTO3D_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), obj=Settings())


def test_a_known_case_holds_within_its_tolerance_and_undefined_only_where_it_must_be() -> None:
    assert Known("rank1", "exact", 0.5, 0.5, 0.0).passed
    assert Known("rank1", "near", 0.51, 0.5, 0.02).passed
    assert not Known("rank1", "far", 0.53, 0.5, 0.02).passed
    assert Known("rank1", "undefined as it must be", math.nan, math.nan, 0.0).passed
    assert not Known("rank1", "undefined", math.nan, 0.5, 1.0).passed
    assert not Known("rank1", "defined", 0.5, math.nan, 1.0).passed


@pytest.mark.parametrize(
    ("values", "slack", "passed"),
    [
        ((1.0, 0.8, 0.8, 0.1), 0.0, True),
        ((1.0, 0.8, 0.81, 0.1), 0.0, False),  # a step back
        ((1.0, 0.8, 0.81, 0.1), 0.02, True),  # within the noise of a reading
        ((1.0, 1.0, 1.0, 1.0), 0.0, False),  # a metric that never moves
        ((1.0, 1.0, 1.0, 0.99), 0.02, False),  # that moves by no more than noise
        ((1.0, 0.8, math.nan, 0.1), 0.02, False),
        ((0.1, 0.8, 0.9, 1.0), 0.0, False),  # the wrong way
    ],
)
def test_a_curve_must_follow_step_by_step(values: tuple[float, ...], slack: float, passed: bool) -> None:
    levels = (0.0, 1.0, 2.0, 3.0)
    assert Graded("rank1", "blur", levels, values, "falls", slack).passed is passed
    upward = tuple(-value for value in values)
    assert Graded("rank1", "blur", levels, upward, "rises", slack).passed is passed


def test_every_module_with_checks_is_in_the_table() -> None:
    """A module that is not listed is never run; the list is what a reader follows."""
    folder = Path(modules.__file__).parent
    found = {
        path.stem
        for path in folder.glob("*.py")
        if any(
            isinstance(node, ast.FunctionDef) and node.name == "checks"
            for node in ast.parse(path.read_text(encoding="utf-8")).body
        )
    }
    assert set(MODULES) == found


@pytest.mark.parametrize("name", METRICS)
def test_the_shipped_record_holds_every_metric_as_it_is_now(name: str) -> None:
    """Each was checked by known cases, passed, and has the code and the networks that it had then."""
    found = record.read_records(record.shipped_file()).get(name)
    assert found is not None, f"no check speaks of {name}, or the record is old; {RENEWED_BY}"
    assert found.current(name), f"{name} changed since its self-check; {RENEWED_BY}"
    assert found.passed, f"{name}: {found.why}"
    assert any(isinstance(check, Known) for check in found.checks), f"no known case speaks of {name}"
    assert all(check.passed for check in found.checks)


def test_the_page_of_metrics_is_what_cards_and_record_say(repository: Path) -> None:
    for name, text in document(record.read_records(record.shipped_file())).items():
        path = repository / "docs" / name
        told = f"docs/{name} is old; renew it with: idto3d-eval metrics document"
        assert path.is_file(), told
        assert path.read_text(encoding="utf-8") == text, told


@pytest.mark.parametrize("module", ["retrieval", "budget"])
def test_checks_on_numbers_alone_pass_now(module: str) -> None:
    outcomes = run_checks(modules=[module])
    checks = [check for outcome in outcomes.values() for check in outcome.checks]
    assert checks
    assert [check.told for check in checks if not check.passed] == []


@pytest.mark.slow
def test_all_checks_pass_now() -> None:
    assert {outcome.metric: outcome.why for outcome in run_checks().values() if not outcome.passed} == {}


def test_a_broken_metric_fails_and_is_refused_until_it_is_mended(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that add where they should multiply: named, refused, shown so, and reported again once right."""
    assert record.refused() == {}
    with monkeypatch.context() as broken:
        broken.setattr(budget, "guidance_calls", lambda images, evaluations: images + evaluations)
        failed = call("metrics", "selfcheck", "guidance_calls", "trainable_share")
        assert failed.exit_code == 1
        assert "Not to be reported: guidance_calls." in failed.stdout
        assert "found 302, expected 600" in failed.stdout
    assert record.own_file().parent == own_cache
    assert set(record.refused()) == {"guidance_calls"}
    assert "found 300, expected 0" in record.refused()["guidance_calls"]
    rows = {row["name"]: row["self-check"] for row in json.loads(call("metrics", "ls", "--json").stdout)}
    assert rows["guidance_calls"].startswith("FAILED")
    assert rows["trainable_share"].startswith("passed")
    assert "FAILED" in call("metrics", "show", "guidance_calls").stdout
    assert call("metrics", "selfcheck", "guidance_calls").exit_code == 0
    assert record.refused() == {}


@pytest.mark.usefixtures("own_cache")
def test_a_metric_that_changed_since_is_marked_and_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Outcome("rank1", [Known("rank1", "a case", 0.0, 1.0, 0.0)])
    record.write_records(record.own_file(), {"rank1": failed})
    assert set(record.refused()) == {"rank1"}
    monkeypatch.setattr(record, "metric_code", lambda metric: f"another code of {metric}")
    assert record.refused() == {}
    assert record.state_of("rank1") == "not self-checked as it is now"


@pytest.mark.usefixtures("own_cache")
def test_an_own_record_that_is_old_gives_way_to_the_shipped_one(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Outcome("rank1", [Known("rank1", "a case", 0.0, 1.0, 0.0)])
    with monkeypatch.context() as then:
        then.setattr(record, "metric_code", lambda metric: f"another code of {metric}")
        record.write_records(record.own_file(), {"rank1": failed})
    assert record.state_of("rank1").startswith("passed")


def test_a_module_that_stops_fails_every_metric_of_its_families(monkeypatch: pytest.MonkeyPatch) -> None:
    def checks() -> Iterator[Check]:
        yield Known("guidance_calls", "a case", 1.0, 1.0, 0.0)
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(budget, "checks", checks)
    found = run_checks(modules=["budget"])
    for name in ("guidance_calls", "trainable_share"):
        assert not found[name].passed
        assert "budget.py stopped (ZeroDivisionError: by nothing)" in found[name].why


def test_a_record_keeps_what_was_found_and_what_was_not_checked_again(tmp_path: Path) -> None:
    path = tmp_path / "selfcheck.json"
    curve = Graded("rank1", "blur, pixels", (0.0, 1.0), (1.0, math.nan), "falls", 0.01)
    case = Known("rank1", "unread", math.nan, math.nan, 0.0)
    record.write_records(path, {"rank1": Outcome("rank1", [case, curve])}, "2026-01-01")
    calls = Outcome("guidance_calls", [Known("guidance_calls", "none", 0.0, 0.0, 0.0)])
    record.write_records(path, {"guidance_calls": calls}, "2026-01-02")
    found = record.read_records(path)
    assert list(found) == ["rank1", "guidance_calls"]
    assert [str(check) for check in found["rank1"].checks] == [str(case), str(curve)]
    assert (found["rank1"].date, found["guidance_calls"].date) == ("2026-01-01", "2026-01-02")
    assert set(found["rank1"].networks) == {"recogniser_b.onnx", "reader_scoring.onnx"}
    json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)  # NaN is no JSON
    path.write_text("{")
    assert record.read_records(path) == {}


def test_cards_in_a_file_of_their_own_belong_to_the_module_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = record.metric_code("rank1")
    cards = ModuleType("idto3d_eval.metrics.retrieval_cards")
    cards.__dict__["CARDS"] = (METRICS["rank1"],)
    monkeypatch.setattr(table, "retrieval", cards)
    assert record.metric_code("rank1") == before
    assert record.metric_code("rank1") != record.metric_code("identity_similarity")


@pytest.mark.usefixtures("own_cache")
def test_the_command_prints_curves_and_draws_them(tmp_path: Path) -> None:
    names = ("guidance_calls", "trainable_share")
    shown = call("metrics", "selfcheck", *names, "--curves", str(tmp_path / "curves"))
    assert shown.exit_code == 0
    assert "▁▂▃▅█" in shown.stdout
    assert "2 of 2 metrics passed" in shown.stdout
    for name in names:
        assert (tmp_path / "curves" / f"{name}.svg").read_text().startswith("<svg")
        assert (tmp_path / "curves" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads(call("metrics", "selfcheck", *names, "--json").stdout)
    assert [row["metric"] for row in rows] == list(names)
    unknown = call("metrics", "selfcheck", "nonesuch")
    assert unknown.exit_code == 2
    assert "'nonesuch'" in unknown.stderr


@pytest.mark.usefixtures("own_cache")
def test_show_tells_all_that_is_known_of_a_metric() -> None:
    shown = call("metrics", "show", "calibrated_identity").stdout
    card = METRICS["calibrated_identity"]
    for text in (
        card.definition,
        card.source,
        card.preprocessing,
        *card.failure_modes,
        "unbounded",
        "higher",
    ):
        assert text in shown
    assert record.network_hashes("calibrated_identity")["recogniser_b.onnx"] in shown
    assert "another person's share" in shown
    assert "passed" in shown


def test_a_sparkline_spans_its_values() -> None:
    assert sparkline((0.0, 7.0, 14.0)) == "▁▅█"
    assert sparkline((1.0, math.nan, 0.0)) == "█ ▁"
    assert sparkline((2.0, 2.0)) == "▁▁"
