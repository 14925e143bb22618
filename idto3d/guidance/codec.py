"""Between pictures and the space in which a denoiser works: patches, or a diffusers autoencoder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor


class Codec(Protocol):
    """Images [B, 3, R, R] in [-1, 1] to latents [B, C, R/f, R/f] and back; `encode` carries a gradient."""

    @property
    def factor(self) -> int:
        """How many pixels of a side one latent position stands for."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """Latents of images."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Images of latents."""
        ...


@dataclass(frozen=True)
class PatchCodec:
    """Space to depth: each `patch_size`² patch becomes one position of 3·patch_size² channels; exact both
    ways."""

    patch_size: int = 4

    @property
    def factor(self) -> int:
        """Pixels of a side per position."""
        return self.patch_size

    def encode(self, images: Tensor) -> Tensor:
        """[B, 3, R, R] to [B, 3·p², R/p, R/p]."""
        return torch.nn.functional.pixel_unshuffle(images, self.patch_size)

    def decode(self, latents: Tensor) -> Tensor:
        """The inverse of `encode`."""
        return torch.nn.functional.pixel_shuffle(latents, self.patch_size)

    def save_pretrained(self, folder: Path) -> None:
        """Write `config.json` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        config = {"_class_name": "PatchCodec", "patch_size": self.patch_size}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    @classmethod
    def from_pretrained(cls, folder: Path) -> PatchCodec:
        """Read what `save_pretrained` wrote."""
        return cls(int(json.loads((folder / "config.json").read_text())["patch_size"]))


class AutoencoderCodec:
    """A diffusers `AutoencoderKL`, scaled as its config says; the mean of its posterior, so nothing is
    random."""

    def __init__(self, vae: Any) -> None:
        self.vae = vae
        self.scaling = float(vae.config.scaling_factor)
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)

    def encode(self, images: Tensor) -> Tensor:
        """[B, 3, R, R] to [B, C, R/f, R/f]."""
        latents: Tensor = self.vae.encode(images.to(self.vae.dtype)).latent_dist.mean * self.scaling
        return latents.to(images.dtype)

    def decode(self, latents: Tensor) -> Tensor:
        """[B, C, R/f, R/f] to [B, 3, R, R]."""
        images: Tensor = self.vae.decode((latents / self.scaling).to(self.vae.dtype)).sample
        return images.to(latents.dtype)


class NormalsOnBlack:
    """A codec for bases that know normal maps on black: our grey background (0, 0, 0) becomes black.

    HumanNorm's normal-adapted base saw camera-space normals as 0.5 + 0.5 n, as ours are, on black
    (threestudio/models/renderers/nvdiff_rasterizer.py, normal_type "camera"). A surface's normal has length
    one, so what is missing to one says how much of a pixel is background.
    """

    def __init__(self, inner: Codec) -> None:
        self.inner = inner
        self.factor = inner.factor

    def encode(self, images: Tensor) -> Tensor:
        """Latents of normal maps [B, 3, R, R], each pixel of length at most one."""
        length = images.square().sum(1, keepdim=True).clamp(min=1e-12).sqrt()
        return self.inner.encode(images - (1.0 - length).clamp(min=0.0))

    def decode(self, latents: Tensor) -> Tensor:
        """Images [B, 3, R, R] as the base draws them, on black."""
        return self.inner.decode(latents)
