"""Finished runs, asked again: compared with each other, rescored, verified, and at scale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import fake_stages as fake
import numpy as np
import polars
import pytest

from idto3d.errors import UserError
from idto3d_eval import statistics
from idto3d_eval.bench.scale_runs import make_run, run_command
from idto3d_eval.compare import compare_runs
from idto3d_eval.estimates import ratio_gap
from idto3d_eval.rescore import Rescored, rescore
from idto3d_eval.results import refresh
from idto3d_eval.store import Store
from idto3d_eval.verify import Verified, verify_run

ROWS = "[{method: good, label: good}, {method: truth, label: truth}]"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("again") / "run"
    return fake.finished(folder, people=6, methods=ROWS)


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def _rescored(root: Path, out: Path | None = None, stages: str = fake.LATER_TABLE) -> Rescored:
    return rescore(
        root, out, progress=False, weights=root.parent / "weights", methods=fake.METHODS, stages=stages
    )


def _shifted(root: Path, by: float) -> None:
    """Raises one method's rank-1 by a known amount, and a little more for each person after the first."""
    rows = polars.read_parquet(root / "scores.parquet")
    own = (polars.col("method") == "good") & (polars.col("metric") == "rank1")
    more = polars.col("identity").str.tail(4).cast(polars.Float64) * 0.001
    value = polars.when(own).then(polars.col("value") + by + more).otherwise(polars.col("value"))
    rows.with_columns(value.alias("value")).write_parquet(root / "scores.parquet")


def test_runs_are_paired_on_identity_and_corrected_over_what_is_shown(made: Path, root: Path) -> None:
    _shifted(root, 0.25)
    found = compare_runs(root, made, ["rank1", "now_median"])
    pairs = {(pair.method, pair.metric): pair for pair in found.pairs}
    assert len(pairs) == 4
    moved = pairs["good", "rank1"]
    assert moved.gap.value == pytest.approx(0.2525)
    assert moved.gap.identities == 6
    assert moved.gap.p == 2 / 2**6
    assert moved.p_holm == pytest.approx(4 * moved.gap.p)
    assert pairs["truth", "rank1"].gap.value == 0.0
    assert found.differing == ()


def test_what_differs_in_provenance_is_said(made: Path, root: Path) -> None:
    summary = json.loads((root / "summary.json").read_text())
    summary["provenance"]["libraries"]["numpy"] = "0.0"
    (root / "summary.json").write_text(json.dumps(summary))
    differing = compare_runs(root, made).differing
    assert [(what, mine) for what, mine, _ in differing] == [("library numpy", "0.0")]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("version", 2, "version 2 and version 1"),
        ("name", "other", "two protocols"),
        ("resolution", 96, "resolution"),
    ],
)
def test_other_protocols_and_versions_are_refused_in_one_sentence(
    made: Path, root: Path, field: str, value: object, said: str
) -> None:
    protocol = json.loads((root / "protocol.json").read_text())
    (root / "protocol.json").write_text(json.dumps({**protocol, field: value}))
    with pytest.raises(UserError, match=said) as raised:
        compare_runs(root, made)
    assert "\n" not in str(raised.value)


def test_a_run_that_is_not_finished_cannot_be_compared(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"scores\.parquet"):
        compare_runs(made, tmp_path)


def test_two_scales_give_the_difference_of_their_ratios() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 0.1, 30), rng.normal(0.4, 0.1, 30)
    c, d = rng.normal(1.0, 0.1, 30), rng.normal(1.2, 0.1, 30)
    gap = ratio_gap((a, c), (b, d), 2000, 0.95)
    assert gap.value == pytest.approx(a.sum() / c.sum() - b.sum() / d.sum())
    assert gap.low < gap.value < gap.high
    weights = rng.multinomial(30, np.full(30, 1 / 30), size=4000)
    drawn = weights @ a / (weights @ c) - weights @ b / (weights @ d)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (gap.low, gap.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))
    same = ratio_gap((a, c), (b, c), 2000, 0.95)
    assert same.value == statistics.ratio_difference(a, b, c, 2000, 0.95).value


def test_a_rescore_changes_scores_alone_and_keeps_the_old(made: Path, root: Path) -> None:
    old = (root / "scores.parquet").read_bytes()
    found = _rescored(root)
    assert found.computed == {"score": 2}
    assert found.before.read_bytes() == old
    pairs = {(pair.method, pair.metric): pair for pair in found.pairs}
    assert pairs["good", "joint"].second == pytest.approx(pairs["good", "joint"].first / 2)
    assert found.changes["good", "joint"][0] == found.changes["good", "joint"][1] == 12
    assert found.changes["good", "rank1"][0] == 0
    summary, why = refresh(Store(root))
    assert why == ""
    assert summary["provenance"]["earlier"]["generate"] == 12
    for kind in ("heads", "views", "identities"):
        assert {path.relative_to(root) for path in (root / kind).rglob("*")} == {
            path.relative_to(made) for path in (made / kind).rglob("*")
        }
    assert _rescored(root).computed == {}


def test_a_rescore_elsewhere_leaves_the_run_as_it_is(root: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    found = _rescored(root, tmp_path / "out")
    assert found.root == tmp_path / "out"
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(UserError, match="there already"):
        _rescored(root, tmp_path / "out")


def _verified(root: Path, sample: int = 2, stages: str = fake.TABLE) -> Verified:
    return verify_run(root, sample, weights=root.parent / "weights", methods=fake.METHODS, stages=stages)


def test_a_whole_run_agrees(root: Path) -> None:
    found = _verified(root)
    assert found.findings == ()
    assert found.rows == ("good", "truth")
    assert found.artefacts > 40
    assert found.scores > 100


def test_a_changed_byte_and_a_lost_folder_are_found(root: Path) -> None:
    (root / "heads/good/heldout-0001/seed-0/part.glb").write_text("another")
    shutil.rmtree(root / "views/truth/heldout-0002/seed-0")
    found = {finding.what for finding in _verified(root, 0).findings}
    assert found == {"heads/good/heldout-0001/seed-0", "views/truth/heldout-0002/seed-0"}


def test_scores_that_were_edited_are_found_in_table_and_rows(root: Path) -> None:
    _shifted(root, 0.1)
    found = _verified(root)
    assert {finding.what for finding in found.findings} == {"scores.parquet"}


def test_scores_that_do_not_come_out_again_are_found_one_by_one(root: Path) -> None:
    found = _verified(root, stages=fake.LATER_TABLE)
    assert all(": joint " in finding.what or "more scores" in finding.what for finding in found.findings)
    assert len(found.findings) == 24
    assert any("rescore" in note for note in found.notes)


def test_report_and_compare_of_many_rows_keep_to_their_memory(tmp_path: Path) -> None:
    count = make_run(tmp_path / "first", 20_000, seed=0)
    make_run(tmp_path / "second", 20_000, seed=1)
    assert 15_000 < count < 25_000
    for command in (["report", "first"], ["compare", "first", "second"]):
        spent = run_command([*command, "--runs", str(tmp_path)], cores=2)
        assert spent.gigabytes < 2.0
    assert (tmp_path / "first" / "tables" / "headline.tex").is_file()
    assert (tmp_path / "first" / "report.html").stat().st_size < 2_000_000
