"""`idto3d-eval export`: a head asset as files for game engines and modelling programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    asset: Annotated[Path, typer.Argument(help="A head asset: a folder with asset.json and GLBs.")],
    out: Annotated[Path, typer.Option(help="The folder that the files are written to.")],
    morphs: Annotated[bool, typer.Option(help="Write one GLB with a morph target an expression.")] = True,
    obj: Annotated[bool, typer.Option(help="Write OBJ, MTL and PNG maps for each expression.")] = True,
    expressions: Annotated[
        list[str] | None, typer.Option(help="Names, with commas between or given again; all by default.")
    ] = None,
) -> None:
    """Write a head for other programs: a GLB with morph targets, and OBJ files with their maps."""
    from idto3d.export.files import export_head
    from idto3d_eval.show import drawing_bar, print_rows

    names = [name.strip() for given in expressions or [] for name in given.split(",") if name.strip()]
    with drawing_bar() as told:
        written = export_head(asset, out, names, morphs=morphs, obj=obj, told=told)
    print_rows(
        [
            {"file": path.relative_to(out).as_posix(), "size": _size(size)}
            for path, size in written.files.items()
        ]
    )
    if written.residuals:
        typer.echo()
        print_rows(
            [
                {
                    "morph target": name,
                    "residual, median mm": f"{residual.median:.3f}",
                    "95th percentile mm": f"{residual.p95:.3f}",
                    "": "the expression's own mesh" if residual.exact else "registered",
                }
                for name, residual in written.residuals.items()
            ]
        )
    typer.echo(f"Written to {out}")


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{max(1, round(count / 2**10))} KiB"
