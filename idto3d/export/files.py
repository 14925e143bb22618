"""What `idto3d-eval export` writes from a HeadAsset: one GLB with morph targets, and OBJ with maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from idto3d.errors import UserError
from idto3d.export.blendshapes import NEUTRAL, Told, chosen_expressions, read_blendshapes
from idto3d.export.morph_glb import encode_morph_glb
from idto3d.export.obj import encode_obj
from idto3d.export.registration import Residual
from idto3d.given_asset import read_given
from idto3d.whole_file import write_whole

MORPHS, OBJ_FOLDER = "morphs.glb", "obj"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        files: bytes of each, by its path.
        residuals: per morph target, how far it lies from the expression's own mesh.
    """

    files: Mapping[Path, int]
    residuals: Mapping[str, Residual]


def export_head(
    asset: Path,
    out: Path,
    expressions: Sequence[str] = (),
    *,
    morphs: bool = True,
    obj: bool = True,
    told: Told | None = None,
) -> Exported:
    """Write a head for other programs: `morphs.glb`, and `obj/` with five files an expression.

    Every file is written whole or not at all; what was there before under its name is replaced.

    Args:
        asset: the HeadAsset folder; its own GLBs, one an expression, stay where they are.
        out: the folder that is written to, created where it is missing.
        expressions: which; all of the asset's by default. The morph targets' base is neutral in any case.
        morphs: whether the GLB with morph targets is written.
        obj: whether OBJ files are written.
        told: called with what is being done, steps done and steps in all.

    Raises:
        AssetError: a file of the asset that is missing or must not be trusted.
        UserError: an unknown expression, no neutral or nothing beside it for morph targets, or `out` is the
            asset itself.
    """
    if out.resolve() == asset.resolve():
        raise UserError(f"Found the asset '{asset}' itself as the output, expected another folder for --out.")
    if not (morphs or obj):
        raise UserError("Found both kinds of file refused, expected one to write; leave out a --no- option.")
    chosen = chosen_expressions(asset, expressions)
    files: dict[Path, int] = {}
    residuals: Mapping[str, Residual] = {}
    if morphs:
        head = read_blendshapes(asset, (NEUTRAL, *chosen), told)
        residuals = head.residuals
        files |= _write(out, {MORPHS: encode_morph_glb(head)})
    for number, expression in enumerate(chosen if obj else ()):
        files |= _write(out / OBJ_FOLDER, encode_obj(read_given(asset, expression), expression))
        if told:
            told("writing OBJ", number + 1, len(chosen))
    return Exported(files, residuals)


def _write(folder: Path, contents: Mapping[str, bytes]) -> dict[Path, int]:
    for name, data in contents.items():
        write_whole(folder / name, data)
    return {folder / name: len(data) for name, data in contents.items()}
