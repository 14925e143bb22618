"""A large run on clusters of several sizes, simulated event by event.

The plan and the order in which jobs are handed out are the runner's own (`ReadyJobs`); seconds of jobs are
drawn from those that a real run measured, by method and stage. A head by distillation holds a GPU, all other
jobs a core. Seconds are of one core of the machine that measured them: a faster GPU would scale both the
makespan and its bound.
"""

from __future__ import annotations

import heapq
import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.bench.bars import Bar
from idto3d_eval.plan import Job, Plan, plan_run
from idto3d_eval.ready import ReadyJobs
from idto3d_eval.resources import Resources
from idto3d_eval.shape_stage import JOINED, SHAPES
from idto3d_eval.stages import STAGES
from idto3d_protocols.loader import load_protocol

Seconds = Mapping[str, NDArray[np.float64]]  # kind of job -> what each took

# Ten rows of `unseen_ids`, those that ask the diffusion model first.
ROWS = (
    *("id_to_3d", "dreamfusion", "fantasia3d", "humannorm", "magic123", "dreamcraft3d", "tada"),
    *("sample_and_fit", "image_fit", "feed_forward"),
)
DISTILLED = ROWS[:8]
SHAPE_SHARE = 0.98  # of a row's score: 0.979 and 0.981 of two rows (`bench shapes`, 2026-11-28)
HAND_OVER_S = 0.008  # of the process that hands out, a job (measured: bench runner)
WITHIN = 0.15  # the bar: of the bound
PICTURE_POINTS = 400


@dataclass(frozen=True)
class Cluster:
    """What a simulated run came to.

    Attributes:
        gpus, cores: of the cluster.
        jobs: how many.
        makespan: seconds from the first job's start to the last one's end.
        gpu_work, core_work: seconds of work a GPU, and a core, had it been spread evenly.
        chain: seconds of the longest chain of jobs that need each other.
        busy: [T, 2] GPUs and cores at work at even times.
    """

    gpus: int
    cores: int
    jobs: int
    makespan: float
    gpu_work: float
    core_work: float
    chain: float
    busy: NDArray[np.float64]

    @property
    def bound(self) -> float:
        """Below which no order of jobs comes."""
        return max(self.gpu_work, self.core_work, self.chain)

    def bars(self) -> list[Bar]:
        """The makespan over its bound."""
        shares = (self.makespan, self.gpu_work, self.core_work, self.chain)
        whole, gpu, core, chain = (f"{seconds / 3600:.2f} h" for seconds in shares)
        note = f"{self.jobs:,} jobs, {whole}; a GPU's work {gpu}, a core's {core}, longest chain {chain}"
        name = f"{self.gpus} GPUs, {self.cores} cores: makespan over its bound"
        return [Bar(name, self.makespan / self.bound, 1.0 + WITHIN, note=note)]


def measured_seconds(archive: Path) -> dict[str, NDArray[np.float64]]:
    """What the jobs of an archived run took, by kind: the stage, and of heads the row.

    Raises:
        UserError: no archive of `unseen_ids`.
    """
    from idto3d_eval.archive import take_archive
    from idto3d_eval.store import Store

    protocol = load_protocol("unseen_ids")
    found: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="bench-cluster-") as folder:
        store = Store(Path(folder) / "run")
        with store.locked():
            take_archive(store, archive, protocol)
        for path in sorted((store.root / "index").rglob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            folder_of, _, rest = record["job"].partition("/")
            kind = f"heads/{rest.partition('/')[0]}" if folder_of == "heads" else folder_of
            # Of a row's score, a person's share.
            share = len(protocol.population.identities) if folder_of == "scores" else 1
            found[kind].append(record["seconds"] / share)
    return {kind: np.array(values) for kind, values in found.items()}


def simulate_clusters(
    seconds: Seconds, people: int, sizes: Sequence[int], cores: int, seed: int
) -> list[Cluster]:
    """The run of `ROWS` on so many people, on a cluster of each size with so many cores beside every GPU."""
    plan = large_plan(people)
    takes = _drawn(plan, seconds, people, np.random.default_rng(seed))
    return [simulate(plan, takes, gpus, gpus * cores) for gpus in sizes]


def large_plan(people: int) -> Plan:
    """`unseen_ids` with ten rows and so many people; heads by distillation take a GPU."""
    from idto3d_eval.run import shipped_weights

    protocol = load_protocol("unseen_ids")
    names = tuple(f"heldout-{number:04d}" for number in range(people))
    protocol = protocol.model_copy(
        update={
            "population": protocol.population.model_copy(update={"identities": names}),
            "methods": tuple(protocol.row(label) for label in ROWS),
        }
    )
    plan = plan_run(protocol, shipped_weights())
    distilled = {"generate"}
    jobs = tuple(
        replace(job, resources=Resources(gpus=1.0))
        if job.stage in distilled and job.label in DISTILLED
        else job
        for job in plan.jobs
    )
    return replace(plan, jobs=jobs)


def simulate(plan: Plan, takes: Mapping[str, float], gpus: int, cores: int) -> Cluster:
    """Work off a plan in its own order of jobs.

    Args:
        plan: whose jobs they are.
        takes: job -> seconds.
        gpus, cores: that do one job each at a time.
    """
    ready = ReadyJobs(plan, STAGES)
    ready.begin(())
    ready.shaped_by(_shape)
    free = {"gpu": gpus, "cpu": cores}
    now = hands = 0.0  # the clock, and from when on the process that hands out is free
    ends: list[tuple[float, str, str]] = []
    spans: list[tuple[float, float, str]] = []
    while True:
        for shape in ready.shapes():
            jobs = ready.take(shape)
            while free[shape] and (job := next(jobs, None)) is not None:
                hands = max(hands, now) + HAND_OVER_S
                end = hands + takes[job.name]
                heapq.heappush(ends, (end, job.name, shape))
                spans.append((hands, end, shape))
                free[shape] -= 1
        if not ends:
            break
        now, name, shape = heapq.heappop(ends)
        free[shape] += 1
        ready.settle(name)
    work = {"gpu": 0.0, "cpu": 0.0}
    for job in plan.jobs:
        work[_shape(job)] += takes[job.name]
    return Cluster(
        gpus, cores, len(plan.jobs), now, work["gpu"] / gpus, work["cpu"] / cores, _chain(plan, takes),
        _busy(spans, now),
    )  # fmt: skip


def _shape(job: Job) -> str:
    return "gpu" if job.resources.gpus else "cpu"


def _drawn(plan: Plan, seconds: Seconds, people: int, rng: np.random.Generator) -> dict[str, float]:
    """Seconds of every job: a draw from those of its kind. A person's share of a row's score goes to the job
    that measures their shapes, and what is left of it to the one that joins them."""
    takes = {}
    for job in plan.jobs:
        folder = job.name.partition("/")[0]
        if folder == SHAPES:
            takes[job.name] = SHAPE_SHARE * float(rng.choice(seconds["scores"]))
        elif folder == "scores":
            rest = 1.0 - SHAPE_SHARE if job.stage == JOINED else 1.0
            takes[job.name] = rest * float(rng.choice(seconds["scores"], people).sum())
        else:
            kind = f"heads/{job.label}" if folder == "heads" else folder
            takes[job.name] = float(rng.choice(seconds[kind]))
    return takes


def _chain(plan: Plan, takes: Mapping[str, float]) -> float:
    ends: dict[str, float] = {}
    for job in plan.jobs:
        ends[job.name] = max((ends[need] for need in job.needs), default=0.0) + takes[job.name]
    return max(ends.values())


def _busy(spans: Sequence[tuple[float, float, str]], makespan: float) -> NDArray[np.float64]:
    at = np.linspace(0.0, makespan, PICTURE_POINTS)
    columns = []
    for shape in ("gpu", "cpu"):
        begins = np.sort([begin for begin, _, of in spans if of == shape])
        ends = np.sort([end for _, end, of in spans if of == shape])
        columns.append(np.searchsorted(begins, at, "right") - np.searchsorted(ends, at, "right"))
    return np.stack(columns, axis=1).astype(np.float64)


def write_picture(path: Path, clusters: Sequence[Cluster]) -> None:
    """Draw the shares of GPUs and of cores that are at work over time, a panel a cluster."""
    from idto3d.whole_file import write_whole

    width, height, gap, left, top = 760, 150, 54, 54, 26
    parts = []
    for place, cluster in enumerate(clusters):
        base = top + place * (height + gap) + height
        hours = cluster.makespan / 3600.0
        title = f"{cluster.gpus} GPUs and {cluster.cores} cores: {hours:.1f} h"
        title += f", bound {cluster.bound / 3600.0:.1f} h"
        parts.append(f'<text x="{left}" y="{base - height - 8}" class="t">{title}</text>')
        for share in (0.0, 0.5, 1.0):
            y = base - share * height
            parts.append(f'<path d="M{left} {y}H{left + width}" class="g"/>')
            parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end">{share:.0%}</text>')
        for column, (name, size) in enumerate((("gpu", cluster.gpus), ("cpu", cluster.cores))):
            shares = cluster.busy[:, column] / size
            points = " ".join(
                f"{left + width * number / (len(shares) - 1):.1f},{base - height * share:.1f}"
                for number, share in enumerate(shares)
            )
            parts.append(f'<polyline points="{points}" class="{name}"/>')
        bound = left + width * cluster.bound / cluster.makespan
        parts.append(f'<path d="M{bound:.1f} {base}V{base - height}" class="b"/>')
        parts.append(f'<text x="{left + width}" y="{base + 16}" text-anchor="end">{hours:.1f} h</text>')
        parts.append(f'<text x="{left}" y="{base + 16}">0 h</text>')
    total = top + len(clusters) * (height + gap)
    told = "GPUs at work: solid. Cores at work: dashed. Upright line: the bound."
    legend = f'<text x="{left}" y="{total}">{told}</text>'
    style = (
        "text{font:12px system-ui,sans-serif;fill:#333}.t{font-weight:600;font-size:13px}"
        ".g{stroke:#ccc;stroke-width:.7;fill:none}.b{stroke:#b3431e;stroke-width:1.5}"
        "polyline{fill:none;stroke-width:1.8}.gpu{stroke:#1f5fa8}.cpu{stroke:#7a7a00;stroke-dasharray:5 3}"
    )
    across, down = left + width + 20, total + 12
    extent = f'viewBox="0 0 {across} {down}" width="{across}" height="{down}"'
    body = "".join(parts) + legend
    write_whole(
        path,
        f'<svg xmlns="http://www.w3.org/2000/svg" {extent} role="img"><style>{style}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{body}</svg>\n',
    )
