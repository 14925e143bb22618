"""A run killed with SIGKILL at random moments ends, with the same command, in the same bytes."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import fake_stages as fake
import polars

KILLS = 3
ROWS = (
    "[{method: good, label: good, parameters: {pause: 0.1}}, {method: mean, label: mean},"
    " {method: other, label: other, parameters: {behaviour: raise, only: heldout-0001}}]"
)
CODE = (
    "import sys, pathlib, fake_stages as f, idto3d_eval.run as r\n"
    "r.run_protocol(f.protocol(methods=sys.argv[2]), pathlib.Path(sys.argv[1]), workers=2,"
    " weights=pathlib.Path('no weights'), methods=f.METHODS, stages=f.TABLE)\n"
)


def start(root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(root), ROWS], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def test_kills_at_random_moments_leave_the_same_scores(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait(timeout=300) == 0
    moments = random.Random(7)
    hit, records = 0, 0
    while hit < KILLS:
        before = len(list((killed / "index").rglob("*.json")))
        process = start(killed)
        deadline = time.monotonic() + 120
        # Wait until this process has finished something: every kill falls on work, and all make headway.
        while process.poll() is None and time.monotonic() < deadline:
            records = len(list((killed / "index").rglob("*.json")))
            if records > before:
                break
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.15))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        hit += 1
    assert hit > 0
    last = start(killed)
    assert last.wait(timeout=300) == 0, last.stderr and last.stderr.read()
    assert (killed / "scores.parquet").read_bytes() == (whole / "scores.parquet").read_bytes()
    table = polars.read_parquet(killed / "scores.parquet")
    assert set(table["method"]) == {"good", "mean", "other"}
    assert len(list((killed / "index").rglob("*.json"))) == len(list((whole / "index").rglob("*.json")))
    assert fake.protocol(methods=ROWS).seeds == (0,)
