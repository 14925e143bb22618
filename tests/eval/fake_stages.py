"""Stages that do next to nothing, so that the runner itself can be killed, filled and resumed in seconds.

Pictures and figures follow from names alone. A method row's parameters choose how a fake head goes wrong.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from idto3d.errors import UserError
from idto3d_baselines.specs import MethodSpec
from idto3d_eval import stages
from idto3d_eval.metrics import METRICS
from idto3d_eval.stage import Facts, Stage, StageCall
from idto3d_eval.tables import ScoreRow, write_rows
from idto3d_protocols.loader import parse_protocol
from idto3d_protocols.schema import Protocol

HERE = str(Path(__file__).parent)
TABLE = "fake_stages:STAGES"


def spec(name: str, kind: str = "native", **changes: Any) -> MethodSpec:
    fields: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "summary": f"the fake method {name}",
        "entry": "fake_stages:generate",
        "conditioned_on": ("photos",),
        "knows_population": False,
        "licence": "Apache-2.0",
        "commit": None,
        "reproduction": "own",
        "source": "this test",
    }
    return MethodSpec(**{**fields, **changes})


METHODS = {
    "good": spec("good"),
    "other": spec("other"),
    "mean": spec("mean", kind="floor", knows_population=True),
    "truth": spec("truth", kind="ceiling", knows_population=True, conditioned_on=("truth",)),
}


def protocol(people: int = 2, methods: str = "[{method: good, label: good}]", **changes: str) -> Protocol:
    """A small protocol; `changes` replace single lines of its YAML."""
    lines = {
        "schema_version": "1",
        "name": "fake",
        "version": "1",
        "profile": "embedded",
        "question": "Are fake heads scored?",
        "description": "A protocol of fake heads.",
        "population": "{label: synthetic, split: heldout, population_seed: 0, identities: ["
        + ", ".join(f"heldout-{index:04d}" for index in range(people))
        + "], conditioning_photos: 2, scoring_photos: 1}",
        "methods": methods,
        "expressions": "[neutral, smile]",
        "seeds": "[0]",
        "budget": "{geometry_steps: 2, texture_steps: 2, fit_steps: 2, geometry_batch: 1, texture_batch: 1,"
        " threads: 1}",
        "cameras": "[{name: front, yaw_deg: 0, pitch_deg: 0, distance_mm: 900, fovy_deg: 20,"
        " target_mm: [0, -30, -30]}]",
        "lights": "[{name: even, sh: [" + ", ".join(["[1, 1, 1]"] * 9) + "]}]",
        "views": "[{camera: front, light: even, frontal: true}]",
        "resolution": "64",
        "metrics": "[identity, expression, geometry, cost]",
        "statistics": "{bootstrap: 200, level: 0.95, impostors: 2, gallery: 4}",
    }
    return parse_protocol("\n".join(f"{name}: {text}" for name, text in {**lines, **changes}.items()), "test")


def finished(folder: Path, people: int, methods: str) -> Path:
    """A folder with a finished run of a small protocol."""
    from io import StringIO

    from rich.console import Console

    from idto3d_eval.run import run_protocol

    run_protocol(
        protocol(people, methods),
        folder,
        progress=False,
        workers=2,
        weights=folder.parent / "weights",
        methods=METHODS,
        stages=TABLE,
        console=Console(file=StringIO()),
    )
    return folder


def unit(*parts: object) -> float:
    """A number in [0, 1) that follows from names."""
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 2**32


def picture(path: Path, *parts: object) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    colour = tuple(int(60 + 160 * unit(channel, *parts)) for channel in "rgb")
    Image.new("RGB", (32, 32), colour).save(path)


def identity(call: StageCall) -> Facts | None:
    for name, count in (("conditioning", 2), ("scoring", 1)):
        for index in range(count):
            picture(call.out / name / f"{index:02d}.jpg", call.identity, name, index)
    (call.out / "identity.json").write_text(json.dumps({"id": call.identity}))
    return None


def generate(call: StageCall) -> Facts | None:
    asked = call.parameters["parameters"]
    (call.out / "part.glb").write_bytes(b"half a head")
    steps = 4
    for step in range(steps):
        call.progress(step, steps, "steps")
        time.sleep(float(asked.get("pause", 0.0)) / steps)
    behaviour = asked.get("behaviour", "")
    here = asked.get("only", call.identity) == call.identity
    if behaviour == "raise" and here:
        raise RuntimeError("the loss is NaN")
    if behaviour == "user_error" and here:
        raise UserError("Found no face in 00.jpg, expected one.")
    if behaviour == "crash" and here:
        os.kill(os.getpid(), signal.SIGSEGV)
    if behaviour == "disk_full" and here and not Path(str(asked["room"])).exists():
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("could not save the texture") from error
    noise = random.random() if behaviour == "unseeded" else 0.0
    (call.out / "part.glb").write_text(f"{call.identity} {call.seed} {call.method['name']} {noise}")
    return {"guidance_calls": 8}


def render(call: StageCall) -> Facts | None:
    made = (call.only_input() / "part.glb").read_text()
    for expression in call.protocol.expressions:
        for view in call.protocol.views:
            picture(call.out / expression / f"{view.name}.png", made, expression, view.name)
    return None


def read(call: StageCall) -> Facts | None:
    (call.out / "features.json").write_text(json.dumps({"from": sorted(call.inputs)}))
    return None


def score(call: StageCall) -> Facts | None:
    """Plausible figures: a method's quality follows from its label, an identity's from its name."""
    rows = []
    for made_for, name in call.parameters["scored_as"].items():
        for seed in call.protocol.seeds:
            place = f"features/{call.parameters['heads']}/{made_for}/seed-{seed}"
            rows += _head_rows(call, name, seed, call.failures.get(place, ""))
    write_rows(call.out, rows)
    return None


def _head_rows(call: StageCall, name: str, seed: int, failure: str) -> list[ScoreRow]:
    quality = {"truth": 1.0, "mean": 0.1}.get(call.label, 0.3 + 0.5 * unit(call.label))
    rows = []
    for card in METRICS.values():
        if card.level == "method" or card.statistic != "mean":
            continue
        for expression in call.protocol.expressions if card.level in {"view", "head"} else ("",):
            view = call.protocol.views[0].name if card.level == "view" else ""
            value = quality + 0.1 * unit(card.name, name, expression)
            if card.unit in {"mm", "degrees"}:
                value = 3.0 - 2.0 * quality + 0.3 * unit(name, call.label)
            elif card.better == "lower":
                value = 0.5 - 0.4 * quality
            value = {"identity_floor": 0.2, "identity_ceiling": 0.9, "face_coverage": 1.0}.get(
                card.name, value
            )
            value = 0.2 + 0.7 * quality + 0.05 * unit(name) if card.name == "identity_counted" else value
            number = float("nan") if failure else value
            rows.append(ScoreRow(name, expression, view, seed, card.name, number, failure))
    return rows


POPULATION = ("population.label", "population.population_seed")
STAGES = {
    "identity": Stage(identity, POPULATION),
    "photos": Stage(read, ()),
    "generate": Stage(generate, ("expressions",), lambda file: "scoring" not in file),
    "render": Stage(render, ("expressions", "views", "resolution")),
    "read": Stage(read, (), lambda file: "scoring" in file),
    "gallery": Stage(read, ("statistics.gallery",)),
    "reference": Stage(read, ("views", "statistics.impostors")),
    "score": Stage(
        score,
        ("metrics", "population.identities", "seeds", "expressions", "views"),
        tolerates_failures=True,
    ),
}


def score_lower(call: StageCall) -> Facts | None:
    """Another version of the metrics: what was joint is halved."""
    from dataclasses import replace

    from idto3d_eval.tables import read_rows

    score(call)
    rows = read_rows(call.out)
    write_rows(call.out, [replace(r, value=r.value / 2) if r.metric == "joint" else r for r in rows])
    return None


def never(call: StageCall) -> Facts | None:
    raise AssertionError(f"{call.job} was to be left as it is")


# The same run after the metrics' code, and all code that makes heads, has changed.
LATER_TABLE = "fake_stages:LATER"
LATER = {
    **STAGES,
    "identity": Stage(never, POPULATION),
    "generate": Stage(never, ("expressions",)),
    "render": Stage(never, ("expressions", "views", "resolution")),
    "score": Stage(
        score_lower,
        ("metrics", "population.identities", "seeds", "expressions", "views"),
        tolerates_failures=True,
    ),
}


def real_identity(call: StageCall) -> Facts | None:
    """A fake person with the facts that the real generate stage asks for."""
    identity(call)
    facts = {"id": call.identity, "split": "heldout", "index": 0, "population_seed": 0}
    (call.out / "identity.json").write_text(json.dumps(facts))
    return None


def write_square(request: Any) -> None:
    """A method whose head is a square before the face's place; parameter `broken` spoils one of its files."""
    import numpy as np

    from idto3d.asset import AssetManifest, TexturedMesh, write_head_asset

    corners = np.array([[-60.0, -90.0, 0.0], [60.0, -90.0, 0.0], [60.0, 40.0, 0.0], [-60.0, 40.0, 0.0]])
    mesh = TexturedMesh(
        vertices=corners,
        faces=np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int64),
        uvs=np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]),
        albedo=np.full((8, 8, 3), 180, dtype=np.uint8),
        roughness_metallic=np.full((8, 8, 3), 128, dtype=np.uint8),
    )
    manifest = AssetManifest(
        method="square", identity=request.identity, seed=request.seed, expressions=request.expressions
    )
    write_head_asset(request.out, dict.fromkeys(request.expressions, mesh), manifest)
    file = request.out / "smile.glb"
    broken = str(request.parameters.get("broken", ""))
    if broken == "nan":
        position = np.float32(-0.06).tobytes()
        assert position in file.read_bytes()
        file.write_bytes(file.read_bytes().replace(position, np.float32("nan").tobytes()))
    elif broken == "truncated":
        file.write_bytes(file.read_bytes()[:200])
    elif broken == "missing":
        file.unlink()


REAL_HEADS = {
    **STAGES,
    "identity": Stage(real_identity, POPULATION),
    "generate": Stage(stages.generate_head, ("expressions",)),
    "render": Stage(stages.render_views, stages.VIEWS),
}
SQUARES = {"square": spec("square", entry="fake_stages:write_square")}


def of_photographs(call: StageCall) -> Facts | None:
    """A fake head that carries its conditioning photos' bytes, so that a test sees where they went."""
    photos = sorted((call.only_input() / "conditioning").iterdir())
    (call.out / "part.glb").write_bytes(b"".join(path.read_bytes() for path in photos))
    return None


def view_of_photographs(call: StageCall) -> Facts | None:
    for expression in call.protocol.expressions:
        for view in call.protocol.views:
            picture(call.out / expression / f"{view.name}.png", call.identity, expression, view.name)
    return None


PHOTOGRAPHS = {
    **STAGES,
    "photographs": stages.STAGES["photographs"],
    "generate": Stage(of_photographs, ("expressions",)),
    "render": Stage(view_of_photographs, ("expressions", "views", "resolution")),
}


def generate_anew(call: StageCall) -> Facts | None:
    """A method that makes another head every time."""
    (call.out / "part.glb").write_text(f"{call.identity} {os.urandom(8).hex()}")
    return None


CHANGING = {**STAGES, "generate": Stage(generate_anew, ("expressions",))}
