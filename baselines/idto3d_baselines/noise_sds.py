"""A control: the same pipeline under a denoiser that answers noise, whatever it is asked.

A head that comes out better than one without steps would owe it to something else than the prior.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from idto3d.guidance.condition import Condition
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.priors import open_prior
from idto3d.profile import Stage
from idto3d_baselines.id_to_3d import distil
from idto3d_baselines.specs import GenerateRequest, MethodSpec
from idto3d_baselines.subject import read_photos, subject_of

SPEC = MethodSpec(
    name="noise_sds",
    kind="native",
    summary="a control: the same pipeline under a denoiser that answers noise",
    conditioned_on=("nothing: the answers are noise",),
    knows_population=False,
    licence="Apache-2.0",
    commit=None,
    reproduction="own",
    source="this project",
    needs_sds=True,
)


def generate(request: GenerateRequest) -> None:
    """Optimise a head under noise."""
    found = read_photos(request)
    distil(request, "noise_sds", subject_of(found), found, NoiseGuidance.open)


class NoiseGuidance(Guidance):
    """The prior's latent space, schedule and calls; its answers are standard normal and know nothing."""

    @classmethod
    def open(cls, weights: Path, stage: Stage) -> NoiseGuidance:
        """In the place of a stage's prior."""
        real = open_prior(weights, stage)
        noise = cls(real.unet, real.scheduler, real.codec, real.encoder)
        noise.answers = torch.Generator().manual_seed(0)
        return noise

    answers: torch.Generator

    @property
    def knows_places(self) -> bool:
        """Noise shows no places."""
        return False

    def denoise(self, z: Tensor, t: Tensor, condition: Condition) -> Tensor:  # noqa: ARG002
        """[B, C, h, w] that neither the picture nor the condition has to do with."""
        self.count(len(z))
        return torch.randn(z.shape, generator=self.answers)
