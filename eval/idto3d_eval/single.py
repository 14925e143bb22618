"""One person's heads from photographs, outside a run: what `idto3d-eval generate` calls."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS
from idto3d_baselines.specs import GenerateRequest, Progress, method_spec
from idto3d_protocols.loader import load_protocol


def shipped_weights() -> Path:
    """The folder of the weights that came with the package."""
    return Path(str(resources.files("idto3d"))) / "weights"


def generate_heads(
    photos: Sequence[Path],
    out: Path,
    method: str = "id_to_3d",
    expressions: tuple[str, ...] = ("neutral",),
    seed: int = 0,
    protocol: str = "quickstart",
    weights: Path | None = None,
    *,
    progress: bool = False,
) -> Path:
    """Writes one person's HeadAsset.

    Args:
        photos: photographs of one person.
        out: folder that the asset is written to; it must not exist.
        method: a name in the table of methods; one that needs the true head is refused.
        expressions: names of `idto3d.expressions`.
        seed: where the method's random numbers start.
        protocol: whose budget is spent.
        weights: folder of weights, the shipped ones by default.
        progress: whether a bar is shown.

    Raises:
        UserError: a photo or folder that does not fit, an unknown name, no face in a photo.
    """
    spec = method_spec(method)
    if spec.needs_truth:
        raise UserError(
            f"Found method {method!r}, expected one that makes heads from photos, such as id_to_3d."
        )
    unknown = [name for name in expressions if name not in EXPRESSIONS]
    if unknown:
        raise UserError(f"Found expression {unknown[0]!r}, expected one of {', '.join(EXPRESSIONS)}.")
    missing = [str(photo) for photo in photos if not photo.is_file()]
    if missing:
        raise UserError(f"Found no photo at {missing[0]}, expected a readable image file.")
    if out.exists():
        raise UserError(
            f"Found {out} there already, expected a new folder for the heads; name another with --out."
        )
    request = GenerateRequest(
        identity=out.name,
        photos=tuple(photos),
        expressions=expressions,
        seed=seed,
        budget=load_protocol(protocol).budget,
        weights=weights or shipped_weights(),
        out=out,
    )
    _generate_with_bar(request, method, progress)
    return out


def _generate_with_bar(request: GenerateRequest, method: str, progress: bool) -> None:
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task(method)

        def advance(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        told: Progress = advance
        method_spec(method).load()(replace(request, progress=told))
