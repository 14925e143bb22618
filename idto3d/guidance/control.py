"""Where things are, told to a denoiser: the mean head seen by the picture's own camera, under its light.

A camera as eight numbers leaves the layout of a picture to be learned; a picture of the mean head from that
camera lays it out, and the denoiser only has to learn how a person differs. ID-Sculpt controls its SD 1.5
with landmarks for the same reason (ControlNet: Zhang et al. 2023); here the control enters beside the noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.geometry.mesh import Mesh
from idto3d.render.camera import Camera
from idto3d.render.embree import Scene
from idto3d.render.light import EnvironmentLight
from idto3d.render.normals import vertex_normals
from idto3d.render.shading import linear_to_srgb

CONTROL_CHANNELS = 6
UNIT = 100.0  # mm; positions are told in this unit
PAPER = 0.5  # what the mean head reflects in the control's picture of the light


class ControlView:
    """The mean head as a control; one tree for all cameras."""

    def __init__(self, mesh: Mesh) -> None:
        vertices = torch.from_numpy(mesh.vertices).float()
        self._faces = mesh.faces
        self._vertices = mesh.vertices.astype(np.float32)
        self._normals = vertex_normals(vertices, torch.from_numpy(mesh.faces)).numpy()
        self._scene = Scene(self._vertices, mesh.faces)

    def look(self, camera: Camera, light: EnvironmentLight | None = None) -> NDArray[np.float32]:
        """One control [6, H, W] float32: position on the mean head in `UNIT`, then the light falling there.

        The light is the sRGB colour of grey paper in [0, 1]; zero where it is not told. Everything is zero
        off the mean head.
        """
        hits = self._scene.cast(camera)
        corners, weights = self._faces[hits.triangle[hits.mask]], hits.barycentric[hits.mask]
        control = np.zeros((*hits.mask.shape, CONTROL_CHANNELS), np.float32)
        control[hits.mask, :3] = np.einsum("pk,pkc->pc", weights, self._vertices[corners]) / UNIT
        if light is not None:
            normal = np.einsum("pk,pkc->pc", weights, self._normals[corners])
            normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
            fallen = torch.from_numpy(PAPER * light.irradiance(normal)).clamp(0.0, 1.0)
            control[hits.mask, 3:] = linear_to_srgb(fallen).numpy()
        return np.ascontiguousarray(control.transpose(2, 0, 1))

    def looks(self, cameras: Sequence[Camera], lights: Sequence[EnvironmentLight] | None = None) -> Tensor:
        """Controls [B, 6, H, W] of a batch of cameras, under one light each where lights are told."""
        told = [None] * len(cameras) if lights is None else lights
        views = [self.look(camera, light) for camera, light in zip(cameras, told, strict=True)]
        return torch.from_numpy(np.stack(views))
