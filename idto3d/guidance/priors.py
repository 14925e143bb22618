"""A profile's prior for one stage, opened as `Guidance`: denoiser, face adapter, prompts and background."""

from __future__ import annotations

from pathlib import Path

import torch

from idto3d.errors import UserError
from idto3d.guidance.codec import NormalsOnBlack
from idto3d.guidance.face_adapter import FaceConditionEncoder, add_face_adapter, read_face_adapter
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.text_encoder import TextConditionEncoder
from idto3d.profile import Stage, load_profile


def open_prior(
    weights: Path,
    stage: Stage,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Guidance:
    """What guides a stage under the profile of a folder of weights.

    Args:
        weights: folder with a `profile.json`, or the shipped one.
        stage: "geometry" or "texture".
        device, dtype: where and how precisely the denoiser computes; by default where the profile says, in
            half precision on CUDA.

    Raises:
        UserError: a prior or a file that the profile names is not there, or does not fit.
    """
    profile = load_profile(weights)
    if stage not in profile.priors:
        raise UserError(
            f"Found no prior for {stage} in profile '{profile.name}', expected one; name its model folder."
        )
    prior = profile.priors[stage]
    if device is None:
        device = "cuda" if profile.device == "auto" and torch.cuda.is_available() else "cpu"
    dtype = dtype or (torch.float16 if torch.device(device).type == "cuda" else torch.float32)
    lora = stage if prior.lora else None
    guidance = Guidance.from_folder(
        weights / prior.folder, lora, base=weights / profile.base, device=device, dtype=dtype
    )
    text = guidance.encoder
    if isinstance(text, TextConditionEncoder):
        text.suffix = prior.prompt_suffix
    if profile.face_adapter is not None:
        if not isinstance(text, TextConditionEncoder):
            raise UserError(
                f"Found a face adapter beside the condition encoder of '{prior.folder}', expected a base "
                "with a text encoder; leave the adapter out of profile.json or name another base."
            )
        adapter = read_face_adapter(weights / profile.face_adapter.file)
        dimension = add_face_adapter(guidance.unet, adapter, profile.face_adapter.scale)
        guidance.unet.eval().requires_grad_(False).to(device=device, dtype=dtype)
        guidance.encoder = FaceConditionEncoder(text, dimension)
    if prior.normals_on_black:
        guidance.codec = NormalsOnBlack(guidance.codec)
    return guidance
