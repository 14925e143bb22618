"""A run with heads that are quickly made, a study of it, and that study served as a user serves it."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from idto3d.asset import AssetManifest, TexturedMesh, write_head_asset
from idto3d_eval.preference.study import LINKS
from tests.dashboard.fake_runs import finished
from tests.export.heads import head, puffed, stretched

# Words that nothing else says, so that a test can look for them.
LABELS = {"good": "zebra_net", "other": "quokka_3d", "truth": "narwhal"}
METHODS = f"[{', '.join(f'{{method: {name}, label: {label}}}' for name, label in LABELS.items())}]"
EXPRESSIONS = ("neutral", "smile")
START = 90  # s


def made_run(folder: Path, people: int = 3) -> Path:
    """A finished run named "fake" whose three rows have a head of every person, all different."""
    run = finished(folder / "fake", people, METHODS)
    plain = head()
    for number, method in enumerate(LABELS.values()):
        for person in sorted(path.name for path in (run / "identities").iterdir()):
            seed = sum(person.encode()) + number
            meshes = {name: _shaped(plain, seed + place) for place, name in enumerate(EXPRESSIONS)}
            manifest = AssetManifest(method=method, identity=person, seed=0, expressions=EXPRESSIONS)
            write_head_asset(run / f"heads/{method}/{person}/seed-0", meshes, manifest)
    return run


def made_study(runs: Path, out: Path, *options: str) -> Path:
    """A study of that run, by the command that users give."""
    command = [sys.executable, "-m", "idto3d_eval.cli", "study", "create", "fake", "--runs", str(runs)]
    command += ["--out", str(out), "--raters", "4", "--pairs", "4", "--attention", "1", "--repeats", "1"]
    # One rater's heads to look at are two methods' and the true ones'.
    command += ["--methods", "zebra_net,quokka_3d", *options]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return out


def links(study: Path) -> list[str]:
    """What raters are sent, in the order of their places."""
    with (study / LINKS).open(encoding="utf-8", newline="") as file:
        return [row["link"] for row in csv.DictReader(file)]


def token(study: Path, slot: int) -> str:
    """What the link of a place carries."""
    return links(study)[slot].removeprefix("/?r=")


class Server:
    """`idto3d-eval study serve`, which can be killed and started again on the same port.

    With `first` its session goes before all others on this machine, as if browsers had machines of their own.
    """

    def __init__(
        self, study: Path, *options: str, password: str = "open sesame", first: bool = False
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.study, self.options, self.password, self.first = study, options, password, first
        self.log = study.parent / f"{study.name}.server.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is well."""
        command = [sys.executable, "-m", "idto3d_eval.cli", "study", "serve", str(self.study)]
        command += ["--port", str(self.port), *self.options]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "IDTO3D_STUDY_PASSWORD": self.password,
        }
        with self.log.open("ab") as told:
            # A session of its own, as a service has: the kernel shares processors between sessions.
            self.process = subprocess.Popen(
                command, env=environment, stdout=told, stderr=subprocess.STDOUT, start_new_session=True
            )
        if self.first:
            _put_first(self.process.pid)
        end = time.monotonic() + START
        while not self.well():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(
                    f"the study was not served: {self.log.read_text(errors='replace')[-4000:]}"
                )
            time.sleep(0.1)

    def well(self) -> bool:
        """Whether it answers, and its database too."""
        try:
            with urllib.request.urlopen(f"{self.address}/study/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """As `kill -9` does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


def _put_first(pid: int) -> None:
    with suppress(OSError):  # no Linux, no sharing by sessions, or not root
        Path(f"/proc/{pid}/autogroup").write_text("-10", encoding="ascii")


@contextmanager
def serving(study: Path, *options: str) -> Iterator[Server]:
    """A study that is served meanwhile."""
    server = Server(study, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _shaped(mesh: TexturedMesh, seed: int) -> TexturedMesh:
    rng = np.random.default_rng(seed)
    points = puffed(mesh.vertices, float(rng.uniform(5, 25)))
    if seed % 2:
        points = stretched(points)
    smooth = np.kron(rng.integers(60, 220, (4, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    return replace(mesh, vertices=points, albedo=smooth)
