"""How a synthetic person looks: skin, lips, brows, eyes, hair, beard, freckles, moles, painted procedurally.

Colour is a function of the canonical position, the place on the mean head, so that it has no resolution of
its own: a photograph evaluates it per pixel, a texture map per texel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idto3d.attributes import Attributes

Floats = NDArray[np.float32]

# sRGB of the six skin bins, from very light to very dark, and of the hair colours: chosen by eye.
SKIN_TONES = np.array(
    [[238, 208, 190], [222, 180, 152], [198, 150, 116], [160, 112, 80], [116, 78, 56], [74, 50, 40]],
    np.float32,
) / np.float32(255)
HAIR_COLOURS = {
    "black": (0.07, 0.06, 0.06),
    "brown": (0.29, 0.18, 0.11),
    "blond": (0.76, 0.60, 0.36),
    "red": (0.55, 0.23, 0.10),
    "grey": (0.62, 0.61, 0.60),
}
IRIS_COLOURS = np.array(
    [[0.24, 0.13, 0.07], [0.42, 0.28, 0.14], [0.33, 0.43, 0.52], [0.35, 0.45, 0.28]], np.float32
)
LIP_HUE = np.array([0.95, 0.72, 0.72])  # of lips over the skin's colour
_BROW = np.array([[12, 17], [22, 23], [33, 25], [43, 22], [49, 15]], np.float32)  # mm, person's left, x and y
_LIPS = np.array(
    [[-25, -74], [-16, -68], [-6, -65.5], [0, -66.5], [6, -65.5], [16, -68], [25, -74], [14, -82.5], [8, -86],
     [0, -87],      [-8, -86], [-14, -82.5]], np.float32)  # fmt: skip


@dataclass(frozen=True)
class Appearance:
    """Appearance code of one person; colours are sRGB in [0, 1], lengths mm on the mean head."""

    skin_bin: int
    skin: Floats  # [3]
    lips: Floats  # [3]
    cheeks: float  # strength of the red in the cheeks
    brow_thickness: float
    brow_lift: float
    brow_tilt: float
    brow_density: float
    brow_gap: float
    iris: Floats  # [3]
    hair: str
    hair_colour: str
    hair_rgb: Floats  # [3]
    hair_line: float
    hair_temple: float
    hair_volume: float
    beard: str
    beard_height: float
    moustache: float
    freckles: Floats  # [N, 4] x, y, radius, strength
    moles: Floats  # [M, 3] x, y, radius
    wrinkles: float


def draw_appearance(attributes: Attributes, generator: np.random.Generator) -> Appearance:
    """Everything that the words leave open, drawn at random."""
    uniform = generator.uniform
    skin_bin = Attributes.GROUPS["skin"].index(attributes.skin)
    skin = SKIN_TONES[skin_bin] * uniform(0.93, 1.07) * (1 + 0.03 * generator.normal(size=3))
    redness = uniform(0.0, 1.0)
    lips = skin * LIP_HUE * uniform(0.85, 1.05) + np.array([0.10, 0.0, 0.02]) * redness
    if attributes.sex == "female" and uniform() < 0.4:  # lipstick
        lips = 0.45 * lips + 0.55 * np.array([0.70, 0.12, 0.20]) * uniform(0.7, 1.1)
    hair_rgb = np.array(HAIR_COLOURS[attributes.hair_colour]) * uniform(0.8, 1.25) + 0.02 * generator.normal(
        size=3
    )
    freckled = uniform() < (0.35 if skin_bin < 3 else 0.08)
    count = int(generator.integers(15, 40)) if freckled else 0
    freckles = np.stack(
        [generator.normal(0, 26, count), generator.normal(-28, 12, count), uniform(0.9, 1.9, count),
         uniform(0.25, 0.6, count)], 1)  # fmt: skip
    spots = int(generator.integers(0, 5))
    moles = np.stack([uniform(-48, 48, spots), uniform(-95, 60, spots), uniform(1.6, 3.4, spots)], 1)
    brow_scale = 1.25 if attributes.sex == "male" else 0.9
    return Appearance(
        skin_bin=skin_bin,
        skin=_colour(skin),
        lips=_colour(lips),
        cheeks=float(uniform(0.0, 0.22)),
        brow_thickness=float(uniform(1.4, 4.2) * brow_scale),
        brow_lift=float(generator.normal(0, 2.0)),
        brow_tilt=float(generator.normal(0, 0.10)),
        brow_density=float(uniform(0.35, 0.95)),
        brow_gap=float(uniform(-4.0, 4.0)),
        iris=_colour(IRIS_COLOURS[int(generator.integers(0, 4))] * uniform(0.8, 1.2)),
        hair=attributes.hair,
        hair_colour=attributes.hair_colour,
        hair_rgb=_colour(hair_rgb),
        hair_line=float(generator.normal(0, 8.0) + (8.0 if attributes.age == "old" else 0.0)),
        hair_temple=float(uniform(-8, 20)),
        hair_volume=float({"bald": 0.0, "buzz-cut": 1.0}.get(attributes.hair, uniform(5.0, 14.0))),
        beard=attributes.beard,
        beard_height=float(uniform(-14, 10)),
        moustache=float(uniform() < 0.75),
        freckles=freckles.astype(np.float32),
        moles=moles.astype(np.float32),
        wrinkles={"young": 0.0, "middle-aged": 0.4, "old": 1.0}[attributes.age] * float(uniform(0.6, 1.0)),
    )


def _colour(rgb: NDArray[np.floating]) -> Floats:
    return np.asarray(np.clip(rgb, 0.02, 0.98), np.float32)


def _smooth(value: NDArray[np.floating], width: float) -> Floats:
    """0 below -width, 1 above +width, a smooth ramp between."""
    t = np.clip(0.5 + 0.5 * value / width, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def hair_mask(look: Appearance, canonical: Floats, softness: float = 5.0) -> Floats:
    """How much scalp hair covers each canonical position [N, 3]; [N] in [0, 1], ramped over +-softness mm."""
    if look.hair == "bald":
        return np.zeros(len(canonical), np.float32)
    x, y, z = canonical.T
    front = np.clip((z + 75.0) / 75.0, 0.0, 1.0)  # 0 behind the ear, 1 at the forehead
    nape = -150.0 if look.hair == "long" else -80.0
    line = nape + (58.0 + look.hair_line - nape) * np.sqrt(front)
    line = line + look.hair_temple * front * np.exp(-(((np.abs(x) - 45.0) / 14.0) ** 2))
    covered = _smooth(y - line, softness)
    if look.hair != "long":  # the ears stay free
        covered = covered * (1.0 - _smooth(np.abs(x) - 79.0, 0.6 * softness) * _smooth(30.0 - y, 10.0))
    return covered.astype(np.float32)


def beard_mask(look: Appearance, canonical: Floats) -> Floats:
    """How much beard covers each canonical position [N, 3]; [N] in [0, 1]."""
    if look.beard == "no beard":
        return np.zeros(len(canonical), np.float32)
    x, y, z = canonical.T
    top = -66.0 + look.beard_height + 0.010 * (np.abs(x) - 20.0).clip(0) ** 2
    jaw = _smooth(top - y, 6.0) * _smooth(z + 78.0, 10.0) * _smooth(y + 140.0, 8.0)
    moustache = look.moustache * np.exp(-(((y + 61.0) / 5.0) ** 4) - (x / 24.0) ** 4) * (z > 0)
    lips = _smooth(_lip_distance(canonical) + 1.5, 2.0)
    return np.asarray(np.maximum(jaw, moustache) * (1.0 - lips), np.float32)


def relief(look: Appearance, canonical: Floats) -> Floats:
    """How far hair and beard stand out from the skin; [N] mm along the normal."""
    beard = {"no beard": 0.0, "stubble": 0.0, "full beard": 5.0}[look.beard]
    return look.hair_volume * hair_mask(look, canonical, softness=14.0) + beard * beard_mask(look, canonical)


def _outline_distance(point: Floats, start: Floats, end: Floats) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Distance of points [N, 2] to segments [S, 2]: nearest distance, which segment, how far along it."""
    edge = end - start
    offset = point[:, None] - start[None]
    along = np.clip((offset * edge).sum(-1) / (edge * edge).sum(-1), 0.0, 1.0)
    distance = np.linalg.norm(offset - along[..., None] * edge, axis=-1)
    nearest = distance.argmin(1)
    rows = np.arange(len(point))
    return distance[rows, nearest], nearest, along[rows, nearest]


def _lip_distance(canonical: Floats) -> Floats:
    """Signed distance to the lips' outline seen from the front, positive inside; [N] mm, -50 far away."""
    near = (np.abs(canonical[:, 0]) < 32) & (np.abs(canonical[:, 1] + 76) < 20) & (canonical[:, 2] > -18)
    result = np.full(len(canonical), -50.0, np.float32)
    point = canonical[near, :2]
    if len(point):
        start, end = _LIPS, np.roll(_LIPS, -1, 0)
        distance = _outline_distance(point, start, end)[0]
        offset = point[:, None] - start[None]
        rise = np.where(end[:, 1] == start[:, 1], 1e-9, end[:, 1] - start[:, 1])
        spans = (start[:, 1] > point[:, None, 1]) != (end[:, 1] > point[:, None, 1])
        crosses = spans & (offset[..., 0] < (end - start)[:, 0] * offset[..., 1] / rise)
        result[near] = np.where(crosses.sum(1) % 2 == 1, distance, -distance)
    return result


def _brow_mask(look: Appearance, canonical: Floats) -> Floats:
    """How much brow covers each canonical position; [N] in [0, 1]."""
    curve = _BROW + np.array([0.5 * look.brow_gap, look.brow_lift], np.float32)
    curve[:, 1] += look.brow_tilt * (curve[:, 0] - 30.0)
    near = (np.abs(canonical[:, 1] - 20) < 25) & (canonical[:, 2] > -25)
    result = np.zeros(len(canonical), np.float32)
    if near.any():
        point = np.stack([np.abs(canonical[near, 0]), canonical[near, 1]], 1)
        distance, nearest, along = _outline_distance(point, curve[:-1], curve[1:])
        thickness = look.brow_thickness * (1.0 - 0.55 * (nearest + along) / (len(curve) - 1))
        result[near] = _smooth(thickness - distance, 1.2) * look.brow_density
    return result


def _fibres(canonical: Floats) -> Floats:
    """A cheap streaky pattern in [-1, 1] for hair."""
    x, y, z = canonical.T
    wave = np.sin(0.45 * x + 2.0 * np.sin(0.06 * y)) * np.sin(0.25 * z - 0.2 * x + 0.1 * y)
    return np.asarray(wave, np.float32)


def paint(
    look: Appearance, canonical: Floats, part: NDArray[np.int64], eye_centres: Floats
) -> tuple[Floats, Floats]:
    """Colour and roughness of surface points.

    Args:
        look: the person's appearance.
        canonical: [N, 3] mm, positions on the mean head.
        part: [N] index into `head_model.PARTS`.
        eye_centres: [2, 3] mm, centres of the left and the right eye ball on the mean head.

    Returns:
        albedo [N, 3] sRGB in [0, 1] and roughness [N] in [0, 1].
    """
    x, y, z = canonical.T
    rgb = np.broadcast_to(look.skin, canonical.shape).copy()
    rough = np.full(len(canonical), 0.55, np.float32)

    def blend(weight: Floats, colour: NDArray[np.floating], roughness: float | None = None) -> None:
        weight = np.asarray(weight, np.float32)
        rgb[:] = rgb + weight[:, None] * (np.asarray(colour, np.float32) - rgb)
        if roughness is not None:
            rough[:] = rough + weight * (roughness - rough)

    # Blood under the cheeks and the nose, shadow in the eye sockets, creases with age.
    flush = np.exp(-(((np.abs(x) - 36) / 17) ** 2) - ((y + 38) / 15) ** 2) + 0.6 * np.exp(
        -((x / 12) ** 2) - ((y + 42) / 10) ** 2
    )
    blend(look.cheeks * flush * (z > -40), look.skin * np.array([1.05, 0.62, 0.60]))
    socket = np.exp(-(((np.abs(x) - 31) / 17) ** 2) - ((y + 4) / 11) ** 2) * (z > -30)
    blend(0.18 * socket, look.skin * 0.6)
    if look.wrinkles > 0:
        lines = np.clip(np.sin(0.75 * y + 0.02 * x), 0.7, 1.0) * np.exp(
            -((x / 42) ** 2) - ((y - 52) / 15) ** 2
        )
        fold = (
            np.exp(-(((np.abs(x) - (27 + 0.28 * (-55 - y))) / 1.6) ** 2))
            * _smooth(y + 78, 6)
            * _smooth(-44 - y, 6)
        )
        blend(look.wrinkles * (0.5 * lines + 0.45 * fold) * (z > -20), look.skin * 0.55)
    for mx, my, radius in look.moles:
        blend(0.85 * _smooth(radius - np.hypot(x - mx, y - my), 0.8) * (z > -40), look.skin * 0.28)
    if len(look.freckles):
        near = (np.abs(y + 28) < 45) & (z > -40)
        distance = np.hypot(x[near, None] - look.freckles[:, 0], y[near, None] - look.freckles[:, 1])
        weight = np.zeros(len(canonical), np.float32)
        spots = np.exp(-((distance / look.freckles[:, 2]) ** 2)) * look.freckles[:, 3]
        weight[near] = spots.sum(1).clip(0, 0.7)
        blend(weight, look.skin * np.array([0.72, 0.52, 0.40]))
    blend(_smooth(_lip_distance(canonical), 1.2), look.lips, 0.35)
    hair = look.hair_rgb * (1.0 + 0.16 * _fibres(canonical)[:, None])
    blend(_brow_mask(look, canonical), 0.75 * look.hair_rgb, 0.6)
    blend(
        beard_mask(look, canonical) * {"no beard": 0.0, "stubble": 0.42, "full beard": 0.95}[look.beard],
        hair,
        0.7,
    )
    blend(hair_mask(look, canonical) * (0.62 if look.hair == "buzz-cut" else 1.0), hair, 0.6)
    inside = part >= 2  # the mouth's inside and the tongue
    rgb[inside] = np.where(
        part[inside, None] == 3, np.array([0.55, 0.24, 0.24]), np.array([0.16, 0.05, 0.05])
    )
    eye = part == 1
    if eye.any():
        centre = eye_centres[(x[eye] < 0).astype(np.int64)]
        ray = canonical[eye] - centre
        off = np.hypot(ray[:, 0], ray[:, 1])
        front = ray[:, 2] > 0
        white = np.full((int(eye.sum()), 3), 0.88, np.float32)
        iris = (_smooth(6.3 - off, 0.6) * front)[:, None]
        pupil = (_smooth(2.6 - off, 0.5) * front)[:, None]
        white += iris * (look.iris - white)
        white += pupil * (0.02 - white)
        rgb[eye], rough[eye] = white, 0.12
    return np.clip(rgb, 0.0, 1.0), rough
