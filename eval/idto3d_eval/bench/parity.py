"""How far two rasterisers agree on one mesh: triangles, barycentrics, masks, depth, each with its bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import torch
from torch import Tensor

from idto3d.geometry.mean_head import load_mean_head
from idto3d.render.backend import BACKENDS, Scene, Visibility
from idto3d.render.camera import Camera
from idto3d_eval.bench import zbuffer
from idto3d_eval.single import shipped_weights

REFERENCE = "z-buffer"
# Front, both profiles, from above, from behind and close by, none of them square to an axis.
CAMERAS = tuple(
    Camera(yaw=yaw, pitch=pitch, roll=roll, distance=distance, fovy=fovy)
    for yaw, pitch, roll, distance, fovy in (
        (0.03, 0.02, 0.0, 1000.0, 0.32),
        (1.4, 0.1, 0.1, 800.0, 0.45),
        (-1.2, -0.2, -0.1, 1300.0, 0.25),
        (0.4, 0.9, 0.2, 1000.0, 0.4),
        (2.9, 0.1, 0.0, 900.0, 0.4),
        (0.2, -0.1, 0.0, 400.0, 0.6),
    )
)


@dataclass(frozen=True)
class Bound:
    """A figure's name, and the value up to which (or, `least`, from which on) two rasterisers agree."""

    name: str
    value: float
    least: bool = False

    def holds(self, found: float) -> bool:
        """Whether a figure keeps to it."""
        return found >= self.value if self.least else found <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.value:g}"


# Between Embree and the z-buffer the mean head gives at 512² (128²) what the comments say. nvdiffrast finds
# weights from the corners as they are, in float32, which gives the same; but whether a pixel is covered it
# asks of corners rounded to 1/16 of a pixel (CR_SUBPIXEL_LOG2 of its cudaraster). The z-buffer with corners
# rounded so differs from itself in 0.0044 of the pixels (0.018), with masks' IoU 0.9999 (0.9993).
SNAPPED = "nvdiffrast"


def bounds_of(first: str, second: str, resolution: int) -> dict[str, Bound]:
    """What two rasterisers must keep to at a resolution; the finer, the fewer pixels lie near an edge."""
    coarse = 512 / resolution if SNAPPED in (first, second) else 0.0
    return {
        "differ": Bound("pixels whose triangle differs", 0.0005 + 0.01 * coarse),  # 6e-6 (1e-5)
        "barycentric": Bound("largest barycentric difference where it agrees", 0.02),  # 0.003 (0.0009)
        "iou": Bound("intersection over union of the masks", 0.9995 - 0.0005 * coarse, least=True),  # 1 (1)
        "depth": Bound("largest depth difference where it agrees, mm", 0.05),  # 0.009 (0.001)
    }


@dataclass(frozen=True)
class Figure:
    """One line of the comparison; `found` is NaN, with the reason, where it was not measured."""

    first: str
    second: str
    bound: Bound
    found: float = math.nan
    reason: str = field(default="", compare=False)

    @property
    def failed(self) -> bool:
        """Whether it was measured and does not keep to the bound."""
        return not math.isnan(self.found) and not self.bound.holds(self.found)

    def row(self) -> dict[str, str]:
        """The line as a table shows it."""
        measured = not math.isnan(self.found)
        return {
            "rasterisers": f"{self.first}, {self.second}",
            "figure": self.bound.name,
            "found": f"{self.found:.3g}" if measured else "not measured",
            "bound": str(self.bound),
            "": ("FAILED" if self.failed else "ok") if measured else self.reason,
        }


def compare_backends(resolution: int) -> list[Figure]:
    """The shipped mean head through every pair of rasterisers, and what is not measured for want of one."""
    head = load_mean_head(shipped_weights() / "mean_head.npz").mesh
    vertices, faces = torch.from_numpy(head.vertices).float(), torch.from_numpy(head.faces)
    cameras = [replace(camera, resolution=resolution) for camera in CAMERAS]
    scenes: dict[str, Scene | str] = {
        backend.name: backend.missing() or backend.scene(vertices.to(device), faces.to(device))
        for device, backend in BACKENDS.items()
    }
    scenes[REFERENCE] = zbuffer.Scene(vertices, faces)
    return [
        figure
        for first, second in combinations(scenes, 2)
        for figure in _pair(first, second, scenes[first], scenes[second], cameras)
    ]


def _pair(
    first: str, second: str, one: Scene | str, other: Scene | str, cameras: Sequence[Camera]
) -> Iterator[Figure]:
    bounds = bounds_of(first, second, cameras[0].resolution)
    if isinstance(one, str) or isinstance(other, str):
        reason = one if isinstance(one, str) else str(other)
        yield from (Figure(first, second, bound, reason=reason) for bound in bounds.values())
        return
    views = [(_on_cpu(one.visibility(camera)), _on_cpu(other.visibility(camera))) for camera in cameras]
    for name, found in agreement(views).items():
        yield Figure(first, second, bounds[name], found)


def agreement(views: Sequence[tuple[Visibility, Visibility]]) -> dict[str, float]:
    """The figures of `bounds_of` over pairs of views, all on the CPU."""
    pixels = sum(one.triangle.numel() for one, _ in views)
    differ = sum(int((one.triangle != other.triangle).sum()) for one, other in views)
    both = sum(int((one.mask & other.mask).sum()) for one, other in views)
    either = sum(int((one.mask | other.mask).sum()) for one, other in views)
    return {
        "differ": differ / pixels,
        "barycentric": max(_largest(one, other, lambda view: view.barycentric) for one, other in views),
        "iou": both / either if either else math.nan,
        "depth": max(_largest(one, other, lambda view: view.depth[..., None]) for one, other in views),
    }


def _largest(one: Visibility, other: Visibility, layer: Callable[[Visibility], Tensor]) -> float:
    """The largest difference of a layer [H, W, C] where both see the same triangle; 0 where they never do."""
    same = (one.triangle == other.triangle) & one.mask
    differences = (layer(one) - layer(other)).abs()[same]
    return float(differences.max()) if len(differences) else 0.0


def _on_cpu(view: Visibility) -> Visibility:
    return Visibility(view.triangle.cpu(), view.barycentric.cpu(), view.depth.cpu())
