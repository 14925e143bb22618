"""Pictures drawn from a guidance model: classifier-free guidance, DDIM sampling and contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from idto3d.guidance.condition import Condition
from idto3d.guidance.guidance import Guidance


@dataclass(frozen=True)
class Scales:
    """How far to push along what each part of a condition says; 1 is the plain conditional model.

    The two-scale form `Scales(identity, text)` speaks expression and attributes equally loud.

    Attributes:
        identity: of who it is.
        expression: of the named expression.
        words: of the attributes; as the expression's where None. What a prompt asked for is louder by its
            own factor (`Condition.loudness`).
        rescale: share in [0, 1] of the result that gets the conditional answer's spread back; 0 is off.
        rest: index of the expression that `expression` is measured from, everything else told: f(rest) +
            s_e (f(e) - f(rest)), two evaluations. None measures from no text, as `guided_denoise` says.
    """

    identity: float = 1.0
    expression: float = 1.0
    words: float | None = None
    rescale: float = 0.0
    rest: int | None = None


def guided_denoise(guidance: Guidance, z: Tensor, t: Tensor, condition: Condition, scales: Scales) -> Tensor:
    """x0_hat under classifier-free guidance with a scale each for identity, expression, words and prompt.

    f(0) + s_i (f(i) - f(0)) + s_e (f(i, e) - f(i)) + s_w (f(i, e, w) - f(i, e)): InstructPix2Pix (Brooks et
    al. 2023, eq. 3), with three conditions in place of two. As there, what holds the picture together comes
    first and what edits it last, so that each part is measured on top of those before it: the expression is
    this person's, the words describe this face.

    A prompt's words stand among w, and loudness * s_w (f(e, w) - f(e, r)) is added, where r are the words
    that were read from the photos: nothing where they agree with the prompt. It is measured on nobody, since
    an embedding contradicts what is asked: on validation people 0, 2, 4 and 8 that step's cosine with the
    change to the true head with a full beard is 0.16, 0.67, 0.34, 0.57 on nobody, and 0.18, 0.60, 0.16, 0.24
    on the person (texture prior, t = 750, six views).

    Equal neighbours spare an evaluation: all equal need two (Ho & Salimans 2022), unit scales one; a prompt
    costs two. All go through the network as one batch. The camera is told in every term.
    """
    terms = _terms(condition, scales)
    if not terms:
        raise ValueError("Found guidance scales that leave no term, expected finite scales.")
    if scales.rescale and terms[0][0] is not condition:
        terms.insert(0, (condition, torch.zeros(())))  # its spread is wanted, its answer is not
    count = len(terms)
    x0_hats = guidance.denoise(
        z.repeat(count, 1, 1, 1), t.repeat(count), Condition.concatenate([part for part, _ in terms])
    ).chunk(count)
    total = torch.zeros_like(z)
    for x0_hat, (_, weight) in zip(x0_hats, terms, strict=True):
        total = total + weight.to(z).view(-1, 1, 1, 1) * x0_hat
    return rescaled(total, x0_hats[0], scales.rescale) if scales.rescale else total


def evaluations(condition: Condition, scales: Scales) -> int:
    """Guidance calls of one image under these scales."""
    terms = _terms(condition, scales)
    return len(terms) + bool(scales.rescale and terms[0][0] is not condition)


def _terms(condition: Condition, scales: Scales) -> list[tuple[Condition, Tensor]]:
    """The conditions to evaluate, fullest first, and the weight of each: a number, or one a row."""
    if scales.rest is not None:
        at_rest = replace(condition, expression=torch.full_like(condition.expression, scales.rest))
        return [
            (part, torch.tensor(weight))
            for part, weight in ((condition, scales.expression), (at_rest, 1.0 - scales.expression))
            if weight != 0.0
        ]
    words = scales.expression if scales.words is None else scales.words
    told = [condition, condition.without_words(), condition.without_text()]
    levels = [*zip(told, (words, scales.expression, scales.identity), strict=True)]
    levels.append((condition.without_text().without_identity(), 1.0))
    outer = [0.0, *(scale for _, scale in levels)]
    terms = [
        (part, torch.tensor(scale - before)) for (part, scale), before in zip(levels, outer, strict=False)
    ]
    if condition.loudness is not None:
        nobody, push = condition.without_identity(), words * condition.loudness
        terms += [(nobody, push), (nobody.without_prompt(), -push)]
    return [(part, weight) for part, weight in terms if bool((weight != 0.0).any())]


def rescaled(guided: Tensor, conditional: Tensor, share: float) -> Tensor:
    """`guided` [B, C, h, w] with a share of it brought to the spread of `conditional`, row by row.

    Lin et al. 2023 ("Common diffusion noise schedules and sample steps are flawed"), eq. 15 and 16, there for
    sampling: guidance widens the values of a picture, which over-exposes and over-saturates it.
    """
    spread = conditional.std((1, 2, 3), keepdim=True) / guided.std((1, 2, 3), keepdim=True).clamp_min(1e-8)
    return share * spread * guided + (1.0 - share) * guided


@torch.no_grad()
def sample_ddim(
    guidance: Guidance,
    condition: Condition,
    *,
    generator: torch.Generator,
    steps: int = 20,
    scales: Scales | None = None,
) -> Tensor:
    """Images [B, 3, R, R] in [-1, 1] for each row: deterministic DDIM (Song et al. 2021, eq. 12, eta = 0)."""
    side = guidance.resolution // guidance.codec.factor
    channels = int(guidance.unet.config["out_channels"])
    z = torch.randn(len(condition), channels, side, side, generator=generator).to(guidance.device)
    grid = torch.linspace(guidance.timesteps - 1, 0, steps + 1).round().long()
    for now, following in pairwise(grid.tolist()):
        t = torch.full((len(z),), now, device=z.device)
        x0_hat = guided_denoise(guidance, z, t, condition, scales or Scales())
        # Pixels are known to lie in [-1, 1]; latents of an autoencoder are not.
        x0_hat = x0_hat.clamp(-1, 1) if guidance.prediction == "sample" else x0_hat
        alpha, sigma = guidance.alpha_sigma(t)
        eps_hat = (z - alpha * x0_hat) / sigma
        alpha_next, sigma_next = guidance.alpha_sigma(torch.full_like(t, following))
        z = alpha_next * x0_hat + sigma_next * eps_hat
    return guidance.decode(x0_hat).clamp(-1, 1)


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """[B, 3, R, R] in [-1, 1] to [B, R, R, 3] uint8."""
    scaled = (images.detach().cpu().clamp(-1, 1) + 1) * 127.5
    pixels: NDArray[np.uint8] = scaled.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return pixels


def write_contact_sheet(path: Path, rows: Sequence[Sequence[NDArray[np.uint8]]], zoom: int = 2) -> None:
    """One PNG of rows of equally large images [R, R, 3] uint8, each enlarged `zoom` times."""
    sheet = np.concatenate([np.concatenate(list(row), 1) for row in rows])
    picture = Image.fromarray(sheet).resize(
        (sheet.shape[1] * zoom, sheet.shape[0] * zoom), Image.Resampling.BICUBIC
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
