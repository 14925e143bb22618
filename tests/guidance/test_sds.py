"""Score distillation with denoisers whose answer is known, and the algebra of classifier-free guidance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from idto3d.attributes import Attributes
from idto3d.guidance.condition import Condition
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.sample import Scales, guided_denoise, sample_ddim, to_uint8, write_contact_sheet
from idto3d.guidance.sds import TIMESTEP_RANGES, WEIGHTS, draw_timesteps, sds_loss
from idto3d.prompt import parse_prompt
from idto3d.render.camera import Camera
from idto3d.render.normals import render_normals
from tests.guidance.models import KnownGuidance, conditions

BEARD = list(Attributes.GROUPS).index("beard")


def parts(condition: Condition) -> Tensor:
    """A linear answer [B, 3, 8, 8]: 4 always, and 1 for somebody, 2 for an expression, 8 for attributes, 32
    for a full beard."""
    told = (condition.identity.abs().sum(1) > 0).float()
    expression = (condition.expression >= 0).float()
    words = (condition.attributes[:, 0] >= 0).float()
    beard = (condition.attributes[:, BEARD] == 2).float()
    return (4 + told + 2 * expression + 8 * words + 32 * beard).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)


def beardless(rows: int) -> Condition:
    """Conditions of nobody with a full beard."""
    told = conditions(rows)
    told.attributes[:, BEARD] = 0
    return told


@pytest.mark.parametrize(
    ("scales", "expected", "calls"),
    [
        (Scales(1.0, 1.0), 4 + 1 + 2 + 8, 1),
        (Scales(0.0, 0.0), 4, 1),
        (Scales(4.0, 4.0), 4 + 4 * (1 + 2 + 8), 2),
        (Scales(5.0, 0.0), 4 + 5 * 1, 2),
        (Scales(5.0, 3.0), 4 + 5 * 1 + 3 * (2 + 8), 3),
        (Scales(1.0, 3.0, 1.0), 4 + 1 + 3 * 2 + 8, 3),
        (Scales(1.0, 1.0, 3.0), 4 + 1 + 2 + 3 * 8, 2),
        (Scales(5.0, 3.0, 2.0), 4 + 5 * 1 + 3 * 2 + 2 * 8, 4),
    ],
)
def test_guidance_extrapolates_identity_expression_and_words_separately(
    scales: Scales, expected: float, calls: int
) -> None:
    """Each scale multiplies what its own condition adds; terms of weight zero cost nothing."""
    guidance = KnownGuidance(parts, 8)
    x0_hat = guided_denoise(guidance, torch.zeros(2, 3, 8, 8), torch.tensor([3, 4]), beardless(2), scales)
    torch.testing.assert_close(x0_hat, torch.full_like(x0_hat, float(expected)))
    assert guidance.calls == 2 * calls


def test_an_expression_is_measured_from_rest_with_all_else_told() -> None:
    """f(rest) + s (f(e) - f(rest)) takes two evaluations; at scale 1 the rest is not asked."""
    guidance = KnownGuidance(lambda told: told.expression.float().view(-1, 1, 1, 1).expand(-1, 3, 8, 8), 8)
    told = replace(conditions(2), expression=torch.tensor([5, 7]))
    z, t = torch.zeros(2, 3, 8, 8), torch.tensor([3, 4])
    pushed = guided_denoise(guidance, z, t, told, Scales(expression=2.0, rest=1))
    torch.testing.assert_close(pushed[:, 0, 0, 0], torch.tensor([1 + 2 * 4.0, 1 + 2 * 6.0]))
    assert guidance.calls == 4
    guided_denoise(guidance, z, t, told, Scales(expression=1.0, rest=1))
    assert guidance.calls == 6


@pytest.mark.parametrize(
    ("loudness", "scales", "expected", "calls"),
    [
        (0.0, Scales(1.0, 1.0), 4 + 1 + 2 + 8 + 32, 1),
        (2.0, Scales(1.0, 1.0), 4 + 1 + 2 + 8 + 32 + 2 * 32, 3),
        (2.0, Scales(1.0, 1.0, 3.0), 4 + 1 + 2 + 3 * (8 + 32) + 6 * 32, 4),
        (2.0, Scales(5.0, 3.0, 0.0), 4 + 5 * 1 + 3 * 2, 3),
    ],
)
def test_a_prompt_pushes_beyond_the_words_by_its_loudness(
    loudness: float, scales: Scales, expected: float, calls: int
) -> None:
    told, prompt = beardless(2), parse_prompt("with a beard", loudness)
    assert prompt is not None
    asked = replace(
        told,
        attributes=torch.tensor([prompt.replacing(row) for row in told.attributes.tolist()]),
        unprompted=told.attributes,
        loudness=torch.full((2,), loudness),
        verbatim=("with a beard",) * 2,
    )
    guidance = KnownGuidance(parts, 8)
    x0_hat = guided_denoise(guidance, torch.zeros(2, 3, 8, 8), torch.tensor([3, 4]), asked, scales)
    torch.testing.assert_close(x0_hat, torch.full_like(x0_hat, float(expected)))
    assert guidance.calls == 2 * calls


def test_a_prompt_for_what_the_photos_say_changes_nothing(tiny_folder: Path) -> None:
    """However loud it is; and rows of one batch may differ in their loudness."""
    guidance, told = Guidance.from_folder(tiny_folder), beardless(2)
    same = replace(
        told, unprompted=told.attributes, loudness=torch.tensor([2.0, 9.0]), verbatim=("clean-shaven",) * 2
    )
    z, t = torch.randn(2, 48, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([500, 600])
    with torch.no_grad():
        plain, asked = (guided_denoise(guidance, z, t, part, Scales(1.0, 2.0)) for part in (told, same))
    torch.testing.assert_close(plain, asked, rtol=1e-3, atol=1e-4)


def test_rescaling_gives_the_conditional_answers_spread_back() -> None:
    """Lin et al. 2023: at share 1 the standard deviation is the conditional model's, at 0 guidance's own."""
    picture = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    guidance = KnownGuidance(lambda condition: picture * parts(condition), 8)
    z, t = torch.zeros(2, 3, 8, 8), torch.tensor([3, 4])
    conditional = guidance.denoise(z, t, beardless(2)).std()
    spreads = {
        share: guided_denoise(guidance, z, t, beardless(2), Scales(4.0, 4.0, rescale=share)).std()
        for share in (0.0, 0.5, 1.0)
    }
    torch.testing.assert_close(spreads[1.0], conditional)
    assert spreads[1.0] < spreads[0.5] < spreads[0.0]
    nobody = guided_denoise(guidance, z, t, beardless(2), Scales(0.0, 0.0, rescale=1.0))
    torch.testing.assert_close(nobody.std(), conditional)


@pytest.mark.parametrize("weight", sorted(WEIGHTS))
def test_sds_gradient_is_equation_3_of_dreamfusion(weight: str) -> None:
    """d loss / d image = w(t) (eps_hat - eps) over the number of elements."""
    answer = torch.rand(1, 3, 8, 8) * 2 - 1
    guidance = KnownGuidance(lambda condition: answer.expand(len(condition), -1, -1, -1), 8)
    images = torch.zeros(2, 3, 8, 8, requires_grad=True)
    t = torch.tensor([200, 700])
    sds_loss(
        guidance, images, conditions(2), t, 3.0, torch.Generator().manual_seed(1), weight=weight
    ).backward()
    eps = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    alpha, sigma = guidance.alpha_sigma(t)
    z_t = alpha * images + sigma * eps
    eps_hat = (z_t - alpha * answer) / sigma
    expected = (WEIGHTS[weight](alpha, sigma) * (eps_hat - eps)).detach() / images.numel()
    assert images.grad is not None
    torch.testing.assert_close(images.grad, expected, rtol=1e-3, atol=1e-6)


def test_sds_pulls_an_image_onto_the_known_answer() -> None:
    answer = torch.rand(1, 3, 8, 8) * 2 - 1
    guidance = KnownGuidance(lambda condition: answer.expand(len(condition), -1, -1, -1), 8)
    image = torch.zeros(1, 3, 8, 8, requires_grad=True)
    optimiser, generator = torch.optim.Adam([image], lr=0.05), torch.Generator().manual_seed(0)
    for step in range(150):
        span = TIMESTEP_RANGES["annealed"](step / 150, (0.6, 0.95), (0.3, 0.6))
        loss = sds_loss(guidance, image.expand(2, -1, -1, -1), conditions(2), span, 1.0, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(image.detach(), answer, rtol=0, atol=0.02)
    assert loss.item() < 1e-4


def test_sds_grows_a_sphere_to_the_known_size() -> None:
    """Normal maps of a sphere of 80 mm, distilled, turn a sphere of 60 mm into one of 80 mm."""
    directions, faces = sphere(10, 20)
    cameras = [Camera(yaw=0.3, resolution=32), Camera(yaw=-0.8, pitch=0.2, resolution=32)]
    centre = torch.tensor(Camera().target)

    def look(radius: Tensor) -> Tensor:
        seen = [render_normals(centre + radius * directions, faces, camera)[0] for camera in cameras]
        return torch.stack(seen).permute(0, 3, 1, 2).float()

    known = look(torch.tensor(80.0))
    guidance = KnownGuidance(lambda condition: known[: len(condition)], 32)
    radius = torch.tensor(60.0, requires_grad=True)
    optimiser, generator = torch.optim.Adam([radius], lr=1.0), torch.Generator().manual_seed(0)
    for _ in range(60):
        loss = sds_loss(guidance, look(radius), conditions(2), (0.3, 0.9), 1.0, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert radius.item() == pytest.approx(80.0, abs=1.5)


def test_the_same_generator_gives_the_same_loss_and_another_one_another(tiny_folder: Path) -> None:
    guidance, images = Guidance.from_folder(tiny_folder), torch.zeros(2, 3, 64, 64)
    losses = [
        sds_loss(guidance, images, conditions(2), (0.3, 0.9), 2.0, torch.Generator().manual_seed(seed)).item()
        for seed in (7, 7, 8)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_views_of_a_batch_do_not_touch_each_other(tiny_folder: Path) -> None:
    """The gradient of one view is the same whatever the other view shows."""
    guidance, gradients = Guidance.from_folder(tiny_folder), []
    for other in (0.0, 0.9):
        images = torch.zeros(2, 3, 64, 64)
        images[1] = other
        images.requires_grad_()
        t = torch.tensor([500, 600])
        sds_loss(
            guidance, images, conditions(2), t, Scales(4.0, 2.0), torch.Generator().manual_seed(0)
        ).backward()
        assert images.grad is not None
        gradients.append(images.grad[0])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("name", sorted(TIMESTEP_RANGES))
def test_timesteps_stay_in_their_range(name: str) -> None:
    guidance, generator = KnownGuidance(parts, 8), torch.Generator().manual_seed(0)
    for progress in (0.0, 0.3, 1.0, 1.5):
        low, high = TIMESTEP_RANGES[name](progress, (0.6, 0.95), (0.3, 0.6))
        assert 0.0 <= low < high <= 1.0
        t = draw_timesteps(guidance, (low, high), 500, generator)
        assert low * 999 - 1 <= t.min() < low * 999 + 30
        assert high * 999 - 30 < t.max() <= high * 999 + 1


def test_ddim_reaches_the_known_answer_and_a_sheet_holds_it(tmp_path: Path) -> None:
    guidance = KnownGuidance(lambda condition: torch.full((len(condition), 3, 8, 8), 0.5), 8)
    guidance.unet = type("Config", (), {"config": {"out_channels": 3}})()
    images = sample_ddim(guidance, conditions(3), generator=torch.Generator().manual_seed(0), steps=5)
    torch.testing.assert_close(images, torch.full((3, 3, 8, 8), 0.5), rtol=0, atol=1e-4)
    pixels = to_uint8(images)
    assert pixels.shape == (3, 8, 8, 3)
    assert np.all(pixels == 191)
    write_contact_sheet(tmp_path / "sheet.png", [list(pixels), list(pixels)])
    assert (tmp_path / "sheet.png").stat().st_size > 50


def sphere(rings: int, segments: int) -> tuple[Tensor, Tensor]:
    """Unit directions [V, 3] and outward faces [F, 3] of a latitude-longitude sphere."""
    polar = torch.linspace(0, torch.pi, rings + 1)[1:-1]
    turn = torch.arange(segments) * (2 * torch.pi / segments)
    ring = torch.stack(
        [
            polar.sin()[:, None] * turn.sin(),
            polar.cos()[:, None].expand(-1, segments),
            polar.sin()[:, None] * turn.cos(),
        ],
        -1,
    )
    vertices = torch.cat([ring.reshape(-1, 3), torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])])
    top, bottom, rows = len(vertices) - 2, len(vertices) - 1, rings - 1
    faces = []
    for j in range(segments):
        k = (j + 1) % segments
        faces.append([top, j, k])
        faces.append([bottom, (rows - 1) * segments + k, (rows - 1) * segments + j])
        for i in range(rows - 1):
            a, b = i * segments, (i + 1) * segments
            faces += [[a + j, b + j, b + k], [a + j, b + k, a + k]]
    return vertices, torch.tensor(faces)


def test_a_known_error_is_given_back() -> None:
    """A picture that is the reference, under its condition and noise, stays, however bad the denoiser."""
    guidance = KnownGuidance(lambda condition: torch.full((len(condition), 3, 8, 8), 0.3), 8)
    images = (torch.rand(2, 3, 8, 8) * 2 - 1).requires_grad_(True)
    t, noise = torch.tensor([400, 800]), torch.randn(2, 3, 8, 8)
    known = guidance.encode(images.detach())
    error = known - guidance.denoise(guidance.add_noise(known, noise, t), t, conditions(2))
    sds_loss(guidance, images, conditions(2), t, 1.0, noise, error=error).backward()
    assert images.grad is not None
    assert images.grad.abs().max() < 1e-7
