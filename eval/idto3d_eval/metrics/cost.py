"""What a head cost: guidance calls and the share of the base model that was trained; seconds stand elsewhere.

Seconds and memory are in `costs.parquet`, since they are never the same twice; what is here is exact.
"""

from __future__ import annotations

import math

from idto3d_eval.metrics.card import Measurement, MetricCard
from idto3d_eval.metrics.read_with import COUNTED

CARDS = (
    MetricCard(
        name="guidance_calls",
        title="Guidance calls",
        definition="Images times network evaluations of the diffusion model, per-subject tuning included, "
        "for all "
        "expressions of a head together.",
        source="Definition of this toolkit.",
        unit="calls",
        low=0.0,
        high=math.inf,
        better="lower",
        family="cost",
        level="identity",
        failure_modes=(
            "Calls of different networks cost differently: read seconds beside it, on one machine.",
        ),
        preprocessing=COUNTED,
    ),
    MetricCard(
        name="trainable_share",
        title="Trainable share",
        definition="Parameters with requires_grad in the run over the base denoiser's parameters.",
        source="Definition of this toolkit; ID-to-3D tunes 0.2 % for each prior.",
        unit="1",
        low=0.0,
        high=math.inf,
        better="neither",
        family="cost",
        level="identity",
        failure_modes=("Grows as the base shrinks: a tiny base makes any adapter look large.",),
        preprocessing=COUNTED,
    ),
)


def guidance_calls(images: int, evaluations: int) -> int:
    """Images times network evaluations.

    Raises:
        ValueError: a negative count.
    """
    if images < 0 or evaluations < 0:
        raise ValueError(
            f"Found {images} images and {evaluations} evaluations, expected counts of 0 or more."
        )
    return images * evaluations


def trainable_share(trainable: int, base: int) -> Measurement:
    """Trainable parameters over the base denoiser's; NaN with a reason where there is no base."""
    if base <= 0:
        return Measurement(math.nan, "the method has no base denoiser")
    return Measurement(trainable / base)
