"""Self-checks of NoW and of surface agreement: a skin against itself, moved, cut otherwise, scaled, mirrored,
perturbed, smoothed and mixed with another person's."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.geometry_score import HeadGeometry, compare_geometry
from idto3d_eval.metrics.geometry_now import NOW_LANDMARKS, pooled_median
from idto3d_eval.metrics.registration import rotation_matrix
from idto3d_eval.metrics.surface import Surface, sample_surface
from idto3d_eval.reference import Truth
from idto3d_eval.selfcheck import drawn
from idto3d_eval.selfcheck.check import Check, Expectation, Graded, Known

Floats = NDArray[np.float64]

POINTS = 12_000  # area-uniform on the truth: fewer than a run's, for the time
SHARES = drawn.SHARES
NOISES = (0.0, 0.5, 1.0, 2.0, 4.0)  # mm along the normal, standard deviation
SMOOTHINGS = (0.0, 5.0, 10.0, 20.0, 40.0)  # steps
SIZES = (1.0, 1.05, 1.1, 1.2, 1.4)
FREE = ("now_median", "now_mean", "now_std", "now_published_median", "now_pooled_median")
FIXED = ("now_metrical_median", "chamfer_l1", "surface_recall", "normal_error")
# What one head has: the pooled median is of several.
OF_A_HEAD = tuple(name for name in FREE + FIXED if name != "now_pooled_median")
COMPARED = (0, 1, 2)  # people whose figures are averaged where one pair of people says little
# What rounding leaves as the code was published, mm.
NONE = 1e-3
# What is left of zero for the truth itself, mm, degrees or share: ours compare with what is seen of the head
# from outside, which leaves out folds of lids and nostrils that the truth's skin has.
FOLDS = {"now_mean": 0.02, "now_std": 0.1, "normal_error": 0.5, "now_published_median": NONE}
FOLD = 0.01
# What another triangulation may move: a face is outside or not by its middle, and where the closest point is
# an edge, either face's normal is taken.
CUT = {"normal_error": 0.5, "now_published_median": 0.01}


@dataclass(frozen=True)
class Skin:
    """A surface with the seven landmarks [7, 3] mm of NoW."""

    vertices: Floats
    faces: NDArray[np.int64]
    landmarks: Floats

    def changed(self, move: Callable[[Floats], Floats]) -> Skin:
        """Vertices and landmarks carried along."""
        return replace(self, vertices=move(self.vertices), landmarks=move(self.landmarks))


def checks() -> Iterator[Check]:
    """All checks of the family."""
    yield from _closed_forms()
    yield from _itself()
    yield from _what_must_not_matter()
    yield from _mirrored()
    yield from _graded()


@functools.cache
def skin(index: int) -> Skin:
    """The outer skin of a person with a neutral face; its arrays are not to be written to."""
    from idto3d.population.head_model import load_head_model
    from idto3d.population.truth import outer_skin

    vertices, faces = outer_skin(drawn.people()[index], "neutral")
    known = vertices.astype(np.float64)
    used, renumbered = np.unique(faces, return_inverse=True)
    landmarks = known[load_head_model().landmark_index[list(NOW_LANDMARKS)]]
    found = Skin(known[used], renumbered.reshape(faces.shape), landmarks)
    for array in (found.vertices, found.landmarks):
        array.setflags(write=False)
    return found


def truth(index: int) -> Truth:
    """What a person's heads are measured against."""
    own = skin(index)
    points, normals = sample_surface(own.vertices, own.faces, POINTS, 0)
    return Truth(own.vertices, own.faces, points, normals, own.landmarks)


def measured(head: Skin, index: int = 0) -> HeadGeometry:
    """A head against a person's truth, its landmarks known."""
    return compare_geometry(Surface(head.vertices, head.faces), head.landmarks, truth(index))


def mixed(share: float, index: int = 0) -> Skin:
    """A person's skin with a share of the next one's."""
    own, other = skin(index), skin(index + 1)
    vertices = (1.0 - share) * own.vertices + share * other.vertices
    return Skin(vertices, own.faces, (1.0 - share) * own.landmarks + share * other.landmarks)


def _closed_forms() -> Iterator[Check]:
    ones, threes = np.ones(3), np.full(2, 3.0)

    def pooled(case: str, parts: list[Floats], expected: float) -> Known:
        return Known("now_pooled_median", case, pooled_median(parts).value, expected, 1e-12)

    yield pooled("three points at 1 mm and two at 3 mm", [ones, threes], 1.0)
    yield pooled("people in another order", [threes, ones], 1.0)
    yield pooled("a person without a distance", [threes, np.zeros(0)], 3.0)
    yield pooled("nobody has a distance", [], math.nan)


def _itself() -> Iterator[Check]:
    found = measured(skin(0))
    for metric in OF_A_HEAD:
        expected = 1.0 if metric == "surface_recall" else 0.0
        value = found.measurements[metric].value
        yield Known(metric, "the truth itself", value, expected, FOLDS.get(metric, FOLD))
    yield Known("now_pooled_median", "the truth itself", pooled_median([found.distances]).value, 0.0, FOLD)


def _what_must_not_matter() -> Iterator[Check]:
    """A head half way to another person, so that no figure is trivially zero."""
    head = mixed(0.5)
    still = _figures([measured(head)])
    order = np.random.default_rng(0).permutation(len(head.faces))
    turn, shift = rotation_matrix(np.array([0.4, -0.9, 0.3])), np.array([130.0, -70.0, 300.0])
    turned = _figures([measured(head.changed(lambda points: points @ turn.T + shift))])
    reordered = _figures([measured(replace(head, faces=head.faces[order]))])
    cut = _figures([measured(_subdivided(head))])
    for metric, value in still.items():
        yield Known(
            metric, "turned and moved", turned[metric], value, 0.1 if metric == "normal_error" else 0.01
        )
        room = {"normal_error": 0.3, "chamfer_l1": 0.02}.get(metric, 1e-3)  # Chamfer draws other points
        yield Known(metric, "faces in another order", reordered[metric], value, room)
        yield Known(metric, "every triangle cut into four", cut[metric], value, CUT.get(metric, 0.05))
    larger = _figures([measured(head.changed(lambda points: 1.4 * points))])
    for metric in FREE:
        yield Known(metric, "larger by 40 %", larger[metric], still[metric], 0.01)


def _mirrored() -> Iterator[Check]:
    own, flip = skin(0), np.array([-1.0, 1.0, 1.0])
    head = Skin(own.vertices * flip, own.faces[:, ::-1], own.landmarks * flip)
    found = measured(head).measurements
    for metric in OF_A_HEAD:
        expected = 0.0 if metric == "now_published_median" else math.nan
        yield Known(metric, "the truth mirrored", found[metric].value, expected, NONE)


def _graded() -> Iterator[Check]:
    """Damage that grows; another person's share is averaged, since no two people lie on one line."""
    damages: tuple[tuple[str, tuple[float, ...], Callable[[float, int], Skin], tuple[str, ...]], ...] = (
        ("another person's share", SHARES, mixed, FREE + FIXED),
        ("noise on the vertices, mm", NOISES, _perturbed, FREE + FIXED),
        ("smoothing, steps", SMOOTHINGS, _smoothed, FREE + FIXED),
        ("size", SIZES, _sized, FIXED),
    )
    for damage, levels, damaged, metrics in damages:
        people = COMPARED if damaged is mixed else COMPARED[:1]
        found = [_figures([measured(damaged(level, index), index) for index in people]) for level in levels]
        for metric in metrics:
            values = tuple(each[metric] for each in found)
            expected: Expectation = "falls" if metric == "surface_recall" else "rises"
            yield Graded(metric, damage, levels, values, expected)


def _figures(heads: list[HeadGeometry]) -> dict[str, float]:
    """Means over heads of each metric, and NoW's median over the points of all."""
    figures = {name: float(np.mean([each.measurements[name].value for each in heads])) for name in OF_A_HEAD}
    return figures | {"now_pooled_median": pooled_median([each.distances for each in heads]).value}


def _sized(size: float, index: int) -> Skin:
    """The true skin, larger."""
    return skin(index).changed(lambda points: size * points)


def _perturbed(deviation: float, index: int) -> Skin:
    """The true skin with every vertex moved along its normal at random; the landmarks stay."""
    import trimesh

    own = skin(index)
    normals = trimesh.Trimesh(own.vertices, own.faces, process=False).vertex_normals
    step = deviation * np.random.default_rng(0).normal(size=(len(own.vertices), 1))
    return replace(own, vertices=own.vertices + step * normals)


def _smoothed(steps: float, index: int) -> Skin:
    """The true skin after so many steps of Laplacian smoothing; the landmarks stay."""
    import trimesh

    own = skin(index)
    mesh = trimesh.Trimesh(own.vertices.copy(), own.faces, process=False)
    if steps:
        trimesh.smoothing.filter_laplacian(mesh, lamb=0.5, iterations=round(steps), volume_constraint=False)
    return replace(own, vertices=np.asarray(mesh.vertices, np.float64))


def _subdivided(head: Skin) -> Skin:
    import trimesh

    vertices, faces = trimesh.remesh.subdivide(head.vertices, head.faces)
    return replace(head, vertices=vertices, faces=np.asarray(faces, np.int64))
