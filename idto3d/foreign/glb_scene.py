"""What a foreign GLB of several nodes, meshes and materials must keep to before anything of it is decoded."""

from __future__ import annotations

from typing import Any

from idto3d.foreign.folder import check_image
from idto3d.glb_bounds import MAX_ELEMENTS, MAX_PIXELS, DocumentCheck

MAX_DEPTH = 64  # nodes above one another
MAX_PRIMITIVES = 64
MAX_TOTAL_PIXELS = 4 * MAX_PIXELS  # of all images together
TRIANGLES = 4  # glTF 2.0, section 3.7.2.1: the mode of a triangle list
DRACO = "KHR_draco_mesh_compression"


class SceneCheck(DocumentCheck):
    """As `DocumentCheck`, for scenes: any number of primitives, as long as all of them drawn are bounded."""

    def run(self) -> None:
        """Check everything that decoding relies on.

        Raises:
            AssetError: with the first thing found.
        """
        required = self.document.get("extensionsRequired")
        if isinstance(required, list) and DRACO in required:
            raise self.refuse(
                "Draco compression", "plain glTF 2.0, decompressed by the program that wrote it"
            )
        super().run()

    def accessors(self) -> None:
        for accessor in self.items("accessors"):
            if not isinstance(accessor.get("componentType"), int) or not isinstance(
                accessor.get("type"), str
            ):
                raise self.refuse("an accessor without a type", "a dense array")
        super().accessors()

    def images(self) -> None:
        views, total = self.items("bufferViews"), 0
        for image in self.items("images"):
            if "uri" in image:
                raise self.refuse(f"an image at {image['uri']!r:.60}", "images inside the file")
            view = views[self.number(image, "bufferView", len(views) - 1)]
            start = view.get("byteOffset", 0)
            width, height = check_image(self.binary[start : start + view["byteLength"]], self.where)
            total += width * height
        if total > MAX_TOTAL_PIXELS:
            raise self.refuse(f"images of {total} pixels in all", f"at most {MAX_TOTAL_PIXELS}")

    def nodes(self) -> None:
        super().nodes()
        nodes = self.items("nodes")
        parent = {child: place for place, node in enumerate(nodes) for child in node.get("children", [])}
        for place in range(len(nodes)):
            above, depth = place, 0
            while above in parent and depth <= MAX_DEPTH:
                above, depth = parent[above], depth + 1
            if depth > MAX_DEPTH:
                raise self.refuse("nodes in a cycle, or deeper than that", f"a tree of depth {MAX_DEPTH}")

    def meshes(self) -> None:
        meshes = self.items("meshes")
        sizes = [self._mesh(mesh) for mesh in meshes]
        drawn = [node["mesh"] for node in self.items("nodes") if "mesh" in node]
        vertices, corners = (sum(sizes[mesh][part] for mesh in drawn) for part in (0, 1))
        if not drawn:
            raise self.refuse("no node with a mesh", "a head")
        if max(vertices, corners) > MAX_ELEMENTS:
            raise self.refuse(
                f"{vertices} vertices and {corners // 3} faces over all nodes",
                f"at most {MAX_ELEMENTS} and {MAX_ELEMENTS // 3}",
            )
        if sum(len(meshes[mesh]["primitives"]) for mesh in drawn) > MAX_PRIMITIVES:
            raise self.refuse("too many primitives", f"at most {MAX_PRIMITIVES}; join them first")

    def _mesh(self, mesh: dict[str, Any]) -> tuple[int, int]:
        """Vertices, and corners of faces, of a mesh whose primitives are sound."""
        primitives = mesh.get("primitives")
        if not isinstance(primitives, list) or not all(isinstance(item, dict) for item in primitives):
            raise self.refuse("primitives that are no objects", "triangle lists")
        sizes = [self._primitive(primitive) for primitive in primitives]
        return sum(size[0] for size in sizes), sum(size[1] for size in sizes)

    def _primitive(self, primitive: dict[str, Any]) -> tuple[int, int]:
        accessors, attributes = self.items("accessors"), primitive.get("attributes")
        if primitive.get("mode", TRIANGLES) != TRIANGLES or not isinstance(attributes, dict):
            raise self.refuse("a primitive that is no triangle list", "triangles")
        position = accessors[self.number(attributes, "POSITION", len(accessors) - 1)]
        if (position["componentType"], position["type"]) != (5126, "VEC3"):
            raise self.refuse("positions that are not float vectors", "three 32-bit floats per vertex")
        for name in attributes:
            chosen = accessors[self.number(attributes, name, len(accessors) - 1)]
            if chosen["count"] != position["count"]:
                raise self.refuse(f"{chosen['count']} of {name:.20}", f"{position['count']}, one per vertex")
        if "indices" not in primitive:
            return position["count"], position["count"]
        index = accessors[self.number(primitive, "indices", len(accessors) - 1)]
        if (
            index["type"] != "SCALAR"
            or index["componentType"] not in (5121, 5123, 5125)
            or index["count"] % 3
        ):
            raise self.refuse("indices that are no triangles", "three unsigned integers per triangle")
        return position["count"], index["count"]
