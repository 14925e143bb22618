"""Runs of fake stages whose processes are killed at random moments, and what must be the same afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from idto3d_eval.keys import folder_digest
from idto3d_eval.memory_watch import descendants

WITHIN_S = 0.6  # after headway, or after the start, in which a kill falls
PATIENCE_S = 300.0
RUN, WORKER = "the run's process", "a worker's"
ROWS = (
    "[{method: good, label: good, parameters: {pause: 0.2}}, {method: mean, label: mean},"
    " {method: other, label: other, parameters: {behaviour: raise, only: heldout-0001}}]"
)
CODE = (
    "import sys, pathlib, fake_stages as f, idto3d_eval.run as r\n"
    "root, rows, executor, address = sys.argv[1:]\n"
    "r.run_protocol(f.protocol(people=3, methods=rows), pathlib.Path(root), workers=2, progress=False,\n"
    "    executor=executor, address=address or None, weights=pathlib.Path('no weights'),\n"
    "    methods=f.METHODS, stages=f.TABLE)\n"
)


@contextmanager
def cluster_of(executor: str) -> Iterator[str]:
    """The address of a Ray cluster of this machine that outlives the runs; "" where none is needed."""
    if executor != "ray":
        yield ""
        return
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    try:
        yield made.address
    finally:
        made.shutdown()


def start(root: Path, executor: str, address: str) -> subprocess.Popen[bytes]:
    """The run, as a process of its own; the same command every time."""
    command = [sys.executable, "-c", CODE, str(root), ROWS, executor, address]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def to_the_end(root: Path, executor: str, address: str) -> None:
    """Runs undisturbed."""
    process = start(root, executor, address)
    try:
        _, said = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        raise RuntimeError(f"found a run that failed: {said.decode(errors='replace')[-2000:]}")


def kill_again_and_again(
    root: Path,
    executor: str,
    address: str,
    kills: int,
    seed: int,
    told: Callable[[str], None] = lambda _: None,
) -> Counter[str]:
    """Starts the run and kills it, or one of its workers, at random moments.

    Half of the kills wait for headway, so that they fall on work; the others fall on the start too. A run
    that gets to its end loses some of its records, and goes on.

    Returns:
        How many processes of each kind were killed.
    """
    moments = random.Random(seed)
    landed: Counter[str] = Counter()
    while sum(landed.values()) < kills:
        if (root / "summary.json").exists():
            forget_some(root, moments)
        before = finished(root)
        process = start(root, executor, address)
        try:
            if moments.random() < 0.5:
                deadline = time.monotonic() + PATIENCE_S
                while process.poll() is None and finished(root) <= before and time.monotonic() < deadline:
                    time.sleep(0.01)
            time.sleep(moments.uniform(0.0, WITHIN_S))
            if process.poll():
                raise RuntimeError(f"found a run that failed: {_said(process)}")
            workers = workers_of(process, executor)
            if workers and moments.random() < 0.3:
                # A worker dies, and the run goes on; then it dies itself, and with it the next kill.
                if end(moments.choice(workers)):
                    landed[WORKER] += 1
                    told(f"kill {sum(landed.values())}: {WORKER}, {finished(root)} jobs done")
                time.sleep(moments.uniform(0.0, WITHIN_S))
            if sum(landed.values()) < kills and process.poll() is None:
                process.kill()
                landed[RUN] += 1
                told(f"kill {sum(landed.values())}: {RUN}, {finished(root)} jobs done")
        finally:
            process.kill()
            process.communicate()
    return landed


def _said(process: subprocess.Popen[bytes]) -> str:
    """The end of what a run that is over said of its failure."""
    assert process.stderr is not None
    return process.stderr.read().decode(errors="replace")[-2000:]


def workers_of(process: subprocess.Popen[bytes], executor: str) -> list[int]:
    """Processes that do the run's jobs now: children of the run, or of the cluster that is ours."""
    above, words = (
        (os.getpid(), b"ray::_run_job") if executor == "ray" else (process.pid, b"idto3d_eval.worker")
    )
    found = []
    for each in descendants(above):
        with suppress(OSError):
            if words in Path(f"/proc/{each}/cmdline").read_bytes():
                found.append(each)
    return found


def end(process: int) -> bool:
    """Kills a process; False where it was gone."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def finished(root: Path) -> int:
    """Jobs that the index knows."""
    return sum(1 for _ in (root / "index").rglob("*.json"))


def forget_some(root: Path, moments: random.Random) -> None:
    """Takes some finished artefacts from a run that got to its end, so that there is work to kill."""
    for stage in ("identities", "heads", "views", "features", "scores"):
        records = sorted((root / "index" / stage).rglob("*.json"))
        for record in moments.sample(records, min(3, len(records))):
            record.unlink(missing_ok=True)
    (root / "summary.json").unlink(missing_ok=True)


def outcome(root: Path) -> dict[str, str]:
    """What has to be the same: the scores to the byte, and of every job its key, end and files."""
    found = {"scores.parquet": hashlib.sha256((root / "scores.parquet").read_bytes()).hexdigest()}
    for path in sorted((root / "index").rglob("*.json")):
        record = json.loads(path.read_text())
        if record["job"] != "summary.json":
            files = folder_digest(root / record["job"]) if record["status"] == "done" else record["reason"]
            found[record["job"]] = f"{record['key']} {record['status']} {record['digest']} {files}"
    return found
