"""Run folders of any number of score rows, without heads, and what the real commands take on them."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars

from idto3d.expressions import EXPRESSIONS
from idto3d_baselines.specs import METHODS
from idto3d_eval.bench.bars import Bar
from idto3d_eval.generalisation import facts_of_run
from idto3d_eval.metrics import METRICS, MetricCard
from idto3d_eval.plan import Plan
from idto3d_eval.plan_scores import scored_rows
from idto3d_eval.run_folder import COSTS, PROTOCOL_FILE, SCORES, SUMMARY
from idto3d_eval.store import Record, Store
from idto3d_eval.summary import facts
from idto3d_eval.tables import KEYS
from idto3d_protocols.schema import MethodRow, Protocol

SECONDS, ORDINARY_SECONDS, GIGABYTES = 30.0, 3.0, 2.0  # the bars
MISSING, WHY = 0.01, "no face was found in the view"
LARGE = 1_000_000  # rows from which a run has as many views and methods as a large study
_KINDS = ("id_to_3d", "image_fit", "morphable_fit", "photo_projection", "fantasia3d")

Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Spent:
    """What a command took."""

    seconds: float
    processor: float  # seconds that it computed, which other processes on the machine do not lengthen
    gigabytes: float  # largest resident size of its process


def measure_scale(rows: int, ordinary: int, cores: int, told: Told = lambda *_: None) -> list[Bar]:
    """`report` and `compare` on large runs and `report` on an ordinary one, against the bars.

    Figures are computed anew in each: the runs' summaries have none.

    Raises:
        RuntimeError: a command fails.
    """
    with tempfile.TemporaryDirectory(prefix="idto3d-scale-") as folder:
        root = Path(folder)
        sizes = []
        for seed, (name, count) in enumerate({"first": rows, "second": rows, "ordinary": ordinary}.items()):
            told("runs", seed, 3)
            sizes.append(make_run(root / name, count, seed))
        told("runs", 3, 3)
        spent = {}
        commands = {
            "report": ("report", "first"),
            "compare": ("compare", "first", "second"),
            "ordinary report": ("report", "ordinary"),
            "report again": ("report", "first"),
        }
        for at, (name, arguments) in enumerate(commands.items()):
            told("commands", at, len(commands))
            spent[name] = run_command([*arguments, "--runs", str(root)], cores)
        told("commands", len(commands), len(commands))
    large, small = f"{sizes[0]:,} rows, {cores} cores", f"{sizes[2]:,} rows, {cores} cores"
    bars = []
    for name, bound, note in (
        ("report", SECONDS, large),
        ("compare", SECONDS, f"twice {large}"),
        ("report again", SECONDS, f"{large}, nothing new"),
        ("ordinary report", ORDINARY_SECONDS, small),
    ):
        own = spent[name]
        computed = f"{note}; {own.processor:.1f} s of processor time"
        bars.append(Bar(f"{name}, seconds", own.seconds, bound, note=computed))
        bars.append(Bar(f"{name}, GB", own.gigabytes, GIGABYTES, note=note))
    return bars


def run_command(arguments: Sequence[str], cores: int) -> Spent:
    """Runs `idto3d-eval` in a process of its own, on so many cores.

    Raises:
        RuntimeError: it fails.
    """
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    environment = {**os.environ, "POLARS_MAX_THREADS": str(cores), "OMP_NUM_THREADS": str(cores)}
    command = [sys.executable, "-m", "idto3d_eval.cli", *arguments]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        figures = Path(folder) / "figures.json"
        measured = [sys.executable, "-c", _MEASURED, str(figures), json.dumps(allowed), *command]
        subprocess.run(measured, stdout=said, stderr=said, env=environment, check=True)
        status, seconds, processor, kib = json.loads(figures.read_text(encoding="utf-8"))
        if status:
            said.seek(0)
            text = said.read().decode(errors="replace")
            raise RuntimeError(f"Found that {' '.join(arguments)} failed: {text[-2000:]}")
    return Spent(seconds, processor, kib * 1024 / 1e9)


# A small process in between: the kernel counts to a process what its parent held when it was forked.
_MEASURED = """
import json, os, subprocess, sys, time
os.sched_setaffinity(0, json.loads(sys.argv[2]))
started = time.perf_counter()
process = subprocess.Popen(sys.argv[3:])
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - started
found = os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss
with open(sys.argv[1], "w") as file:
    json.dump(found, file)
"""


def make_run(folder: Path, rows: int, seed: int = 0) -> int:
    """Writes a finished run's files with made-up scores and no heads; its summary has no figures yet.

    Args:
        folder: of the run.
        rows: about how many score rows.
        seed: of the scores; runs that differ in nothing else can be compared.

    Returns:
        How many there are.
    """
    large = rows >= LARGE
    layout = _layout(cameras=12 if large else 3, lights=8 if large else 2, seeds=2)
    methods = 20 if large else 8
    people = max(2, round(rows / (methods * layout.height)))
    return _make(folder, layout, methods, people, seed)


def make_run_of(
    folder: Path, *, methods: int, people: int, cameras: int, lights: int, seeds: int = 1, seed: int = 0
) -> int:
    """As `make_run`, of a stated size: all 13 expressions, a view a camera and light.

    Returns:
        How many rows there are.
    """
    return _make(folder, _layout(cameras, lights, seeds), methods, people, seed)


def _make(folder: Path, layout: polars.DataFrame, methods: int, people: int, seed: int) -> int:
    protocol = _protocol(methods, people, layout)
    store = Store(folder)
    store.write(PROTOCOL_FILE, protocol.model_dump_json(indent=1) + "\n")
    parts = folder / "parts"
    parts.mkdir()
    count = 0
    for at, row in enumerate(protocol.methods):
        part = _rows_of(protocol, row.label, layout, np.random.default_rng([seed, at]), at)
        part.write_parquet(parts / f"{row.label}.parquet", row_group_size=100_000)
        count += part.height
    polars.scan_parquet(parts / "*.parquet").sink_parquet(folder / SCORES, row_group_size=100_000)
    for part_file in parts.iterdir():
        part_file.unlink()
    parts.rmdir()
    labels = scored_rows(protocol)
    specs = {label: METHODS[row.method] for label, row in labels.items()}
    plan = Plan(protocol, (), labels, specs, Path("weights"))
    settled = {f"scores/{label}": Record(f"scores/{label}", "", "done", "") for label in labels}
    facts_of_run(protocol, store)  # a run has found out who its people are when it ends
    costs = _costs(protocol)
    costs.write_parquet(folder / COSTS)
    known = facts(plan, settled, costs, folder / SCORES)
    store.write(SUMMARY, json.dumps(known, allow_nan=False) + "\n")
    return count


def _layout(cameras: int, lights: int, seeds: int) -> polars.DataFrame:
    """Expression, view, seed and metric of each row of one person, sorted."""
    views = [f"camera{camera}-light{light}" for camera in range(cameras) for light in range(lights)]
    lines = [
        (expression, view, seed, card.name)
        for card in METRICS.values()
        if card.level != "method"
        for expression in (EXPRESSIONS if card.level in {"view", "head"} else ("",))
        for view in (views if card.level == "view" else ("",))
        for seed in range(seeds)
    ]
    schema = {
        "expression": polars.String,
        "view": polars.String,
        "seed": polars.Int64,
        "metric": polars.String,
    }
    return polars.DataFrame(lines, schema=schema, orient="row").sort("expression", "view", "seed", "metric")


def _rows_of(
    protocol: Protocol, label: str, layout: polars.DataFrame, rng: np.random.Generator, quality: int
) -> polars.DataFrame:
    """All rows of one method, as `score_table` sorts them."""
    people = protocol.population.identities
    cards = [METRICS[name] for name in layout["metric"].to_list()]
    middle = np.array([_middle(card) for card in cards]) + 0.002 * quality
    own = rng.normal(0.0, 0.05, (len(people), 1))  # what an identity's rows share
    noise = rng.normal(0.0, 0.05, (len(people), len(cards)))
    values = (middle + own + noise).reshape(-1)
    missing = rng.random(values.size) < MISSING
    values[missing] = math.nan
    table = polars.DataFrame({"identity": people}).join(layout, how="cross", maintain_order="left_right")
    return table.with_columns(
        polars.lit(protocol.name).alias("protocol"),
        polars.lit(label).alias("method"),
        polars.Series("value", values),
        polars.Series("reason", np.where(missing, WHY, "")),
    ).select(*KEYS, "value", "reason")


def _middle(card: MetricCard) -> float:
    known = {"identity_floor": 0.2, "identity_ceiling": 0.9, "face_coverage": 1.0}
    return known.get(card.name, 2.0 if card.unit == "mm" else 0.5)


def _costs(protocol: Protocol) -> polars.DataFrame:
    rows = [
        {
            "protocol": protocol.name,
            "method": row.label,
            "identity": identity,
            "seed": 0,
            "stage": "generate",
            "seconds": 60.0 + at,
            "peak_memory_mib": 900.0,
            "guidance_calls": 1400,
            "threads": 1,
        }
        for at, row in enumerate(protocol.methods)
        for identity in protocol.population.identities
    ]
    return polars.DataFrame(rows)


def _protocol(methods: int, people: int, layout: polars.DataFrame) -> Protocol:
    views = sorted(view for view in layout["view"].unique().to_list() if view)
    cameras, lights = ({view.split("-")[at] for view in views} for at in (0, 1))
    angles: dict[str, Any] = {"pitch_deg": 0.0, "distance_mm": 1000.0, "fovy_deg": 18.5}
    return Protocol.model_validate(
        {
            "schema_version": 1,
            "name": "scale",
            "version": 1,
            "profile": "embedded",
            "question": "How many rows can a report be made of?",
            "description": "Made-up scores of heads that there are not.",
            "population": {
                "label": "synthetic",
                "split": "heldout",
                "population_seed": 0,
                "identities": tuple(f"heldout-{index:04d}" for index in range(people)),
                "conditioning_photos": 1,
                "scoring_photos": 1,
            },
            "methods": tuple(
                MethodRow(method=_KINDS[at % len(_KINDS)], label=f"row_{at:02d}") for at in range(methods)
            ),
            "expressions": tuple(EXPRESSIONS),
            "seeds": tuple(sorted(layout["seed"].unique().to_list())),
            "budget": {
                **dict.fromkeys(("geometry_steps", "texture_steps", "fit_steps"), 1),
                **dict.fromkeys(("geometry_batch", "texture_batch", "threads"), 1),
            },
            "cameras": tuple(
                {"name": name, "yaw_deg": 0.0, "target_mm": (0.0, 0.0, 0.0), **angles}
                for name in sorted(cameras)
            ),
            "lights": tuple({"name": name, "sh": ((1.0, 1.0, 1.0),) * 9} for name in sorted(lights)),
            "views": tuple(
                {"camera": view.split("-")[0], "light": view.split("-")[1], "frontal": True} for view in views
            ),
            "resolution": 64,
            "metrics": tuple(dict.fromkeys(card.family for card in METRICS.values())),
            "statistics": {"bootstrap": 10_000, "level": 0.95, "impostors": 20, "gallery": 200},
        }
    )
