"""One contract around every diffusion model: `denoise(z, t, condition) -> x0_hat`.

The tiny base model of the embedded profile and a Stable Diffusion 1.5 folder are read into the same class;
what differs (patches or an autoencoder, our condition encoder or a text encoder, what the network predicts)
is decided by what the folder holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from idto3d.errors import UserError
from idto3d.guidance import meter
from idto3d.guidance.codec import AutoencoderCodec, Codec, PatchCodec
from idto3d.guidance.condition import Condition
from idto3d.guidance.condition_encoder import ConditionEncoder, Encoded
from idto3d.guidance.lora import fuse_lora, lora_folder
from idto3d.guidance.text_encoder import TextConditionEncoder
from idto3d.guidance.word_directions import WordDirections

PREDICTIONS = ("sample", "epsilon", "v_prediction")


class Encoder(Protocol):
    """Conditions in, what the denoiser's attention reads out."""

    def __call__(self, condition: Condition, /) -> Encoded:
        """Tokens, and a pooled vector where the denoiser takes one."""
        ...


def reads_text(folder: Path) -> bool:
    """Whether the model in `folder` has a text encoder, and no condition encoder with words of its own."""
    return not (folder / "condition_encoder").is_dir()


class Guidance:
    """A denoiser with its noise schedule, its latent space and its condition encoder.

    `calls` counts images × network evaluations, the unit of a method's budget. `words` is which way a word
    moves an identity, where the model folder says so.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        scheduler: DDIMScheduler,
        codec: Codec,
        encoder: Encoder,
        words: WordDirections | None = None,
    ) -> None:
        self.unet = unet
        self.codec = codec
        self.encoder = encoder
        self.words = words
        self.scheduler = scheduler
        self.prediction = str(scheduler.config["prediction_type"])
        if self.prediction not in PREDICTIONS:
            raise UserError(
                f"Found prediction type '{self.prediction}' in the scheduler, expected one of "
                f"{', '.join(PREDICTIONS)}; use another model folder."
            )
        self.alphas_cumprod: Tensor = scheduler.alphas_cumprod.float().to(self.device)  # [T]
        self.calls = 0
        self._dtype = unet.dtype  # diffusers looks through all modules for it

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        prior: str | None = None,
        *,
        base: Path | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Guidance:
        """Read a diffusers-format folder; `prior` ("geometry", "texture") fuses the adapter of that name
        and takes the condition encoder trained with it, where there is one. Parts that `folder` does not hold
        are those of `base`: a prior may be a denoiser alone.

        Raises `UserError` where the folder is no such model or lacks the adapter.
        """
        folder = Path(folder)
        whole = folder if base is None else Path(base)
        if not (whole / "model_index.json").is_file():
            raise UserError(
                f"Found no model_index.json in '{whole}', expected a model folder in diffusers' format; "
                "name a folder that a diffusers pipeline or `idto3d-eval train` wrote."
            )

        def part(name: str) -> Path:
            return folder / name if (folder / name).is_dir() else whole / name

        if not (folder / "unet").is_dir():
            raise UserError(
                f"Found no unet/ in '{folder}', expected a denoiser; use a complete model folder."
            )
        unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype)
        if prior is not None:
            fuse_lora(unet, folder, prior)
        unet = unet.eval().requires_grad_(False).to(device)
        scheduler = DDIMScheduler.from_pretrained(part("scheduler"))
        codec: Codec
        if part("vae").is_dir():
            vae = AutoencoderKL.from_pretrained(part("vae"), torch_dtype=dtype)
            codec = AutoencoderCodec(vae.eval().requires_grad_(False).to(device))
        else:
            codec = PatchCodec.from_pretrained(part("codec"))
        encoder: Encoder
        if part("condition_encoder").is_dir():
            own = None if prior is None else lora_folder(folder, prior) / "condition_encoder"
            chosen = own if own is not None and own.is_dir() else part("condition_encoder")
            encoder = ConditionEncoder.from_pretrained(chosen).to(device).requires_grad_(False)
        else:
            source = part("text_encoder").parent
            encoder = TextConditionEncoder.from_pretrained(source, device=device, dtype=dtype)
        return cls(unet, scheduler, codec, encoder, WordDirections.read(whole))

    @property
    def device(self) -> torch.device:
        """Where the denoiser lives."""
        device: torch.device = next(self.unet.parameters()).device
        return device

    @property
    def resolution(self) -> int:
        """Side of the images, in pixels."""
        return int(self.unet.config["sample_size"]) * self.codec.factor

    @property
    def timesteps(self) -> int:
        """T, the number of training timesteps."""
        return len(self.alphas_cumprod)

    def encode(self, images: Tensor) -> Tensor:
        """Latents z_0 of images [B, 3, R, R] in [-1, 1]; differentiable."""
        if images.shape[1:] != (3, self.resolution, self.resolution):
            raise ValueError(
                f"Found images of shape {tuple(images.shape)}, expected "
                f"[B, 3, {self.resolution}, {self.resolution}]; render them at the guidance's resolution."
            )
        return self.codec.encode(images)

    def decode(self, latents: Tensor) -> Tensor:
        """Images [B, 3, R, R] of latents; may leave [-1, 1] slightly."""
        return self.codec.decode(latents)

    def add_noise(self, z0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """z_t = alpha_t z_0 + sigma_t noise, with t [B] int64 (Ho et al. 2020, eq. 4)."""
        alpha, sigma = self.alpha_sigma(t)
        return alpha * z0 + sigma * noise

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """alpha_t and sigma_t, each [B, 1, 1, 1]; alpha² + sigma² = 1."""
        squared = self.alphas_cumprod[t].view(-1, 1, 1, 1)
        return squared.sqrt(), (1 - squared).sqrt()

    def denoise(self, z: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """x0_hat: the clean latents [B, C, h, w] that the network believes z_t came from, whatever it
        predicts.

        z [B, C, h, w] float32, t [B] int64, condition of B rows. Rows do not see each other.
        """
        return self.denoise_encoded(z, t, self.encoder(condition))

    @property
    def knows_places(self) -> bool:
        """Whether it says where on the mean head a picture's pixels are."""
        return isinstance(self.encoder, ConditionEncoder) and self.encoder.face is not None

    def places(self, condition: Condition) -> Tensor:
        """Which place of the mean head each pixel shows of a picture that fits the condition, [B, 3, R, R] in
        the control's unit and 0 where that is not said.

        Raises:
            ValueError: the model does not know of places.
        """
        place = self.encoder(condition).place
        if place is None:
            raise ValueError("Found a model without face maps, expected one that `knows_places`.")
        self.count(len(condition))
        return place

    def count(self, images: int) -> None:
        """Note guidance calls: images that the network has looked at, in training too."""
        self.calls += images
        meter.count(images)

    def denoise_encoded(self, z: Tensor, t: Tensor, encoded: Encoded) -> Tensor:
        """As `denoise`, of a condition that was encoded already."""
        alpha, sigma = self.alpha_sigma(t)
        dtype = self._dtype
        pooled = None if encoded.pooled is None else encoded.pooled.to(dtype)
        seen = z if encoded.beside is None else torch.cat([z, encoded.beside], 1)
        # A denoiser with a face adapter asks for image_embeds; no other is told of them.
        face = (
            {} if encoded.face is None else {"added_cond_kwargs": {"image_embeds": [encoded.face.to(dtype)]}}
        )
        output = self.unet(seen.to(dtype), t, encoded.tokens.to(dtype), class_labels=pooled, **face).sample
        predicted: Tensor = output.to(z.dtype)
        self.count(len(z))
        if self.prediction == "sample":
            return predicted if encoded.expected is None else encoded.expected + predicted
        if self.prediction == "epsilon":
            x0_hat: Tensor = (z - sigma * predicted) / alpha
            return x0_hat
        # v = alpha_t eps - sigma_t x_0 (Salimans & Ho 2022, appendix D)
        return alpha * z - sigma * predicted
