"""The parametric head behind the synthetic people: Anny's head topology as one linear model.

Anny (Brégier et al. 2025; PyPI `anny`, Apache-2.0 code, CC0 data) adds blend shapes for phenotypes, local
changes and ARKit facial actions. Their sum is linear to 0.1 mm in the neutral pose, so it is read once,
cut to the axes that move a head, and kept as a few arrays; after that neither `anny` nor torch is needed.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.cache import cache_folder
from idto3d.expressions import ARKIT_ACTIONS
from idto3d.population.landmarks import landmark_vertices

SCHEMA = 5
OUTSIDE = 3  # of 120 views around the head; the nasal passages' 129 faces are seen by at most 2
PARTS = ("skin", "eye", "mouth", "tongue")
SEXES = 2  # female, male
AGES = 2  # young adult (Anny's age 2/3), old (1)
ANCESTRIES = 3  # African, Asian, European as Anny names them: corners of a shape space, nothing more
_REGIONS = ("cheek", "chin", "ear", "eyebrows", "eye", "forehead", "head", "mouth", "nose", "neck-double")
# Axes that only translate or scale the whole head, or that the crop of a face cannot show.
_LEFT_OUT = ("head-trans", "head-angle", "head-age", "neck-trans")


@dataclass(frozen=True)
class HeadModel:
    """Linear head: corner means by sex, age and ancestry, plus shape axes, plus facial actions.

    corners [2, 2, 3, V, 3] mm; axes [A, 2, V, 3] mm, displacement at +1 and at -1; actions [52, V, 3] mm;
    faces [F, 3]; part [F] index into `PARTS`; mean [V, 3] mm, also the canonical position of each vertex;
    outer [F] bool: skin and eyes that can be seen from outside; landmark_index [68] vertices (iBUG order).
    """

    corners: NDArray[np.float32]
    axes: NDArray[np.float32]
    axis_names: tuple[str, ...]
    actions: NDArray[np.float32]
    faces: NDArray[np.int64]
    part: NDArray[np.int64]
    mean: NDArray[np.float32]
    outer: NDArray[np.bool_]
    landmark_index: NDArray[np.int64]

    @property
    def dimension(self) -> int:
        """Length of a shape code: sex, age, two ancestry weights, then the axes."""
        return 4 + len(self.axis_names)

    def neutral(self, shape: NDArray[np.floating]) -> NDArray[np.float32]:
        """Vertices [V, 3] mm of a shape code [dimension] with a neutral face, origin between the eyes."""
        sex, age, asian, european = (float(value) for value in shape[:4])
        weights = np.einsum(
            "s,a,e->sae", [1 - sex, sex], [1 - age, age], [1 - asian - european, asian, european]
        )
        base = np.tensordot(weights.astype(np.float32), self.corners, 3)
        code = np.asarray(shape[4:], np.float32)
        signed = np.stack([np.maximum(code, 0), np.maximum(-code, 0)], 1)
        moved = base + np.tensordot(signed, self.axes, 2)
        return self.centred(moved)

    def vertices(self, shape: NDArray[np.floating], actions: NDArray[np.floating]) -> NDArray[np.float32]:
        """Vertices [V, 3] mm of a shape code with facial actions [52] in [0, 1]."""
        return self.neutral(shape) + np.tensordot(np.asarray(actions, np.float32), self.actions, 1)

    def centred(self, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same head with its origin between the eyes."""
        eyes = np.unique(self.faces[self.part == PARTS.index("eye")])
        left = eyes[self.mean[eyes, 0] > 0]
        right = eyes[self.mean[eyes, 0] < 0]
        front = [vertices[side][np.argsort(-self.mean[side, 2])[:12]].mean(0) for side in (left, right)]
        origin = 0.5 * (front[0] + front[1])
        origin[0] = 0.0
        return np.asarray(vertices - origin, np.float32)


@functools.cache
def load_head_model() -> HeadModel:
    """The head model, from the cache (under 0.1 s) or, the first time, from `anny` (up to a minute)."""
    path = cache_folder() / f"head-model-{SCHEMA}.npz"
    if not path.exists():
        _build(path)
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    names = tuple(str(name) for name in arrays.pop("axis_names"))
    return HeadModel(axis_names=names, **arrays)


def _build(path: Path) -> None:
    """Evaluate Anny once per axis and store the displacements."""
    import anny
    import torch

    model = anny.Anny(topology="head", local_changes="all", facial_actions="all", phenotypes="all")
    middle = {"gender": 0.5, "age": 2 / 3, "muscle": 0.5, "weight": 0.5, "height": 0.5, "proportions": 0.5}
    middle |= {"african": 1 / 3, "asian": 1 / 3, "caucasian": 1 / 3}
    if tuple(model.facial_action_labels) != ARKIT_ACTIONS:
        raise RuntimeError("Found other facial actions in anny than the 52 of ARKit; expected anny >= 0.6.")

    def evaluate(
        phenotype: dict[str, float] | None = None,
        local: dict[str, float] | None = None,
        action: dict[str, float] | None = None,
    ) -> NDArray[np.float32]:
        """Vertices in the head frame: mm, +Y up, facing +Z (Anny: metres, +Z up, facing -Y)."""
        with torch.no_grad():
            found = model(
                phenotype_kwargs=middle | (phenotype or {}),
                local_changes_kwargs=local or {},
                facial_actions=action or {},
            )["vertices"][0].numpy()
        return np.stack([found[:, 0], found[:, 2], -found[:, 1]], 1).astype(np.float32) * 1000.0

    mean = evaluate()
    faces = model.faces.numpy().astype(np.int64)
    part, outer = _parts(mean, faces)
    eyes = np.unique(faces[part == 1])
    origin = np.array([0.0, mean[eyes, 1].mean(), np.sort(mean[eyes, 2])[-24:].mean()], np.float32)
    ancestry = ("african", "asian", "caucasian")
    corners = np.stack(
        [
            evaluate({"gender": s, "age": a, **{name: float(name == e) for name in ancestry}})
            for s in (0.0, 1.0)
            for a in (2 / 3, 1.0)
            for e in ancestry
        ]
    ).reshape(SEXES, AGES, ANCESTRIES, *mean.shape)
    # Size is a property of the person, place is not: every corner is put between its own eyes.
    for index in np.ndindex(SEXES, AGES, ANCESTRIES):
        eye = corners[index][eyes]
        corners[index] -= np.array([0.0, eye[:, 1].mean(), np.sort(eye[:, 2])[-24:].mean()], np.float32)
    groups: dict[str, list[str]] = {}
    for label in model.local_change_labels:
        name = label[2:] if label[:2] in ("l-", "r-") else label
        if name.startswith(_REGIONS) and not name.startswith(_LEFT_OUT):
            groups.setdefault(name, []).append(label)
    names, axes = [], []
    for name, labels in groups.items():
        pair = np.stack([evaluate(local=dict.fromkeys(labels, sign)) - mean for sign in (1.0, -1.0)])
        if np.abs(pair).max() > 0.3:
            names.append(name)
            axes.append(pair)
    actions = np.stack([evaluate(action={name: 1.0}) - mean for name in ARKIT_ACTIONS])
    temporary = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(
        temporary,
        corners=corners,
        axes=np.stack(axes),
        axis_names=np.array(names),
        actions=actions,
        faces=faces,
        part=part,
        mean=mean - origin,
        outer=outer,
        landmark_index=landmark_vertices(mean - origin, faces, outer & (part == 0)),
    )
    temporary.replace(path)


def _parts(
    mean: NDArray[np.float32], faces: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Part of each face by connected component, and whether it can be seen from outside.

    Skin and the mouth's inside are one component: the inside is what no ray from around the head hits. What
    only one or two views see lies deep in the nose or behind parted lips: painted as skin, but not outside.
    """
    import trimesh

    from idto3d.render.camera import Camera
    from idto3d.render.embree import Scene

    part = np.zeros(len(faces), np.int64)
    mesh = trimesh.Trimesh(mean, faces, process=False)
    components = trimesh.graph.connected_components(mesh.face_adjacency, nodes=np.arange(len(faces)))
    for component in sorted(components, key=len)[:-1]:
        centre = mean[np.unique(faces[component])].mean(0)
        part[component] = PARTS.index("eye" if abs(centre[0]) > 10.0 else "tongue")
    x, y, z = (float(value) for value in 0.5 * (mean.min(0) + mean.max(0)))
    seen = np.zeros(len(faces), np.int64)
    scene = Scene(mean, faces)
    for yaw in np.linspace(-np.pi, np.pi, 24, endpoint=False):
        for pitch in (-0.5, -0.2, 0.0, 0.3, 0.8):
            view = Camera(
                yaw=float(yaw), pitch=pitch, distance=900.0, fovy=0.34, target=(x, y, z), resolution=384
            )
            hits = scene.cast(view)
            normals = np.cross(mean[faces[:, 1]] - mean[faces[:, 0]], mean[faces[:, 2]] - mean[faces[:, 0]])
            front = (normals @ view.rotation()[2]) > 0
            found = np.unique(hits.triangle[hits.mask])
            seen[found[front[found]]] += 1
    hidden_skin = (part == 0) & (seen == 0)
    part[hidden_skin] = PARTS.index("mouth")
    return part, (part < 2) & (seen >= OUTSIDE)
