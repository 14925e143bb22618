"""A foreign program under supervision: what it is told, what it may know, and how surely it ends."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from idto3d.population.people import draw_person
from idto3d.population.photos import draw_photo
from idto3d_baselines import external_command
from idto3d_baselines.external_command import Ending, find_environment, run_supervised
from idto3d_baselines.external_spec import command_settings, load_external
from idto3d_baselines.specs import GenerateRequest
from idto3d_protocols.schema import Budget

SPEC = """schema_version: 1
name: shell
kind: external-command
summary: a program of this test
conditioned_on: [one photo]
knows_population: false
licence: CC0-1.0
commit: null
source: this test
reproduction: own
profiles: [embedded]
install: ''
guidance_calls: 0
unit: m
heads: "{expression}.glb"
timeout_s: 20
disk_mib: 10
argv: ARGV
"""
BUDGET = Budget(
    geometry_steps=1,
    texture_steps=1,
    fit_steps=1,
    geometry_batch=1,
    texture_batch=1,
    threads=3,
    guidance_calls=8,
)


def supervised(folder: Path, script: str, **changes: Any) -> Ending:
    request = {
        "argv": ["sh", "-c", script],
        "environment": {"PATH": os.environ["PATH"]},
        "folder": str(folder),
        "quota_folder": str(folder),
        "timeout_s": 20.0,
        "disk_mib": 10.0,
        "afterwards": [],
    }
    return run_supervised({**request, **changes})


def printed(tmp_path: Path, capfd: pytest.CaptureFixture[str], argv: str, more: str = "") -> str:
    """What a program printed that makes no head, run as a method."""
    (tmp_path / "shell.yaml").write_text(SPEC.replace("ARGV", argv) + more)
    method = load_external(tmp_path / "shell.yaml")
    (tmp_path / "photos").mkdir()
    photo = tmp_path / "photos" / "a photo;$(id).jpg"
    photo.write_bytes(b"jpeg")
    request = GenerateRequest(
        identity="ann",
        photos=(photo,),
        expressions=("neutral", "smile"),
        seed=7,
        budget=BUDGET,
        weights=tmp_path,
        out=tmp_path / "out",
        settings=method.settings,
        origin=tmp_path,
    )
    with pytest.raises(external_command.UserError, match="no file of neutral"):
        external_command.generate(request)
    assert not list(tmp_path.glob("out*"))
    return capfd.readouterr().out


def test_each_placeholder_is_one_argument_and_no_shell_reads_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ("photo", "identity", "expressions", "threads", "guidance_calls")
    filled = ", ".join(f'"{{{name}}}"' for name in asked)
    argv = f'[printf, "<%s>", {filled}, "--seed={{seed}}", "$(id)"]'
    said = printed(tmp_path, capfd, argv)
    assert "/a photo;$(id).jpg><ann><neutral,smile><3><8><--seed=7><$(id)>" in said


def test_the_subject_is_read_from_the_photos(repository: Path, tmp_path: Path) -> None:
    person = draw_person("validation", 2, 0)
    Image.fromarray(draw_photo(person, 0).image).save(tmp_path / "a.png")
    request = GenerateRequest(
        identity="ann",
        photos=(tmp_path / "a.png",),
        expressions=("neutral",),
        seed=0,
        budget=BUDGET,
        weights=repository / "idto3d/weights",
        out=tmp_path / "out",
    )
    words = external_command._subject(request)
    assert set(words.split()) & set(person.attributes.prompt().split())


def test_a_secret_of_the_environment_is_not_handed_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "planted-8471")
    monkeypatch.setenv("WANTED", "handed-on-8472")
    said = printed(
        tmp_path,
        capfd,
        '[sh, -c, "env; cat /proc/$PPID/environ"]',
        "pass_environment: [WANTED]\nvariables: {FIXED: set-8473}\n",
    )
    assert "planted-8471" not in said
    assert "WANTED=handed-on-8472" in said
    assert "FIXED=set-8473" in said
    assert "OMP_NUM_THREADS=3" in said
    assert f"HOME={Path.home()}\n" not in said


def test_what_it_took_is_measured_for_all_that_it_started(tmp_path: Path) -> None:
    hungry = "import time; held = bytearray(80 * 2**20); time.sleep(1.5)"
    import sys

    ending = supervised(tmp_path, f"{sys.executable} -c '{hungry}' & wait")
    assert (ending.ended, ending.code) == ("exit", 0)
    assert 80 < ending.peak_memory_mib < 400
    assert 1.4 < ending.seconds < 15


def test_output_is_kept_at_both_ends_and_bounded(tmp_path: Path) -> None:
    ending = supervised(tmp_path, "echo first; yes | head -c 3000000; echo last; echo aside >&2")
    assert ending.stdout.startswith("first\n")
    assert ending.stdout.endswith("last\n")
    assert "bytes left out" in ending.stdout
    assert len(ending.stdout) < 300_000
    assert ending.stderr == "aside\n"


@pytest.mark.parametrize(
    ("script", "changes", "ended"),
    [
        ("sleep 60", {"timeout_s": 0.5}, "timeout"),
        ("trap '' TERM INT HUP; setsid sleep 60 & sleep 60", {"timeout_s": 0.5}, "timeout"),
        ("head -c 3000000 /dev/zero > a; sleep 60", {"disk_mib": 2.0}, "disk"),
        # The system cuts the file short; the program may go on or end.
        ("head -c 9000000 /dev/zero > a; sleep 60", {"disk_mib": 2.0}, "disk"),
        ("head -c 9000000 /dev/zero > a", {"disk_mib": 2.0}, "disk"),
        ("setsid sleep 61 & exit 5", {}, "exit"),
    ],
)
def test_it_ends_and_leaves_nothing(tmp_path: Path, script: str, changes: dict[str, Any], ended: str) -> None:
    started = time.monotonic()
    ending = supervised(tmp_path, script, **changes)
    assert time.monotonic() - started < 20
    if ended == "exit":
        assert (ending.ended, ending.code != 0) == ("exit", True)
    else:
        assert ending.ended in (ended, "exit")
        assert (ending.ended, ending.code) != ("exit", 0)
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not {"sleep 60", "sleep 61"} & set(lines)


def test_a_virtual_environments_programs_come_first(tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    program = tmp_path / "venv" / "bin" / "made-here"
    text = SPEC.replace("ARGV", "[made-here]") + "environment: {venv: venv}\n"
    (tmp_path / "shell.yaml").write_text(text)
    spec = command_settings(load_external(tmp_path / "shell.yaml").settings)
    with pytest.raises(external_command.UserError, match="no program 'made-here'"):
        find_environment(spec, tmp_path)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_environment(spec, tmp_path) == str(program)


def test_a_container_sees_its_work_folder_and_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With an engine that prints what it is asked."""
    (tmp_path / "bin").mkdir()
    engine = tmp_path / "bin" / "podman"
    engine.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    said = printed(
        tmp_path, capfd, '[make, "{out}", "{spec}/a.cfg"]', "environment: {container: example.org/image:1}\n"
    )
    assert "<--network><none>" in said
    assert "<example.org/image:1><make></work/out></spec/a.cfg>" in said
    assert ":/work><--volume>" in said
