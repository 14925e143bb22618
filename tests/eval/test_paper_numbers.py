"""Numbers from papers: said with their source, shown apart, and read by nothing that ranks or tests."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fake_stages as fake
import pytest
import yaml
from rich.console import Console

from idto3d_eval.cli import app
from idto3d_eval.paper_numbers import NOTE
from idto3d_eval.run import run_protocol
from idto3d_eval.terminal import ResultTable
from idto3d_protocols.loader import ProtocolError, parse_protocol, protocol_text

DOCS = Path(__file__).parents[2] / "docs"
ROWS = "[{method: good, label: good}, {method: other, label: other}, {method: truth, label: truth}]"
LINE = {
    "label": "printed",
    "method": "Printed Method",
    "metric": "Calibrated identity",  # the title of a column here, and as far above it as can be
    "value": 99.25,
    "source": "A paper",
    "place": "table 2",
    "read": "second-hand",
    "population": "5 people of another set",
    "recogniser": "another one",
}


def run(root: Path, **changes: str) -> dict[str, Any]:
    run_protocol(
        fake.protocol(people=6, methods=ROWS, **changes),
        root,
        progress=False,
        workers=1,
        weights=root.parent / "weights",
        methods=fake.METHODS,
        stages=fake.TABLE,
        console=Console(file=io.StringIO()),
    )
    found: dict[str, Any] = json.loads((root / "summary.json").read_text())
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A run, its summary without numbers from papers, and the same run's with them."""
    root = tmp_path_factory.mktemp("papers") / "run"
    return root, run(root), run(root, paper_numbers=json.dumps([LINE]))


def test_they_change_no_rank_test_interval_or_job(
    runs: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    _, without, with_them = runs
    assert with_them["paper_numbers"] == [LINE | {"note": ""}]
    assert without["paper_numbers"] == []
    assert with_them | {"paper_numbers": []} == without


def test_they_stand_in_a_block_of_their_own_everywhere(
    runs: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    root, _, summary = runs
    said = io.StringIO()
    Console(file=said, width=160).print(ResultTable(summary))
    markdown, html = (root / "report.md").read_text(), (root / "report.html").read_text()
    for text in (said.getvalue(), markdown, html):
        assert "99.25" in text
        assert "second-hand" in text
    assert NOTE in markdown
    assert NOTE in html
    assert "99.25" not in markdown.split("## Numbers from papers")[0]
    assert "Printed Method" not in (root / "quality_cost.svg").read_text()


@pytest.mark.parametrize("field", ["source", "place", "population", "recogniser", "read"])
def test_one_without_source_or_people_is_refused(field: str) -> None:
    lacking = {name: value for name, value in LINE.items() if name != field}
    with pytest.raises(ProtocolError, match=rf"lacks the field paper_numbers\.0\.{field}"):
        fake.protocol(paper_numbers=json.dumps([lacking]))
    with pytest.raises(ProtocolError, match=field):
        fake.protocol(paper_numbers=json.dumps([LINE | {field: " "}]))


def test_one_that_goes_by_the_name_of_a_measured_row_is_refused() -> None:
    with pytest.raises(ProtocolError, match="'good', which is a row that is measured here"):
        fake.protocol(paper_numbers=json.dumps([LINE | {"label": "good"}]))


def test_those_of_the_documentation_can_be_pasted_into_a_protocol() -> None:
    text = (DOCS / "paper_numbers.yaml").read_text(encoding="utf-8")
    shown = parse_protocol(protocol_text("smoke") + text, "smoke with numbers").paper_numbers
    assert len(shown) == len(yaml.safe_load(text)["paper_numbers"])
    assert all(number.place == "table not known" for number in shown if number.read == "second-hand")


def test_the_schema_is_published() -> None:
    from typer.testing import CliRunner

    told = json.loads(CliRunner().invoke(app, ["protocols", "schema"]).stdout)
    assert set(LINE) <= set(told["$defs"]["PaperNumber"]["required"])
