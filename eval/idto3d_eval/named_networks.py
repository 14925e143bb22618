"""Networks that a user brings for appearance: an ONNX of image features, and a CLIP in transformers' format.

They lie in the folder that IDTO3D_NETWORKS names: `<name>.onnx` (with `<name>.card.json` beside it for its
preprocessing) and a folder `<name>/`, as the protocol's `appearance` names them; where it names none,
`features.onnx` and `clip/`, if they are there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from idto3d.errors import UserError
from idto3d_eval.keys import weights_sha256

if TYPE_CHECKING:
    from idto3d_protocols.schema import Protocol

FOLDER = "IDTO3D_NETWORKS"
FEATURES, IMAGE_TEXT = "features", "clip"


@dataclass(frozen=True)
class NamedNetworks:
    """Where a user's networks lie; None for those that were not given."""

    features: Path | None
    image_text: Path | None

    def sha256(self) -> dict[str, str]:
        """File name -> sha256, of all files that can change what they read."""
        return weights_sha256(path for path in self._files() if path.exists())

    def _files(self) -> list[Path]:
        files = [path for path in (self.image_text,) if path is not None]
        if self.features is not None:
            files += [self.features, self.features.with_name(self.features.stem + ".card.json")]
        return files


def named_networks(protocol: Protocol) -> NamedNetworks:
    """What the protocol names, or else what the folder of networks holds.

    Raises:
        UserError: a network that the protocol names is not in the folder.
    """
    folder = os.environ.get(FOLDER, "")
    asked = protocol.appearance
    return NamedNetworks(
        _found(folder, asked.features, f"{asked.features or FEATURES}.onnx"),
        _found(folder, asked.image_text, asked.image_text or IMAGE_TEXT),
    )


def _found(folder: str, named: str | None, file: str) -> Path | None:
    path = Path(folder) / file
    if folder and path.exists():
        return path
    if named is None:
        return None
    where = f"in {folder}" if folder else f"since {FOLDER} names no folder"
    raise UserError(
        f"Found no network '{file}' {where}, expected the one that the protocol names; put it there and set "
        f"{FOLDER} to its folder, or take it out of the protocol's appearance."
    )
