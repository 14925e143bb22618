"""How long distances between large meshes take, ours and by Open3D's own calls on the same arrays."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.bench.bars import Bar
from idto3d_eval.metrics.geometry_surface import chamfer_of_points
from idto3d_eval.metrics.surface import Surface, sample_surface

Floats = NDArray[np.float64]
Mesh = tuple[Floats, NDArray[np.int64]]
Case = tuple[str, Callable[[], Any], Callable[[], Any]]  # what, ours, Open3D's

BENT_MM, WAVE_MM = 2.0, 25.0  # a side, and the waves' length over two pi
AGREE_MM = 1e-3  # Open3D answers in float32


def large_heads(vertices: int) -> tuple[Mesh, Mesh]:
    """A person's outer skin, cut until it has the vertices asked for, and the same bent by some millimetres
    in smooth waves, as a head lies on the truth once it is aligned."""
    import trimesh

    from idto3d.population.people import draw_person
    from idto3d.population.truth import outer_skin

    skin, faces = outer_skin(draw_person("validation", 0), "neutral")
    used, place = np.unique(faces, return_inverse=True)
    points, triangles = skin[used].astype(np.float64), place.reshape(faces.shape)
    while len(points) < vertices:
        points, triangles = trimesh.remesh.subdivide(points, triangles)
    faces = np.asarray(triangles, np.int64)
    waves = np.sin(points / WAVE_MM + [0.0, 1.0, 2.0])[:, [1, 2, 0]]
    return (points, faces), (points + BENT_MM * waves, faces)


def measure(vertices: int, threads: int, repeats: int) -> list[Bar]:
    """Open3D's seconds over ours, for each distance; at least 1 is as fast. Trees are built within the time.

    Raises:
        RuntimeError: the two disagree, so that their times mean nothing.
    """
    one, other = large_heads(vertices)
    samples = sample_surface(*other, len(other[0]), seed=0)[0]
    shuffled = np.random.default_rng(0).permutation(other[0])
    size = f"{len(one[0]):,} and {len(other[0]):,} vertices, {threads} thread(s)"
    asked = {
        "vertices in order": other[0],
        "area-uniform points": samples,
        "points in any order": shuffled,
    }
    cases: list[Case] = [
        (
            f"point to mesh, {name}",
            partial(_own_distance, one, points, threads),
            partial(_open3d_distance, one, points, threads),
        )
        for name, points in asked.items()
    ]
    cases += [
        (
            "Chamfer of meshes, vertices to surface",
            lambda: _chamfer(one, other, threads),
            lambda: (
                0.5
                * float(
                    _open3d_distance(one, other[0], threads).mean()
                    + _open3d_distance(other, one[0], threads).mean()
                )
            ),
        ),
        (
            "Chamfer of vertices, as point clouds",
            lambda: chamfer_of_points(one[0], other[0]),
            lambda: _open3d_cloud_chamfer(one[0], other[0]),
        ),
    ]
    figures = []
    for name, own, theirs in cases:
        seconds = np.full((repeats, 2), np.inf)
        for repeat in range(repeats):
            seconds[repeat, 0], found = _timed(own)
            seconds[repeat, 1], expected = _timed(theirs)
        if np.abs(np.asarray(found) - np.asarray(expected)).max() > AGREE_MM:
            raise RuntimeError(f"found other distances than Open3D's for {name}, expected the same")
        mine, other_best = seconds.min(axis=0)
        note = f"{mine:.2f} s against {other_best:.2f} s of processor; {size}"
        figures.append(Bar(name, other_best / mine, 1.0, least=True, note=note))
    return [*figures, _tensor_metrics(one, other, threads, size)]


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of all threads, which another program's load on the machine moves little."""
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def _own_distance(mesh: Mesh, points: Floats, threads: int) -> Floats:
    return Surface(*mesh, threads).distance(points)


def _chamfer(one: Mesh, other: Mesh, threads: int) -> float:
    first, second = Surface(*one, threads), Surface(*other, threads)
    return 0.5 * float(first.distance(other[0]).mean() + second.distance(one[0]).mean())


def _open3d_distance(mesh: Mesh, points: Floats, threads: int) -> Floats:
    import open3d

    tensor = open3d.core.Tensor
    scene = open3d.t.geometry.RaycastingScene(nthreads=threads)
    scene.add_triangles(tensor(mesh[0].astype(np.float32)), tensor(mesh[1].astype(np.uint32)))
    found: Floats = scene.compute_distance(tensor(points.astype(np.float32)), nthreads=threads).numpy()
    return found


def _open3d_cloud_chamfer(one: Floats, other: Floats) -> float:
    """The legacy call, which takes as many threads as OpenMP gives it."""
    import open3d

    first, second = (
        open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points)) for points in (one, other)
    )
    ways = first.compute_point_cloud_distance(second), second.compute_point_cloud_distance(first)
    return 0.5 * float(np.asarray(ways[0]).mean() + np.asarray(ways[1]).mean())


def _tensor_metrics(one: Mesh, other: Mesh, threads: int, size: str) -> Bar:
    """Open3D's `compute_metrics` of two meshes, which samples both, beside the same from ours; once."""
    import open3d
    from open3d.t.geometry import Metric, MetricParameters

    tensor = open3d.core.Tensor
    meshes = [
        open3d.t.geometry.TriangleMesh(tensor(points.astype(np.float32)), tensor(faces))
        for points, faces in (one, other)
    ]
    count = len(one[0])

    def own() -> float:
        first, second = Surface(*one, threads), Surface(*other, threads)
        ways = (
            first.distance(sample_surface(*other, count, 0)[0]),
            second.distance(sample_surface(*one, count, 0)[0]),
        )
        return 0.5 * float(ways[0].mean() + ways[1].mean())

    mine, _ = _timed(own)
    theirs, _ = _timed(
        lambda: meshes[0].compute_metrics(
            meshes[1], [Metric.ChamferDistance], MetricParameters(n_sampled_points=count)
        )
    )
    note = f"{mine:.2f} s against {theirs:.2f} s of processor; {count:,} samples each; {size}"
    return Bar("Chamfer of meshes, sampled (compute_metrics)", theirs / mine, 1.0, least=True, note=note)
