"""Plain score distillation: under a denoiser that knows the answer it finds it, for exactly its calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from idto3d.guidance.condition import Condition
from idto3d.guidance.sample import Scales
from idto3d.render.camera import Camera
from idto3d_baselines.plain_sds import Distillation, distil, shares_of
from idto3d_baselines.sampled_views import sampled
from tests.guidance.models import KnownGuidance

SIDE = 8
RED = torch.tensor([0.8, -0.6, -0.6]).view(1, 3, 1, 1)


class NoControl:
    """A control that shows nothing."""

    def looks(self, cameras: Sequence[Camera], _: object) -> torch.Tensor:
        return torch.zeros(len(cameras), 6, SIDE, SIDE)


def red(condition: Condition) -> torch.Tensor:
    return RED.expand(len(condition), 3, SIDE, SIDE)


def told(cameras: Sequence[Camera], shown: torch.Tensor) -> Condition:
    return replace(Condition.of(None, 0, cameras, None), control=shown)


def pull(guidance: KnownGuidance, learned: torch.Tensor, calls: int, scale: float, batch: int) -> list[int]:
    spent: list[int] = []
    distil(
        guidance,
        NoControl(),  # type: ignore[arg-type]
        lambda _, count: ([Camera()] * count, ["normals"] * count),
        lambda cameras, _: learned.expand(len(cameras), 3, SIDE, SIDE),
        told,
        [{"params": [learned], "rate": 0.05}],
        calls,
        Distillation(Scales(scale, scale), lambda _: (0.3, 0.9), "clean_sample", batch),
        [0],
        report=spent.append,
    )
    return spent


def test_it_finds_what_the_denoiser_knows() -> None:
    learned = torch.zeros(1, 3, 1, 1, requires_grad=True)
    pull(KnownGuidance(red, SIDE), learned, 200, 1.0, 2)
    assert torch.allclose(learned.detach(), RED, atol=0.05)


@pytest.mark.parametrize("calls", [0, 1, 7, 64])
@pytest.mark.parametrize(("scale", "batch"), [(1.0, 2), (3.0, 2), (3.0, 5)])
def test_it_spends_exactly_its_calls(calls: int, scale: float, batch: int) -> None:
    guidance = KnownGuidance(red, SIDE)
    spent = pull(guidance, torch.zeros(1, 3, 1, 1, requires_grad=True), calls, scale, batch)
    assert guidance.calls == sum(spent) == calls


@pytest.mark.parametrize(
    ("calls", "weights"), [(10, [1, 1, 1]), (7, [5, 1, 1, 1]), (0, [1, 2]), (1400, [3, 2])]
)
def test_shares_add_up(calls: int, weights: list[float]) -> None:
    shares = shares_of(calls, weights)
    assert sum(shares) == calls
    assert all(abs(s - calls * w / sum(weights)) <= 1.0 for s, w in zip(shares, weights, strict=True))


@pytest.mark.parametrize("calls", [3, 17, 24])
def test_sampled_pictures_spend_exactly_their_calls(calls: int) -> None:
    guidance = KnownGuidance(red, SIDE)
    guidance.unet = type("Unet", (), {"config": {"out_channels": 3}})()  # type: ignore[assignment]
    condition = told([Camera()] * 3, torch.zeros(3, 6, SIDE, SIDE))
    drawn = sampled(guidance, condition, calls, Scales(2.0, 2.0), [0])
    assert guidance.calls == calls
    assert np.allclose(drawn, RED.expand(3, 3, SIDE, SIDE), atol=1e-4)
