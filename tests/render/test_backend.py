"""Rasteriser backends: chosen by device, and nvdiffrast's answers put into this project's conventions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
import torch

from idto3d.errors import UserError
from idto3d.render import nvdiffrast
from idto3d.render.antialias import blend_outlines
from idto3d.render.backend import BACKENDS, backend_of, scene_of
from idto3d.render.camera import Camera
from idto3d.render.rasterise import interpolate, rasterise
from tests.reference import fake_nvdiffrast, ray_triangle
from tests.reference.shapes import quad, sphere

# No symmetry: a mirrored, flipped or transposed picture is another picture.
CAMERA = Camera(
    yaw=0.4, pitch=-0.2, roll=0.3, distance=500.0, fovy=0.5, target=(8.0, -5.0, 0.0), resolution=24
)


def bumpy() -> tuple[torch.Tensor, torch.Tensor]:
    vertices, faces = sphere(90.0, 7)
    vertices = vertices * (1.0 + 0.2 * np.random.default_rng(3).normal(size=(len(vertices), 1)))
    return torch.from_numpy(vertices).float(), torch.from_numpy(faces)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`import nvdiffrast.torch` finds the stand-in."""
    package = ModuleType("nvdiffrast")
    package.torch = fake_nvdiffrast  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nvdiffrast", package)
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", fake_nvdiffrast)
    nvdiffrast._context.cache_clear()
    yield
    nvdiffrast._context.cache_clear()


def test_the_device_chooses_the_backend() -> None:
    assert backend_of(torch.device("cpu")).name == "embree"
    assert backend_of(torch.device("cuda:1")).name == "nvdiffrast"
    with pytest.raises(UserError, match=r"'meta'.*cpu, cuda"):
        backend_of(torch.device("meta"))


@pytest.mark.usefixtures("library")
def test_nvdiffrast_sees_what_a_ray_through_every_triangle_sees() -> None:
    """Triangles, barycentrics and depth of its bottom-up clip-space images are the reference's."""
    vertices, faces = bumpy()
    seen = nvdiffrast.Scene(vertices, faces).visibility(CAMERA)
    triangle, barycentric, depth = ray_triangle.first_hits(vertices.double().numpy(), faces.numpy(), CAMERA)
    same = seen.triangle.numpy() == triangle
    assert same.mean() > 0.99
    assert np.abs(seen.barycentric.numpy()[same] - barycentric[same]).max() < 1e-4
    hit = same & (triangle >= 0)
    assert np.abs(seen.depth.numpy()[hit] - depth[hit]).max() < 1e-2
    assert np.isinf(seen.depth.numpy()[same & ~hit]).all()
    assert np.array_equal(seen.mask.numpy(), seen.triangle.numpy() >= 0)


@pytest.mark.usefixtures("library")
def test_both_backends_give_the_same_picture_and_gradient() -> None:
    """The shared interpolation makes the same numbers of either's triangles."""
    vertices, faces = bumpy()
    colours = torch.rand(len(vertices), 3, generator=torch.Generator().manual_seed(0))
    pictures, gradients = [], []
    for scene in (scene_of(vertices, faces), nvdiffrast.Scene(vertices, faces)):
        points = vertices.clone().requires_grad_()
        fragments = rasterise(points, faces, CAMERA, scene)
        image = interpolate(fragments, faces, colours)
        image.square().sum().backward()
        pictures.append(image.detach())
        gradients.append(points.grad)
    assert ((pictures[0] - pictures[1]).abs().amax(-1) > 1e-4).float().mean() < 0.01
    assert torch.nn.functional.cosine_similarity(*(g.flatten() for g in gradients), dim=0) > 0.99  # type: ignore[union-attr]


@pytest.mark.usefixtures("library")
def test_fragments_become_nvdiffrasts_image_again() -> None:
    """What its antialiasing reads: u, v, z / w and triangle + 1, as its own rasteriser had given them."""
    vertices, faces = bumpy()
    fragments = rasterise(vertices, faces, CAMERA)
    ours = nvdiffrast.write_raster(fragments, vertices, CAMERA)
    theirs, _ = fake_nvdiffrast.rasterize(
        fake_nvdiffrast.RasterizeCudaContext(),
        nvdiffrast.clip_positions(vertices, CAMERA)[None].contiguous(),
        faces.int(),
        (CAMERA.resolution, CAMERA.resolution),
    )
    same = ours[..., 3] == theirs[0, ..., 3]
    assert same.float().mean() > 0.99
    assert (ours - theirs[0])[same].abs().max() < 1e-4
    image = torch.rand(*fragments.mask.shape, 3)
    assert torch.equal(nvdiffrast.antialias(image, fragments, vertices, faces, CAMERA), image)


def test_clip_space_holds_the_whole_mesh_and_the_pixels_of_the_camera() -> None:
    vertices, _ = bumpy()
    clip = nvdiffrast.clip_positions(vertices.double(), CAMERA)
    pixels = CAMERA.project(vertices.double().numpy())
    projected = 0.5 * CAMERA.resolution * (clip[:, :2] / clip[:, 3:] + 1.0)
    assert np.abs(projected.numpy() - pixels).max() < 1e-9
    reach = clip[:, 2] / clip[:, 3]
    assert (reach.abs() <= 1.0).all()
    farthest, nearest = clip[:, 3].argmax(), clip[:, 3].argmin()
    assert reach[farthest] > reach[nearest]


@pytest.mark.usefixtures("library")
def test_what_lies_behind_the_camera_is_not_seen() -> None:
    vertices, faces = quad(-50.0, 50.0, -50.0, 50.0)
    points = torch.from_numpy(vertices).float() + 2.0 * torch.from_numpy(CAMERA.position()).float()
    assert not nvdiffrast.Scene(points, torch.from_numpy(faces)).visibility(CAMERA).mask.any()


def test_its_absence_is_one_sentence_that_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nvdiffrast", None)
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", None)
    with pytest.raises(
        UserError, match=r"no usable nvdiffrast.*pip install git\+https.*--no-build-isolation"
    ):
        nvdiffrast.Scene(*bumpy())
    assert BACKENDS["cpu"].missing() == ""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "pip install" in BACKENDS["cuda"].missing()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no CUDA device" in BACKENDS["cuda"].missing()


@pytest.mark.cuda
def test_nvdiffrast_on_its_device_agrees_with_embree() -> None:
    """The real library, where there is one: triangles, depth and antialiased outline with their gradient."""
    reason = BACKENDS["cuda"].missing()
    if reason:
        pytest.skip(reason)
    vertices, faces = bumpy()
    camera = Camera(**{**vars(CAMERA), "resolution": 128})
    here = scene_of(vertices, faces).visibility(camera)
    there = scene_of(vertices.cuda(), faces.cuda()).visibility(camera)
    same = there.triangle.cpu() == here.triangle
    assert same.float().mean() > 0.99
    assert (there.barycentric.cpu() - here.barycentric)[same].abs().max() < 1e-3
    hit = same & here.mask
    assert (there.depth.cpu() - here.depth)[hit].abs().max() < 0.05
    covers = []
    for device in ("cpu", "cuda"):
        points, triangles = vertices.to(device).requires_grad_(), faces.to(device)
        fragments = rasterise(points, triangles, camera)
        cover = fragments.mask[..., None].float()
        blended = backend_of(points.device).antialias(cover, fragments, points, triangles, camera)
        blended.sum().backward()
        assert points.grad is not None
        assert torch.isfinite(points.grad).all()
        covers.append(blended.detach().cpu())
    assert (covers[0] - covers[1]).abs().mean() < 0.01


def test_the_cpu_blends_outlines_as_before() -> None:
    vertices, faces = bumpy()
    fragments = rasterise(vertices, faces, CAMERA)
    image = fragments.mask[..., None].float()
    through = backend_of(torch.device("cpu")).antialias(image, fragments, vertices, faces, CAMERA)
    assert torch.equal(through, blend_outlines(image, fragments, vertices, faces, CAMERA))
