"""Two photographs that are one: the same pixels, or one picture resized, compressed or mirrored.

A difference hash: the picture as 9 x 8 grey values, and whether each is brighter than its left neighbour.
What is cut out of a picture differently is another picture to it. As wholes, two portraits of one person in
the tests differ in 27 of 64 bits; copies at half the size and JPEG quality 20 to 50 differ in at most 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError

MOST_DIFFERENT = 8  # bits of 64; between the two figures above


def difference_hash(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """[64] bool of an image [H, W, 3] uint8."""
    from PIL import Image

    grey = np.asarray(
        Image.fromarray(image).convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16
    )
    return (grey[:, 1:] > grey[:, :-1]).ravel()


def nearly_equal(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """Whether two images [H, W, 3] uint8 are one picture, mirrored or not."""
    one = difference_hash(first)
    others = (difference_hash(second), difference_hash(np.ascontiguousarray(second[:, ::-1])))
    return any(int((one != other).sum()) <= MOST_DIFFERENT for other in others)


def refuse_duplicates(identity: str, paths: Sequence[Path], images: Sequence[NDArray[np.uint8]]) -> None:
    """Refuse a person of whom two photos are one: what conditions would be what scores.

    Raises:
        UserError: one sentence that names the first two.
    """
    for number, image in enumerate(images):
        for other in range(number):
            if nearly_equal(images[other], image):
                raise UserError(
                    f"Found one picture twice among the photos of {identity!r} ({paths[other].name} and "
                    f"{paths[number].name}), expected photos that share nothing, since one may condition and "
                    "the other score; remove one of them."
                )
