"""What a step of each stage costs, and what its unavoidable parts cost alone, in one process.

The stages run through their public functions; the progress callback takes the times, and a guidance that
keeps what it is asked gives the batches. How often a step builds a tree, casts a view or marches is counted
by a profiler over some more steps, so that no number of the loops is repeated here.
"""

from __future__ import annotations

import cProfile
import pstats
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from idto3d.asset import AssetManifest, write_head_asset
from idto3d.expressions import EXPRESSIONS
from idto3d.generate import (
    GeneratorSettings,
    Geometry,
    generate_head,
    lay_out,
    paint,
    sculpt,
    start_field,
    textured_meshes,
)
from idto3d.geometry.head_field import HeadField
from idto3d.geometry.marching_tets import march
from idto3d.geometry.tet_grid import TetGrid
from idto3d.guidance.condition import Condition
from idto3d.guidance.condition_encoder import Encoded
from idto3d.guidance.guidance import Guidance
from idto3d.render.backend import scene_of
from idto3d.render.camera import Camera
from idto3d.threads import torch_threads
from idto3d_eval.bench.generator_setup import Setup

WARM_UP = 3  # steps before the first that counts
PROFILED = 6  # steps that the profiler counts calls in
REPEATS = 8  # runs of a part alone
SEED = 0
BYTES_PER_GB = 1e9
Clock = Callable[[], float]


@dataclass(frozen=True)
class Part:
    """A part of a step, alone; `counted` where the bar names it."""

    name: str
    seconds: float  # a step
    note: str
    counted: bool


@dataclass(frozen=True)
class StageCost:
    """One stage: its step as measured beside its parts."""

    stage: str
    step: float  # s
    parts: tuple[Part, ...]
    top: tuple[dict[str, str], ...]
    batches: dict[int, float]  # rows a denoiser call -> calls a step

    @property
    def total(self) -> float:
        """Seconds of the counted parts together."""
        return sum(part.seconds for part in self.parts if part.counted)

    @property
    def ratio(self) -> float:
        """The step over its counted parts."""
        return self.step / self.total


@dataclass(frozen=True)
class GeneratorCost:
    """Both stages, and a head; seconds."""

    setup: Setup
    clock: str
    threads: int
    stages: tuple[StageCost, ...]
    outside: dict[str, float]  # what no step is: grid, networks, cleaning, maps and files
    whole: float | None
    peak_memory: float | None  # GB

    @property
    def extrapolated(self) -> float:
        """Seconds of a head with all expressions, from the step and what lies outside."""
        counts = self.setup.settings.geometry_steps, self.setup.settings.texture_steps
        steps = sum(stage.step * count for stage, count in zip(self.stages, counts, strict=True))
        return steps + sum(self.outside.values())

    def bars(self) -> list[tuple[str, float, float]]:
        """Name, figure and upper bound."""
        found = [
            (f"{stage.stage} step over its parts", stage.ratio, self.setup.step_bound)
            for stage in self.stages
        ]
        found.append(("seconds a head, extrapolated", self.extrapolated, self.setup.seconds_bound))
        if self.whole is not None:
            found.append(("seconds a head, measured", self.whole, self.setup.seconds_bound))
        if self.peak_memory is not None and self.setup.memory_bound is not None:
            found.append(("peak memory, GB", self.peak_memory, self.setup.memory_bound))
        return found

    @property
    def failed(self) -> bool:
        """Whether a bar is missed."""
        return any(value > bound for _, value, bound in self.bars())

    def tables(self) -> Iterator[list[dict[str, str]]]:
        """Parts of each stage, where its time goes, and the bars."""
        for stage in self.stages:
            yield [
                *(_part_row(stage, part) for part in stage.parts),
                _row(stage.stage, "sum of the counted parts", stage.total, "", ""),
                _row(stage.stage, "step as measured", stage.step, f"{stage.ratio:.2f} times the sum", ""),
            ]
            if stage.top:
                yield list(stage.top)
        yield [
            {
                "bar": name,
                "found": f"{value:.3g}",
                "bound": f"≤ {bound:g}",
                "": "FAILED" if value > bound else "ok",
            }
            for name, value, bound in self.bars()
        ]
        outside = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.outside.items())
        yield [
            {
                "clock": self.clock,
                "threads": str(self.threads),
                "device": str(self.setup.device),
                "outside the steps": outside,
            }
        ]

    def record(self) -> dict[str, Any]:
        """Everything, in JSON's types."""
        return {
            "profile": self.setup.name,
            "device": str(self.setup.device),
            "clock": self.clock,
            "threads": self.threads,
            "expressions": len(EXPRESSIONS),
            "steps": [self.setup.settings.geometry_steps, self.setup.settings.texture_steps],
            "stages": {
                stage.stage: {
                    "step_ms": 1e3 * stage.step,
                    "parts_ms": {part.name: 1e3 * part.seconds for part in stage.parts},
                    "counted": [part.name for part in stage.parts if part.counted],
                    "sum_ms": 1e3 * stage.total,
                    "ratio": stage.ratio,
                    "denoiser_calls_a_step": stage.batches,
                    "top": list(stage.top),
                }
                for stage in self.stages
            },
            "outside_s": self.outside,
            "bars": [
                {"name": name, "found": value, "bound": bound, "passed": value <= bound}
                for name, value, bound in self.bars()
            ],
        }


def cost_of_generator(
    setup: Setup,
    steps: int,
    threads: int,
    *,
    whole: bool = False,
    processor_time: bool = False,
    top: int = 0,
) -> GeneratorCost:
    """Run both stages for some steps, time their parts alone, and extrapolate to a head.

    Args:
        setup: networks, start and settings.
        steps: that are timed, of each stage.
        threads: torch's.
        whole: make one head with all expressions as `generate` does, and time it.
        processor_time: of all threads of this process together instead of the clock on the wall.
        top: functions to list by own time.
    """
    clock = _clock(setup.device, processor_time)
    with torch_threads(threads):
        if setup.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(setup.device)
        outside: dict[str, float] = {}
        with _timed(outside, "grid", clock):
            grid = setup.grid()
        geometry, first = _sculpt_cost(setup, grid, steps, clock, outside, top)
        second = _paint_cost(setup, geometry, steps, clock, outside, top)
        total = _whole_head(setup, grid, clock) if whole else None
        peak = (
            torch.cuda.max_memory_allocated(setup.device) / BYTES_PER_GB
            if setup.device.type == "cuda"
            else None
        )
    name = "processor time" if processor_time else "wall"
    return GeneratorCost(setup, name, threads, (first, second), outside, total, peak)


def _sculpt_cost(
    setup: Setup, grid: TetGrid, steps: int, clock: Clock, outside: dict[str, float], top: int
) -> tuple[Geometry, StageCost]:
    with _timed(outside, "networks", clock):
        guidance = KeepingGuidance(setup.guidance("geometry"))
    watch = Watch(guidance, steps, clock)
    settings = _short_run(setup.settings, watch.total, setup.settings.geometry_steps)
    field = start_field(grid, len(EXPRESSIONS), setup.control.landmarks)
    geometry = sculpt(setup.subject, EXPRESSIONS, guidance, setup.control, field, settings, SEED, watch)
    outside["cleaning"] = clock() - watch.last

    # The field as it starts: where the surface is does not change what it costs to find.
    field = start_field(grid, len(EXPRESSIONS), setup.control.landmarks)
    with torch.no_grad():
        vertices, faces = field.mesh(0)
    casts, trees = watch.calls("cast"), watch.calls("tree")
    needed = min(trees, 1.0)  # only the mesh that moves needs a new tree
    tree, cast = _ray_seconds(vertices, faces, guidance.resolution, clock)
    signs = field.signed_distance().detach() < 0
    marched = _alone(lambda: march(grid, signs), clock)
    fields = _alone(lambda: _field_step(field, 0), clock), _alone(lambda: _field_step(field, 1), clock)
    expressed = 1.0 - 1.0 / len(EXPRESSIONS)
    mesh = (1.0 - expressed) * fields[0] + expressed * fields[1]
    parts = [
        ("ray caster", needed * tree + casts * cast, f"{needed:g} of {trees:g} trees, {casts:g} casts"),
        (
            "marching tetrahedra",
            watch.calls("march") * marched + mesh,
            f"{watch.calls('march'):g} marches, field forward and backward",
        ),
    ]
    return geometry, _stage_cost("geometry", setup, watch, parts, clock, top)


def _paint_cost(
    setup: Setup, geometry: Geometry, steps: int, clock: Clock, outside: dict[str, float], top: int
) -> StageCost:
    with _timed(outside, "networks again", clock):
        guidance = KeepingGuidance(setup.guidance("texture"))
    watch = Watch(guidance, steps, clock)
    settings = _short_run(setup.settings, watch.total, setup.settings.texture_steps)
    begun = clock()
    material, geometry = paint(
        setup.subject, geometry, guidance, setup.control, setup.mean_head, settings, SEED, watch
    )
    outside["before texture"] = max(0.0, watch.first - begun - watch.step)
    with _timed(outside, "maps and files", clock), tempfile.TemporaryDirectory() as folder:
        meshes = textured_meshes(geometry, material, settings.texture_size)
        manifest = AssetManifest(method="bench", identity="nobody", seed=SEED, expressions=EXPRESSIONS)
        write_head_asset(Path(folder) / "head", meshes, manifest)

    neutral = geometry.vertices[EXPRESSIONS[0]]
    casts, trees = watch.calls("cast"), watch.calls("tree")
    _, cast = _ray_seconds(neutral, geometry.faces, guidance.resolution, clock)
    parts = [("ray caster", casts * cast, f"0 of {trees:g} trees, {casts:g} casts")]
    return _stage_cost("texture", setup, watch, parts, clock, top)


def _short_run(settings: GeneratorSettings, steps: int, whole: int) -> GeneratorSettings:
    """`steps` of each stage, not `whole`, and as many fewer reference views: a part computes them once."""
    views = max(FEWEST_VIEWS, round(settings.views * steps / max(1, whole)))
    return replace(settings, views=min(settings.views, views), geometry_steps=steps, texture_steps=steps)


def _whole_head(setup: Setup, grid: TetGrid, clock: Clock) -> float:
    """Seconds of one head: by `generate_head` where there is a folder of weights, else stage by stage."""
    manifest = AssetManifest(method="bench", identity="nobody", seed=SEED, expressions=EXPRESSIONS)
    with tempfile.TemporaryDirectory() as folder:
        out, begun = Path(folder) / "head", clock()
        if setup.weights is not None:
            generate_head(setup.subject, EXPRESSIONS, setup.weights, out, manifest, setup.settings, SEED)
            return clock() - begun
        common = setup.settings, SEED
        shape, colour = setup.guidance("geometry"), setup.guidance("texture")
        field = start_field(grid, len(EXPRESSIONS), setup.control.landmarks)
        lay_out(setup.subject, field, colour, setup.control, setup.mean_head, *common)
        geometry = sculpt(setup.subject, EXPRESSIONS, shape, setup.control, field, *common)
        material, geometry = paint(setup.subject, geometry, colour, setup.control, setup.mean_head, *common)
        write_head_asset(out, textured_meshes(geometry, material, setup.settings.texture_size), manifest)
        return clock() - begun


def _stage_cost(
    stage: str, setup: Setup, watch: Watch, own: list[tuple[str, float, str]], clock: Clock, top: int
) -> StageCost:
    """The parts that both stages share (networks) before the stage's own."""
    denoiser, encoder, pictures = _network_seconds(watch, clock)
    batches = {rows: count / watch.steps for rows, count in watch.batches.items()}
    asked = ", ".join(f"{count:g} × {rows} rows" for rows, count in sorted(batches.items()))
    parts = [
        ("denoiser", denoiser, asked),
        ("encoder", encoder, "conditions"),
        ("latents of pictures", pictures, "codec forward and backward"),
        *own,
    ]
    counted = tuple(Part(name, cost, note, name in setup.parts) for name, cost, note in parts)
    return StageCost(stage, watch.step, counted, watch.top(top), batches)


class KeepingGuidance(Guidance):
    """A guidance that keeps what it is asked since `forget`; the answers are the real one's."""

    def __init__(self, real: Guidance) -> None:
        # Whatever the real one is made of, this is made of the same.
        self.__dict__.update(real.__dict__)
        self.real = real
        self.asked: list[tuple[Tensor, Tensor, Condition]] = []
        self.pictures: list[tuple[tuple[int, ...], bool]] = []

    def forget(self) -> None:
        """Begin anew."""
        self.asked, self.pictures = [], []

    def denoise(self, z: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The real answer."""
        self.asked.append((z.detach(), t, condition))
        return self.real.denoise(z, t, condition)

    def encode(self, images: Tensor) -> Tensor:
        """The real latents."""
        self.pictures.append((tuple(images.shape), images.requires_grad))
        return self.real.encode(images)


class Watch:
    """A progress callback that takes times: some steps to warm up, those that count, some to profile."""

    def __init__(self, guidance: KeepingGuidance, steps: int, clock: Clock) -> None:
        self.steps, self.total = steps, WARM_UP + steps + PROFILED
        self.guidance = guidance
        self.asked: list[tuple[Tensor, Tensor, Condition]] = []
        self.pictures: list[tuple[tuple[int, ...], bool]] = []
        self.first = self.last = self._begin = self._end = 0.0
        self._clock, self._profile = clock, cProfile.Profile(clock)
        self._stats: Mapping[Any, Any] = {}

    def __call__(self, done: int, total: int, _: str) -> None:
        """`done` steps of `total` are behind."""
        self.last = self._clock()
        if done == 1:
            self.first = self.last
        if done == WARM_UP:
            self.guidance.forget()
            self._begin = self._clock()
        if done == WARM_UP + self.steps:
            self._end = self.last
            self.asked, self.pictures = list(self.guidance.asked), list(self.guidance.pictures)
            self._profile.enable()
        if done == total:
            self._profile.disable()
            self._stats = pstats.Stats(self._profile).stats  # type: ignore[attr-defined]

    @property
    def step(self) -> float:
        """Mean seconds of a step."""
        return (self._end - self._begin) / self.steps

    @property
    def batches(self) -> Counter[int]:
        """Rows of a denoiser call -> calls in all timed steps."""
        return Counter(len(z) for z, _, _ in self.asked)

    def calls(self, what: str) -> float:
        """How often a step calls one of `COUNTED`."""
        found = 0
        for (path, _, name), entry in self._stats.items():
            if any(path.endswith(file) and name == function for file, function in COUNTED[what]):
                found += int(entry[1])
        return found / PROFILED

    def top(self, count: int) -> tuple[dict[str, str], ...]:
        """The functions of this project, and of others, with the most own time; ms a step."""
        ranked = sorted(self._stats.items(), key=lambda item: -item[1][2])[:count]
        everything = sum(entry[2] for entry in self._stats.values())
        return tuple(
            {
                "function": name if path == "~" else f"{_short(path)}:{line} {name}",
                "calls a step": f"{entry[1] / PROFILED:.1f}",
                "own ms": f"{1e3 * entry[2] / PROFILED:.2f}",
                "with callees": f"{1e3 * entry[3] / PROFILED:.2f}",
                "share": f"{entry[2] / everything:.1%}",
            }
            for (path, line, name), entry in ranked
        )


FEWEST_VIEWS = 4
COUNTED: dict[str, tuple[tuple[str, str], ...]] = {
    "tree": (("render/embree.py", "__init__"), ("render/nvdiffrast.py", "__init__")),
    "cast": (("render/embree.py", "cast"), ("render/nvdiffrast.py", "visibility")),
    "march": (("geometry/marching_tets.py", "march"),),
}
"""File and function of what is counted; `embree.cast`, the function, builds on the method and is not used."""


def _network_seconds(watch: Watch, clock: Clock) -> tuple[float, float, float]:
    """Seconds a step of the denoiser, of the encoder of conditions, and of pictures' latents, each alone."""
    real = watch.guidance.real
    examples = {len(z): (z, t, condition) for z, t, condition in watch.asked}
    denoiser = encoder = 0.0
    for rows, count in watch.batches.items():
        encoding, denoising = _asked_alone(real, *examples[rows], clock)
        encoder, denoiser = encoder + count * encoding, denoiser + count * denoising
    pictures = 0.0
    for (shape, moved), count in Counter(watch.pictures).items():
        pictures += count * _alone(partial(_latents, real, shape, moved), clock)
    return denoiser / watch.steps, encoder / watch.steps, pictures / watch.steps


@torch.no_grad()
def _asked_alone(
    guidance: Guidance, z: Tensor, t: Tensor, condition: Condition, clock: Clock
) -> tuple[float, float]:
    """Seconds of encoding one batch's conditions, and of denoising it once they are encoded."""
    encoder = guidance.encoder
    encoding = _alone(lambda: encoder(condition), clock)
    guidance.encoder = _Told(encoder(condition))
    try:
        return encoding, _alone(lambda: guidance.denoise(z, t, condition), clock)
    finally:
        guidance.encoder = encoder


@dataclass(frozen=True)
class _Told:
    """An encoder that has its answer already."""

    encoded: Encoded

    def __call__(self, _condition: Condition, /) -> Encoded:
        return self.encoded


def _latents(guidance: Guidance, shape: tuple[int, ...], moved: bool) -> None:
    images = torch.zeros(shape, device=guidance.device, requires_grad=moved)
    with torch.set_grad_enabled(moved):
        latents = guidance.encode(images)
    if moved:
        latents.sum().backward()


def _field_step(field: HeadField, expression: int) -> None:
    vertices, _ = field.mesh(expression)
    vertices.sum().backward()


def _ray_seconds(vertices: Tensor, faces: Tensor, resolution: int, clock: Clock) -> tuple[float, float]:
    """Seconds of building a mesh's tree and of casting one view of it; Embree builds at the first cast."""
    scene, camera = scene_of(vertices, faces), Camera(yaw=0.3, resolution=resolution)
    cast = _alone(lambda: scene.visibility(camera), clock)
    both = _alone(lambda: scene_of(vertices, faces).visibility(camera), clock)
    return both - cast, cast


def _alone(work: Callable[[], object], clock: Clock) -> float:
    """Mean seconds of a call, after two that warm up."""
    for _ in range(2):
        work()
    begun = clock()
    for _ in range(REPEATS):
        work()
    return (clock() - begun) / REPEATS


def _clock(device: torch.device, processor_time: bool) -> Clock:
    def settled() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    if device.type == "cuda":
        return settled
    return time.process_time if processor_time else time.perf_counter


@contextmanager
def _timed(outside: dict[str, float], name: str, clock: Clock) -> Iterator[None]:
    begun = clock()
    yield
    outside[name] = clock() - begun


def _part_row(stage: StageCost, part: Part) -> dict[str, str]:
    share = f"{part.seconds / stage.step:.0%}"
    note = part.note if part.counted else f"{part.note}; not among the bar's parts"
    return _row(stage.stage, part.name, part.seconds, note, share)


def _row(stage: str, part: str, seconds: float, note: str, share: str) -> dict[str, str]:
    return {
        "stage": stage,
        "part": part,
        "ms a step": f"{1e3 * seconds:.1f}",
        "share": share,
        "what": note,
    }


def _short(path: str) -> str:
    """The last three parts of a path."""
    return "/".join(Path(path).parts[-3:])
