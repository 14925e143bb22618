"""Photos from outside, bounded before they are decoded."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from idto3d.errors import UserError

LARGEST_FILE = 64 * 2**20  # bytes
LARGEST_IMAGE = 50_000_000  # pixels; a phone's photo has 12 to 48 million
SMALLEST_SIDE = 32  # pixels
LONGEST_SIDE = 2048  # pixels; larger photos are reduced, a face needs no more
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")


def read_photo(path: Path) -> np.ndarray:
    """Decode a photo, upright by its EXIF tag.

    Args:
        path: JPEG, PNG, WebP or BMP.

    Returns:
        uint8 [H, W, 3] sRGB, at most 2048 pixels a side.

    Raises:
        UserError: missing, too large, too small, truncated, or no image.
    """
    if not path.is_file():
        raise UserError(f"Found no photo at '{path}', expected an image file; check the name.")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise UserError(
            f"Found a file of {size >> 20} MiB at '{path.name}', expected at most {LARGEST_FILE >> 20}; "
            "reduce it."
        )
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > LARGEST_IMAGE or min(width, height) < SMALLEST_SIDE:
                raise UserError(
                    f"Found a photo of {width} x {height} pixels at '{path.name}', expected a side of "
                    f"at least {SMALLEST_SIDE} and at most {LARGEST_IMAGE // 10**6} million; resize it."
                )
            image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            upright = ImageOps.exif_transpose(image).convert("RGB")
            upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX)
            return np.asarray(upright, np.uint8)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UserError(
            f"Found no image in '{path.name}', expected {', '.join(FORMATS)}; convert or remove it."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UserError(
            f"Found a damaged image in '{path.name}' ({error}), expected a complete {', '.join(FORMATS)}; "
            "copy it again or remove it."
        ) from error


def photo_sha256(path: Path) -> str:
    """Hash of the file as it lies on disk."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
