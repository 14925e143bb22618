"""Methods from outside through whole runs: beside others, with expressions missing, and with ill will."""

from __future__ import annotations

import html
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_stages as fake
import foreign_files as foreign
import polars
import psutil
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from idto3d.asset import read_manifest
from idto3d.identity.reader import load_reader
from idto3d.population.people import draw_person
from idto3d.population.photos import draw_photo
from idto3d_baselines.discovery import known_methods
from idto3d_eval import cli
from idto3d_eval.added_identities import add_identities
from idto3d_eval.face_check import FaceCheck
from idto3d_eval.features import NOT_PROVIDED
from idto3d_eval.plan import plan_run
from idto3d_eval.run import RunResult, run_protocol
from idto3d_eval.single import shipped_weights

PEOPLE = ("heldout-0000", "heldout-0001")


def run(root: Path, specs: Path, *names: str, workers: int = 2, people: int = 2) -> RunResult:
    """The methods in a folder, beside a native one that always works."""
    rows = ", ".join(f"{{method: {name}, label: {name}}}" for name in ("square", *names))
    methods = known_methods([specs])
    assert methods.broken == ()
    return run_protocol(
        fake.protocol(people=people, methods=f"[{rows}]"),
        root,
        progress=False,
        workers=workers,
        weights=root.parent / "weights",
        methods={**methods.specs, **fake.SQUARES},
        stages="fake_stages:REAL_HEADS",
        console=Console(file=io.StringIO()),
    )


def reasons(root: Path, label: str) -> set[str]:
    table = polars.read_parquet(root / "scores.parquet")
    return set(table.filter(table["method"] == label)["reason"]) - {""}


def test_a_shell_program_stands_in_the_table_with_its_costs(tmp_path: Path) -> None:
    foreign.write_command_spec(tmp_path / "m", "shell", foreign.GOOD + "echo made it\n")
    root = tmp_path / "run"
    result = run(root, tmp_path / "m", "shell")
    assert (result.failed, result.without_heads) == (0, ())
    summary = json.loads((root / "summary.json").read_text())
    row = next(row for row in summary["rows"] if row["label"] == "shell")
    assert row["kind"] == "external-command"
    assert row["guidance_calls"] == "declared"
    assert row["costs"]["guidance_calls_a_head"] == 40
    assert row["costs"]["peak_memory_mib"] > 0
    assert "guidance calls declared, not measured" in (root / "report.html").read_text()
    assert "made it" in (root / "logs/heads/shell/heldout-0000/seed-0.log").read_text()
    assert run(root, tmp_path / "m", "shell").computed == 0


def test_a_compiled_program_that_knows_no_python_writes_a_head(tmp_path: Path) -> None:
    if subprocess.run(["cc", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("no C compiler")
    specs = tmp_path / "m"
    numbers = ",".join(map(str, foreign.square()))
    source = f"""#include <stdio.h>
static const unsigned char head[] = {{{numbers}}};
int main(int count, char **arguments) {{
  const char *names[] = {{"neutral", "smile"}};
  char path[4096];
  for (int i = 0; i < 2; i++) {{
    snprintf(path, sizeof path, "%s/%s.glb", arguments[1], names[i]);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(head, 1, sizeof head, file) != sizeof head || fclose(file)) return 3;
  }}
  return count == 2 ? 0 : 4;
}}
"""
    path = foreign.write_command_spec(specs, "compiled", "")
    path.write_text(
        path.read_text().replace(
            '[sh, "{spec}/compiled.sh", "{out}", "{photos}", "{seed}"]', '["{spec}/head", "{out}"]'
        )
    )
    (specs / "head.c").write_text(source)
    subprocess.run(["cc", "-o", str(specs / "head"), str(specs / "head.c")], check=True)
    assert run(tmp_path / "run", specs, "compiled").failed == 0


def test_a_changed_asset_or_program_is_made_again_and_nothing_else(tmp_path: Path) -> None:
    specs, root = tmp_path / "m", tmp_path / "run"
    foreign.write_assets_spec(specs, "made")
    for person in PEOPLE:
        for name in ("neutral", "smile"):
            file = specs / "made" / person / f"{name}.glb"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(foreign.square())
    foreign.write_command_spec(specs, "shell", foreign.GOOD)
    run(root, specs, "made", "shell")
    (specs / "made" / PEOPLE[0] / "smile.glb").write_bytes(foreign.square(foreign.SQUARE * 0.9))
    assert run(root, specs, "made", "shell").computed == 4  # its head, views, features, and the row
    (specs / "shell.sh").write_text((specs / "shell.sh").read_text() + "# changed\n")
    assert run(root, specs, "made", "shell").computed == 2  # both heads, which come out the same
    moved = specs.rename(tmp_path / "elsewhere")
    assert run(root, moved, "made", "shell").computed == 0


HOSTILE_PROGRAMS = {
    "crash": (
        "echo no memory for this >&2; exit 3\n",
        "",
        "exit code 3 of crash, expected 0: no memory for this",
    ),
    "signalled": ("kill -SEGV $$\n", "", "SIGSEGV of signalled"),
    "silent": ("true\n", "", "exit code 0 and no file of neutral"),
    "half": ('cp HEAD "$1/neutral.glb"\n', "", "no file of smile"),
    "hang": ("sleep 600 & setsid sleep 601 & wait\n", "timeout_s: 1.5", "still at work after 1.5 s"),
    "flood": (
        'while :; do head -c 1000000 /dev/zero >> "$1/a$$.bin"; done\n',
        "disk_mib: 5",
        "written by flood, expected at most 5",
    ),
    "lots": (
        'i=0; while :; do : > "$1/$i"; i=$((i+1)); done\n',
        "disk_mib: 2",
        "written by lots, expected at most 2",
    ),
    "link": ('ln -s /etc/passwd "$1/neutral.glb"; cp HEAD "$1/smile.glb"\n', "", "through a link"),
    "absent": ("", "", "no program to start"),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    """One run of every hostile method beside a native one."""
    base = tmp_path_factory.mktemp("hostile")
    specs = base / "m"
    for kind, (write, _) in foreign.HOSTILE.items():
        foreign.write_assets_spec(specs, kind, heads="{expression}.glb")
        (specs / kind).mkdir()
        for expression in ("neutral", "smile"):
            (specs / kind / f"{expression}.glb").write_bytes(write())
    foreign.write_assets_spec(specs, "linked", heads="{expression}.glb")
    (specs / "linked").mkdir()
    (base / "secret.glb").write_bytes(foreign.square())
    (specs / "linked" / "neutral.glb").symlink_to(base / "secret.glb")
    for name, (script, more, _) in HOSTILE_PROGRAMS.items():
        path = foreign.write_command_spec(specs, name, script, more)
        if name == "absent":
            path.write_text(path.read_text().replace("argv: [sh,", "argv: [no-such-program-anywhere,"))
    return base / "run", run(base / "run", specs, *foreign.HOSTILE, "linked", *HOSTILE_PROGRAMS, people=1)


TOLD = {
    **{kind: told for kind, (_, told) in foreign.HOSTILE.items()},
    "linked": "leading out of 'linked' through a link",
    **{name: told for name, (_, _, told) in HOSTILE_PROGRAMS.items()},
}


@pytest.mark.parametrize("name", TOLD)
def test_a_hostile_method_is_a_reason_in_the_report(hostile: tuple[Path, RunResult], name: str) -> None:
    root, result = hostile
    told = TOLD[name]
    (sentence,) = [lost for lost in result.without_heads if f"no head by {name} that" in lost]
    assert told in sentence
    assert reasons(root, name)
    assert all(told in reason for reason in reasons(root, name))
    assert told in html.unescape((root / "report.html").read_text())
    summary = json.loads((root / "summary.json").read_text())
    failures = [failure for failure in summary["failures"] if failure["method"] == name]
    assert failures
    assert all(told in failure["reason"] for failure in failures)


def test_beside_hostile_methods_the_others_are_complete(hostile: tuple[Path, RunResult]) -> None:
    root, result = hostile
    table = polars.read_parquet(root / "scores.parquet")
    assert table.filter(table["method"] == "square")["value"].is_finite().all()
    assert len(result.without_heads) == len(TOLD)
    assert not (root / ".partial").exists()


@pytest.mark.usefixtures("hostile")
def test_no_hostile_program_outlives_its_run() -> None:
    """Grandchildren that left the process group included."""
    assert not _running("sleep 600", "sleep 601", *(f"/{name}.sh" for name in HOSTILE_PROGRAMS))


@pytest.mark.shared_data
def test_the_real_scan_has_rows_without_a_value_for_what_it_does_not_provide(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the real stages, beside a native method that provides everything."""
    foreign.write_assets_spec(
        tmp_path / "m",
        "scan",
        heads="LeePerrySmith_{expression}.glb",
        more="neutral: LeePerrySmith_textured.glb\n",
    )
    path = tmp_path / "m" / "scan.yaml"
    text = path.read_text().replace("normalise: none", "normalise: scale")
    path.write_text(text.replace("folder: scan", f"folder: {shared_data / 'scan'}"))
    monkeypatch.setenv("IDTO3D_IDENTITIES", str(tmp_path / "identities"))
    (tmp_path / "given" / "ann").mkdir(parents=True)
    for number in range(2):
        drawn = Image.fromarray(draw_photo(draw_person("heldout", 0), number).image)
        drawn.save(tmp_path / "given" / "ann" / f"{number}.png")
    check = FaceCheck("reader", reader=load_reader(shipped_weights() / "reader_methods.onnx"))
    add_identities(tmp_path / "given", "CC0", "not needed: drawn", check)
    rows = "[{method: scan, label: scan}, {method: template_mean, label: template_mean}]"
    population = (
        "{label: photographs, split: mine, population_seed: 0, identities: [ann],"
        " conditioning_photos: 1, scoring_photos: 1}"
    )
    result = run_protocol(
        fake.protocol(methods=rows, population=population, resolution="128"),
        tmp_path / "run",
        progress=False,
        workers=1,
        methods=known_methods([tmp_path / "m"]).specs,
        console=Console(file=io.StringIO()),
    )
    assert result.failed == 0
    table = polars.read_parquet(tmp_path / "run" / "scores.parquet")
    assert set(table.filter(table["method"] == "template_mean")["reason"]) & {NOT_PROVIDED} == set()
    scan = table.filter(table["method"] == "scan")
    smile = scan.filter(scan["expression"] == "smile")
    assert set(smile["reason"]) == {NOT_PROVIDED}
    assert smile["value"].is_nan().all()
    similarity = scan.filter((scan["metric"] == "identity_similarity") & (scan["expression"] == "neutral"))
    assert similarity["value"].is_finite().all()
    assert scan.filter(scan["metric"] == "face_coverage")["value"].to_list() == [0.5]
    placement = read_manifest(tmp_path / "run/heads/scan/ann/seed-0").parameters["external"]["placement"]
    assert placement["residual_mm"] < 10.0
    assert placement["scale"] != 1.0
    assert NOT_PROVIDED in (tmp_path / "run" / "report.html").read_text()


def test_a_program_that_fails_for_one_person_costs_that_head_alone(tmp_path: Path) -> None:
    specs, root = tmp_path / "m", tmp_path / "run"
    path = foreign.write_command_spec(specs, "some", 'test "$4" = heldout-0000 || exit 7\n' + foreign.GOOD)
    path.write_text(path.read_text().replace('"{seed}"]', '"{seed}", "{identity}"]'))
    result = run(root, specs, "some")
    assert result.without_heads == ()
    assert reasons(root, "some") == {"Found exit code 7 of some, expected 0."}


def test_a_killed_run_leaves_no_foreign_program_behind(tmp_path: Path) -> None:
    """SIGKILL reaches the run alone; its worker, the supervisor and the program follow."""
    specs, root = tmp_path / "m", tmp_path / "run"
    mark = f"{613_000 + os.getpid() % 1000}"
    foreign.write_command_spec(specs, "slow", f"sleep {mark} & wait\n")
    code = (
        "import sys, pathlib, test_external as t\n"
        "t.run(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), 'slow', workers=1)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen([sys.executable, "-c", code, str(root), str(specs)], env=environment)
    assert _until(lambda: _running(f"sleep {mark}"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert _until(lambda: not _running(f"sleep {mark}"))


def test_weights_of_our_own_networks_do_not_make_a_foreign_head_again(tmp_path: Path) -> None:
    foreign.write_command_spec(tmp_path / "m", "shell", foreign.GOOD)
    weights = tmp_path / "weights"
    weights.mkdir()

    def keys() -> dict[str, str]:
        plan = plan_run(
            fake.protocol(people=1, methods="[{method: good, label: good}, {method: shell, label: shell}]"),
            weights,
            {**fake.METHODS, **known_methods([tmp_path / "m"]).specs},
            fake.STAGES,
        )
        return {job.label: job.key(dict.fromkeys(job.needs, "")) for job in plan.of_stage("generate")}

    before = keys()
    (weights / "prior.safetensors").write_bytes(b"1")
    assert {label for label, key in keys().items() if key != before[label]} == {"good"}
    (weights / "reader_methods.onnx").write_bytes(b"1")
    assert {label for label, key in keys().items() if key != before[label]} == {"good", "shell"}


def test_the_command_ends_with_one_when_a_foreign_method_made_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = RunResult(tmp_path, 3, 1, 4, ("Found no head by bad that could be drawn.",))
    monkeypatch.setattr("idto3d_eval.run.run_protocol", lambda *_, **__: lost)
    result = CliRunner().invoke(cli.app, ["run", "--protocol", "smoke", "--runs", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr == "Found no head by bad that could be drawn.\n"


def _running(*commands: str) -> list[str]:
    """Command lines of living processes that hold one of these."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or ())
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if alive and process.pid != os.getpid() and any(command in line for command in commands):
            found.append(line)
    return found


def _until(holds: object, seconds: float = 40.0) -> bool:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False
