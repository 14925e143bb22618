"""Checks of appearance: sets against themselves, closed forms, blurred renders, and a sheet with a planted "
"seam."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.feature_distance import SPACES, Kid, fid, fid_bias, kid, kid_published
from idto3d_eval.metrics.image_text import image_text_agreement, image_text_share
from idto3d_eval.metrics.seams import seam_visibility
from idto3d_eval.selfcheck.check import Check, Graded, Known

if TYPE_CHECKING:
    from idto3d.asset import TexturedMesh

Floats = NDArray[np.float64]

PEOPLE, IMAGES, WIDTH = 12, 20, 8
NOISE = (0.0, 0.2, 0.5, 1.0, 2.0)
# Standard deviations in pixels of 128. Shrinking to 112 hides a blur of one from whole views; from four on,
# faces of some people are no more read, so that what is left is no more the same set.
VIEW_BLURS, FACE_BLURS = (0.0, 2.0, 4.0, 8.0), (0.0, 1.0, 2.0, 3.0)
SHOWN_PEOPLE, YAWS = 4, (-20.0, 0.0, 20.0)  # of the blurred renders
JUMPS = (0, 10, 20, 40)  # codes of 255


def checks() -> Iterator[Check]:
    """All checks of the family `appearance`."""
    yield from _set_checks()
    yield from _blurred()
    yield from _words()
    yield from _seams()


def _set_checks() -> Iterator[Check]:
    rng = np.random.default_rng(0)
    truth = _people(rng)
    order = rng.permutation(PEOPLE)
    shuffled = [own[::-1] for own in truth]
    levels = [[own + level * rng.normal(size=own.shape) for own in truth] for level in NOISE]
    unlike = [[own + level * (0.5 + index % 3) for index, own in enumerate(truth)] for level in NOISE]
    whole = np.concatenate(truth)
    other = np.concatenate(levels[2])
    exact = _exact_moments(rng)
    draws = [[rng.normal(size=(60, WIDTH)) for _ in range(2)] for _ in range(40)]
    same = [[rng.normal(size=(PEOPLE * IMAGES, WIDTH)) for _ in range(2)] for _ in range(20)]
    for space in SPACES:
        name = space.name
        yield Known(f"kid_{name}", "a set against itself", _kid(truth, truth).value, 0.0, 1e-12)
        moved = _kid([levels[2][k] for k in order], [truth[k] for k in order]).value
        still = _kid(levels[2], truth).value
        yield Known(f"kid_{name}", "people in another order", moved, still, 1e-9)
        yield Known(f"kid_{name}", "images in another order", _kid(levels[2], shuffled).value, still, 1e-9)
        values = tuple(_kid(own, truth).value for own in levels)
        yield Graded(f"kid_{name}", "noise on features, of their spread", NOISE, values, "rises")
        yield Known(f"kid_{name}_se", "a set against itself", _kid(truth, truth).error, 0.0, 1e-12)
        errors = tuple(_kid(own, truth).error for own in unlike)
        yield Graded(f"kid_{name}_se", "shift that differs by person", NOISE, errors, "rises")
        mean = float(np.mean([kid_published(*pair).value for pair in draws]))
        yield Known(f"kid_{name}_published", "draws of one distribution, mean of 40", mean, 0.0, 0.2)
        values = tuple(kid_published(np.concatenate(own), whole).value for own in levels)
        yield Graded(f"kid_{name}_published", "noise on features, of their spread", NOISE, values, "rises")
        yield Known(f"fid_{name}", "a set against itself", fid(whole, whole).value, 0.0, 1e-9)
        # Unit variance against variance 4, means 1 apart in each of D features: D + D (1 + 4 - 2 · 2).
        yield Known(
            f"fid_{name}", "two known Gaussians", fid(exact, 2.0 * exact + 1.0).value, 2.0 * WIDTH, 1e-8
        )
        yield Known(
            f"fid_{name}", "fewer images than features", fid(whole[:WIDTH], other).value, math.nan, 0.0
        )
        values = tuple(fid(np.concatenate(own), whole).value for own in levels)
        yield Graded(f"fid_{name}", "noise on features, of their spread", NOISE, values, "rises")
        bias = np.mean([fid_bias([one], [two]).value for one, two in same])
        bias /= np.mean([fid(one, two).value for one, two in same])
        case = "over FID, where two sets are draws of one distribution, means of 20"
        yield Known(f"fid_{name}_bias", case, float(bias), 1.0, 0.2)
        sizes = (240, 120, 60, 30)
        biases = tuple(fid_bias([same[0][0][:size]], [same[0][1][:size]]).value for size in sizes)
        fewer = tuple(float(sizes[0] - size) for size in sizes)
        yield Graded(f"fid_{name}_bias", "images that are missing of 240", fewer, biases, "rises")


def _blurred() -> Iterator[Check]:
    """Renders of true heads against the same ones blurred, through the shipped networks."""
    from scipy.ndimage import gaussian_filter

    from idto3d_eval.feature_networks import reader_trunk
    from idto3d_eval.features import load_scoring_models, read_images
    from idto3d_eval.single import shipped_weights

    pictures = [_renders(index) for index in range(SHOWN_PEOPLE)]
    trunk, models = reader_trunk(shipped_weights()), load_scoring_models(shipped_weights())

    def blurred(blur: float) -> list[list[NDArray[np.uint8]]]:
        return [[gaussian_filter(image, (blur, blur, 0)) for image in own] for own in pictures]

    def read_views(blur: float) -> list[Floats]:
        return [trunk.read(own).astype(np.float64) for own in blurred(blur)]

    def read_faces(blur: float) -> list[Floats]:
        read = [read_images(own, models).embeddings.astype(np.float64) for own in blurred(blur)]
        return [math.sqrt(own.shape[1]) * own[np.isfinite(own).all(axis=1)] for own in read]

    for name, blurs, read in (("kid_view", VIEW_BLURS, read_views), ("kid_face", FACE_BLURS, read_faces)):
        sharp = read(0.0)
        values = tuple(_kid(read(blur), sharp).value for blur in blurs)
        yield Graded(name, "blur of renders, pixels", blurs, values, "rises")


def _words() -> Iterator[Check]:
    right = np.array([[0.3, 0.1], [0.4, 0.2]])
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(400, 4))
    clean = np.tile(np.eye(4)[0], (400, 1))
    mixed = [(1.0 - level) * clean + level * np.eye(4)[1] for level in (0.0, 0.25, 0.5, 1.0)]
    yield Known("image_text_agreement", "two cosines", image_text_agreement(right, 0).value, 0.35, 1e-12)
    yield Known("image_text_agreement", "no view", image_text_agreement(right[:0], 0).value, math.nan, 0.0)
    agreement = tuple(image_text_agreement(own, 0).value for own in mixed)
    yield Graded("image_text_agreement", "another text's share", (0.0, 0.25, 0.5, 1.0), agreement, "falls")
    yield Known("image_text_share", "own text nearest", image_text_share(right, 0).value, 1.0, 0.0)
    yield Known("image_text_share", "another nearest", image_text_share(right, 1).value, 0.0, 0.0)
    yield Known("image_text_share", "all the same", image_text_share(np.ones((3, 4)), 0).value, 0.25, 1e-12)
    shares = tuple(image_text_share(clean + level * noise, 0).value for level in NOISE)
    yield Graded("image_text_share", "noise on cosines", NOISE, shares, "falls")


def _seams() -> Iterator[Check]:
    plain = seam_visibility(sheet(smooth=False)).value
    yield Known("seam_visibility", "one colour", plain, 0.0, 1e-9)
    yield Known("seam_visibility", "a smooth texture over a seam", seam_visibility(sheet()).value, 0.0, 0.3)
    turned = seam_visibility(sheet(jump=20, turn=True)).value
    yield Known("seam_visibility", "turned and moved", turned, seam_visibility(sheet(jump=20)).value, 1e-6)
    values = tuple(seam_visibility(sheet(jump=jump)).value for jump in JUMPS)
    yield Graded("seam_visibility", "jump at the seam, codes", tuple(map(float, JUMPS)), values, "rises")


def sheet(jump: int = 0, smooth: bool = True, turn: bool = False, seam: bool = True) -> TexturedMesh:
    """A flat sheet of 60 mm whose two halves lie apart in the texture, so that a seam runs down its middle.

    Args:
        jump: codes of 255 by which the right half is lighter.
        smooth: whether colours change over the sheet, without a jump of their own.
        turn: turn and move it.
        seam: whether the halves are apart at all.
    """
    from idto3d.asset import TexturedMesh

    cells, side, texels = 8, 60.0, 128
    across, up = np.meshgrid(np.linspace(0.0, 1.0, cells + 1), np.linspace(0.0, 1.0, 2 * cells + 1))
    gap = 0.05 if seam else 0.0

    def texture_u(x: Floats, right: bool) -> Floats:
        return 0.5 + (gap if right else -gap) + (x - 0.5) * (1.0 - 2.0 * gap)

    places: list[Floats] = []
    uvs: list[Floats] = []
    faces: list[NDArray[np.int64]] = []
    for right in (False, True):
        x, y = 0.5 * (across + right), up
        first = len(places[0]) if right else 0
        places.append(np.stack([side * (x - 0.5), side * (y - 0.5), np.zeros_like(x)], -1).reshape(-1, 3))
        uvs.append(np.stack([texture_u(x, right), y], -1).reshape(-1, 2))
        corner = first + np.arange(2 * cells)[:, None] * (cells + 1) + np.arange(cells)[None]
        a, b, c, d = (own.ravel() for own in (corner, corner + 1, corner + cells + 2, corner + cells + 1))
        faces += [np.stack([a, b, c], -1), np.stack([a, c, d], -1)]
    vertices = np.concatenate(places)
    if turn:
        cosine, sine = math.cos(0.7), math.sin(0.7)
        spin = np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
        vertices = vertices @ spin.T + np.array([3.0, -2.0, 5.0])
    u, v = np.meshgrid((np.arange(texels) + 0.5) / texels, 1.0 - (np.arange(texels) + 0.5) / texels)
    right_half = u > 0.5
    x = (u - np.where(right_half, 0.5 + gap, 0.5 - gap)) / (1.0 - 2.0 * gap) + 0.5
    grey = 120.0 + (40.0 * x + 30.0 * np.sin(3.0 * v) if smooth else 0.0) + jump * right_half
    albedo = np.repeat(np.rint(np.clip(grey, 0, 255))[..., None], 3, axis=-1).astype(np.uint8)
    material = np.full_like(albedo, 128)
    return TexturedMesh(vertices, np.concatenate(faces), np.concatenate(uvs), albedo, material)


def _people(rng: np.random.Generator) -> list[Floats]:
    """Features of people whose images are alike."""
    return [rng.normal(size=WIDTH) + 0.5 * rng.normal(size=(IMAGES, WIDTH)) for _ in range(PEOPLE)]


def _exact_moments(rng: np.random.Generator) -> Floats:
    """Samples [N, D] of mean 0 and covariance 1, exactly."""
    values = rng.normal(size=(100, WIDTH))
    values -= values.mean(axis=0)
    factor = np.linalg.cholesky(np.cov(values, rowvar=False))
    exact: Floats = np.linalg.solve(factor, values.T).T
    return exact


def _kid(renders: list[Floats], truths: list[Floats]) -> Kid:
    found = kid(renders, truths)
    assert isinstance(found, Kid), found
    return found


def _renders(index: int) -> list[NDArray[np.uint8]]:
    from idto3d.population.people import draw_person
    from idto3d.population.truth import true_mesh
    from idto3d.render.camera import Camera
    from idto3d.render.light import EnvironmentLight
    from idto3d.render.views import render_view

    mesh = true_mesh(draw_person("validation", index), "neutral")
    light = EnvironmentLight.uniform(0.8)
    target, fovy = (0.0, -15.0, -60.0), math.radians(18.5)
    cameras = (Camera(math.radians(yaw), 0.0, 0.0, 1000.0, fovy, target, 128) for yaw in YAWS)
    return [render_view(mesh, camera, light, supersample=1).colour for camera in cameras]
