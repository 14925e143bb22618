"""A head of a run: its mesh for the viewer, its stored views, or why it is missing and where that is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from idto3d.glb_bounds import MAX_GLB_BYTES
from idto3d_dashboard.reading.files import inside
from idto3d_dashboard.reading.run import Run
from idto3d_eval.store import Store


@dataclass(frozen=True)
class Head:
    """One row's head of one person with one expression.

    Attributes:
        label: the row that scores it.
        job: that made it, such as "heads/oracle/heldout-0000/seed-0": where it lies in the run's folder.
        glb: its mesh; None where there is none.
        strip: its stored views by rising yaw.
        note: what a reader must know of it: whose it is, where the row scores another row's heads.
        missing: why there is no mesh; "" where there is one.
        log: where that is told, as a place in the run's folder; "" where there is no log.
    """

    label: str
    job: str
    glb: Path | None
    strip: tuple[Path, ...]
    note: str
    missing: str
    log: str


def head_of(run: Run, label: str, identity: str, expression: str, seed: int) -> Head:
    """The head that a row is scored by, as an identity."""
    own, made_for = run.made_of(label), _made_for(run, label, identity)
    place = f"{own}/{made_for}/seed-{seed}"
    note = "" if own == label else f"a head of {own}, made for {made_for}"
    job = f"heads/{place}"
    glb = inside(run.folder, f"{job}/{expression}.glb")
    missing = _why_missing(run, job, glb, expression)
    strip = _strip(run, f"views/{place}/{expression}")
    log = f"logs/{job}.log"
    if inside(run.folder, log) is None:
        log = ""
    return Head(label, job, None if missing else glb, strip, note, missing, log)


def conditioning_of(run: Run, label: str, identity: str) -> str:
    """Whose photos the head was made from that a row scores as an identity."""
    return run.protocol.conditioning_identity(
        run.protocol.row(run.made_of(label)), _made_for(run, label, identity)
    )


def view_names(run: Run) -> tuple[str, ...]:
    """Names of all views: level cameras first by rising yaw, the brightest light's order kept."""
    cameras = {view.name: run.protocol.camera(view.camera) for view in run.protocol.views}
    return tuple(sorted(cameras, key=lambda name: (abs(cameras[name].pitch_deg), cameras[name].yaw_deg)))


def frontal_view(run: Run) -> str:
    """The view from straight ahead, or the first one."""
    views = run.protocol.views
    return next((view.name for view in views if run.protocol.camera(view.camera).yaw_deg == 0), views[0].name)


def _made_for(run: Run, label: str, identity: str) -> str:
    """For whom the head was made that a row scores as an identity; rows may score by the photos' person."""
    if run.row(label).get("scored_as", "own") == "own":
        return identity
    row = run.protocol.row(run.made_of(label))
    return next(name for name in run.identities if run.protocol.conditioning_identity(row, name) == identity)


def _why_missing(run: Run, job: str, glb: Path | None, expression: str) -> str:
    if glb is not None:
        size = glb.stat().st_size
        return "" if size <= MAX_GLB_BYTES else f"a mesh of {size} bytes, expected at most {MAX_GLB_BYTES}"
    record = Store(run.folder).record(job)
    if record is None:
        return "it has not been made"
    if not record.done:
        return record.reason
    if record.fileless:
        return "its files were not kept: the row was taken from an archive"
    return f"the method made no head with the expression {expression}"


def _strip(run: Run, folder: str) -> tuple[Path, ...]:
    """One stored view of each level camera, the first of its lights."""
    first: dict[float, Path] = {}
    for view in run.protocol.views:
        camera = run.protocol.camera(view.camera)
        if camera.pitch_deg == 0 and camera.yaw_deg not in first:
            path = inside(run.folder, f"{folder}/{view.name}.png")
            if path is not None:
                first[camera.yaw_deg] = path
    return tuple(path for _, path in sorted(first.items()))
