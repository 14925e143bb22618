"""What a foreign GLB must keep to before anything of it is decoded (binary glTF 2.0, sections 3 and 4.4)."""

import io
import json
import struct
from collections.abc import Sequence
from typing import Any

from PIL import Image

from idto3d.asset import AssetError

MAX_GLB_BYTES = 256 * 2**20
MAX_JSON_BYTES = 4 * 2**20
MAX_ELEMENTS = 4_000_000  # of an accessor: vertices, or indices (three per face)
MAX_ITEMS = 1_000  # nodes, accessors, views …: a head needs about ten
MAX_PIXELS = 4096 * 4096
IMAGE_FORMATS = ("PNG", "JPEG")

_COMPONENT_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}  # glTF 2.0, section 3.6.2.2
_TYPE_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942


def refused(where: str, found: str, expected: str) -> AssetError:
    """The sentence for a file that is not accepted."""
    return AssetError(f"Found {found} in '{where}', expected {expected}; repair or regenerate this head.")


def brief(error: Exception) -> str:
    """A foreign error's message on one line of at most 160 characters."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def split_container(data: bytes, where: str) -> tuple[dict[str, Any], bytes]:
    """JSON document and binary chunk of a GLB container (glTF 2.0, section 4.4)."""
    if len(data) > MAX_GLB_BYTES:
        raise refused(where, f"{len(data)} bytes", f"at most {MAX_GLB_BYTES}")
    if len(data) < 20 or data[:4] != b"glTF":
        raise refused(where, "no binary glTF header", "a .glb file")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise refused(where, f"glTF version {version}", "version 2")
    if length != len(data):
        raise refused(where, f"{len(data)} bytes of {length}", "the whole file: it was truncated or padded")
    chunks: dict[int, bytes] = {}
    offset = 12
    while offset < length:
        if offset + 8 > length:
            raise refused(where, "a truncated chunk header", "whole chunks")
        size, kind = struct.unpack_from("<II", data, offset)
        if offset + 8 + size > length:
            raise refused(where, f"a chunk of {size} bytes past the end of the file", "whole chunks")
        chunks.setdefault(kind, data[offset + 8 : offset + 8 + size])
        offset += 8 + size
    text = chunks.get(_JSON_CHUNK)
    if text is None or len(text) > MAX_JSON_BYTES:
        raise refused(where, "no JSON chunk, or one too large", f"one of at most {MAX_JSON_BYTES} bytes")
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise refused(where, f"unreadable JSON ({brief(error)})", "a glTF document") from error
    if not isinstance(document, dict):
        raise refused(where, "JSON that is no object", "a glTF document")
    return document, chunks.get(_BINARY_CHUNK, b"")


def _no_constant(name: str) -> float:
    raise ValueError(f"the number {name}")


class DocumentCheck:
    """Refuses every glTF document that could make a decoder read, allocate or fetch more than it holds."""

    def __init__(self, document: dict[str, Any], binary: bytes, where: str) -> None:
        self.document, self.binary, self.where = document, binary, where

    def run(self) -> None:
        """Check everything that decoding relies on.

        Raises:
            AssetError: with the first thing found.
        """
        if self.document.get("extensionsRequired"):
            raise self.refuse(f"required extensions {self.document['extensionsRequired']}", "plain glTF 2.0")
        self.buffers()
        self.views()
        self.accessors()
        self.images()
        self.nodes()
        self.meshes()

    def refuse(self, found: str, expected: str) -> AssetError:
        return refused(self.where, found, expected)

    def items(self, name: str) -> list[dict[str, Any]]:
        value = self.document.get(name, [])
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise self.refuse(f"'{name}' that is no list, or has over {MAX_ITEMS} items", "a short list")
        if not all(isinstance(item, dict) for item in value):
            raise self.refuse(f"'{name}' with something that is no object", "objects")
        return value

    def number(self, item: dict[str, Any], name: str, limit: int, default: int | None = None) -> int:
        """A whole number in [0, limit], or the default where it is absent."""
        value = item.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= limit:
            raise self.refuse(f"{name} = {value!r:.40}", f"a whole number from 0 to {limit}")
        return value

    def buffers(self) -> None:
        buffers = self.items("buffers")
        if len(buffers) != 1 or "uri" in buffers[0]:
            raise self.refuse("buffers outside the file, or none", "one buffer inside it")
        self.number(buffers[0], "byteLength", len(self.binary))

    def views(self) -> None:
        for view in self.items("bufferViews"):
            self.number(view, "buffer", 0)
            start = self.number(view, "byteOffset", len(self.binary), 0)
            self.number(view, "byteLength", len(self.binary) - start)
            self.number(view, "byteStride", 252, 0)

    def accessors(self) -> None:
        views = self.items("bufferViews")
        for accessor in self.items("accessors"):
            component, kind = accessor.get("componentType"), accessor.get("type")
            if component not in _COMPONENT_BYTES or kind not in _TYPE_WIDTH or "sparse" in accessor:
                raise self.refuse(
                    f"accessor {component!r:.20} {kind!r:.20}, or a sparse one", "a dense array"
                )
            count = self.number(accessor, "count", MAX_ELEMENTS)
            view = views[self.number(accessor, "bufferView", len(views) - 1)]
            offset = self.number(accessor, "byteOffset", len(self.binary), 0)
            element = _COMPONENT_BYTES[component] * _TYPE_WIDTH[kind]
            stride = view.get("byteStride") or element
            need = offset + stride * max(count - 1, 0) + element * min(count, 1)
            if need > view["byteLength"]:
                raise self.refuse(f"{count} elements in {view['byteLength']} bytes", f"{need} bytes for them")

    def images(self) -> None:
        views = self.items("bufferViews")
        for image in self.items("images"):
            if "uri" in image:
                raise self.refuse(f"an image at {image['uri']!r:.60}", "images inside the file")
            view = views[self.number(image, "bufferView", len(views) - 1)]
            start = view.get("byteOffset", 0)
            header = io.BytesIO(self.binary[start : start + view["byteLength"]])
            try:
                with Image.open(header, formats=IMAGE_FORMATS) as opened:  # reads the header alone
                    width, height = opened.size
                    if width * height <= MAX_PIXELS:
                        opened.load()
            except (
                Exception
            ) as error:  # a foreign image in a foreign decoder: whatever it raises is one bad file
                raise self.refuse(
                    f"an image that cannot be read ({brief(error)})", "a PNG or JPEG"
                ) from error
            if width * height > MAX_PIXELS:
                raise self.refuse(f"an image of {width} × {height}", f"at most {MAX_PIXELS} pixels")

    def nodes(self) -> None:
        nodes = self.items("nodes")
        parents = [0] * len(nodes)
        for node in nodes:
            for child in self.indices(node.get("children", []), len(nodes)):
                parents[child] += 1
            if "mesh" in node:
                self.number(node, "mesh", len(self.items("meshes")) - 1)
        roots = [r for s in self.items("scenes") for r in self.indices(s.get("nodes", []), len(nodes))]
        if max(parents, default=0) > 1 or any(parents[root] for root in roots):
            raise self.refuse("a node with two parents, or a cycle of nodes", "a tree")

    def meshes(self) -> None:
        accessors = self.items("accessors")
        primitives = [p for mesh in self.items("meshes") for p in _objects(mesh.get("primitives"))]
        if len(primitives) != 1:
            raise self.refuse(f"{len(primitives)} mesh primitives", "exactly one; join them first")
        primitive = primitives[0]
        attributes = primitive.get("attributes")
        if primitive.get("mode", 4) != 4 or not isinstance(attributes, dict):
            raise self.refuse("a primitive that is no triangle list", "triangles")
        position = accessors[self.number(attributes, "POSITION", len(accessors) - 1)]
        if (position["componentType"], position["type"]) != (5126, "VEC3"):
            raise self.refuse("positions that are not float vectors", "three 32-bit floats per vertex")
        for name in attributes:
            chosen = accessors[self.number(attributes, name, len(accessors) - 1)]
            if chosen["count"] != position["count"]:
                raise self.refuse(f"{chosen['count']} of {name:.20}", f"{position['count']}, one per vertex")
        index = accessors[self.number(primitive, "indices", len(accessors) - 1)]
        if (
            index["type"] != "SCALAR"
            or index["componentType"] not in (5121, 5123, 5125)
            or index["count"] % 3
        ):
            raise self.refuse("indices that are no triangles", "three unsigned integers per triangle")

    def indices(self, value: Any, limit: int) -> Sequence[int]:
        if not isinstance(value, list) or not all(
            isinstance(item, int) and not isinstance(item, bool) and 0 <= item < limit for item in value
        ):
            raise self.refuse(f"references {value!r:.40}", f"a list of indices below {limit}")
        return value


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
