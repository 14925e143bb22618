"""Kills a run with SIGKILL at random moments, again and again, and compares its end with an undisturbed one.

    python tests/slow/kill_runs.py --protocol smoke --kills 20

Every kill falls after the run has made headway, so that twenty of them end; each is followed by the same
command. Exits with 0 when `scores.parquet` is the same to the byte.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

WITHIN = 3.0  # seconds after headway in which the kill falls


def main() -> int:
    """Parses, runs undisturbed once, runs with kills, compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", default="smoke")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--runs", type=Path, default=Path("runs/kill-test"))
    asked = parser.parse_args()
    shutil.rmtree(asked.runs, ignore_errors=True)
    asked.runs.mkdir(parents=True)
    started = time.monotonic()
    print("undisturbed run …", flush=True)
    if start(asked, "whole").wait() != 0:
        return 1
    print(f"  {time.monotonic() - started:.0f} s", flush=True)
    landed = kill_again_and_again(asked)
    print("to the end …", flush=True)
    if start(asked, "killed").wait() != 0:
        return 1
    whole, killed = (sha256(asked.runs / name / "scores.parquet") for name in ("whole", "killed"))
    print(f"undisturbed        {whole}\nafter {landed:3d} kills    {killed}")
    print("the same to the byte" if whole == killed else "NOT the same")
    return 0 if whole == killed and landed == asked.kills else 1


def kill_again_and_again(asked: argparse.Namespace) -> int:
    """Starts the run and kills it at random moments; returns how many kills fell on a run at work."""
    moments = random.Random(asked.seed)
    landed = 0
    folder = asked.runs / "killed"
    while landed < asked.kills:
        if (folder / "summary.json").exists():
            forget_one(folder, moments)
        before = finished(folder)
        process = start(asked, "killed")
        # Some kills fall on the start, most on jobs: half wait until a job is over.
        if landed % 2:
            while process.poll() is None and finished(folder) <= before:
                time.sleep(0.02)
        time.sleep(moments.uniform(0.0, WITHIN))
        if process.poll() is None:
            process.kill()
            landed += 1
            print(f"  kill {landed:2d} with {finished(folder)} jobs done", flush=True)
        process.wait()
    return landed


def start(asked: argparse.Namespace, name: str) -> subprocess.Popen[bytes]:
    """The command that a user would type."""
    command = [
        "run",
        "--protocol",
        asked.protocol,
        "--runs",
        str(asked.runs),
        "--name",
        name,
        "--no-progress",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "idto3d_eval.cli", *command, "--no-progress"],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def finished(folder: Path) -> int:
    """Jobs that the index knows."""
    return sum(1 for _ in (folder / "index").rglob("*.json"))


def forget_one(folder: Path, moments: random.Random) -> None:
    """Takes a few finished artefacts from a run that ended too soon, so that there is work to kill."""
    for stage in ("heads", "views", "features", "scores"):
        records = sorted((folder / "index" / stage).rglob("*.json"))
        if records:
            moments.choice(records).unlink()
    (folder / "summary.json").unlink(missing_ok=True)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
