"""Photographs that a user hands to a command: one that asks for more memory than there is gets a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d.identity.photo import read_photo


def read_given_photo(path: Path) -> NDArray[np.uint8]:
    """A photograph, as `read_photo` reads it.

    Returns:
        uint8 [H, W, 3] sRGB.

    Raises:
        UserError: as `read_photo`, and for a part that says it is larger than memory.
    """
    try:
        return read_photo(path)
    except MemoryError:
        raise UserError(
            f"Found a damaged image in '{path.name}' (a part says that it is larger than memory), expected a "
            "complete photo; copy it again or remove it."
        ) from None
