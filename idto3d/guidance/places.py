"""Correspondence as guidance: which place of the mean head each pixel of the wanted picture shows.

A picture pulls a surface only where its colour or its normal changes, and a lip that lies beside its place is
painted anew there. A prior with face maps (`FaceMaps`) also says which place of the mean head is to be seen
at a pixel; the head's own vertices know theirs, so that the difference moves a surface along itself.
Landmarks steer ID-Sculpt's head for the same reason; here every pixel is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from idto3d.guidance.condition import Condition
from idto3d.guidance.face_maps import LOST
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.reference_views import ReferenceViews, row_blocks

BEND = 0.02  # in the control's unit: from where a distance counts by its length
FEATURES = 4.0  # what an error at eyes, nose and mouth counts
FEATURES_SIDE, FEATURES_LOW, FEATURES_HIGH, FEATURES_BACK = 0.5, -0.95, 0.3, -0.5


@torch.no_grad()
def asked_places(
    guidance: Guidance,
    views: ReferenceViews,
    told: Callable[[ReferenceViews], Condition],
    scale: float = 1.0,
    rest: int = 0,
) -> Tensor:
    """Places [N, 3, R, R] that a prior wants to be seen in N views, 0 where it does not say.

    Args:
        guidance: a prior that knows of places.
        views: N of them.
        told: the condition of some.
        scale, rest: how far an expression moves places from where the expression `rest` has them.
    """
    found = []
    for rows in row_blocks(len(views)):
        condition = told(views.pick(range(rows.start, rows.stop)))
        place = guidance.places(condition)
        if scale != 1.0:
            expression = torch.full_like(condition.expression, rest)
            at_rest = guidance.places(replace(condition, expression=expression))
            place = at_rest + scale * (place - at_rest)
        found.append(place)
    return torch.cat(found)


def at_features(place: Tensor) -> Tensor:
    """Which of places [B, 3, R, R] lie at eyes, nose and mouth, [B, R, R]."""
    x, y, z = place.unbind(1)
    return (x.abs() < FEATURES_SIDE) & (y > FEATURES_LOW) & (y < FEATURES_HIGH) & (z > FEATURES_BACK)


def place_weight(wanted: Tensor) -> Tensor:
    """What an error counts at each pixel of wanted places [B, 3, R, R], 0 where none is; [B, R, R]."""
    return (wanted.abs().sum(1) > 0) * (1.0 + (FEATURES - 1.0) * at_features(wanted))


def place_loss(place: Tensor, wanted: Tensor) -> Tensor:
    """Mean Huber distance of places [B, 3, R, R] to the wanted ones, over `BEND`, where both are known (not
    0) and near each other; a scalar, differentiable in `place`."""
    known = (place.detach().abs().sum(1) > 0) & ((wanted - place.detach()).norm(dim=1) < LOST)
    weight = known * place_weight(wanted)
    distance = functional.huber_loss(place, wanted, reduction="none", delta=BEND).sum(1) / BEND
    loss: Tensor = (weight * distance).sum() / weight.sum().clamp_min(1.0)
    return loss
