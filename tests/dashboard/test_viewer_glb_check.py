"""What the viewer's check lets through, and every way in which a GLB is refused with one sentence."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from idto3d.errors import UserError
from idto3d_dashboard.viewer import check_shown_glb, glb_check
from tests.dashboard.shown_glbs import blushing, calling, coloured, edited, morphing, plain, with_binary


@pytest.mark.parametrize("made", [plain, morphing, blushing, coloured])
def test_what_the_project_writes_is_shown(made: Any) -> None:
    assert check_shown_glb(made(), "head") is None  # refusals are raised


def _nan(document: dict[str, Any], binary: bytearray) -> None:
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    start = document["bufferViews"][accessor["bufferView"]].get("byteOffset", 0)
    struct.pack_into("<f", binary, start + accessor.get("byteOffset", 0), float("nan"))


def _beyond(document: dict[str, Any], binary: bytearray) -> None:
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["indices"]]
    start = document["bufferViews"][accessor["bufferView"]].get("byteOffset", 0)
    start += accessor.get("byteOffset", 0)
    size = {5123: 2, 5125: 4}[accessor["componentType"]]
    binary[start : start + size] = (2**15).to_bytes(size, "little")


def _set(*path: Any, value: Any) -> Any:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


HOSTILE = {
    "an image at": calling("evil.test"),
    "buffers outside": edited(plain(), _set("buffers", 0, "uri", value="http://evil.test/a.bin")),
    "required extensions": edited(plain(), _set("extensionsRequired", value=["EVIL_script"])),
    "elements in": edited(plain(), _set("accessors", 0, "count", value=3_000_000)),
    "byteOffset": edited(plain(), _set("bufferViews", 0, "byteOffset", value=10**9)),
    "count = nan|number NaN": edited(plain(), _set("accessors", 0, "count", value=float("nan"))),
    "NaN or infinity": with_binary(plain(), _nan),
    "index 32768": with_binary(plain(), _beyond),
    "of a target's POSITION": edited(
        morphing(), _set("meshes", 0, "primitives", 0, "targets", 0, "POSITION", value=0)
    ),
    "POSITION = 999": edited(
        morphing(), _set("meshes", 0, "primitives", 0, "targets", 0, "POSITION", value=999)
    ),
    "'animations'": edited(plain(), _set("animations", value=[{"channels": [], "samplers": []}])),
    "source = 7": edited(plain(), _set("textures", 0, "source", value=7)),
    "index = 9": edited(
        plain(), _set("materials", 0, "pbrMetallicRoughness", "baseColorTexture", "index", value=9)
    ),
    "index = 8": edited(
        blushing(),
        _set("materials", 0, "extras", "targetColours", 0, "baseColorTexture", "index", value=8),
    ),
    "bytes of": plain()[:-40],
    "no binary glTF": b"<script>alert(1)</script>" * 4,
}


@pytest.mark.parametrize("found", HOSTILE)
def test_a_hostile_glb_is_refused_with_a_sentence(found: str) -> None:
    with pytest.raises(UserError, match=rf"(?s)^Found .*({found}).* in 'head', expected .*\.$"):
        check_shown_glb(HOSTILE[found], "head")


def test_a_file_too_large_for_a_browser_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glb_check, "MAX_SHOWN_BYTES", 1000)
    with pytest.raises(UserError, match="at most 1000 for the viewer"):
        check_shown_glb(plain(), "head")
