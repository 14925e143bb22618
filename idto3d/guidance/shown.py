"""What is seen of a head in the views that a denoiser is asked about."""

from typing import NamedTuple

import torch
from torch import Tensor


class Shown(NamedTuple):
    """Pictures [B, 3, R, R] in [-1, 1]; at each pixel the place on the mean head in the control's unit,
    [B, 3, R, R], 0 beside the head; and where colours were read, [P, 3] mm (none for normal maps)."""

    pictures: Tensor
    on_mean: Tensor
    points: Tensor = torch.zeros(0, 3)
