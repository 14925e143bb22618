"""Heads to show, and the JSON that tells the viewer about them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from idto3d.asset import read_bounded
from idto3d.errors import UserError
from idto3d_dashboard.viewer.glb_check import MAX_SHOWN_BYTES, check_shown_glb

LOOKS = ("colour", "clay", "normals", "wireframe", "albedo")
LIGHTS = ("studio", "even", "side")
MAX_VIEW_BYTES = 8 * 2**20
GLB_TYPE = "model/gltf-binary"

_IMAGE_TYPES = {b"\x89PNG": ("image/png", "png"), b"\xff\xd8\xff": ("image/jpeg", "jpg")}

# An address, or {"file": name} for a page that keeps its files itself.
Source = str | dict[str, str]
# Bytes, a name made of their hash, and their media type, to where the viewer finds them.
Place = Callable[[bytes, str, str], Source]


@dataclass(frozen=True)
class ShownHead:
    """One head on a page.

    Args:
        name: the caption, and what a screen reader hears.
        glb: metallic-roughness PBR, maybe vertex colours, maybe named morph targets; a file or its bytes.
        strip: its stored views by rising yaw; a browser without WebGL steps through them.
        note: a line under the name.
    """

    name: str
    glb: Path | bytes
    strip: tuple[Path, ...] = ()
    note: str = ""


def packed_as_data(data: bytes, name: str, kind: str) -> str:
    """A `Place` inside the page itself: a data: URI."""
    del name
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def head_spec(
    heads: Sequence[ShownHead],
    *,
    look: str = "colour",
    light: str = "studio",
    weights: Mapping[str, float] | None = None,
    height: int = 360,
    group: str | None = None,
    key: str | None = None,
    place: Place = packed_as_data,
) -> dict[str, Any]:
    """What `mountHeads` takes. A head whose GLB is refused carries the sentence in its place.

    Args:
        heads: in the order in which they are shown.
        look: one of `LOOKS`.
        light: one of `LIGHTS`.
        weights: of the morph targets, by name; what is not named is 0.
        height: of a picture at most, CSS pixels.
        group: mounts of one group turn together.
        key: under which a page finds its camera again.
        place: puts a file where the page finds it.

    Raises:
        UserError: an unknown look or light.
    """
    for what, value, known in (("look", look, LOOKS), ("light", light, LIGHTS)):
        if value not in known:
            raise UserError(
                f"Found {what} {value!r}, expected one of {', '.join(known)}; choose one of these."
            )
    spec: dict[str, Any] = {
        "heads": [_entry(head, place) for head in heads],
        "look": look,
        "light": light,
        "weights": {name: float(weight) for name, weight in (weights or {}).items()},
        "height": height,
    }
    return spec | {name: value for name, value in (("group", group), ("key", key)) if value is not None}


def _entry(head: ShownHead, place: Place) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": head.name, "note": head.note, "strip": _strip(head.strip, place)}
    try:
        data, digest = checked_glb(head.glb, head.name)
    except UserError as error:
        return entry | {"glb": "", "error": str(error)}
    return entry | {"glb": place(data, f"{digest}.glb", GLB_TYPE), "hash": digest}


def checked_glb(glb: Path | bytes, name: str) -> tuple[bytes, str]:
    """A GLB's bytes and their sha256, checked once as long as the file stays as it is.

    Raises:
        UserError: unreadable, or refused.
    """
    if isinstance(glb, bytes):
        return _checked_bytes(glb, name)
    try:
        status = glb.stat()
    except OSError as error:
        raise UserError(
            f"Found no readable head '{name}' ({error.strerror}), expected its GLB; generate the head again."
        ) from error
    return _checked_file(glb, status.st_mtime_ns, status.st_size, name)


@lru_cache(maxsize=64)  # two pages of twenty heads and what was looked at before: some 60 MB
def _checked_bytes(data: bytes, name: str) -> tuple[bytes, str]:
    check_shown_glb(data, name)
    return data, hashlib.sha256(data).hexdigest()


@lru_cache(maxsize=64)
def _checked_file(path: Path, modified: int, size: int, name: str) -> tuple[bytes, str]:
    del modified, size  # they make the cache see another file
    data = read_bounded(path, MAX_SHOWN_BYTES)
    check_shown_glb(data, name)
    return data, hashlib.sha256(data).hexdigest()


def _strip(views: tuple[Path, ...], place: Place) -> list[Source]:
    """The stored views that can be read: they stand in for the head, and a missing one leaves the others."""
    sources = []
    for path in views:
        try:
            data = read_bounded(path, MAX_VIEW_BYTES)
        except UserError:
            continue
        for magic, (kind, ending) in _IMAGE_TYPES.items():
            if data.startswith(magic):
                sources.append(place(data, f"{hashlib.sha256(data).hexdigest()}.{ending}", kind))
    return sources
