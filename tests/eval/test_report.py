"""The report: one file that asks the network for nothing, tells what failed, and agrees with the rows."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import fake_stages as fake
import numpy as np
import polars
import pytest
from PIL import Image
from rich.console import Console

from idto3d_eval import statistics
from idto3d_eval.charts import SERIES, axis, interval_chart, share_chart
from idto3d_eval.figures_text import calls, labels, memory, number, signed
from idto3d_eval.report import markdown
from idto3d_eval.report_tables import card_place, figure_place
from idto3d_eval.terminal import ResultTable

ROWS = (
    "[{method: good, label: good}, {method: other, label: other, parameters: {behaviour: raise,"
    " only: heldout-0001}}, {method: good, label: good_swapped, photos_of: next},"
    " {method: mean, label: mean}, {method: truth, label: truth}]"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "run"
    return fake.finished(folder, people=8, methods=ROWS)


@pytest.fixture(scope="module")
def summary(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "summary.json").read_text())
    return found


class Page(HTMLParser):
    """Checks that tags are closed, and keeps texts and what elements refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.places: set[str] = set()
        self.named = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "img", "br", "wbr"}:
            self.open.append(tag)
        own = [value or "" for name, value in attrs if name == "id"]
        self.named += len(own)
        self.places |= set(own)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def page(root: Path) -> Page:
    parsed = Page()
    parsed.feed((root / "report.html").read_text())
    assert parsed.open == []
    return parsed


def test_the_page_holds_everything_itself(page: Page, root: Path) -> None:
    assert page.links
    assert not [link for link in page.links if re.match(r"[a-z]+:", link) and not _held(link)]
    text = (root / "report.html").read_text()
    assert not re.search(r"https?://|url\(|@import|<script", text.replace("http://www.w3.org", ""))


def test_every_head_and_photo_is_a_picture(page: Page) -> None:
    held = list(filter(_held, page.links))
    heads = 8 * 5 * 2 - 2  # people, methods, expressions, less the head that failed
    assert len(held) == heads + 8 * 2
    with Image.open(io.BytesIO(base64.b64decode(held[0].split(",")[1]))) as image:
        assert image.size == (128, 128)


def _held(link: str) -> bool:
    return link.startswith("data:image/jpeg;base64,")


def test_every_figure_leads_to_a_place_that_is_there(page: Page, root: Path, summary: dict[str, Any]) -> None:
    places = {link[1:] for link in page.links if link.startswith("#")}
    assert places <= page.places
    assert len(page.places) == page.named  # each id once
    for row in summary["rows"]:
        for metric in row["cells"]:
            assert figure_place(row["label"], metric) in places
            assert card_place(metric) in places
    made = [link for link in page.links if link.startswith("views/")]
    assert made
    assert all((root / unquote(link)).is_file() for link in made if "/other/heldout-0001/" not in link)


def test_links_into_the_folder_are_relative_and_lead_somewhere(page: Page, root: Path) -> None:
    files = {link for link in page.links if not link.startswith(("#", "data:", "views/", "heads/", "logs/"))}
    assert {"scores.parquet", "tables/", "scores/good/rows.json"} <= files
    assert all((root / unquote(link)).exists() for link in files)


def test_labels_that_a_reader_needs_are_there(page: Page) -> None:
    text = " ".join(page.texts)
    for label in (
        "population: synthetic",
        "knows the generating family",
        "another person's photos, scored as its own",
        "another person's photos, scored as the person in them",
        "7 of 8 heads",
        "RuntimeError: the loss is NaN",
        "idto3d-eval run --protocol fake",
    ):
        assert label in text


def test_what_a_row_was_given_and_spent_is_told_in_both_reports(
    page: Page, root: Path, summary: dict[str, Any]
) -> None:
    text, written = " ".join(page.texts), (root / "report.md").read_text()
    for told in (text, written):
        assert "given: photos" in told
        assert "given: truth" in told
        assert "MiB" in told
    assert [row["costs"]["guidance_calls_are"] for row in summary["rows"]] == ["measured"] * 6


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ({}, "1,400"),
        ({"guidance_calls_allowed": 1400, "guidance_calls_exactly": True}, "1,400 of 1,400"),
        ({"guidance_calls_allowed": 2000, "guidance_calls_exactly": False}, "1,400 (at most 2,000)"),
        (
            {
                "guidance_calls_allowed": 2000,
                "guidance_calls_exactly": False,
                "guidance_calls_are": "declared",
            },
            "1,400 (at most 2,000; declared, not measured)",
        ),
    ],
)
def test_calls_stand_against_the_budget_and_say_whether_they_were_measured(
    costs: dict[str, Any], said: str
) -> None:
    assert calls({"guidance_calls_a_head": 1400.0, **costs}) == said


def test_how_a_method_was_reproduced_stands_on_its_row(summary: dict[str, Any]) -> None:
    row = summary["rows"][0]
    assert "own" not in labels(row)
    assert "approximates its paper" in labels({**row, "reproduction": "approximated"})
    assert "best of 4 attempts" in labels({**row, "best_of": 4})
    assert not any(text.startswith("best of") for text in labels(row))
    assert "its paper not reproduced" in labels({**row, "reproduction": "not-reproduced"})


def test_rows_that_know_answers_stand_in_blocks_of_their_own(summary: dict[str, Any]) -> None:
    blocks = {row["label"]: row["block"] for row in summary["rows"]}
    assert blocks == {
        "good": "photos",
        "other": "photos",
        "good_swapped": "photos",
        "good_swapped_as_photos": "photos",
        "mean": "family",
        "truth": "reference",
    }
    assert not any(cell["best"] for row in summary["rows"][4:] for cell in row["cells"].values())


def test_a_method_below_coverage_is_unranked_and_never_best(root: Path, summary: dict[str, Any]) -> None:
    table = polars.read_parquet(root / "scores.parquet")
    assert table.filter(table["method"] == "other")["value"].is_nan().any()
    rows = {row["label"]: row for row in summary["rows"]}
    assert rows["other"]["heads"] == {"made": 7, "total": 8}


def test_the_headline_is_the_ratio_of_sums_of_the_rows(root: Path, summary: dict[str, Any]) -> None:
    table = polars.read_parquet(root / "scores.parquet")
    own = table.filter((table["method"] == "good") & table["metric"].str.starts_with("identity_"))
    own = own.filter(own["expression"] == "").pivot("metric", index="identity", values="value")
    span = (own["identity_ceiling"] - own["identity_floor"]).to_numpy()
    above = (own["identity_counted"] - own["identity_floor"]).to_numpy()
    cell = summary["rows"][0]["cells"]["calibrated_identity"]
    assert cell["value"] == pytest.approx(above.sum() / span.sum())
    assert (cell["valid"], cell["total"]) == (8, 8)
    assert cell["low"] < cell["value"] < cell["high"]


def test_comparisons_are_paired_and_corrected(root: Path, summary: dict[str, Any]) -> None:
    gap = next(
        gap for gap in summary["comparisons"] if (gap["metric"], gap["second"]) == ("now_median", "other")
    )
    assert gap["identities"] == 7
    table = polars.read_parquet(root / "scores.parquet")
    means = {}
    for label in ("good", "other"):
        own = table.filter((table["method"] == label) & (table["metric"] == "now_median"))
        means[label] = statistics.identity_means(own["value"].to_numpy(), own["identity"].to_list())
    gaps = [means["good"][name] - means["other"][name] for name in means["good"]]
    assert gap["value"] == pytest.approx(np.nanmean(gaps))
    assert gap["p_holm"] >= gap["p"]


def test_rows_that_bracket_the_scale_are_corrected_apart(summary: dict[str, Any]) -> None:
    references = {row["label"] for row in summary["rows"] if row["block"] == "reference"}
    for bracket in (False, True):
        own = [gap for gap in summary["comparisons"] if (gap["second"] in references) is bracket]
        assert own, bracket
        known = [gap for gap in own if gap["p"] is not None]
        corrected = statistics.holm([gap["p"] for gap in known])
        assert [gap["p_holm"] for gap in known] == pytest.approx(list(corrected))


def test_markdown_says_the_same_numbers(root: Path, summary: dict[str, Any]) -> None:
    text = (root / "report.md").read_text()
    assert text == markdown(summary)
    cell = summary["rows"][0]["cells"]["calibrated_identity"]
    assert number(cell["value"], "1") in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert tables
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_terminal_table_fits_and_breaks_no_number(summary: dict[str, Any], width: int) -> None:
    said = io.StringIO()
    Console(file=said, width=width).print(ResultTable(summary))
    assert all(len(line) <= width for line in said.getvalue().splitlines())
    assert number(summary["rows"][0]["cells"]["calibrated_identity"]["value"], "1") in said.getvalue()
    assert "…" not in said.getvalue()


def test_the_contact_sheet_has_a_cell_for_every_head(root: Path) -> None:
    with Image.open(root / "contact_sheet.png") as image:
        assert image.width > 5 * 128
        assert image.height > 8 * 2 * 128


def test_text_from_outside_cannot_break_the_page(summary: dict[str, Any]) -> None:
    chart = interval_chart("<b>&", [("<script>", 1.0, 0.5, 1.5)])
    assert "<script>" not in chart
    assert "&lt;script&gt;" in chart
    told = json.loads(json.dumps(summary))
    told["failures"][0]["reason"] = "a | b\nc"
    assert "a \\| b c" in markdown(told)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.3, 0.04), (2.2, 2.2), (0.0, 0.0), (1e-6, 3e-6)])
def test_axes_hold_their_data_between_round_numbers(low: float, high: float) -> None:
    first, last, ticks = axis(low, high)
    assert first <= low <= high <= last
    assert first < last
    assert 3 <= len(ticks) <= 12


def test_charts_draw_nothing_from_nothing() -> None:
    nan = float("nan")
    assert interval_chart("title", [("a", nan, nan, nan)]) == ""
    assert share_chart("title", [("a", [nan])], {"a": 0}) == ""
    assert f"--s{SERIES - 1}" not in share_chart("title", [("a", [1.0, nan])], {"a": 0})


def test_numbers_have_the_digits_they_deserve() -> None:
    assert number(None, "1") == "–"
    assert number(0.12345, "1") == "0.123"
    assert number(1.2345, "mm") == "1.23"
    assert number(12345.0, "calls") == "12,345"
    assert memory(812.4) == "812 MiB"
    assert memory(2048.0) == "2.0 GiB"
    assert memory(None) == "–"
    assert signed(0.1, "1") == "+0.100"
