"""What a GLB must keep to before it is sent to a browser: what a scene must, and sound numbers in its arrays.

WebGL draws NaN and indices out of range without a word, so they are refused here, where there is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idto3d.foreign.glb_scene import SceneCheck
from idto3d.glb_bounds import refused, split_container

MAX_SHOWN_BYTES = 64 * 2**20  # the generator's heads have 0.9 MB; twenty on a page must fit a telephone
MAX_TARGETS = 64  # morph targets of a primitive; the presets are 13, ARKit's actions 52

_DTYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_FLOAT = 5126


def check_shown_glb(data: bytes, where: str) -> None:
    """Refuse a GLB that the viewer could not show, or that would make it fetch or allocate more than it is.

    Args:
        data: the whole file.
        where: what the file is called in the sentence.

    Raises:
        AssetError: with the first thing found.
    """
    if len(data) > MAX_SHOWN_BYTES:
        raise refused(where, f"{len(data)} bytes", f"at most {MAX_SHOWN_BYTES} for the viewer")
    document, binary = split_container(data, where)
    ShownCheck(document, binary, where).run()


class ShownCheck(SceneCheck):
    """As `SceneCheck`, and the morph targets, the texture references and the numbers themselves."""

    def run(self) -> None:
        super().run()
        for name in ("animations", "skins"):
            if self.items(name):
                raise self.refuse(f"'{name}'", "a head that is posed by morph targets alone")
        self.textures()

    def textures(self) -> None:
        images, textures = len(self.items("images")), self.items("textures")
        for texture in textures:
            self.number(texture, "source", images - 1)
        for material in self.items("materials"):
            for reference in _texture_references(material):
                self.number(reference, "index", len(textures) - 1)

    def accessors(self) -> None:
        super().accessors()
        for place, accessor in enumerate(self.items("accessors")):
            if accessor["componentType"] == _FLOAT and not np.isfinite(self._values(accessor)).all():
                raise self.refuse(f"NaN or infinity in accessor {place}", "finite numbers")

    def _primitive(self, primitive: dict[str, Any]) -> tuple[int, int]:
        vertices, corners = super()._primitive(primitive)
        accessors = self.items("accessors")
        if "indices" in primitive:
            index = self._values(accessors[primitive["indices"]])
            if index.size and int(index.max()) >= vertices:
                raise self.refuse(f"index {int(index.max())} with {vertices} vertices", "existing vertices")
        if "material" in primitive:
            self.number(primitive, "material", len(self.items("materials")) - 1)
        targets = primitive.get("targets", [])
        if not isinstance(targets, list) or len(targets) > MAX_TARGETS:
            raise self.refuse("morph targets that are no list, or too many", f"at most {MAX_TARGETS}")
        for target in targets:
            if not isinstance(target, dict):
                raise self.refuse("a morph target that is no object", "accessors by attribute")
            for name in target:
                moved = accessors[self.number(target, name, len(accessors) - 1)]
                if moved["count"] != vertices:
                    raise self.refuse(
                        f"{moved['count']} of a target's {name:.20}", f"{vertices}, one per vertex"
                    )
        return vertices, corners

    def _values(self, accessor: dict[str, Any]) -> NDArray[Any]:
        """[count, width] of an accessor whose bounds hold."""
        view = self.items("bufferViews")[accessor["bufferView"]]
        dtype = np.dtype(_DTYPES[accessor["componentType"]])
        width = _WIDTHS[accessor["type"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        stride = view.get("byteStride") or dtype.itemsize * width
        return np.ndarray((accessor["count"], width), dtype, self.binary, start, (stride, dtype.itemsize))


def _texture_references(value: Any) -> list[dict[str, Any]]:
    """Everything below a material that names a texture, in extensions too."""
    if isinstance(value, list):
        return [found for item in value for found in _texture_references(item)]
    if not isinstance(value, dict):
        return []
    own = [item for name, item in value.items() if name.endswith("Texture") and isinstance(item, dict)]
    return own + [found for item in value.values() for found in _texture_references(item)]
