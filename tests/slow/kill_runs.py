"""Kills a run with SIGKILL at random moments, again and again, and compares its end with an undisturbed one.

    python tests/slow/kill_runs.py --executor ray --kills 100
    python tests/slow/kill_runs.py --protocol smoke --kills 20

Without a protocol the run is one of stages that do next to nothing, so that a kill takes some seconds;
processes of the run and of its workers are killed. With one, the run is the command that a user would type.
Exits with 0 when the results are the same.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "eval"))
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE.parent / "eval"), os.environ.get("PYTHONPATH", "")])

import killed_runs  # noqa: E402

WITHIN = 3.0  # seconds after headway in which the kill of a real run falls


def main() -> int:
    """Parses, runs undisturbed once, runs with kills, compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", help="a real one, by the local executor; by default fake stages")
    parser.add_argument("--executor", choices=["local", "ray"], default="local")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--runs", type=Path, default=Path("runs/kill-test"))
    asked = parser.parse_args()
    shutil.rmtree(asked.runs, ignore_errors=True)
    asked.runs.mkdir(parents=True)
    started = time.monotonic()
    whole, killed = asked.runs / "whole", asked.runs / "killed"
    print("undisturbed run …", flush=True)
    if asked.protocol:
        if start(asked, "whole").wait() != 0:
            return 1
        landed = Counter({killed_runs.RUN: kill_again_and_again(asked)})
        print("to the end …", flush=True)
        if start(asked, "killed").wait() != 0:
            return 1
    else:
        killed_runs.to_the_end(whole, "local", "")
        with killed_runs.cluster_of(asked.executor) as address:
            landed = killed_runs.kill_again_and_again(
                killed, asked.executor, address, asked.kills, asked.seed, told
            )
            print("to the end …", flush=True)
            killed_runs.to_the_end(killed, asked.executor, address)
    first, second = killed_runs.outcome(whole), killed_runs.outcome(killed)
    differing = [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]
    kinds = " and ".join(f"{count} of {kind}" for kind, count in landed.items())
    print(f"{kinds} killed, {len(first)} results compared, {time.monotonic() - started:.0f} s")
    print("the same to the byte" if not differing else f"NOT the same: {', '.join(differing[:10])}")
    return 0 if not differing and sum(landed.values()) == asked.kills else 1


def kill_again_and_again(asked: argparse.Namespace) -> int:
    """Starts the command and kills it at random moments; returns how many kills fell on a run at work."""
    moments = random.Random(asked.seed)
    landed = 0
    folder = asked.runs / "killed"
    while landed < asked.kills:
        if (folder / "summary.json").exists():
            killed_runs.forget_some(folder, moments)
        before = killed_runs.finished(folder)
        process = start(asked, "killed")
        # Some kills fall on the start, most on jobs: half wait until a job is over.
        if landed % 2:
            while process.poll() is None and killed_runs.finished(folder) <= before:
                time.sleep(0.02)
        time.sleep(moments.uniform(0.0, WITHIN))
        if process.poll() is None:
            process.kill()
            landed += 1
            told(f"kill {landed}: {killed_runs.finished(folder)} jobs done")
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
        [sys.executable, "-m", "idto3d_eval.cli", *command],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def told(sentence: str) -> None:
    """Prints at once."""
    print(f"  {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
