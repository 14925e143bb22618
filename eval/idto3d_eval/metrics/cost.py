"""What a head cost, as far as it is exact: guidance calls, the share of the base model that was trained, and
how large the head is.

Seconds, memory and energy are in `costs.parquet`, since they are never the same twice.
"""

from __future__ import annotations

import math
from pathlib import Path

from idto3d_eval.metrics.card import Measurement, MetricCard
from idto3d_eval.metrics.read_with import COUNTED, FILES

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
    MetricCard(
        name="asset_bytes",
        title="Asset size",
        definition="Bytes of the head's GLB files, all expressions together.",
        source="Definition of this toolkit.",
        unit="bytes",
        low=0.0,
        high=math.inf,
        better="lower",
        family="cost",
        level="identity",
        failure_modes=(
            "Depends on how textures are compressed; a file an expression repeats what they share.",
        ),
        preprocessing=FILES,
    ),
    MetricCard(
        name="triangles",
        title="Triangles",
        definition="Triangles of the neutral mesh.",
        source="Definition of this toolkit.",
        unit="triangles",
        low=0.0,
        high=math.inf,
        better="neither",
        family="cost",
        level="identity",
        failure_modes=("Hidden surfaces count.",),
        preprocessing=FILES,
    ),
    MetricCard(
        name="texels",
        title="Texels",
        definition="Texels of the neutral mesh's albedo.",
        source="Definition of this toolkit.",
        unit="texels",
        low=0.0,
        high=math.inf,
        better="neither",
        family="cost",
        level="identity",
        failure_modes=("Texels that no triangle uses count.",),
        preprocessing=FILES,
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


def asset_size(asset: Path) -> tuple[int, int, int]:
    """Bytes of a head's GLB files, triangles and texels of its neutral mesh.

    Raises:
        AssetError: a file is missing or damaged.
    """
    from idto3d.asset import read_expression, read_manifest

    names = read_manifest(asset).expressions
    mesh = read_expression(asset, "neutral")
    size = sum((asset / f"{name}.glb").stat().st_size for name in names)
    height, width = mesh.albedo.shape[:2]
    return size, len(mesh.faces), height * width


def trainable_share(trainable: int, base: int) -> Measurement:
    """Trainable parameters over the base denoiser's; NaN with a reason where there is no base."""
    if base <= 0:
        return Measurement(math.nan, "the method has no base denoiser")
    return Measurement(trainable / base)
