"""The public networks: where each is from, which files it is, what it is for and how it was trained.

A sha256 stands here only where a public page shows it (each row's `source` says which); the others are
recorded at the first pull (`idto3d_eval.pull`). Which networks condition and which score is `ROLES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from idto3d.errors import UserError

Role = Literal["base", "prior", "face adapter", "conditions", "scores"]
LOSS_UNKNOWN = "cosine, loss unknown"


@dataclass(frozen=True)
class Network:
    """A network that is not shipped: `pull` brings it into a folder of its name."""

    name: str
    role: Role
    summary: str
    files: tuple[str, ...]
    """Patterns of paths inside it; each must match at least one file."""
    licence: str
    trained_on: str
    source: str
    hub: str | None = None
    """Owner and name on the Hugging Face hub; None where it is one of insightface's packs."""
    revision: str | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)
    """Of files whose hash is public."""
    loss: str = ""
    """Of recognisers: what their embeddings were trained with."""


_PIPELINE = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/*",
    "text_encoder/config.json",
    "unet/config.json",
    "vae/config.json",
)
_NON_COMMERCIAL = "non-commercial research"

_NETWORKS = (
    Network(
        name="stable-diffusion-v1-5",
        role="base",
        summary="the diffusion base, and the texture prior where none was trained",
        files=(
            *_PIPELINE,
            "text_encoder/model.safetensors",
            "unet/diffusion_pytorch_model.safetensors",
            "vae/diffusion_pytorch_model.safetensors",
        ),
        licence="CreativeML OpenRAIL-M",
        trained_on="LAION-2B (en) and subsets (it has seen celebrities)",
        source="model card; sha256 of the unet from copies of runwayml/stable-diffusion-v1-5 on the hub",
        hub="stable-diffusion-v1-5/stable-diffusion-v1-5",
        sha256={
            "unet/diffusion_pytorch_model.safetensors": (
                "19da7aaa4b880e59d56843f1fcb4dd9b599c28a1d9d9af7c1143057c8ffae9f1"
            )
        },
    ),
    Network(
        name="normal-adapted-sd1.5",
        role="prior",
        summary="HumanNorm's Stable Diffusion 1.5 tuned on normal maps: the geometry prior",
        files=(*_PIPELINE, "text_encoder/*model*", "unet/diffusion_pytorch_model.bin", "vae/diffusion*"),
        licence="Apache-2.0 (hub page); the base's licence stands behind it",
        trained_on="normal maps of 3D humans (HumanNorm, arXiv 2310.01406)",
        source="hub page at this revision",
        hub="xanderhuang/normal-adapted-sd1.5",
        revision="a44f486d748a4bd0b46fc90113b5612afc58e0c4",
        sha256={
            "unet/diffusion_pytorch_model.bin": (
                "5d76f6d7bfddc0873606f11bbf086e93bc441cd4e6e767e067708b1af50a24b8"
            )
        },
    ),
    Network(
        name="ip-adapter-faceid-portrait-v11",
        role="face adapter",
        summary="16 image tokens from a buffalo_l embedding, no LoRA; the one that ID-Sculpt uses",
        files=("ip-adapter-faceid-portrait-v11_sd15.bin",),
        licence=_NON_COMMERCIAL,
        trained_on="not told",
        source="model card; sha256 from a copy on the hub (tungmtp/ipadapter_sd15_sdxl_flux)",
        hub="h94/IP-Adapter-FaceID",
        sha256={
            "ip-adapter-faceid-portrait-v11_sd15.bin": (
                "a48cb4f89ed18e02c6000f65aa9efec452e87eaed4a1bc9fcf4a460c8d0e3bc6"
            )
        },
    ),
    Network(
        name="ip-adapter-faceid",
        role="face adapter",
        summary="4 image tokens and a LoRA of all attention layers; name it in profile.json to use it",
        files=("ip-adapter-faceid_sd15.bin",),
        licence=_NON_COMMERCIAL,
        trained_on="not told",
        source="model card; sha256 from its own hub page",
        hub="h94/IP-Adapter-FaceID",
        sha256={
            "ip-adapter-faceid_sd15.bin": "201344e22e6f55849cf07ca7a6e53d8c3b001327c66cb9710d69fd5da48a8da7"
        },
    ),
    Network(
        name="buffalo_l",
        role="conditions",
        summary="detector and recogniser R50 whose embedding the face adapters read",
        files=("det_10g.onnx", "w600k_r50.onnx"),
        licence=_NON_COMMERCIAL,
        trained_on="WebFace600K",
        source="insightface model_zoo/README.md; sha256 from public-data/insightface on the hub",
        sha256={"w600k_r50.onnx": "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43"},
        # "The default training loss is margin based softmax if not specified", and it is not specified.
        loss=LOSS_UNKNOWN,
    ),
    Network(
        name="antelopev2",
        role="scores",
        summary="recogniser R100, another training on another set than the one that conditions",
        files=("glintr100.onnx",),
        licence=_NON_COMMERCIAL,
        trained_on="Glint360K",
        source="insightface model_zoo/README.md; sha256 from copies on the hub (DIAMONIK7777/antelopev2)",
        sha256={"glintr100.onnx": "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf"},
        # insightface publishes a CosFace training of R100 on Glint360K; it does not say that this is it.
        loss=LOSS_UNKNOWN,
    ),
)
NETWORKS: dict[str, Network] = {network.name: network for network in _NETWORKS}

PRESETS: dict[str, tuple[str, ...]] = {
    # ip-adapter-faceid is an alternative and is pulled by its own name.
    "public": tuple(name for name in NETWORKS if name != "ip-adapter-faceid"),
}

# Per profile, the recogniser that conditions and the one that scores: never one network, never one training.
ROLES: dict[str, Mapping[Literal["conditions", "scores"], str]] = {
    "embedded": {"conditions": "recogniser_a", "scores": "recogniser_b"},
    "public": {"conditions": "buffalo_l", "scores": "antelopev2"},
}


def preset_networks(name: str) -> tuple[Network, ...]:
    """The networks of a preset, or the one network of that name.

    Raises:
        UserError: neither a preset nor a network.
    """
    if name in PRESETS:
        return tuple(NETWORKS[each] for each in PRESETS[name])
    if name in NETWORKS:
        return (NETWORKS[name],)
    known = ", ".join([*PRESETS, *NETWORKS])
    raise UserError(f"Found no networks called {name!r}, expected one of {known}.")
