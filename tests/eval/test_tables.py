"""Figures by columns, and the tables that are written from them in four formats."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import fake_stages as fake
import numpy as np
import polars
import pytest

from idto3d.errors import UserError
from idto3d_eval import results, sections, statistics
from idto3d_eval import summary as summary_module
from idto3d_eval.aggregate import aggregate
from idto3d_eval.charts import line_chart
from idto3d_eval.identity_table import as_table, measure
from idto3d_eval.results import refresh
from idto3d_eval.run_folder import BY_IDENTITY
from idto3d_eval.store import Store
from idto3d_eval.table_files import one_table
from idto3d_eval.table_formats import COLUMNS, as_csv, as_json, as_latex, as_markdown, records
from idto3d_eval.table_of import table_of

ROWS = (
    "[{method: good, label: good}, {method: other, label: other, parameters: {behaviour: raise,"
    " only: heldout-0001}}, {method: truth, label: truth}]"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables") / "run"
    return fake.finished(folder, people=8, methods=ROWS)


@pytest.fixture
def summary(root: Path) -> dict[str, Any]:
    return results.read_summary(Store(root))


@pytest.fixture(scope="module")
def rows() -> polars.DataFrame:
    rng = np.random.default_rng(0)
    count = 4000
    values = rng.normal(size=count)
    missing = rng.random(count) < 0.1
    values[missing] = np.nan
    return polars.DataFrame(
        {
            "method": np.array(["a", "b"])[rng.integers(0, 2, count)],
            "metric": np.array(["now_median", "joint"])[rng.integers(0, 2, count)],
            "identity": np.array(["x", "y", "z"])[rng.integers(0, 3, count)],
            "value": values,
            "reason": np.where(missing, "no face", ""),
        }
    )


def test_columns_are_the_means_of_their_rows(rows: polars.DataFrame) -> None:
    found = measure(rows)
    for method in ("a", "b"):
        own = rows.filter((rows["method"] == method) & (rows["metric"] == "joint"))
        column = found.get(method, "joint")
        means = statistics.identity_means(own["value"].to_numpy(), own["identity"].to_list())
        assert column.by_identity() == pytest.approx(means)
        assert column.total.sum() == own.height
        assert column.valid.sum() == own["value"].is_not_nan().sum()
        assert column.reasons == (("no face", own["value"].is_nan().sum()),)


def test_neither_order_nor_a_file_changes_a_bit(rows: polars.DataFrame, tmp_path: Path) -> None:
    rows.sample(fraction=1.0, shuffle=True, seed=1).write_parquet(
        tmp_path / "rows.parquet", row_group_size=500
    )
    first, second = measure(rows), measure(polars.scan_parquet(tmp_path / "rows.parquet"))
    for method in ("a", "b"):
        for metric in ("now_median", "joint"):
            assert first.get(method, metric).means.tobytes() == second.get(method, metric).means.tobytes()


def test_an_empty_table_has_no_column(rows: polars.DataFrame) -> None:
    assert measure(rows.head(0)).columns == {}


def test_bounds_hold_every_way_in_which_the_missing_could_have_come_out(summary: dict[str, Any]) -> None:
    cell = next(row for row in summary["rows"] if row["label"] == "other")["cells"]["expression_accuracy"]
    assert cell["valid"] < cell["total"]
    assert cell["least"] < cell["value"] < cell["most"]
    assert cell["why_not"][0][1] == cell["total"] - cell["valid"]
    share = 1 / 8  # of the people, all their rows
    assert cell["least"] == pytest.approx(cell["value"] * (1 - share))
    assert cell["most"] == pytest.approx(cell["value"] * (1 - share) + share)


def test_every_format_holds_the_same_figures(summary: dict[str, Any]) -> None:
    table = table_of(summary)
    lines = list(csv.DictReader(io.StringIO(as_csv(table))))
    told = json.loads(as_json(table))["figures"]
    assert list(lines[0]) == list(COLUMNS)
    assert len(lines) == len(told) == len(records(table)) > 0
    for line, record in zip(lines, told, strict=True):
        assert (line["label"], line["metric"]) == (record["label"], record["metric"])
        if record["value"] is not None:
            assert float(line["value"]) == record["value"]
    for text in (as_markdown(table), as_latex(table)):
        for label in ("good", "other", "truth"):
            assert label in text
        assert "0.8" in text


def test_latex_is_balanced_and_has_no_bare_sign(summary: dict[str, Any]) -> None:
    text = as_latex(table_of(summary))
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert body.count("\\begin{tabular}") == body.count("\\end{tabular}") == 2
    assert body.count("{") == body.count("}")
    assert not re.search(r"(?<!\\)[_#%]", body)
    assert not re.search(r"[^\x00-\x7f]", body)
    widths = {line.count(" & ") for line in body.split("\\midrule")[1].splitlines() if line.endswith(r"\\")}
    assert widths <= {0, body.splitlines()[2].count(" & ")}


def test_holm_corrects_over_the_metrics_of_the_table(summary: dict[str, Any]) -> None:
    one, all_of_them = table_of(summary, ["now_median"]), table_of(summary)
    cell = (
        one.cells["other", "now_median"]
        if not one.cells["other", "now_median"]["best"]
        else (one.cells["good", "now_median"])
    )
    other = next(
        found for key, found in all_of_them.cells.items() if key[1] == "now_median" and found.get("to_best")
    )
    assert cell["p_holm"] == cell["to_best"]["p"]
    tests = sum(bool(found.get("to_best")) for found in all_of_them.cells.values())
    assert other["p_holm"] <= min(1.0, tests * other["to_best"]["p"])
    assert other["p_holm"] >= cell["p_holm"]


def test_an_unknown_metric_or_format_is_one_sentence(root: Path, summary: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="expected"):
        table_of(summary, ["nonesuch"])
    with pytest.raises(UserError, match="latex"):
        one_table(Store(root), summary, "word", None)


def test_tables_lie_in_the_folder(root: Path) -> None:
    names = {path.name for path in (root / "tables").iterdir()}
    assert {f"headline{ending}" for ending in (".tex", ".md", ".csv", ".json")} <= names
    assert "geometry.csv" in names


def test_a_refused_metric_is_not_reported_and_every_report_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        for module in (results, summary_module):
            patched.setattr(module, "refused_metrics", lambda: {"now_median": "it rose where it had to fall"})
        summary, why = refresh(Store(root))
        assert "self-check" in why
        assert all("now_median" not in row["cells"] for row in summary["rows"])
        assert {gap["metric"] for gap in summary["comparisons"]}.isdisjoint({"now_median"})
        for name in ("report.html", "report.md"):
            assert "it rose where it had to fall" in (root / name).read_text()
        with pytest.raises(UserError, match="self-check"):
            table_of(summary, ["now_median"])
    summary, _ = refresh(Store(root))
    assert "now_median" in summary["rows"][0]["cells"]


def test_figures_are_computed_anew_only_where_rows_have_changed(root: Path) -> None:
    store = Store(root)
    before, why = refresh(store)
    assert why == ""
    rows = polars.read_parquet(root / "scores.parquet")
    changed = rows.with_columns(
        polars.when(polars.col("metric") == "joint").then(0.25).otherwise(polars.col("value")).alias("value")
    )
    changed.write_parquet(root / "scores.parquet")
    after, why = refresh(store)
    assert "scores.parquet" in why
    assert after["rows"][0]["cells"]["joint"]["value"] == pytest.approx(0.25)
    assert after["rows"][0]["cells"]["rank1"] == before["rows"][0]["cells"]["rank1"]
    assert after["provenance"]["code"] == before["provenance"]["code"]
    rows.write_parquet(root / "scores.parquet")
    again, _ = refresh(store)
    assert again["rows"] == before["rows"]


def test_sections_and_curves_of_others_stand_in_both_reports(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = {"title": "Gaps <b>", "note": "a note", "columns": ["group", "gap"], "rows": [["old", 0.125]]}
    curve = {
        "title": "By yaw",
        "x": "yaw, degrees",
        "y": "similarity",
        "series": {"good": [[0, 1.0], [40, 0.5]]},
    }
    monkeypatch.setattr(sections, "SECTIONS", (lambda *_: [section],))
    monkeypatch.setattr(sections, "CURVES", (lambda *_: [curve],))
    (root / "report.md").unlink()
    summary, why = refresh(Store(root))
    assert why == "a page was missing"
    assert summary["sections"][0]["rows"] == [["old", 0.125]]
    page, text = (root / "report.html").read_text(), (root / "report.md").read_text()
    assert "Gaps &lt;b&gt;" in page
    assert "polyline" in page
    assert "| old | 0.125 |" in text
    monkeypatch.setattr(sections, "SECTIONS", (lambda *_: [{**section, "rows": [["old"]]}],))
    (root / "report.md").unlink()
    with pytest.raises(ValueError, match="one cell a column"):
        refresh(Store(root))
    monkeypatch.undo()
    refresh(Store(root))


def test_a_chart_of_lines_leaves_out_what_is_not_finite() -> None:
    assert line_chart("t", "x", "y", {"a": [[0.0, float("nan")]]}) == ""
    assert line_chart("t", "x", "y", {"a": [[0.0, 1.0], [1.0, None]]}).count("<circle") == 1  # type: ignore[list-item]


def test_a_metric_without_identities_has_a_figure_and_no_interval() -> None:
    table = polars.DataFrame(
        {
            "method": ["a", "a"],
            "metric": ["now_pooled_median"] * 2,
            "identity": ["", ""],
            "value": [1.0, 3.0],
            "reason": ["", ""],
        }
    )
    cell = aggregate(table, [["a"]], [], ["geometry"], fake.protocol().statistics).cells["a"][
        "now_pooled_median"
    ]
    assert cell.value == 2.0
    assert np.isnan(cell.low)


def test_a_run_keeps_the_means_by_identity_that_its_figures_are_made_of(root: Path) -> None:
    kept = polars.read_parquet(root / BY_IDENTITY)
    measured = measure(polars.read_parquet(root / "scores.parquet"))
    assert kept.equals(as_table(measured))
    one = kept.filter((kept["method"] == "good") & (kept["metric"] == "identity_counted"))
    assert dict(zip(one["identity"], one["mean"], strict=True)) == pytest.approx(
        measured.get("good", "identity_counted").by_identity()
    )


def test_means_of_nothing_are_an_empty_table(rows: polars.DataFrame) -> None:
    assert as_table(measure(rows.clear())).is_empty()
