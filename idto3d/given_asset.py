"""Heads that a user hands to a command: damage that their reader does not foresee is a sentence too."""

from __future__ import annotations

from pathlib import Path
from struct import error as unpacking

from idto3d.asset import AssetError, AssetManifest, TexturedMesh, read_expression, read_manifest

# What Python makes of a JSON value of another type than the format says, or of a number beyond its bounds.
UNFORESEEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, unpacking)


def read_given_manifest(folder: Path) -> AssetManifest:
    """What a head asset says of itself, as `read_manifest` reads it.

    Raises:
        AssetError: as `read_manifest`; names in the file that cannot be printed are told by their codes.
    """
    try:
        return read_manifest(folder)
    except AssetError as error:
        told = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(error))
        raise AssetError(told) from None


def read_given(folder: Path, expression: str) -> TexturedMesh:
    """One expression's mesh, as `read_expression` reads it; in a job of a run a worker tells what goes wrong.

    Raises:
        AssetError: as `read_expression`, and for a GLB whose parts are of other types than the format says.
    """
    try:
        return read_expression(folder, expression)
    except AssetError:
        raise
    except UNFORESEEN as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())[:160].rstrip(".")
        raise AssetError(
            f"Found '{folder / expression}.glb' damaged ({told}), expected a head asset's GLB; "
            "regenerate this head."
        ) from None
