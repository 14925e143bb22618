"""Answers that are kept: blocks cover a stage's steps, and a kept answer pulls as a fresh one does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from idto3d.guidance.asking import BlockViews, asked, random_of, softened, split_steps
from idto3d.guidance.reference_views import StillViews
from idto3d.guidance.sample import Scales
from idto3d.guidance.sds import pull_loss, sds_loss
from idto3d.guidance.shown import Shown
from idto3d.render.camera import Camera
from tests.guidance.models import KnownGuidance, conditions


@pytest.mark.parametrize(
    ("steps", "expressions"), [(840, 13), (400, 4), (7, 2), (2, 2), (5, 13), (0, 3), (9, 1)]
)
def test_blocks_cover_every_step_once_neutral_first(steps: int, expressions: int) -> None:
    blocks = split_steps(steps, 0.4 if expressions > 1 else 1.0, expressions, (12, 3), 3)
    assert [step for block in blocks for step in range(block.first, block.last)] == list(range(steps))
    assert [block.number for block in blocks] == list(range(len(blocks)))
    neutral = [block.expression == 0 for block in blocks]
    assert neutral == sorted(neutral, reverse=True)
    for expression in {block.expression for block in blocks}:
        phases = [block.phase for block in blocks if block.expression == expression]
        assert phases == sorted(phases)
        assert all(0 <= phase < 3 for phase in phases)


def test_every_expression_gets_as_many_steps_to_one() -> None:
    blocks = split_steps(840, 5 / 17, 13, (12, 3), 3)
    given = np.bincount([block.expression for block in blocks for _ in range(block.first, block.last)])
    assert given[0] == round(840 * 5 / 17)
    assert np.ptp(given[1:]) <= 3


def test_a_kept_answer_pulls_as_score_distillation_does() -> None:
    """The gradient of `pull_loss` to what was asked is that of `sds_loss` under the same noise."""
    answer = torch.rand(1, 3, 8, 8) * 2 - 1
    guidance = KnownGuidance(lambda condition: answer.expand(len(condition), -1, -1, -1), 8)
    told, noise = conditions(2), torch.randn(2, 3, 8, 8)
    pool = StillViews(
        [Camera(), Camera()], ["normals"] * 2, torch.zeros(2, 6, 8, 8), torch.rand(2, 3, 8, 8), told
    )
    views = pool.noised(guidance, (0.5, 0.9), random_of(0))
    pictures = torch.rand(2, 3, 8, 8, requires_grad=True)
    seen = Shown(pictures.detach(), torch.zeros(2, 3, 8, 8))
    targets = asked(guidance, views, lambda _: seen, lambda *_: told, Scales())
    pull_loss(guidance.encode(pictures), targets).backward()
    kept, pictures.grad = pictures.grad, None
    sds_loss(guidance, pictures, told, views.t, 1.0, noise, error=views.error).backward()
    torch.testing.assert_close(kept, pictures.grad)


def test_a_blocks_views_are_its_own_and_the_same_again() -> None:
    guidance = KnownGuidance(lambda condition: torch.zeros(len(condition), 3, 8, 8), 8)
    cameras = [Camera(yaw=0.1 * index) for index in range(12)]
    known, control = torch.rand(12, 3, 8, 8), torch.zeros(12, 6, 8, 8)
    pool = StillViews(cameras, ["normals"] * 12, control, known, conditions(12))
    blocks = split_steps(24, 1.0, 1, (4, 3), 3)

    def seen(order: list[int]) -> dict[int, list[float]]:
        views = BlockViews(pool, guidance, [3], lambda _: (0.5, 0.9), 3, looks=2)
        return {number: [c.yaw for c in views.of(blocks[number], 2).cameras] for number in order}

    forward = seen([0, 1, 2, 3])
    assert forward == seen([3, 2, 1, 0])
    assert len(forward[0]) == 6  # six steps of two views, each looked at twice
    assert forward[0] != forward[1]


def test_softening_keeps_the_mean_and_takes_the_detail() -> None:
    guidance = KnownGuidance(lambda condition: torch.zeros(len(condition), 3, 32, 32), 32)
    latents = torch.randn(1, 3, 32, 32)
    soft = softened(guidance, latents, 2.0)
    assert soft.var() < 0.2 * latents.var()
    torch.testing.assert_close(soft.mean(), latents.mean(), atol=0.05, rtol=0)
    assert softened(guidance, latents, 0.0) is latents
