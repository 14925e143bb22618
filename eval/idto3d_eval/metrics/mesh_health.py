"""Mesh health: whether a head is a sound mesh with a sound texture layout; needs no truth.

Watertightness, components and self-intersections are told of the mesh with vertices in one place joined, so
that texture seams cut nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Direction, Measurement, MetricCard
from idto3d_eval.metrics.surface import triangle_areas

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

ATLAS_PIXELS = 512  # a side, of the grid on which coverage and overlap are counted
SLIVER = 0.1  # of a triangle's quality: an angle of about 3 degrees
SLIVER_AREA_UV = 1e-14  # of the unit square: below it a triangle has no place in the texture

_OPEN = (
    "A scan or a head cut at the neck has an open border: 0 there is how it was made and no fault; read it "
    "beside components and self-intersections."
)


def _card(
    name: str,
    title: str,
    definition: str,
    source: str,
    *failures: str,
    unit: str = "1",
    high: float = 1.0,
    better: Direction = "lower",
    low: float = 0.0,
) -> MetricCard:
    return MetricCard(
        name=name,
        title=title,
        definition=definition,
        source=source,
        unit=unit,
        low=low,
        high=high,
        better=better,
        family="mesh",
        level="identity",
        failure_modes=failures,
        preprocessing="The neutral head as its GLB holds it, vertices in exactly one place joined.",
    )


_OWN = "This toolkit."
CARDS = (
    _card(
        "mesh_watertight",
        "Watertight",
        "1 where every edge has exactly two faces, else 0.",
        _OWN,
        _OPEN,
        "A sphere inside the head leaves it watertight.",
        better="higher",
    ),
    _card(
        "mesh_outward",
        "Wound outward",
        "1 where neighbouring faces agree on a side and the signed volume is positive, else 0.",
        _OWN,
        "The volume of an open mesh depends on where its origin lies; a head about its origin is safe.",
        better="higher",
    ),
    _card(
        "mesh_components",
        "Components",
        "Number of parts connected through shared vertices.",
        _OWN,
        "Eyes, teeth and hair modelled as parts of their own count, and are no fault.",
        unit="parts",
        high=math.inf,
        low=1.0,
    ),
    _card(
        "mesh_open_edges",
        "Open edges",
        "Share of the edges that have one face.",
        _OWN,
        _OPEN.replace("0 there", "a small share there"),
    ),
    _card(
        "mesh_self_intersections",
        "Self-intersections",
        "Share of the faces that pass through others where they share no vertex or edge.",
        'Predicates: Guigue and Devillers, "Fast and Robust Triangle-Triangle Overlap Test", 2003.',
        "Closed lips and eyelids touch: some faces of a good head meet.",
        "A share of faces: a coarse mesh with one crossing looks worse than a fine one.",
    ),
    _card(
        "mesh_degenerate",
        "Degenerate faces",
        "Share of the faces under 1e-6 mm².",
        _OWN,
        "A mesh in another unit than millimetres looks degenerate or never.",
    ),
    _card(
        "mesh_triangle_quality",
        "Triangle quality",
        "Mean of 4 sqrt(3) times a triangle's area over the sum of its squared sides: 1 for an equilateral "
        "one, 0 for a line.",
        'Bank and Smith, "Mesh Smoothing Using A Posteriori Error Estimates", 1997.',
        "A mean hides a few slivers: read their share. An artist's quads, halved, have 0.87 at best.",
        better="higher",
    ),
    _card(
        "mesh_slivers",
        "Slivers",
        f"Share of the faces whose triangle quality is under {SLIVER:g}.",
        _OWN,
        "Marching tetrahedra make slivers that no render shows.",
    ),
    _card(
        "uv_coverage",
        "UV coverage",
        f"Share of the texture, on a grid of {ATLAS_PIXELS}², that some triangle covers.",
        _OWN,
        "Overlapping charts cover little with much, and one triangle over everything covers all: read it "
        "beside overlap and stretch.",
        better="higher",
    ),
    _card(
        "uv_overlap",
        "UV overlap",
        "Share of the covered texture that two triangles or more cover.",
        _OWN,
        "A mirrored layout, both halves of a face on one place, is made so on purpose.",
    ),
    _card(
        "uv_stretch",
        "UV stretch",
        "Area-weighted root mean square of the stretch from texture to surface, over the square root of area "
        "ratio: 1 for a layout that keeps lengths up to one scale.",
        'L2 norm of Sander et al., "Texture Mapping Progressive Meshes", 2001, normalised.',
        "One collapsed triangle with area dominates it; triangles without place in the texture are left out "
        "and told by `uv_unmapped`.",
        high=math.inf,
        low=1.0,
    ),
    _card(
        "uv_unmapped",
        "UV unmapped",
        "Share of the surface's area whose triangles have no area in the texture.",
        _OWN,
        "A head of one colour may map all of it to one texel and look right.",
    ),
)
NAMES = tuple(card.name for card in CARDS)


def measure_mesh(vertices: Floats, faces: Indices, uvs: Floats) -> dict[str, Measurement]:
    """All of `NAMES`.

    Args:
        vertices: [V, 3] mm, finite.
        faces: [F, 3], counter-clockwise seen from outside.
        uvs: [V, 2] in the unit square, v upward.
    """
    from idto3d.geometry.health import mesh_health

    health = mesh_health(vertices, faces)
    quality = triangle_quality(vertices[faces])
    edges = (3 * health.faces + health.boundary_edges) / 2.0  # each has two faces but for those
    coverage, overlap = uv_coverage(uvs, faces)
    stretch, unmapped = uv_stretch(vertices, faces, uvs)
    found = {
        "mesh_watertight": float(health.watertight),
        "mesh_outward": float(health.outward),
        "mesh_components": float(health.components),
        "mesh_open_edges": health.boundary_edges / edges,
        "mesh_self_intersections": health.self_intersecting_share,
        "mesh_degenerate": health.degenerate_faces / health.faces,
        "mesh_triangle_quality": float(quality.mean()),
        "mesh_slivers": float((quality < SLIVER).mean()),
        "uv_coverage": coverage,
        "uv_unmapped": unmapped,
    }
    measured = {name: Measurement(value) for name, value in found.items()}
    nowhere = "no triangle has a place in the texture"
    for name, value in (("uv_overlap", overlap), ("uv_stretch", stretch)):
        measured[name] = Measurement(value, nowhere if math.isnan(value) else "")
    return measured


def triangle_quality(corners: Floats) -> Floats:
    """4 sqrt(3) area over the sum of squared sides [F] of triangles [F, 3, 3]; 0 where one is a point."""
    squares = ((corners - np.roll(corners, 1, axis=1)) ** 2).sum(axis=(1, 2))
    usable = squares > 0.0
    ratio = 4.0 * math.sqrt(3.0) * triangle_areas(corners) / np.where(usable, squares, 1.0)
    return np.where(usable, np.minimum(ratio, 1.0), 0.0)


def uv_coverage(uvs: Floats, faces: Indices, pixels: int = ATLAS_PIXELS) -> tuple[float, float]:
    """Share of the unit square that triangles cover, and share of it that two or more do (NaN where none)."""
    import open3d

    scene = open3d.t.geometry.RaycastingScene(nthreads=1)
    # Each triangle at a height of its own: hits at one depth are counted once.
    flat = np.zeros((len(faces), 3, 3), np.float32)
    flat[..., :2] = np.asarray(uvs)[faces]
    flat[..., 2] = (0.5 * np.arange(len(faces)) / len(faces))[:, None]
    tensor = open3d.core.Tensor
    corner = np.arange(3 * len(faces), dtype=np.uint32).reshape(-1, 3)
    scene.add_triangles(tensor(flat.reshape(-1, 3)), tensor(corner))
    # Off the texels' middles by less than a thousandth of one: no ray runs along a regular layout's edge.
    centres = (np.arange(pixels) + 0.5003) / pixels
    u, v = np.meshgrid(centres, centres + 1.7e-4 / pixels)
    rays = np.zeros((pixels * pixels, 6), np.float32)
    rays[:, 0], rays[:, 1], rays[:, 2], rays[:, 5] = u.ravel(), v.ravel(), 1.0, -1.0
    hits = scene.count_intersections(tensor(rays)).numpy()
    covered = int((hits > 0).sum())
    return covered / len(hits), float((hits > 1).sum()) / covered if covered else math.nan


def uv_stretch(vertices: Floats, faces: Indices, uvs: Floats) -> tuple[float, float]:
    """Sander's normalised L2 stretch (NaN where nothing is mapped), and the unmapped share of the surface."""
    corners, flat = vertices[faces], np.asarray(uvs, np.float64)[faces]
    area = triangle_areas(corners)
    edge = flat[:, 1:] - flat[:, :1]  # [F, 2, 2]
    area_uv = 0.5 * np.abs(edge[:, 0, 0] * edge[:, 1, 1] - edge[:, 0, 1] * edge[:, 1, 0])
    mapped = area_uv > SLIVER_AREA_UV
    total = float(area.sum())
    unmapped = float(area[~mapped].sum()) / total if total > 0.0 else 1.0
    if not (mapped.any() and area[mapped].sum() > 0.0):
        return math.nan, unmapped
    # Surface derivatives along u and v: the rows of inv(edge) times the triangle's sides.
    sides = corners[mapped, 1:] - corners[mapped, :1]  # [M, 2, 3]
    along = np.linalg.solve(edge[mapped], sides)  # [M, 2, 3]
    squared = 0.5 * (along**2).sum(axis=(1, 2))  # mean of the squared singular values
    mean = float((squared * area[mapped]).sum() / area[mapped].sum())
    stretch = math.sqrt(mean * float(area_uv[mapped].sum()) / float(area[mapped].sum()))
    return max(stretch, 1.0), unmapped
