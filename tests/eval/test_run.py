"""Runs end to end on fake stages: resume, no-op, failures, full disk, Ctrl-C, and what a folder holds."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fake_stages as fake
import polars
import pytest
from PIL import Image
from rich.console import Console

from idto3d.errors import UserError
from idto3d_eval.disk import DiskFull
from idto3d_eval.run import RunResult, run_protocol
from idto3d_protocols.schema import Protocol

ROWS = "[{method: good, label: good}, {method: mean, label: mean}, {method: truth, label: truth}]"


def run(
    root: Path, protocol: Protocol | None = None, workers: int = 1, **options: Any
) -> tuple[RunResult, str]:
    """Runs quietly; returns the result and what was printed."""
    said = io.StringIO()
    result = run_protocol(
        protocol or fake.protocol(methods=ROWS),
        root,
        progress=False,
        workers=workers,
        weights=root.parent / "weights",
        methods=fake.METHODS,
        stages=fake.TABLE,
        console=Console(file=said, width=140),
        **options,
    )
    return result, said.getvalue()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; tests that change it work on a copy."""
    root = tmp_path_factory.mktemp("whole") / "run"
    run(root)
    return root


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def scores(root: Path) -> bytes:
    return (root / "scores.parquet").read_bytes()


def test_a_run_leaves_tables_and_reports(whole: Path) -> None:
    table = polars.read_parquet(whole / "scores.parquet")
    keys = ["protocol", "method", "identity", "expression", "view", "seed", "metric"]
    assert table.columns == [*keys, "value", "reason"]
    assert table.equals(table.sort(keys))
    assert not table.select(keys).is_duplicated().any()
    costs = polars.read_parquet(whole / "costs.parquet")
    assert set(costs["stage"]) == set(fake.STAGES)
    assert costs.filter(costs["stage"] == "generate")["guidance_calls"].to_list() == [8] * 6
    for name in ("report.html", "report.md", "summary.json", "contact_sheet.png"):
        assert (whole / name).stat().st_size > 0


def test_the_same_command_again_runs_nothing_and_shows_the_table(copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
    result, said = run(copy)
    assert result.computed == 0
    assert "good" in said
    assert "Calibrated" in said
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()} == before


def test_a_finished_run_starts_no_worker_and_loads_no_torch(copy: Path) -> None:
    code = (
        "import sys, pathlib, fake_stages as f\n"
        "import idto3d_eval.run as r, idto3d_eval.pool as p\n"
        "p._Worker = None\n"
        "r.run_protocol(f.protocol(methods=sys.argv[2]), pathlib.Path(sys.argv[1]), workers=1,"
        " weights=pathlib.Path(sys.argv[1]).parent / 'weights', methods=f.METHODS, stages=f.TABLE)\n"
        "print(sorted({'torch', 'open3d', 'diffusers', 'anny'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(copy), ROWS], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_worker_count_changes_no_bit(whole: Path, tmp_path: Path) -> None:
    run(tmp_path / "run", workers=3)
    assert scores(tmp_path / "run") == scores(whole)


def test_a_method_that_draws_from_global_generators_still_repeats(tmp_path: Path) -> None:
    unseeded = fake.protocol(methods="[{method: good, label: a, parameters: {behaviour: unseeded}}]")
    first, second = tmp_path / "one" / "run", tmp_path / "two" / "run"
    run(first, unseeded, workers=1)
    run(second, unseeded, workers=2)
    assert scores(first) == scores(second)


def test_one_lost_artefact_redoes_it_and_no_other(copy: Path, whole: Path) -> None:
    shutil.rmtree(copy / "heads/good/heldout-0001")
    result, _ = run(copy)
    assert result.computed == 1  # it comes out the same, so nothing behind it has changed
    assert scores(copy) == scores(whole)


def test_what_changed_upstream_is_redone_downstream(copy: Path) -> None:
    changed = fake.protocol(methods=ROWS.replace("label: mean", "label: mean, budget: {fit_steps: 3}"))
    result, _ = run(copy, changed)
    assert result.computed == 2  # two heads whose bytes did not change: their views stand


def test_more_people_keep_the_heads_that_are_there(copy: Path) -> None:
    result, _ = run(copy, fake.protocol(people=3, methods=ROWS))
    table = polars.read_parquet(copy / "scores.parquet")
    assert set(table["identity"]) == {"heldout-0000", "heldout-0001", "heldout-0002"}
    assert result.computed == 3 * 3 + 3 + 3  # one person's heads, their photos and reference, the three rows


def test_another_protocol_or_version_in_the_folder_is_refused(copy: Path) -> None:
    for other in (fake.protocol(version="2"), fake.protocol(name="another")):
        with pytest.raises(UserError, match=r"Found a run of fake version 1 .* expected"):
            run(copy, other)
    assert polars.read_parquet(copy / "scores.parquet").height > 0


FAILING = (
    "[{method: good, label: good}, {method: other, label: other, parameters: {behaviour: %s, only: %s}}]"
)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("raise", "RuntimeError: the loss is NaN"),
        ("user_error", "Found no face in 00.jpg, expected one."),
        ("crash", "given up after 3 tries: its process was ended by SIGSEGV"),
    ],
)
def test_a_failing_head_is_nan_with_its_reason_and_the_others_go_on(
    tmp_path: Path, behaviour: str, reason: str
) -> None:
    root = tmp_path / "run"
    result, said = run(root, fake.protocol(methods=FAILING % (behaviour, "heldout-0001")))
    assert result.failed == 3  # the head, its views, its features
    assert "1 failed, the first heads/other/heldout-0001/seed-0" in said
    table = polars.read_parquet(root / "scores.parquet")
    lost = table.filter((table["method"] == "other") & (table["identity"] == "heldout-0001"))
    assert lost.height > 0
    assert set(lost["reason"]) == {reason}
    assert lost["value"].is_nan().all()
    assert table.filter(table["method"] == "good")["value"].is_finite().all()
    assert reason in (root / "report.html").read_text()
    assert reason in (root / "report.md").read_text()


def test_broken_files_of_a_real_method_are_reasons_and_its_other_heads_are_drawn(tmp_path: Path) -> None:
    """A GLB with NaN, a truncated one and a missing one, through the stages that real methods go through."""
    root = tmp_path / "run"
    rows = ", ".join(
        f"{{method: square, label: {broken}, parameters: {{broken: {broken}}}}}"
        for broken in ("nothing", "nan", "truncated", "missing")
    )
    protocol = fake.protocol(people=1, methods=f"[{rows}]")
    with pytest.raises(UserError, match="no head by nan that could be drawn") as told:
        run_protocol(
            protocol,
            root,
            progress=False,
            workers=1,
            weights=tmp_path / "weights",
            methods=fake.SQUARES,
            stages="fake_stages:REAL_HEADS",
            console=Console(file=io.StringIO()),
        )
    assert "\n" not in str(told.value)
    table = polars.read_parquet(root / "scores.parquet")
    reasons = {
        label: table.filter((table["method"] == label) & (table["metric"] == "identity_similarity"))["reason"]
        for label in ("nothing", "nan", "truncated", "missing")
    }
    assert set(reasons["nothing"]) == {""}
    assert all("smile" in reason for label in ("nan", "truncated", "missing") for reason in reasons[label])
    assert "finite" in reasons["nan"][0] or "NaN" in reasons["nan"][0]
    with Image.open(root / "views/nothing/heldout-0000/seed-0/neutral/front-even.png") as image:
        assert image.size == (64, 64)


def test_a_failure_is_kept_but_a_machine_failure_is_tried_again(tmp_path: Path) -> None:
    for behaviour, computed in (("raise", 0), ("crash", 1)):
        root = tmp_path / behaviour / "run"
        protocol = fake.protocol(methods=FAILING % (behaviour, "heldout-0001"))
        run(root, protocol)
        assert run(root, protocol)[0].computed == computed


def test_a_method_without_a_single_head_is_an_error_after_the_report(tmp_path: Path) -> None:
    root = tmp_path / "run"
    every = "[{method: good, label: good}, {method: other, label: other, parameters: {behaviour: raise}}]"
    with pytest.raises(UserError, match=r"no head by other .* expected 2: RuntimeError: the loss is NaN"):
        run(root, fake.protocol(methods=every))
    assert "the loss is NaN" in (root / "report.html").read_text()


def test_a_full_disk_stops_with_one_sentence_and_the_next_run_goes_on(tmp_path: Path) -> None:
    root, room = tmp_path / "run", tmp_path / "room"
    full = f"{{behaviour: disk_full, only: heldout-0001, room: {room}}}"
    protocol = fake.protocol(methods=f"[{{method: good, label: good, parameters: {full}}}]")
    with pytest.raises(DiskFull, match="run the same command again") as told:
        run(root, protocol)
    assert "\n" not in str(told.value)
    kept = len(list((root / "index").rglob("*.json")))
    assert kept > 0
    room.touch()
    result, _ = run(root, protocol)
    assert 0 < result.computed < result.done
    assert result.failed == 0


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_workers_and_the_same_command_goes_on(
    tmp_path: Path, whole: Path, sent: signal.Signals
) -> None:
    root = tmp_path / "run"
    slow = ROWS.replace("label: good", "label: good, parameters: {pause: 20.0}")
    code = (
        "import sys, pathlib, fake_stages as f, idto3d_eval.run as r\n"
        "print('started', flush=True)\n"
        "try:\n"
        "    r.run_protocol(f.protocol(methods=sys.argv[2]), pathlib.Path(sys.argv[1]), workers=2,"
        " weights=pathlib.Path(sys.argv[1]).parent / 'weights', methods=f.METHODS, stages=f.TABLE)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(root), slow], stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(root.glob(".partial/*/part.glb")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sent)
    assert process.wait(timeout=20) == 130
    assert process.stdout is not None
    process.stdout.close()
    assert not (root / ".partial").exists()
    time.sleep(0.2)
    assert not _workers_of(root)
    quick = fake.protocol(methods=ROWS)
    assert run(root, quick)[0].failed == 0
    assert scores(root) == scores(whole)


def _workers_of(root: Path) -> list[int]:
    """Processes that still hold a file under the run's folder open."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(root) in str(link.readlink()):
                found.append(int(link.parts[2]))
        except OSError:
            continue
    return found


def test_costs_and_logs_stand_beside_the_scores(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    assert [row["label"] for row in summary["rows"]] == ["good", "mean", "truth"]
    assert summary["rows"][0]["costs"]["guidance_calls_a_head"] == 8
    assert (whole / "logs" / "heads" / "good" / "heldout-0000" / "seed-0.log").exists()
