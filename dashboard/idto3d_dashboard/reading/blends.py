"""A head that blends between neutral and an expression: one GLB with a morph target, kept by content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit

from idto3d.errors import UserError
from idto3d_dashboard.reading.files import Stamp, stamp
from idto3d_dashboard.reading.heads import Head

NEUTRAL = "neutral"
KEPT = 32  # of about 1 MB


@dataclass(frozen=True)
class Blend:
    """A GLB whose one morph target bears the expression's name, or why there is none; and whether it has
    neutral's colours alone, where the expression's lie on a layout of their own."""

    glb: bytes
    reason: str
    plain: bool = False


def blend_of(neutral: Head, posed: Head, expression: str) -> Blend:
    """A head with a morph target from neutral to an expression."""
    for name, head in ((NEUTRAL, neutral), (expression, posed)):
        if head.glb is None:
            return Blend(b"", f"no head with {name} to blend: {head.missing}")
    assert neutral.glb is not None
    assert posed.glb is not None
    return _blended(stamp(neutral.glb), stamp(posed.glb), expression)


@streamlit.cache_resource(max_entries=KEPT, show_spinner=False)
def _blended(neutral: Stamp, posed: Stamp, expression: str) -> Blend:
    import numpy as np

    from idto3d.export.blendshapes import blendshapes
    from idto3d.export.morph_glb import encode_morph_glb
    from idto3d.given_asset import read_given

    try:
        base, other = (read_given(path.parent, path.stem) for path in (Path(neutral[0]), Path(posed[0])))
    except UserError as error:
        return Blend(b"", str(error))
    # Others would have to be registered, which takes minutes: that is what the command `export` is for.
    if base.vertices.shape != other.vertices.shape or not np.array_equal(base.faces, other.faces):
        return Blend(
            b"",
            f"its heads with {NEUTRAL} and {expression} are different meshes ({len(base.vertices):,} and "
            f"{len(other.vertices):,} vertices), so that no point of one is known on the other; idto3d-eval "
            "export registers them",
        )
    same = base.albedo.shape == other.albedo.shape and np.array_equal(base.albedo, other.albedo)
    mixed = not same and np.array_equal(base.uvs, other.uvs)
    colours = {expression: other.albedo} if mixed else None
    glb = encode_morph_glb(blendshapes(base, {expression: other}), colours)
    return Blend(glb, "", plain=not same and not mixed)
