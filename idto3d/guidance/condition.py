"""What a denoiser is told about a picture: who, which expression, from where, and in which words.

Absence is a value, so that one batch can hold conditioned and unconditioned rows (classifier-free guidance,
Ho & Salimans 2022): a zero identity or camera, and -1 for an expression or an attribute, mean "not told".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.attributes import Attributes
from idto3d.prompt import LOUDNESS, Prompt
from idto3d.render.camera import HEAD_CENTRE, Camera

CAMERA_FEATURES = 8
# The head's apparent size that gives a zero feature: 250 mm fill the picture's side.
REFERENCE_EXTENT = 250.0  # mm


@dataclass(frozen=True)
class Condition:
    """A batch of conditions; rows are independent of each other.

    identity: [B, D] float32, unit rows, or zero rows for nobody
    expression: [B] int64 index in `idto3d.expressions.EXPRESSIONS`, -1 = not told
    camera: [B, 8] float32 of `camera_features`, zero rows = not told
    attributes: [B, G] int64 of `Attributes.indices()`, -1 = not told
    control: [B, 6, R, R] float32 of `ControlView`, always told; None for denoisers that take none
    place: [B, 3, R, R] float32, the place on the mean head that the picture's own surface shows at each
        pixel, as the control tells it of the mean head; 0 = not told, None = told nowhere
    unprompted: [B, G] int64, the attributes as they were before a prompt replaced some; None = no prompt
    loudness: [B] float32, how far the prompt's words push beyond being told; None = no prompt
    verbatim: B texts for encoders that read any, "" = none; None = no prompt
    """

    identity: Tensor
    expression: Tensor
    camera: Tensor
    attributes: Tensor
    control: Tensor | None = None
    place: Tensor | None = None
    unprompted: Tensor | None = None
    loudness: Tensor | None = None
    verbatim: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        identity: NDArray[np.floating] | None,
        expression: int | None,
        cameras: Iterable[Camera],
        attributes: Attributes | None,
        *,
        control: Tensor | None = None,
        prompt: Prompt | None = None,
        dimension: int = 128,
    ) -> Condition:
        """One person and expression seen by each camera; `None` = not told.

        `attributes` are those read from the photos; a prompt's words take the place of theirs. `dimension` is
        the identity's length where it is not told.
        """
        camera = torch.from_numpy(np.stack([camera_features(c) for c in cameras]))  # [B, 8]
        count = len(camera)
        vector = (
            torch.zeros(dimension) if identity is None else torch.tensor(np.asarray(identity, np.float32))
        )
        read = [-1] * len(Attributes.GROUPS) if attributes is None else attributes.indices().tolist()
        words = read if prompt is None else prompt.replacing(read)
        loudness = None if prompt is None else LOUDNESS if prompt.loudness is None else prompt.loudness
        return cls(
            identity=vector.expand(count, -1).clone(),
            expression=torch.full((count,), -1 if expression is None else expression),
            camera=camera,
            attributes=torch.tensor(words).expand(count, -1).clone(),
            control=control,
            unprompted=None if prompt is None else torch.tensor(read).expand(count, -1).clone(),
            loudness=None if loudness is None else torch.full((count,), loudness),
            verbatim=None if prompt is None else (prompt.text,) * count,
        )

    def without_identity(self) -> Condition:
        """The same rows, told nothing of who it is."""
        return replace(self, identity=torch.zeros_like(self.identity))

    def without_text(self) -> Condition:
        """The same rows, told nothing that words say: neither expression nor attributes."""
        return replace(self.without_words(), expression=torch.full_like(self.expression, -1))

    def without_words(self) -> Condition:
        """The same rows, told no attributes, neither read nor asked for."""
        nothing = torch.full_like(self.attributes, -1)
        unprompted = None if self.unprompted is None else nothing
        return replace(self, attributes=nothing, unprompted=unprompted).without_prompt()

    def without_prompt(self) -> Condition:
        """The same rows, told the attributes that were read from the photos alone."""
        if self.unprompted is None:
            return self
        return replace(self, attributes=self.unprompted, verbatim=("",) * len(self))

    def replacing(self, part: str, other: Condition) -> Condition:
        """The same rows with one field ("identity", "camera", …) taken from another batch."""
        return replace(self, **{part: getattr(other, part)})

    def rows(self, index: Tensor | slice) -> Condition:
        """The chosen rows, as indexing a tensor would choose them."""
        chosen = self._each(lambda part: part[index])
        if self.verbatim is None:
            return chosen
        numbers = torch.arange(len(self))[index].tolist()
        return replace(chosen, verbatim=tuple(self.verbatim[number] for number in numbers))

    def to(self, device: torch.device | str) -> Condition:
        """The same conditions on another device."""
        return self._each(lambda part: part.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Condition:
        """The same condition with every tensor changed."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: dict[str, Any] = {
            name: change(part) if isinstance(part, Tensor) else part for name, part in parts.items()
        }
        return Condition(**changed)

    def __len__(self) -> int:
        return len(self.expression)

    @staticmethod
    def concatenate(parts: Iterable[Condition]) -> Condition:
        """All rows of all parts, in order; all parts have a control, or none has, and so with a prompt."""
        listed = list(parts)
        columns = {field.name: [getattr(part, field.name) for part in listed] for field in fields(Condition)}
        joined: dict[str, Any] = {
            name: torch.cat(column) if isinstance(column[0], Tensor) else None
            for name, column in columns.items()
        }
        if listed[0].verbatim is not None:
            joined["verbatim"] = tuple(text for part in listed for text in part.verbatim or ())
        return Condition(**joined)


def camera_features(camera: Camera) -> NDArray[np.float32]:
    """[8] float32: sin and cos of yaw, sin and cos of pitch, roll (rad), log apparent scale, offset x,
    offset y.

    Scale and offset are those of the head's centre in the picture (sides of the image, x right, y down), so
    that two cameras that take the same picture have nearly the same features, whatever they aim at.
    """
    centre = np.asarray(HEAD_CENTRE)
    depth = float(-((centre - camera.position()) @ camera.rotation().T)[2])  # mm
    offset = camera.project(centre) / camera.resolution - 0.5  # [2]
    scale = REFERENCE_EXTENT * camera.focal / camera.resolution / depth
    return np.array(
        [
            np.sin(camera.yaw),
            np.cos(camera.yaw),
            np.sin(camera.pitch),
            np.cos(camera.pitch),
            camera.roll,
            np.log(scale),
            offset[0],
            offset[1],
        ],
        np.float32,
    )
