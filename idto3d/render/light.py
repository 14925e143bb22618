"""Environment light as nine spherical-harmonics coefficients a colour (Ramamoorthi & Hanrahan 2001)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Real SH constants of bands 0, 1, 2: Ramamoorthi & Hanrahan 2001, eq. 3.
_K = (0.282095, 0.488603, 1.092548, 0.315392, 0.546274)
# Lambert's cosine lobe in SH over pi, by band: ibid., eq. 8 (A0 = pi, A1 = 2 pi / 3, A2 = pi / 4).
COSINE_LOBE = np.array([1.0] + [2.0 / 3.0] * 3 + [0.25] * 5)


def sh_basis(directions: NDArray[np.floating]) -> NDArray[np.float64]:
    """The nine real SH functions at unit directions [..., 3]; [..., 9]."""
    x, y, z = directions[..., 0], directions[..., 1], directions[..., 2]
    return np.stack(
        [
            np.full_like(x, _K[0]),
            _K[1] * y,
            _K[1] * z,
            _K[1] * x,
            _K[2] * x * y,
            _K[2] * y * z,
            _K[3] * (3.0 * z * z - 1.0),
            _K[2] * x * z,
            _K[4] * (x * x - y * y),
        ],
        -1,
    )


@dataclass(frozen=True)
class EnvironmentLight:
    """Distant light around the head; `sh` [9, 3] are linear RGB radiance coefficients in the head frame."""

    sh: NDArray[np.float64]

    def irradiance(self, normals: NDArray[np.floating]) -> NDArray[np.float64]:
        """Irradiance over pi, what white paper reflects, at unit normals [..., 3]; [..., 3] >= 0."""
        return np.maximum(sh_basis(normals) @ (COSINE_LOBE[:, None] * self.sh), 0.0)

    @classmethod
    def uniform(cls, radiance: float = 1.0) -> EnvironmentLight:
        """The same radiance from everywhere."""
        sh = np.zeros((9, 3))
        sh[0] = radiance / _K[0]
        return cls(sh)

    @classmethod
    def from_lamps(
        cls, directions: NDArray[np.floating], colours: NDArray[np.floating], ambient: NDArray[np.floating]
    ) -> EnvironmentLight:
        """Lamps far away over an ambient term.

        Args:
            directions: [L, 3] unit vectors toward the lamps.
            colours: [L, 3] linear RGB that a white surface facing the lamp would reflect, roughly.
            ambient: [3] linear RGB radiance from everywhere.
        """
        sh = np.zeros((9, 3))
        sh[0] = np.asarray(ambient) / _K[0]
        # A delta light of irradiance pi * colour has coefficients pi * colour * Y(d).
        sh += np.pi * sh_basis(np.asarray(directions)).T @ np.asarray(colours)
        return cls(sh)

    @classmethod
    def random(cls, generator: np.random.Generator) -> EnvironmentLight:
        """A casual photograph's light: ambient plus one to three lamps, slightly coloured."""
        count = int(generator.integers(1, 4))
        directions = generator.normal(size=(count, 3)) + np.array([0.0, 0.6, 0.8])
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        tint = np.clip(1.0 + 0.12 * generator.normal(size=(count, 3)), 0.6, 1.4)
        colours = tint * generator.uniform(0.1, 0.75, (count, 1)) / count
        ambient = generator.uniform(0.35, 0.7) * np.clip(1.0 + 0.06 * generator.normal(size=3), 0.8, 1.2)
        return cls.from_lamps(directions, colours, ambient)
