"""Heads that were made elsewhere: the files of a folder, read as they lie there."""

from __future__ import annotations

from idto3d.asset import AssetError
from idto3d_baselines.external_files import assets_folder, head_files, provided
from idto3d_baselines.external_heads import write_foreign_head
from idto3d_baselines.external_spec import assets_settings
from idto3d_baselines.specs import GenerateRequest


def generate(request: GenerateRequest) -> None:
    """Write the asset from the identity's files; an expression without one is left out.

    Raises:
        AssetError: no folder, no neutral file, one that the spec promises is missing, or one that must not be
            trusted.
    """
    spec = assets_settings(request.settings)
    folder = assets_folder(spec, request.origin)
    if not folder.is_dir():
        raise AssetError(
            f"Found no folder '{spec.folder}' of {spec.name}, expected its heads there; mend folder:."
        )
    asked = provided(spec, request.expressions)
    files = head_files(spec, folder, request.identity, request.seed, asked)
    missing = [name for name in asked if name not in files]
    if missing and spec.expressions is not None:
        raise AssetError(
            f"Found no file of {request.identity}'s {missing[0]} by {spec.name}, expected one as its spec "
            "promises; make it, or take the expression out of expressions:."
        )
    write_foreign_head(request, spec, folder, files)
