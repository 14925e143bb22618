"""A folder of weights and what each file in it is for: the one place where a profile chooses components.

The shipped folder needs no `profile.json`: without one it is `EMBEDDED`. What `idto3d-eval models pull
public` prepares has one, and everything behind it is the same code.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from idto3d.errors import UserError
from idto3d.whole_file import write_whole

PROFILE_FILE = "profile.json"


def _inside(path: str) -> str:
    """A path that stays inside the folder of weights."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise ValueError("expected a path inside the folder of weights")
    return path


Inside = Annotated[str, AfterValidator(_inside)]
Stage = Literal["geometry", "texture"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PriorChoice(_Part):
    """What guides one stage."""

    folder: Inside
    """A model folder in diffusers' format, or one that holds a denoiser alone."""
    lora: bool = False
    """Whether `lora_<stage>/` in that folder is fused into it."""
    prompt_suffix: str = ""
    normals_on_black: bool = False


class FaceAdapterChoice(_Part):
    """An IP-Adapter-FaceID file."""

    file: Inside
    scale: float = 1.0


class DetectorChoice(_Part):
    """What finds faces in photos."""

    kind: Literal["scrfd", "yunet"]
    file: Inside


class Profile(_Part):
    """What reads the photos, what guides, and how strongly; all paths inside the folder of weights."""

    name: str
    base: Inside
    """The model folder that a prior's missing parts are taken from."""
    priors: dict[Stage, PriorChoice]
    recogniser: Inside
    face_adapter: FaceAdapterChoice | None = None
    reader: Inside | None = None
    """Landmarks and attributes; None where a detector finds the faces and nothing puts them in words."""
    detector: DetectorChoice | None = None
    mean_head: Inside = "mean_head.npz"
    device: Literal["cpu", "auto"] = "cpu"
    """Where heads are made; "auto" is CUDA where there is one, its denoisers in half precision."""
    settings: dict[str, bool | int | float | str] = {}
    """Defaults of `idto3d.generate.GeneratorSettings` that these weights ask for."""


EMBEDDED = Profile(
    name="embedded",
    base="guidance",
    priors={
        "geometry": PriorChoice(folder="guidance", lora=True),
        "texture": PriorChoice(folder="guidance", lora=True),
    },
    recogniser="recogniser_a.onnx",
    reader="reader_methods.onnx",
)

# Folders are the names of the table of networks (`idto3d_eval.networks`).
PUBLIC = Profile(
    name="public",
    base="stable-diffusion-v1-5",
    priors={
        # HumanNorm's prompt suffix and background (script/run_generation_head_only.sh, configs/).
        "geometry": PriorChoice(
            folder="normal-adapted-sd1.5",
            prompt_suffix="black background, normal map",
            normals_on_black=True,
        ),
        "texture": PriorChoice(folder="stable-diffusion-v1-5"),
    },
    # File and scale are ID-Sculpt's, which puts them on the same two bases.
    face_adapter=FaceAdapterChoice(
        file="ip-adapter-faceid-portrait-v11/ip-adapter-faceid-portrait-v11_sd15.bin", scale=1.0
    ),
    recogniser="buffalo_l/w600k_r50.onnx",
    detector=DetectorChoice(kind="scrfd", file="buffalo_l/det_10g.onnx"),
    device="auto",
    # Classifier-free guidance as ID-Sculpt has it: 50 for geometry, 10 for texture. Away from neutral, ours.
    settings={
        "guidance_scale": 50.0,
        "texture_guidance_scale": 10.0,
        "expression_scale": 7.5,
        "texture_expression_scale": 7.5,
    },
)
PROFILES = {profile.name: profile for profile in (EMBEDDED, PUBLIC)}


def load_profile(weights: Path) -> Profile:
    """What the files of a folder of weights are for.

    Raises:
        UserError: a `profile.json` that is none.
    """
    path = weights / PROFILE_FILE
    if not path.is_file():
        return EMBEDDED
    try:
        return Profile.model_validate_json(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(f"Found no text in '{path}', expected JSON; write it again.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise UserError(
            f"Found a wrong {where} in '{path}' ({first['msg']}), expected a profile; "
            "correct it, or write it again with `idto3d-eval models pull`."
        ) from error


def write_profile(weights: Path, profile: Profile) -> Path:
    """Write `profile.json` into a folder of weights."""
    path = weights / PROFILE_FILE
    write_whole(path, json.dumps(profile.model_dump(exclude_none=True), indent=2) + "\n")
    return path


def weight_files(weights: Path, profile: Profile) -> list[Path]:
    """Every file that can change what a head looks like, in a fixed order."""
    chosen = [profile.recogniser, profile.reader, profile.mean_head]
    chosen.append(profile.detector.file if profile.detector else None)
    chosen.append(profile.face_adapter.file if profile.face_adapter else None)
    folders = dict.fromkeys([profile.base, *(prior.folder for prior in profile.priors.values())])
    inside = [
        path
        for folder in folders
        for path in sorted((weights / folder).rglob("*"))
        if path.suffix in (".safetensors", ".bin")
    ]
    return [weights / name for name in chosen if name is not None] + inside
