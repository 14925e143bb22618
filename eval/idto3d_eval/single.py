"""One person's heads from photographs, outside a run: what `idto3d-eval generate` calls."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS
from idto3d_baselines.specs import METHODS, GenerateRequest, Progress, method_spec
from idto3d_protocols.loader import load_protocol

PREVIEW = "preview.png"
UNFINISHED = ".unfinished"  # after the name of a head that is being made


def shipped_weights() -> Path:
    """The folder of the weights that came with the package."""
    return Path(str(resources.files("idto3d"))) / "weights"


def expressions_named(text: str | None, single: Sequence[str] = ()) -> tuple[str, ...]:
    """The expressions that a command asks for, in the order of `EXPRESSIONS`, neutral always among them:
    every other one is made as a change of it.

    Args:
        text: "all", or names between commas; all where neither this nor `single` names any.
        single: further names.

    Raises:
        UserError: a name that is none of the 13.
    """
    given = [name.strip() for name in (text or "").split(",") if name.strip()]
    asked = {*given, *single} or {"all"}
    unknown = [name for name in (*given, *single) if name not in (*EXPRESSIONS, "all")]
    if unknown:
        raise UserError(f"Found expression {unknown[0]!r}, expected all or some of {', '.join(EXPRESSIONS)}.")
    return tuple(name for name in EXPRESSIONS if "all" in asked or name in asked or name == EXPRESSIONS[0])


def generate_heads(
    photos: Sequence[Path],
    out: Path,
    method: str = "id_to_3d",
    expressions: tuple[str, ...] = ("neutral",),
    seed: int = 0,
    protocol: str = "quickstart",
    weights: Path | None = None,
    *,
    prompt: str = "",
    progress: bool = False,
    told: Callable[[str], None] | None = None,
) -> Path:
    """Writes one person's HeadAsset, and a picture of it beside its GLBs.

    While it is made, a folder beside `out` holds checkpoints, from which the same call goes on, and
    `preview.png`, drawn anew every few seconds; a finished head has none.

    Args:
        photos: photographs of one person, or folders of them; those without a readable face are left out.
        out: folder that the asset is written to; it must not hold anything yet.
        method: a name in the table of methods; one that needs the true head is refused.
        expressions: names of `idto3d.expressions`.
        seed: where the method's random numbers start.
        protocol: whose budget is spent.
        weights: folder of weights, the shipped ones by default.
        prompt: what the head should look like beyond the photos; "" for nothing.
        progress: whether a bar is shown.
        told: called with a sentence for each photo that is left out.

    Raises:
        UserError: a photo or folder that does not fit, an unknown name, no photo with a face, a prompt that
            the method or its model cannot follow.
    """
    from idto3d.identity.photo_folder import photo_paths, usable_photos
    from idto3d_baselines.subject import face_finders, prompt_of
    from idto3d_eval.picture_grid import head_preview

    spec = method_spec(method)
    if spec.needs_truth:
        raise UserError(
            f"Found method {method!r}, expected one that makes heads from photos, such as id_to_3d."
        )
    if prompt and not spec.takes_prompt:
        able = ", ".join(name for name, other in METHODS.items() if other.takes_prompt)
        raise UserError(f"Found a prompt for {method!r}, expected a method that takes one: {able}.")
    unknown = [name for name in expressions if name not in EXPRESSIONS]
    if unknown:
        raise UserError(f"Found expression {unknown[0]!r}, expected one of {', '.join(EXPRESSIONS)}.")
    if weights is not None:
        from idto3d.weight_bounds import check_weights

        check_weights(weights)
    folder = weights or shipped_weights()
    paths = photo_paths(photos)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(
            f"Found {out} there already, expected a new folder for the heads; name another with --out."
        )
    prompt_of(prompt, folder)
    usable, skipped = usable_photos(paths, *face_finders(folder))
    for photo in skipped:
        if told is not None:
            told(f"Skipped a photo. {photo.reason}")
    request = GenerateRequest(
        identity=out.name,
        photos=tuple(usable),
        expressions=expressions,
        seed=seed,
        budget=load_protocol(protocol).budget,
        weights=folder,
        out=out,
        prompt=prompt,
        kept=out.with_name(f"{out.name}{UNFINISHED}"),
    )
    _generate_with_bar(request, method, progress)
    shutil.rmtree(out.with_name(f"{out.name}{UNFINISHED}"), ignore_errors=True)
    (out / PREVIEW).write_bytes(head_preview(out, usable))
    return out


def asset_rows(asset: Path) -> list[dict[str, str]]:
    """One row an expression: what its file holds."""
    from idto3d.asset import read_expression, read_manifest

    rows = []
    for name in read_manifest(asset).expressions:
        mesh, file = read_expression(asset, name), asset / f"{name}.glb"
        row = {"expression": name, "vertices": f"{len(mesh.vertices):,}", "faces": f"{len(mesh.faces):,}"}
        side = mesh.albedo.shape[0]
        rows.append({**row, "texture": f"{side}²", "KiB": f"{file.stat().st_size / 1024:.0f}"})
    return rows


def _generate_with_bar(request: GenerateRequest, method: str, progress: bool) -> None:
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task(method)

        def advance(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        told: Progress = advance
        method_spec(method).load()(replace(request, progress=told))
