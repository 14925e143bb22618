"""Pairs of a scan and a head laid beside it, for comparing two implementations of NoW: the scan's own shape
bent smoothly, and synthetic people, each in another place, size and triangulation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError

Floats = NDArray[np.float64]

SCAN_FILE = Path("scan") / "LeePerrySmith.obj"
# The scan of Lee Perry-Smith: seven points picked by eye on its frontal normal map; its unit is about 48 mm.
SCAN_MM = 48.0
SCAN_LANDMARKS = SCAN_MM * np.array(
    [
        [-1.0063, 1.6347, 1.6906],
        [-0.3768, 1.7193, 1.8421],
        [0.1880, 1.7143, 1.8379],
        [0.8473, 1.6571, 1.6425],
        [-0.1056, 0.9132, 2.3562],
        [-0.4963, 0.3832, 2.0902],
        [0.3571, 0.4056, 2.0788],
    ]
)
BUMPS = 12  # centres of a smooth displacement
BEND_MM, BUMP_MM = (0.5, 5.0), (15.0, 45.0)  # its largest displacement, and how wide its bumps are
READING_MM = 1.0  # standard deviation of a landmark's reading


@dataclass(frozen=True)
class Scan:
    """A truth: vertices [S, 3] mm, faces [F, 3], landmarks [7, 3] mm."""

    name: str
    vertices: Floats
    faces: NDArray[np.int64]
    landmarks: Floats


@dataclass(frozen=True)
class Pair:
    """A scan and a head, in its own place and size: vertices [V, 3], faces [F, 3], landmarks [7, 3];
    `deformed` where it is the scan's own shape, bent, and not another person's."""

    name: str
    scan: Scan
    vertices: Floats
    faces: NDArray[np.int64]
    landmarks: Floats
    deformed: bool


def real_scan(folder: Path | None = None) -> Scan | None:
    """The real scan, vertices in one place joined; None where there is no data of that kind.

    Args:
        folder: that holds `scan/LeePerrySmith.obj`; IDTO3D_SHARED_DATA by default.

    Raises:
        UserError: the folder was named and does not hold it.
    """
    import trimesh

    named = folder or (Path(os.environ["IDTO3D_SHARED_DATA"]) if "IDTO3D_SHARED_DATA" in os.environ else None)
    if named is None:
        return None
    if not (named / SCAN_FILE).is_file():
        raise UserError(
            f"Found no {SCAN_FILE} in {named}, expected the real scan; name the folder that holds it."
        )
    mesh = trimesh.load(named / SCAN_FILE, force="mesh", process=False)
    places, place = np.unique(SCAN_MM * np.asarray(mesh.vertices), axis=0, return_inverse=True)
    return Scan("scan", places, place.reshape(-1)[np.asarray(mesh.faces)], SCAN_LANDMARKS)


def synthetic_scan(index: int) -> Scan:
    """A synthetic person's outer skin, as if it had been scanned."""
    vertices, faces, landmarks = _person(index)
    used, place = np.unique(faces, return_inverse=True)
    return Scan(f"synthetic {index}", vertices[used], place.reshape(faces.shape), landmarks)


def draw_pairs(count: int, scan: Scan | None, seed: int = 0) -> Iterator[Pair]:
    """Heads beside the scan (beside synthetic scans where it is None), each drawn from its own generator.

    Two of three are the scan's own shape, bent; the third is a synthetic person.
    """
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        truth = scan or synthetic_scan(number % 4)
        deformed = number % 3 != 2
        if not deformed:
            vertices, faces, landmarks = _person(10 + number)
            name = f"person {10 + number} on {truth.name}"
        else:
            landmarks, vertices = _bent(truth, rng)
            faces = truth.faces
            name = f"{truth.name}, bent {number}"
        size = float(np.exp(rng.normal(scale=0.1)))
        turn = _turn(rng.normal(scale=0.4, size=3))
        shift = rng.normal(scale=60.0, size=3)
        read = landmarks + rng.normal(scale=READING_MM, size=landmarks.shape)
        placed = (size * corners @ turn.T + shift for corners in (vertices, read))
        yield Pair(name, truth, next(placed), faces, next(placed), deformed)


def draw_deformed(count: int, scan: Scan | None, seed: int = 0) -> Iterator[Pair]:
    """`draw_pairs` until so many are deformed heads; every third is another person's besides."""
    yield from draw_pairs(count + count // 2, scan, seed)


def _bent(scan: Scan, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Landmarks and vertices of the scan, displaced by a sum of smooth bumps about points of the face."""
    middle = scan.landmarks.mean(axis=0)
    centres = middle + rng.normal(scale=60.0, size=(BUMPS, 3))
    width = rng.uniform(*BUMP_MM, size=BUMPS)
    push = rng.normal(size=(BUMPS, 3))

    def field(points: Floats) -> Floats:
        away = ((points[:, None] - centres) ** 2).sum(axis=2)  # [N, B]
        return np.asarray(np.exp(-away / (2.0 * width**2)) @ push)

    largest = rng.uniform(*BEND_MM) / np.linalg.norm(field(scan.vertices), axis=1).max()
    return scan.landmarks + largest * field(scan.landmarks), scan.vertices + largest * field(scan.vertices)


def _person(index: int) -> tuple[Floats, NDArray[np.int64], Floats]:
    """A validation person's outer skin and seven landmarks."""
    from idto3d.population.head_model import load_head_model
    from idto3d.population.people import draw_person
    from idto3d.population.truth import outer_skin
    from idto3d_eval.metrics.geometry_now import NOW_LANDMARKS

    vertices, faces = outer_skin(draw_person("validation", index), "neutral")
    mesh = vertices.astype(np.float64)
    return mesh, faces, mesh[load_head_model().landmark_index[list(NOW_LANDMARKS)]]


def _turn(vector: Floats) -> Floats:
    from idto3d_eval.metrics.registration import rotation_matrix

    return rotation_matrix(vector)
