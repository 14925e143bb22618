"""The one folder that a foreign mesh may refer to: plain files inside it, bounded, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

from PIL import Image

from idto3d.asset import AssetError, read_bounded
from idto3d.glb_bounds import IMAGE_FORMATS, MAX_PIXELS, brief, refused

MAX_FILE_BYTES = 64 * 2**20  # of an image or a material file beside a mesh
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
MATERIAL_SUFFIX = ".mtl"
MAX_FILES = 64  # that one mesh may name


def inside(folder: Path, name: str) -> Path:
    """The file of that name inside a folder, links followed.

    Args:
        folder: what must hold the file.
        name: relative, with forward slashes.

    Raises:
        AssetError: the name is absolute, climbs, is an address, or leads out of the folder through a link.
    """
    plain = PurePosixPath(name.replace("\\", "/"))
    root = folder.resolve()
    if plain.is_absolute() or ".." in plain.parts or ":" in name or not plain.parts or "\0" in name:
        raise AssetError(
            f"Found a reference to {name!r:.80}, expected a file inside '{folder.name}'; copy it there."
        )
    path = (root / plain).resolve()
    if root != path and root not in path.parents:
        raise AssetError(
            f"Found '{name:.80}' leading out of '{folder.name}' through a link, expected a file inside it; "
            "copy it there."
        )
    return path


class FolderFiles:
    """What trimesh's loaders ask for the files that a mesh names; it remembers what it refused.

    Loaders swallow errors of theirs, so whoever uses this calls `settle` afterwards.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.missing: list[str] = []
        self._asked = 0
        self._refusals: list[AssetError] = []

    def get(self, name: str) -> bytes:
        """The bytes of a file, images only after their size in pixels was seen.

        Raises:
            AssetError: it is no image or material file of the folder, is too large, or is no image.
        """
        self._asked += 1
        told = "".join(sign if sign.isprintable() else "?" for sign in name[:80])
        try:
            if self._asked > MAX_FILES:
                raise refused(told, f"over {MAX_FILES} files that the mesh names", "fewer; join its textures")
            path = inside(self.folder, name)
            suffix = path.suffix.lower()
            if suffix not in (*IMAGE_SUFFIXES, MATERIAL_SUFFIX):
                raise refused(told, f"a file of type {suffix!r}", "PNG, JPEG or MTL")
            if not path.is_file():
                self.missing.append(name)
                raise refused(told, "no file", f"one in '{self.folder.name}'")
            data = read_bounded(path, MAX_FILE_BYTES)
            if suffix != MATERIAL_SUFFIX:
                check_image(data, told)
            return data
        except AssetError as error:
            if name not in self.missing:
                self._refusals.append(error)
            raise

    def settle(self) -> None:
        """Raise the first refusal, if there was one.

        Raises:
            AssetError: the mesh named a file that it must not.
        """
        if self._refusals:
            raise self._refusals[0]

    def __getitem__(self, name: str) -> bytes:
        """As `get`: the two ways in which loaders ask."""
        return self.get(name)


def check_image(data: bytes, where: str) -> tuple[int, int]:
    """Width and height of an image that may be decoded.

    Raises:
        AssetError: it is neither PNG nor JPEG, or has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as opened:  # reads the header alone
            width, height = opened.size
    except Exception as error:  # a foreign image in a foreign decoder: whatever it raises is one bad file
        raise refused(where, f"an image that cannot be read ({brief(error)})", "a PNG or JPEG") from error
    if width * height > MAX_PIXELS:
        raise refused(where, f"an image of {width} × {height}", f"at most {MAX_PIXELS} pixels")
    return width, height
