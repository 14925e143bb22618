"""Where things are, told to a denoiser: the mean head seen by the picture's own camera, drawn as it is drawn.

A camera as eight numbers leaves the layout of a picture to be learned; a picture of the mean head from that
camera lays it out, and the denoiser only has to learn how a person differs. ID-Sculpt controls its SD 1.5
with landmarks for the same reason (ControlNet: Zhang et al. 2023); here the control enters beside the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.geometry.mean_head import MeanHead
from idto3d.render.camera import Camera
from idto3d.render.embree import Scene
from idto3d.render.light import EnvironmentLight
from idto3d.render.normals import vertex_normals
from idto3d.render.shading import linear_to_srgb

CONTROL_CHANNELS = 6
UNIT = 100.0  # mm; positions are told in this unit

Drawn = EnvironmentLight | Literal["normals"]
"""How a picture is drawn: in colour under a light, or as a normal map."""


class ControlView:
    """The mean head as a control; one tree for all cameras."""

    def __init__(self, head: MeanHead) -> None:
        mesh = head.mesh
        vertices = torch.from_numpy(mesh.vertices).float()
        self._head = head
        self.landmarks = head.landmarks
        self._faces = mesh.faces
        self._vertices = mesh.vertices.astype(np.float32)
        self._normals = vertex_normals(vertices, torch.from_numpy(mesh.faces)).numpy()
        self._scene = Scene(self._vertices, mesh.faces)

    def look(self, camera: Camera, *drawn: Drawn) -> NDArray[np.float32]:
        """Controls [3 + 3 K, H, W] float32: position on the mean head in `UNIT`, then that head drawn in each
        of K ways, in [0, 1]: its mean colour under a light (diffuse, sRGB), or 0.5 + 0.5 n of its
        camera-space normal n.

        Everything is zero off the mean head.
        """
        hits = self._scene.cast(camera)
        corners, weights = self._faces[hits.triangle[hits.mask]], hits.barycentric[hits.mask]
        place = np.einsum("pk,pkc->pc", weights, self._vertices[corners])  # [P, 3] mm
        normal = np.einsum("pk,pkc->pc", weights, self._normals[corners])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        layers = [place / UNIT]
        for way in drawn:
            if isinstance(way, EnvironmentLight):
                linear = self._head.albedo_at(place) * way.irradiance(normal)
                layers.append(linear_to_srgb(torch.from_numpy(linear)).numpy())
            else:
                layers.append(0.5 + 0.5 * normal @ camera.rotation().T)
        control = np.zeros((*hits.mask.shape, 3 * len(layers)), np.float32)
        control[hits.mask] = np.concatenate(layers, 1)
        return np.ascontiguousarray(control.transpose(2, 0, 1))

    def looks(self, cameras: Sequence[Camera], drawn: Sequence[Drawn]) -> Tensor:
        """Controls [B, 6, H, W] of a batch of cameras, one way of drawing each."""
        views = [self.look(camera, way) for camera, way in zip(cameras, drawn, strict=True)]
        return torch.from_numpy(np.stack(views))
