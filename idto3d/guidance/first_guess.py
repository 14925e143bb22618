"""A first guess of the picture from its condition alone; an adapter denoises what the guess leaves over.

At high noise the best x0_hat is the mean of all pictures that fit the condition. A denoiser hears its
condition as tokens and scales, which say nothing about places, and learns only slowly to lay out a picture
from them. An up-convolutional decoder (Dosovitskiy et al. 2015, "Learning to Generate Chairs") learns that
mean m by plain regression in minutes. The diffusion is then that of the rest, as with the data-dependent mean
of PriorGrad (Lee et al. 2022): z_t - alpha_t m = alpha_t (z_0 - m) + sigma_t eps, so
x0_hat = m + denoiser(z_t - alpha_t m).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from idto3d.guidance.condition import CAMERA_FEATURES, Condition

# Brings each camera feature to a spread near one over the training views.
CAMERA_SCALE = (2.0, 1.0, 6.0, 1.0, 4.0, 6.0, 15.0, 15.0)


@dataclass(frozen=True)
class FirstGuessConfig:
    """Vocabulary and size; latents are [channels, side, side] with `side` a multiple of 4."""

    expressions: int
    attributes: Mapping[str, int]
    identity_dimension: int = 128
    channels: int = 48
    side: int = 16


class FirstGuess(nn.Module):
    """`Condition` rows to latents; what is not told is a zero input, so it guesses the mean over it."""

    def __init__(self, config: FirstGuessConfig) -> None:
        super().__init__()
        self.config = config
        words = config.expressions + sum(config.attributes.values())
        self.camera = nn.Sequential(nn.Linear(CAMERA_FEATURES, 128), nn.SiLU(), nn.Linear(128, 128))
        self.seed = nn.Sequential(
            *(nn.Linear(config.identity_dimension + 128 + words, 384), nn.SiLU()),
            *(nn.Linear(384, 512), nn.SiLU(), nn.Linear(512, 128 * 16)),
        )
        self.coarse = nn.Sequential(
            *(
                nn.GroupNorm(16, 128),
                nn.SiLU(),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(128, 96, 3, padding=1),
            ),
            *(nn.GroupNorm(16, 96), nn.SiLU(), nn.Conv2d(96, 96, 3, padding=1)),
        )
        self.fine = nn.Sequential(
            *(nn.GroupNorm(16, 96), nn.SiLU(), nn.Upsample(scale_factor=config.side // 8)),
            *(nn.Conv2d(96, 64, 3, padding=1), nn.GroupNorm(16, 64), nn.SiLU()),
            nn.Conv2d(64, config.channels, 3, padding=1),
        )

    def forward(self, condition: Condition) -> Tensor:
        """Latents [B, C, side, side]; rows do not see each other."""
        scale = condition.camera.new_tensor(CAMERA_SCALE)
        sizes = [self.config.expressions, *self.config.attributes.values()]
        columns = [condition.expression, *condition.attributes.unbind(1)]
        told = [_one_hot(column, size) for column, size in zip(columns, sizes, strict=True)]
        identity = condition.identity * self.config.identity_dimension**0.5
        inputs = torch.cat([identity, self.camera(condition.camera * scale), *told], 1)
        seed = self.seed(inputs).view(-1, 128, 4, 4)
        guess: Tensor = self.fine(self.coarse(seed))
        return guess

    def save_pretrained(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors` (half precision) into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=2) + "\n")
        weights = {name: tensor.detach().half().contiguous() for name, tensor in self.state_dict().items()}
        save_file(weights, folder / "model.safetensors")

    @classmethod
    def from_pretrained(cls, folder: Path) -> FirstGuess:
        """Read what `save_pretrained` wrote; float32, evaluation mode."""
        guess = cls(FirstGuessConfig(**json.loads((folder / "config.json").read_text())))
        guess.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
        return guess.eval()


def _one_hot(indices: Tensor, size: int) -> Tensor:
    """[B, size] float32; a row of zeros where the index is -1."""
    return torch.nn.functional.one_hot(indices % (size + 1), size + 1)[:, :size].float()
