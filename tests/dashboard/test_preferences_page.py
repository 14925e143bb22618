"""The page of preferences, as Streamlit runs it and as plain files, with a study and without."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars
import pytest
from streamlit.testing.v1 import AppTest

from idto3d.errors import UserError
from idto3d_dashboard.bundle import write_bundle
from idto3d_dashboard.drawing.preference_charts import accuracy_chart, strength_chart, win_chart
from idto3d_dashboard.viewer import built_file
from idto3d_eval.preference.analysis import ALL, analysis_of
from idto3d_eval.preference.run_metrics import MetricRows
from idto3d_eval.preference.simulate import Design, answers_of, simulate
from idto3d_eval.preference.study import PREFERENCES, Study
from idto3d_eval.results import refresh
from idto3d_eval.store import Store
from tests.dashboard.fake_runs import finished

ROWS = "[{method: good, label: good}, {method: other, label: other}, {method: truth, label: truth}]"
LABELS = ("good", "other", "truth")


@pytest.fixture(scope="module")
def analysed() -> dict[str, object]:
    """What two questions' simulated votes say, one rater in ten careless."""
    design = Design(methods=3, raters=20, identities=6, pairs=20, careless=0.1)
    told = answers_of(simulate(np.random.default_rng(0), design))
    named = dict(zip(design.names, LABELS, strict=True))
    table = told.with_columns(polars.col("left", "right").replace(named))
    both = polars.concat(
        [table, table.with_columns(question=polars.lit("geometry"), pair=polars.col("pair") + "g")]
    )
    people = sorted(set(table["identity"]))
    metrics = [
        MetricRows(
            name,
            title,
            True,
            name == "joint",
            {(label, who, "neutral"): -float(at) for at, label in enumerate(LABELS) for who in people},
        )
        for name, title in (("joint", "Right face, right person"), ("nose", "Error of the nose"))
    ]
    metrics.append(MetricRows("none", "Of no head", True, False, {}))
    study = Study(
        run="fake",
        questions=("identity", "geometry"),
        methods=LABELS,
        identities=tuple(people),
        expressions=("neutral",),
        raters=20,
        pairs=20,
        attention=6,
        repeats=4,
        most_of_one_person=20,
    )
    return analysis_of(both, study, metrics, draws=100)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, analysed: dict[str, object]) -> Path:
    """A finished run with them."""
    run = finished(tmp_path_factory.mktemp("runs") / "fake", 2, ROWS)
    (run / PREFERENCES).write_text(json.dumps(analysed))
    return run


@pytest.fixture
def page(made: Path) -> Callable[..., AppTest]:
    """Opens the page at an address."""

    def opened(folder: Path = made, **address: str | list[str]) -> AppTest:
        app = AppTest.from_function(script, kwargs={"folder": str(folder)}, default_timeout=60)
        for key, value in address.items():
            app.query_params[key] = value
        app.run()
        assert [str(error.value) for error in app.exception] == []
        return app

    return opened


def script(folder: str) -> None:
    from pathlib import Path

    from idto3d_dashboard.choice import choose
    from idto3d_dashboard.live_sheet import LiveSheet
    from idto3d_dashboard.pages import preferences
    from idto3d_dashboard.reading.run import open_run

    preferences.show(choose(open_run(Path(folder)), {"fake": Path(folder)}), LiveSheet())


def words(app: AppTest) -> str:
    """All that the page says."""
    parts = [*app.markdown, *app.subheader, *app.caption, *app.info, *app.code, *app.get("html")]
    return "\n".join(str(getattr(part, "value", "") or getattr(part.proto, "body", "")) for part in parts)


def test_strengths_metrics_and_reliability_are_shown(page: Callable[..., AppTest]) -> None:
    """And who was left out; the table has the chosen question's rows."""
    told = words(page())
    for sentence in ("20 raters", "without looking and", "prefer what people prefer", "Krippendorff"):
        assert sentence in told
    assert "Left over right between equals" in told


def test_a_chosen_question_and_methods_are_those_shown(page: Callable[..., AppTest]) -> None:
    """By the address, as a link brings them; rows of others are left out."""
    app = page(question=ALL, method=["good", "other"])
    (table,) = [html.proto.body for html in app.get("html") if "may be" in html.proto.body]
    assert "good" in table
    assert "truth" not in table
    assert "votes of 19 raters" in words(app) or "votes of 18 raters" in words(app)


def test_without_a_study_three_commands_are_told(
    page: Callable[..., AppTest], made: Path, tmp_path: Path
) -> None:
    """Create, serve, analyse, with the run's own name; so too where the analysis is another version's."""
    for version, text in enumerate(("", '{"schema_version": 0}', "{half")):
        run = tmp_path / str(version) / "fake"
        shutil.copytree(made, run)
        (run / PREFERENCES).write_text(text)
        told = words(page(run))
        for command in ("study create fake", "study serve studies/fake", "study analyse studies/fake"):
            assert f"idto3d-eval {command}" in told


def test_the_page_stands_in_a_bundle(made: Path, tmp_path: Path) -> None:
    """All questions are in it, since nobody can choose there, and each chart's data."""
    try:
        built_file("viewer.classic.js")
    except UserError as error:
        pytest.skip(str(error))
    write_bundle(made, tmp_path / "bundle")
    told = (tmp_path / "bundle" / "preferences.html").read_text()
    for name in ("identity", "geometry", "all_questions"):
        for chart in ("strengths", "won", "accuracy"):
            assert f'data-chart="preferences-{chart}_{name}"' in told
    assert "Krippendorff" in told


def test_the_report_is_written_anew_once_a_study_was_analysed(made: Path) -> None:
    """With the section; asked again, it stands."""
    summary, why = refresh(Store(made))
    assert why
    assert refresh(Store(made))[1] == ""
    assert "## What people prefer" in (made / "report.md").read_text()
    assert "What people prefer" in (made / "report.html").read_text()
    assert [section["title"] for section in summary["sections"]][:2] == [
        "What people prefer",
        "Which metrics prefer what people prefer",
    ]


def test_charts_hold_what_was_found(analysed: dict[str, object]) -> None:
    """Rows that are not chosen are left out; data come with each chart; a mark without whiskers has none."""
    result = analysed["questions"][0]  # type: ignore[index]
    figure, rows = strength_chart(result, LABELS, ("good", "truth"))
    assert rows["method"].to_list() == ["good", "truth"]
    assert sum(len(trace.x) for trace in figure.data) == 2
    won = win_chart(result, LABELS)[1]
    assert len(won) == 6
    both = {(row["method"], row["against"]): row["won"] for row in won.iter_rows(named=True)}
    assert both["good", "other"] + both["other", "good"] == pytest.approx(1.0)
    metrics = analysed["agreement"][0]["metrics"][:2]  # type: ignore[index]
    figure, rows = accuracy_chart("identity", metrics)
    assert [len(trace.x) for trace in figure.data] == [2, 0]
    assert rows["accuracy"][0] > 0.5
