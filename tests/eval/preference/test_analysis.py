"""A study's analysis finds the strengths that its raters answered by, and says what it left out and why."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from idto3d.errors import UserError
from idto3d_eval.preference.analysis import ALL, analyse_study, analysis_of
from idto3d_eval.preference.analysis_text import markdown, rank_range
from idto3d_eval.preference.answers import answers_table
from idto3d_eval.preference.export import export_answers
from idto3d_eval.preference.kept import read_preferences
from idto3d_eval.preference.links import rater_of_slot
from idto3d_eval.preference.question_result import question_result
from idto3d_eval.preference.study import ANALYSIS, ANALYSIS_TEXT, ANSWERS, PREFERENCES
from idto3d_eval.preference_sections import metric_section, strength_section
from tests.eval.preference.answering import answer, unsynced
from tests.eval.preference.studies import METHODS, opened, small_study

STRENGTHS = dict(zip(METHODS, (1.6, 0.4, -0.4, -1.6), strict=True))
PEOPLE = tuple(f"person-{number}" for number in range(8))
CARELESS = 3


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve raters, one of whom answers by chance, on two questions and a run with two metrics."""
    folder = tmp_path_factory.mktemp("analysed")
    run = folder / "a_run"
    run.mkdir()
    rng = np.random.default_rng(0)
    values = [
        (method, person, expression, "good", strength + 0.01 * rng.normal())
        for method, strength in STRENGTHS.items()
        for person in PEOPLE
        for expression in ("neutral", "smile")
    ]
    values += [(method, person, expression, "bad", -value) for method, person, expression, _, value in values]
    columns = ["method", "identity", "expression", "metric", "value"]
    polars.DataFrame(values, columns, orient="row").write_parquet(run / "scores.parquet")
    cards = [
        {"name": name, "title": name.capitalize(), "better": "higher", "headline": name == "good"}
        for name in ("good", "bad", "none")
    ]
    (run / "summary.json").write_text(json.dumps({"metrics": cards}))
    asked = small_study(
        identities=PEOPLE, raters=12, pairs=32, attention=6, repeats=4, run_folder="../a_run", turn_deg=0.0
    )
    service, clock = opened(folder / "study", asked)
    answer(unsynced(service), clock, STRENGTHS, range(12), careless=[CARELESS])
    return folder / "study"


@pytest.fixture(scope="module")
def found(study: Path) -> dict[str, Any]:
    """Its analysis."""
    return analyse_study(study, draws=200)


def test_strengths_that_raters_answered_by_are_found(found: dict[str, Any]) -> None:
    """In their order, the truth within the intervals, no method told to be better than it is."""
    assert [result["question"] for result in found["questions"]] == ["identity", "geometry", ALL]
    whole = found["questions"][-1]
    assert [row["method"] for row in whole["methods"]] == list(METHODS)
    for row in whole["methods"]:
        assert row["low"] < STRENGTHS[row["method"]] < row["high"]
        assert row["best_rank"] <= row["rank"] <= row["worst_rank"]
    assert rank_range(whole["methods"][0]) == "1"
    assert sum(row["strength"] for row in whole["methods"]) == pytest.approx(0.0, abs=1e-9)
    assert whole["win_matrix"][0][3] + whole["win_matrix"][3][0] == pytest.approx(1.0)
    assert whole["win_matrix"][0][0] is None
    assert [(gap["first"], gap["second"]) for gap in whole["adjacent"]] == list(pairwise(METHODS))
    assert whole["side"]["low"] < 0.2 < whole["side"]["high"]


def test_who_answers_by_chance_is_left_out_and_shown(found: dict[str, Any], study: Path) -> None:
    """The headline is without them, the result with everyone beside it has more votes."""
    service, _ = opened(study)
    assert [row["rater"] for row in found["left_out"]] == [rater_of_slot(service.key, CARELESS)]
    assert found["counts"]["left_out"] == 1
    kept, whole = found["questions"][-1], found["with_everyone"][-1]
    assert (kept["raters"], whole["raters"]) == (11, 12)
    assert (kept["votes"], whole["votes"]) == (11 * 32, 12 * 32)
    assert found["reliability"][-1]["passed"] == 1.0


def test_metrics_stand_beside_people(found: dict[str, Any]) -> None:
    """The one that follows the strengths agrees, its opposite does not, one without values says so."""
    assert [one["question"] for one in found["agreement"]] == ["identity", "geometry", ALL]
    good, bad, none = found["agreement"][-1]["metrics"]
    assert good["accuracy"]["low"] > 0.5 > bad["accuracy"]["high"]
    assert good["accuracy"]["value"] == pytest.approx(1.0 - bad["accuracy"]["value"])
    assert (good["tau"]["value"], bad["tau"]["value"]) == (1.0, -1.0)
    assert none["accuracy"]["value"] is None
    assert "expected 30" in none["accuracy"]["reason"]


def test_what_is_written_is_what_was_found(found: dict[str, Any], study: Path) -> None:
    """In the study's folder and in the run's; again, the same bytes."""
    before = (study / ANALYSIS).read_bytes()
    assert json.loads(before) == found
    assert len(polars.read_parquet(study / ANSWERS)) == 12 * 42
    assert (study / ANALYSIS_TEXT).read_text() == markdown(found)
    assert read_preferences(study.parent / "a_run") == found
    analyse_study(study, draws=200)
    assert (study / ANALYSIS).read_bytes() == before
    (study.parent / "a_run" / PREFERENCES).write_text('{"schema_version": 0}')
    assert read_preferences(study.parent / "a_run") is None


def test_text_and_sections_tell_it(found: dict[str, Any]) -> None:
    """Every question and method, who was left out, and what could not be held against votes."""
    text = markdown(found)
    for told in (
        "## Identity",
        "| alpha |",
        "## Raters left out",
        "1 rater answers without looking",
        "None (",
    ):
        assert told in text
    strengths, metrics = strength_section(found), metric_section(found)
    assert len(strengths["rows"]) == 3 * 4
    assert [row[1] for row in metrics["rows"]] == ["Good", "Bad"] * 3
    for section in (strengths, metrics):
        assert all(len(row) == len(section["columns"]) for row in section["rows"])


def test_an_analysis_without_a_run_has_no_metrics(study: Path) -> None:
    """And leaves everything else as it is."""
    found = analyse_study(study, run=study / "nowhere", draws=50)
    assert found["agreement"] == []
    assert len(found["questions"]) == 3


def table(rows: list[tuple[str, str, str, str, str]]) -> polars.DataFrame:
    """Answers of (rater, identity, left, right, answer)."""
    names = ["rater", "identity", "left", "right", "answer"]
    told = polars.DataFrame(rows, names, orient="row")
    return told.with_columns(
        kind=polars.lit("pair"),
        question=polars.lit("identity"),
        expression=polars.lit("neutral"),
        expected=polars.lit(""),
        repeats=polars.lit(""),
        pair=polars.int_range(polars.len()).cast(polars.String),
        position=polars.int_range(polars.len()),
        seconds=polars.lit(5.0),
    )


def test_groups_that_never_lose_have_no_narrow_gap() -> None:
    """All votes for one method: the order is known, and the interval is as wide as a prior leaves it."""
    rows = [
        (f"r{rater}", person, "alpha", "beta", "left") for rater in range(4) for person in ("ada", "bo", "cy")
    ]
    result = question_result(table(rows), "identity", METHODS)
    assert result["components"] == [["alpha"], ["beta"]] or result["components"] == [["beta"], ["alpha"]]
    assert result["without_votes"] == ["gamma", "delta"]
    gap = result["adjacent"][0]
    assert gap["high"] - gap["low"] > 4.0
    assert result["methods"][0]["method"] == "alpha"


def test_one_rater_of_one_person_gives_strengths_without_intervals() -> None:
    """Nothing says how votes spread, and the result says that."""
    rows = [("r", "ada", "alpha", "beta", answer) for answer in ("left", "left", "right", "neither")]
    result = question_result(table(rows), "identity", METHODS)
    assert "nothing says how votes spread" in result["reason"]
    assert [row["low"] for row in result["methods"]] == [None, None]
    assert [row["neither"] for row in result["methods"]] == [0.25, 0.25]
    assert markdown(analysis_of(table(rows), small_study()))


def test_a_study_without_votes_is_refused(tmp_path: Path) -> None:
    """Found, expected, what to do."""
    opened(tmp_path)
    with pytest.raises(UserError, match="no votes on pairs"):
        analyse_study(tmp_path)


def test_exported_answers_are_the_same_in_all_formats(study: Path, tmp_path: Path) -> None:
    """choix gets winner and loser by place, without ties, attention pairs and repeats."""
    service, _ = opened(study)
    answers = answers_table(service.engine)
    csv, told, parquet, choix = export_answers(answers, METHODS, tmp_path / "out")
    assert polars.read_parquet(parquet).equals(answers)
    assert len(polars.read_csv(csv)) == len(json.loads(told.read_text())) == len(answers)
    pairs = json.loads(choix.read_text())
    assert pairs["methods"] == list(METHODS)
    decided = answers.filter((answers["kind"] == "pair") & answers["answer"].is_in(["left", "right"]))
    assert sum(len(own) for own in pairs["pairs"].values()) == len(decided)
    import choix as package

    strengths = package.ilsr_pairwise(4, pairs["pairs"]["identity"])
    assert list(np.argsort(-strengths)) == [0, 1, 2, 3]
