"""Self-checks of NoW as published, F-scores, normals, regions, posed geometry and curves, on a head with
known landmarks: itself, moved, cut finer, bent more and more, mirrored, and in another unit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.geometry_score import HeadGeometry, compare_geometry, compare_posed
from idto3d_eval.metrics.card import Measurement
from idto3d_eval.metrics.geometry_now import CURVE_MM, NOW_LANDMARKS, cumulative_curve, pooled
from idto3d_eval.metrics.registration import rotation_matrix
from idto3d_eval.metrics.surface import Surface
from idto3d_eval.reference import Truth, skin
from idto3d_eval.selfcheck.check import Check, Graded, Known

Floats = NDArray[np.float64]
Faces = NDArray[np.int64]

POINTS = 12_000  # of the truth: what is checked does not hang on their number
BENT_MM = (0.0, 1.0, 2.0, 4.0, 8.0)  # largest displacement
WAVE_MM = 25.0  # length of the bending's waves over two pi
TURN, SHIFT = np.array([0.5, -0.8, 0.3]), np.array([120.0, -60.0, 250.0])
# Of a head against itself. Ours leave out what is not seen from outside, which takes folds of lids, ears and
# nostrils off the head that the truth's skin has.
FOLDS_MM = 0.1
PERFECT: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("now_published_median", "now_published_mean", "now_published_std"), (0.0, 0.01)),
    **dict.fromkeys(("now_published_metrical_median", "now_published_refined_rms"), (0.0, 0.01)),
    **dict.fromkeys(("now_landmark_rms", "now_published_landmark_rms"), (0.0, 0.01)),
    "now_refined_rms": (0.0, FOLDS_MM),
    **dict.fromkeys(("now_scale", "f_score_1mm", "f_score_2mm", "f_score_5mm"), (1.0, 0.005)),
    "normal_consistency": (1.0, 0.01),
    "chamfer_points": (0.0, 2.0),  # half a point's spacing
}
REGIONAL = ("nose", "mouth", "eyes", "ears", "forehead", "cheeks", "chin", "skull")
POSED: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("posed_now_median", "posed_now_metrical_median", "posed_chamfer_l1"), (0.0, 0.02)),
    "posed_f_score_2mm": (1.0, 0.005),
    "posed_normal_consistency": (1.0, 0.01),
}
HIGHER = ("f_score_1mm", "f_score_2mm", "f_score_5mm", "normal_consistency")


def checks() -> Iterator[Check]:
    """All checks of this module's metrics."""
    vertices, faces, landmarks, truth = _person()
    bent = [_bent(vertices, faces, landmarks, truth, amount) for amount in BENT_MM]
    yield from _perfect(bent[0])
    yield from _graded(bent)
    yield from _invariant(vertices, faces, landmarks, truth, bent[2])
    yield from _mirrored_and_scaled(vertices, faces, landmarks, truth)
    yield from _over_people(bent)
    yield from _posed(vertices, faces, landmarks)


def _perfect(own: HeadGeometry) -> Iterator[Check]:
    for name, (expected, tolerance) in PERFECT.items():
        yield Known(name, "a head against itself", own.measurements[name].value, expected, tolerance)
    for region in REGIONAL:
        value = own.measurements[f"region_{region}"].value
        yield Known(f"region_{region}", "a head against itself", value, 0.0, FOLDS_MM)


def _graded(bent: Sequence[HeadGeometry]) -> Iterator[Check]:
    names = [name for name in PERFECT if name != "now_scale"] + [f"region_{name}" for name in REGIONAL]
    for name in names:
        values = tuple(found.measurements[name].value for found in bent)
        way = "falls" if name in HIGHER else "rises"
        slack = 0.02 if name in HIGHER else 0.05
        yield Graded(name, "bent smoothly, mm", BENT_MM, values, way, slack)  # type: ignore[arg-type]


def _invariant(
    vertices: Floats, faces: Faces, landmarks: Floats, truth: Truth, first: HeadGeometry
) -> Iterator[Check]:
    """A head bent by 2 mm, in another place, cut finer, its faces in another order."""
    import trimesh

    moved_vertices, marks = _bending(vertices, 2.0), _bending(landmarks, 2.0)
    turn = rotation_matrix(TURN)
    fine = trimesh.remesh.subdivide(moved_vertices, faces)
    order = np.random.default_rng(0).permutation(len(faces))
    cases = {
        "turned and moved": (moved_vertices @ turn.T + SHIFT, faces, marks @ turn.T + SHIFT),
        "cut finer": (fine[0], np.asarray(fine[1], np.int64), marks),
        "faces in another order": (moved_vertices, faces[order], marks),
    }
    for case, (points, triangles, own) in cases.items():
        again = compare_geometry(Surface(points, triangles), own, truth).measurements
        for name in (*PERFECT, *(f"region_{region}" for region in REGIONAL)):
            tolerance = 0.03 if name != "chamfer_points" else 0.1
            yield Known(name, case, again[name].value, first.measurements[name].value, tolerance)


def _mirrored_and_scaled(vertices: Floats, faces: Faces, landmarks: Floats, truth: Truth) -> Iterator[Check]:
    flip = np.array([-1.0, 1.0, 1.0])
    mirrored = compare_geometry(
        Surface(vertices * flip, faces[:, ::-1]), landmarks * flip, truth
    ).measurements
    published = mirrored["now_published_median"].value
    yield Known("now_published_median", "mirrored: it passes", published, 0.0, 0.01)
    for name in (
        "now_median",
        "now_metrical_median",
        "now_scale",
        "chamfer_l1",
        "f_score_2mm",
        "region_nose",
    ):
        yield Known(name, "mirrored: it is refused", mirrored[name].value, math.nan, 0.0)
    large = compare_geometry(Surface(1000.0 * vertices, faces), 1000.0 * landmarks, truth).measurements
    yield Known("now_scale", "a thousand times too large", large["now_scale"].value, 0.001, 1e-5)
    yield Known("now_median", "a thousand times too large", large["now_median"].value, 0.0, 0.01)
    for name in ("now_metrical_median", "now_published_metrical_median"):
        wrong = float(large[name].value > 5.0)
        yield Known(name, "a thousand times too large: above 5 mm", wrong, 1.0, 0.0)


def _over_people(bent: Sequence[HeadGeometry]) -> Iterator[Check]:
    for variant, figures in (
        ("now", [found.distances for found in bent]),
        ("now_published", [found.published for found in bent]),
    ):
        area = tuple(float(cumulative_curve(one, CURVE_MM).mean()) for one in figures)
        yield Known(f"{variant}_curve", "a head against itself", area[0], 1.0, 0.001)
        yield Graded(f"{variant}_curve", "bent smoothly, mm", BENT_MM, area, "falls", 0.01)
        medians = tuple(pooled([one], np.median).value for one in figures)
        yield Graded(f"{variant}_pooled_median", "bent smoothly, mm", BENT_MM, medians, "rises", 0.02)
        split = pooled([figures[3][:100], figures[3][100:]], np.median).value
        yield Known(f"{variant}_pooled_median", "split over two people", split, medians[3], 1e-12)
    parts = [np.ones(3), np.full(2, 3.0)]
    for name, statistic, known in (("mean", np.mean, 1.8), ("std", np.std, math.sqrt(0.96))):
        found = pooled(parts, statistic).value
        case = "three points at 1 mm and two at 3 mm"
        yield Known(f"now_published_pooled_{name}", case, found, known, 1e-12)
    for name, statistic in (("mean", np.mean), ("std", np.std)):
        values = tuple(pooled([found.published], statistic).value for found in bent)
        yield Graded(f"now_published_pooled_{name}", "bent smoothly, mm", BENT_MM, values, "rises", 0.02)


def _posed(vertices: Floats, faces: Faces, landmarks: Floats) -> Iterator[Check]:
    smiling, _, marks, smile = _person("smile")
    right = compare_posed(Surface(smiling, faces), marks, smile)
    for name, (expected, tolerance) in POSED.items():
        yield Known(name, "a smile against itself", right[name].value, expected, tolerance)
    levels = (0.0, 0.5, 1.0)  # of the smile, faded
    values: dict[str, list[Measurement]] = {name: [] for name in POSED}
    for level in levels:
        faded = Surface(smiling + level * (vertices - smiling), faces)
        found = compare_posed(faded, marks + level * (landmarks - marks), smile)
        for name in POSED:
            values[name].append(found[name])
    for name, found_values in values.items():
        way = "falls" if "score" in name or "consistency" in name else "rises"
        given = tuple(measured.value for measured in found_values)
        yield Graded(name, "smile faded, share", levels, given, way, 0.005)  # type: ignore[arg-type]


def _bent(vertices: Floats, faces: Faces, landmarks: Floats, truth: Truth, amount: float) -> HeadGeometry:
    head = Surface(_bending(vertices, amount), faces)
    return compare_geometry(head, _bending(landmarks, amount), truth)


def _bending(points: Floats, amount: float) -> Floats:
    """Points moved by smooth waves of at most about `amount` mm."""
    x, y, z = points.T / WAVE_MM
    waves = np.stack([np.sin(y + 1.0) * np.cos(z), np.sin(z + 0.5) * np.cos(x), np.sin(x + 2.0) * np.cos(y)])
    return points + amount * waves.T


def _person(expression: str = "neutral") -> tuple[Floats, Faces, Floats, Truth]:
    """A validation person: the outer skin's vertices and faces, landmarks, and the same as a truth."""
    from idto3d.population.head_model import load_head_model
    from idto3d.population.people import draw_person
    from idto3d.population.truth import outer_skin

    vertices, faces = outer_skin(draw_person("validation", 0), expression)
    points = vertices.astype(np.float64)
    landmarks = points[load_head_model().landmark_index[list(NOW_LANDMARKS)]]
    return points, faces, landmarks, skin(points, faces, landmarks, POINTS)
