"""Heads that a foreign program makes: its argv filled in, run supervised, and its files read afterwards.

The program gets copies of the conditioning photos and a work folder; no shell, no network access that it has
not anyway, and of the environment only what its spec names.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from idto3d.errors import UserError
from idto3d_baselines.external_files import READER, head_files, provided
from idto3d_baselines.external_heads import write_foreign_head
from idto3d_baselines.external_spec import PLACEHOLDER, CommandSpec, command_settings
from idto3d_baselines.specs import GenerateRequest

SUPERVISOR = Path(__file__).with_name("supervise.py")
PASSED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")  # of the environment, whatever a spec says
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
ENGINES = ("podman", "docker")
INSIDE = Path("/work")  # where a container sees the work folder
SPEC_INSIDE = Path("/spec")  # and the spec's own, read only
TOLD = 300  # characters of stderr in a reason


@dataclass(frozen=True)
class Ending:
    """How a program ended, and what it took."""

    ended: str
    code: int
    seconds: float
    peak_memory_mib: float
    disk_mib: float
    stdout: str
    stderr: str


def generate(request: GenerateRequest) -> dict[str, Any]:
    """Run the program and write the asset from its files; what it printed goes to the job's log.

    Returns:
        peak_memory_mib of the program with all that it started, its seconds and its disk_mib.

    Raises:
        UserError: the program cannot be started, fails, outlives its time, outgrows its room, or leaves out a
            head; a file of its that must not be trusted.
    """
    spec = command_settings(request.settings)
    work = request.out.with_name(f"{request.out.name}.work")
    shutil.rmtree(work, ignore_errors=True)
    try:
        ending = _run(request, spec, work)
        print(f"{ending.stdout}\n--- stderr ---\n{ending.stderr}", flush=True)
        refuse_ending(spec, ending)
        asked = provided(spec, request.expressions)
        files = head_files(spec, work / "out", request.identity, request.seed, asked)
        missing = [name for name in asked if name not in files]
        if missing:
            raise UserError(
                f"Found exit code 0 and no file of {missing[0]} by {spec.name}, expected "
                f"{spec.heads} for {', '.join(asked)}; mend its command, or say what it provides."
            )
        write_foreign_head(request, spec, work / "out", files)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return {
        "peak_memory_mib": ending.peak_memory_mib,
        "command_seconds": ending.seconds,
        "disk_mib": ending.disk_mib,
    }


def refuse_ending(spec: CommandSpec, ending: Ending) -> None:
    """Turn any end but a good one into its reason.

    Raises:
        UserError: with how it ended.
    """
    if ending.ended == "not started":
        raise UserError(
            f"Found no program to start for {spec.name} ({ending.stderr}), expected it in its environment."
        )
    if ending.ended == "timeout":
        raise UserError(
            f"Found {spec.name} still at work after {spec.timeout_s:g} s, expected it to end; it was killed."
        )
    if ending.ended == "disk":
        raise UserError(
            f"Found {ending.disk_mib:.0f} MiB written by {spec.name}, expected at most {spec.disk_mib:g}; "
            "it was killed."
        )
    if ending.ended == "orphaned":
        raise UserError(f"Found {spec.name} interrupted, expected it to end; run the same command again.")
    if ending.code != 0:
        last = " ".join(ending.stderr.split())[-TOLD:]
        how = f"exit code {ending.code}" if ending.code > 0 else _signal_name(-ending.code)
        raise UserError(f"Found {how} of {spec.name}, expected 0{': ' if last else ''}{last}.")


def find_environment(spec: CommandSpec, origin: Path) -> str:
    """Where a command would run, in words.

    Raises:
        UserError: its environment, its program or one of its files is not there.
    """
    argv, _, _ = _wrapped(spec, origin, [_substituted(spec.argv[0], {"spec": str(origin)})], origin, {})
    program = argv[0]
    if shutil.which(program, path=_path_of(spec, origin)) is None:
        raise UserError(
            f"Found no program '{program}' for {spec.name}, expected it in its environment; install it."
        )
    for name in spec.files:
        if not (origin / name).is_file():
            raise UserError(
                f"Found no file '{name}' of {spec.name}, expected it beside its spec; get it there."
            )
    environment = spec.environment
    if environment is not None and environment.conda is not None:
        listed = subprocess.run(
            [program, "env", "list", "--json"], capture_output=True, text=True, check=False
        )
        found = [Path(folder).name for folder in json.loads(listed.stdout or "{}").get("envs", [])]
        if environment.conda not in found:
            raise UserError(f"Found no conda environment '{environment.conda}', expected it; create it.")
    if environment is not None and environment.container is not None:
        held = subprocess.run(
            [program, "image", "inspect", environment.container], capture_output=True, check=False
        )
        if held.returncode != 0:
            raise UserError(
                f"Found no image '{environment.container}' held by {program}, expected it; pull it."
            )
    return f"{program}"


def _run(request: GenerateRequest, spec: CommandSpec, work: Path) -> Ending:
    for name in ("photos", "out", "home", "tmp"):
        (work / name).mkdir(parents=True)
    photos = [work / "photos" / path.name for path in request.photos]
    for path, copy in zip(request.photos, photos, strict=True):
        shutil.copyfile(path, copy)
    contained = spec.environment is not None and spec.environment.container is not None
    seen, origin = (INSIDE, SPEC_INSIDE) if contained else (work, request.origin)
    values = {
        "photos": str(seen / "photos"),
        "photo": str(seen / "photos" / photos[0].name),
        "out": str(seen / "out"),
        "identity": request.identity,
        "seed": str(request.seed),
        "expressions": ",".join(provided(spec, request.expressions)),
        "threads": str(request.budget.threads),
        "guidance_calls": str(request.budget.guidance_calls or 0),
        "spec": str(origin),
    }
    if any("{subject}" in argument for argument in spec.argv):
        values["subject"] = _subject(request)
    argv = [_substituted(argument, values) for argument in spec.argv]
    own = {
        **{name: os.environ[name] for name in (*PASSED, *spec.pass_environment) if name in os.environ},
        **dict.fromkeys(THREADS, str(request.budget.threads)),
        **({} if "HOME" in spec.pass_environment else {"HOME": str(seen / "home")}),
        "TMPDIR": str(seen / "tmp"),
        **spec.variables,
    }
    argv, environment, afterwards = _wrapped(spec, request.origin, argv, work, own)
    return run_supervised(
        {
            "argv": argv,
            "environment": environment,
            "folder": str(work),
            "quota_folder": str(work),
            "timeout_s": spec.timeout_s,
            "disk_mib": spec.disk_mib,
            "afterwards": afterwards,
        }
    )


def _subject(request: GenerateRequest) -> str:
    """The text attributes that the methods' own reader finds in the photos, in words."""
    import numpy as np
    from PIL import Image

    from idto3d.identity.reader import FaceReading, likeliest, load_reader, read_faces

    images = []
    for path in request.photos:
        with Image.open(path) as image:
            images.append(np.asarray(image.convert("RGB"), dtype=np.uint8))
    readings = read_faces(load_reader(request.weights / READER), images)
    found = [each.attribute_probabilities for each in readings if isinstance(each, FaceReading)]
    if not found:
        raise UserError(
            f"Found no face in the {len(images)} photos of {request.identity}, expected one for "
            "{subject}; write the words into argv."
        )
    return likeliest(np.mean(found, axis=0)).prompt()


def run_supervised(request: Mapping[str, Any]) -> Ending:
    """Run a program under the supervisor (see `supervise`); an interrupt of this process ends it too."""
    process = subprocess.Popen(
        [sys.executable, "-I", str(SUPERVISOR)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: os.environ[name] for name in PASSED if name in os.environ},
        text=True,
        start_new_session=True,  # a kill of this process's group must leave it time to clear up
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
    if not line:
        raise UserError(
            "Found no answer of the process that watches a foreign program, expected one; run again."
        )
    return Ending(**json.loads(line))


def _wrapped(
    spec: CommandSpec, origin: Path, argv: list[str], work: Path, own: dict[str, str]
) -> tuple[list[str], dict[str, str], list[str]]:
    """An argv as its environment takes it, the variables it is started with, and what clears up after it."""
    environment = spec.environment
    if environment is None:
        return argv, own, []
    if environment.venv is not None:
        folder = origin / environment.venv
        program = folder / "bin" / argv[0]
        first = str(program) if "/" not in argv[0] and program.exists() else argv[0]
        return [first, *argv[1:]], {**own, "VIRTUAL_ENV": str(folder), "PATH": _path_of(spec, origin)}, []
    if environment.conda is not None:
        return ["conda", "run", "--no-capture-output", "-n", environment.conda, *argv], own, []
    engine = next((name for name in ENGINES if shutil.which(name)), ENGINES[0])
    name = f"idto3d-{uuid4().hex}"
    inner = {key: value for key, value in own.items() if key not in PASSED}
    said = [part for key, value in sorted(inner.items()) for part in ("--env", f"{key}={value}")]
    mounts = [
        "--volume",
        f"{work}:{INSIDE}",
        "--volume",
        f"{origin}:{SPEC_INSIDE}:ro",
        "--workdir",
        str(INSIDE),
    ]
    start = [engine, "run", "--rm", "--name", name, "--network", "none", *mounts, *said]
    kept = {key: value for key, value in own.items() if key in PASSED}
    return [*start, str(environment.container), *argv], kept, [engine, "rm", "--force", name]


def _path_of(spec: CommandSpec, origin: Path) -> str:
    """PATH, with a virtual environment's programs first."""
    path = os.environ.get("PATH", os.defpath)
    venv = spec.environment.venv if spec.environment is not None else None
    return path if venv is None else f"{origin / venv / 'bin'}{os.pathsep}{path}"


def _substituted(argument: str, values: Mapping[str, str]) -> str:
    """An argument with its placeholders filled in; values are never split or looked into again."""
    return PLACEHOLDER.sub(lambda found: values.get(found.group(1), found.group(0)), argument)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
