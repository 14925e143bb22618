"""The tiny base model's condition encoder: identity, expression, camera and attributes become tokens.

Cross-attention reads the tokens (as IP-Adapter, Ye et al. 2023, does with face embeddings); their pooled
projection is added to the timestep embedding, where every residual block hears it. The control stays a
picture, at the latents' resolution, and stands beside the noisy latents; the condition mixes fields over the
mean head into it, so that a place hears at once who is seen and not through many layers. Where the denoiser
is to know faces well, what is seen is expected as shape and appearance besides (`FaceMaps`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from idto3d.errors import UserError
from idto3d.guidance.condition import CAMERA_FEATURES, Condition
from idto3d.guidance.control import CONTROL_CHANNELS
from idto3d.guidance.face_maps import FaceMaps

# Waves tell positions apart that coordinates in decimetres blur (Tancik et al. 2020); lengths in that unit.
WAVES = (1.2, 0.6, 0.3)
# Layers that hear an identity's numbers before the pooled ones, and all that hear them.
HEARS_BOTH = ("mixes.", "face.shares.0.", "face.linear_shares.")
HEARS_IDENTITY = ("identity.0.", *HEARS_BOTH)


@dataclass(frozen=True)
class Encoded:
    """What the denoiser reads: tokens [B, T, W]; a pooled vector [B, P] and channels [B, C, h, w] beside the
    latents where the denoiser takes them; latents [B, 3 patch², h, w] that it only has to correct, where the
    condition alone says what to expect, and the place on the mean head, [B, 3, R, R], that each of its pixels
    shows, 0 where that is not said; and face embeddings [B, 1, D] where it has a face adapter."""

    tokens: Tensor
    pooled: Tensor | None
    beside: Tensor | None = None
    expected: Tensor | None = None
    place: Tensor | None = None
    face: Tensor | None = None


@dataclass(frozen=True)
class ConditionEncoderConfig:
    """The encoder's vocabulary and sizes; `attributes` is group name -> number of words."""

    expressions: tuple[str, ...]
    attributes: Mapping[str, int]
    identity_dimension: int = 128
    identity_tokens: int = 4
    camera_dimension: int = CAMERA_FEATURES
    width: int = 128
    pooled: int = 256
    beside: int = 64  # channels
    fields: int = 256  # over the mean head, mixed by the condition
    patch: int = 4  # pixels of a side of one latent position
    maps: int = 0  # of appearance, that `FaceMaps` mixes; 0 for none
    map_channels: int = 8


class ConditionEncoder(nn.Module):
    """Tokens in the order identity, expression, camera, one for each attribute group."""

    def __init__(self, config: ConditionEncoderConfig) -> None:
        super().__init__()
        self.config = config
        width, spread = config.width, config.identity_tokens * config.width
        self.identity = nn.Sequential(
            nn.Linear(config.identity_dimension, 256), nn.SiLU(), nn.Linear(256, spread)
        )
        self.identity_null = nn.Parameter(torch.randn(spread))
        self.camera = nn.Sequential(nn.Linear(config.camera_dimension, 64), nn.SiLU(), nn.Linear(64, width))
        self.camera_null = nn.Parameter(torch.randn(width))
        # The last row of each table is the null: index -1 finds it.
        self.expression = nn.Embedding(len(config.expressions) + 1, width)
        self.attributes = nn.ModuleList(
            nn.Embedding(count + 1, width) for count in config.attributes.values()
        )
        self.tokens = config.identity_tokens + 2 + len(config.attributes)
        self.pool = nn.Linear(self.tokens * width, config.pooled)
        drawn = FaceMaps.SEEN if config.maps else 0
        seen = (CONTROL_CHANNELS + 2 * 3 * len(WAVES) + drawn) * config.patch**2  # sine and cosine of 3 axes
        self.beside = nn.Conv2d(seen, config.beside, 1)
        who = config.identity_dimension + config.pooled
        self.fields = nn.ModuleList(
            [nn.Conv2d(seen, config.fields, 1), nn.Conv2d(config.fields, config.fields, 1)]
        )
        self.mixes = nn.ModuleList(nn.Linear(who, config.fields) for _ in self.fields)
        self.mixed = nn.Conv2d(config.fields, config.beside, 1, bias=False)
        self.change = nn.Conv2d(config.fields, 3 * config.patch**2, 1)
        self.face = FaceMaps(who, config.pooled, config.maps, config.map_channels) if config.maps else None
        for parameter in (*self.mixed.parameters(), *self.change.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, condition: Condition) -> Encoded:
        """Tokens [B, T, W], pooled [B, P] and what stands beside the latents; rows do not see each other."""
        count, width = len(condition), self.config.width
        asked = condition.identity
        if asked.shape[1] != self.config.identity_dimension:
            if bool(_told(asked).any()):
                raise UserError(
                    f"Found an identity embedding of {asked.shape[1]} numbers, expected "
                    f"{self.config.identity_dimension}; use the recogniser that this base model was trained "
                    "with."
                )
            asked = asked.new_zeros(count, self.config.identity_dimension)  # nobody has any length
        # A unit vector of D numbers has entries near 1/sqrt(D); networks like entries near 1.
        scaled = asked * self.config.identity_dimension**0.5
        identity = self.identity(scaled)
        identity = torch.where(_told(asked), identity, self.identity_null)
        camera = torch.where(_told(condition.camera), self.camera(condition.camera), self.camera_null)
        words = [
            table(column % (size + 1))
            for table, size, column in zip(
                self.attributes, self.config.attributes.values(), condition.attributes.unbind(1), strict=True
            )
        ]
        expression = self.expression(condition.expression % self.expression.num_embeddings)
        parts = [identity.view(count, -1, width), *(part[:, None] for part in (expression, camera, *words))]
        tokens = torch.cat(parts, 1)  # [B, T, W]
        pooled = self.pool(tokens.flatten(1))
        beside, expected, place = self._spread(condition, torch.cat([scaled, pooled], 1))
        return Encoded(tokens, pooled, beside, expected, place)

    def _spread(self, condition: Condition, who: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """What stands beside the latents, [B, beside, h, w]; what the condition expects of them,
        [B, 3 patch², h, w]: the mean head as drawn in the control, changed by fields over it that `who`
        [B, D + P] mixes, and by `FaceMaps`; and `FaceMaps`' places. Under pure noise the best denoiser is
        E[x0 | condition], which needs no other layer.
        """
        control, patch = condition.control, self.config.patch
        if control is None:
            raise ValueError("Found a condition without a control, expected one: this denoiser looks at it.")
        phases = [control[:, :3] * (2 * torch.pi / wave) for wave in WAVES]
        waves = [wave for phase in phases for wave in (phase.sin(), phase.cos())]
        seen = functional.pixel_unshuffle(torch.cat([control, *waves], 1), patch)
        head = control[:, :3].abs().sum(1, keepdim=True) > 0
        change: Tensor | float = 0.0
        own = None
        if self.face is not None:
            changed, own, shown = self.face(
                control[:, :3], control[:, 3:], who, condition.camera, condition.place
            )
            seen = torch.cat([seen, functional.pixel_unshuffle(shown, patch).to(seen)], 1)
            change = functional.pixel_unshuffle(changed, patch)
        fields = seen
        for layer, mix in zip(self.fields, self.mixes, strict=True):
            fields = functional.silu(layer(fields)) * (1.0 + mix(who))[:, :, None, None]
        drawn = functional.pixel_unshuffle((2.0 * control[:, 3:] - 1.0) * head, patch)  # grey elsewhere
        return self.beside(seen) + self.mixed(fields), drawn + change + self.change(fields), own

    def hold_face(self) -> None:
        """Learn no more of `FaceMaps` and of what it hears: trained with the denoiser, in batches half as
        large, the held-out loss of places rose from 0.057 to 0.081 within three minutes."""
        heard = [self.identity, self.camera, self.expression, self.attributes, self.pool]
        for module in [*heard, *([] if self.face is None else [self.face])]:
            module.requires_grad_(False)
        self.identity_null.requires_grad_(False)
        self.camera_null.requires_grad_(False)

    def take_over(self, other: ConditionEncoder) -> None:
        """Start from another encoder's weights, but for what reads the identity where the lengths differ, and
        what sees or says anything of `FaceMaps` where the other has none."""
        own, theirs = self.state_dict(), other.state_dict()
        taken = {n: value for n, value in theirs.items() if n in own and own[n].shape == value.shape}
        pooled = self.config.pooled
        for name in theirs.keys() - taken.keys():
            value = theirs[name]
            if name.startswith(HEARS_BOTH) and name in own:
                # [fields, D + P]: the P pooled columns.
                own[name][:, -pooled:] = value[:, -pooled:]
                own[name][:, :-pooled] = 0.0
            elif name in ("beside.weight", "fields.0.weight"):
                # [channels, seen, 1, 1]: what `FaceMaps` shows is seen last.
                common = (CONTROL_CHANNELS + 2 * 3 * len(WAVES)) * self.config.patch**2
                own[name][:, :common] = value[:, :common]
                own[name][:, common:] = 0.0
            else:
                continue
            taken[name] = own[name]
        self.load_state_dict({**own, **taken})

    def translated(self, matrix: Tensor) -> ConditionEncoder:
        """The same encoder for another recogniser's embeddings, which `matrix` [D, E] turns into those that
        this one is told; nobody stays nobody."""
        own, other = self.config.identity_dimension, matrix.shape[1]
        found = ConditionEncoder(replace(self.config, identity_dimension=other))
        state = dict(self.state_dict())
        for name in [n for n in state if n.startswith(HEARS_IDENTITY) and n.endswith("weight")]:
            # [out, D (+ P)], and `forward` scales what it reads by the root of its length.
            heard = state[name][:, :own] @ matrix.to(state[name]) * (own / other) ** 0.5
            state[name] = torch.cat([heard, state[name][:, own:]], 1)
        found.load_state_dict(state)
        return found.to(next(self.parameters()).device)

    def save_pretrained(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors` (half precision) into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=2) + "\n")
        weights = {name: tensor.detach().half().contiguous() for name, tensor in self.state_dict().items()}
        save_file(weights, folder / "model.safetensors")

    @classmethod
    def from_pretrained(cls, folder: Path) -> ConditionEncoder:
        """Read what `save_pretrained` wrote; float32, evaluation mode."""
        raw = json.loads((folder / "config.json").read_text())
        raw["expressions"] = tuple(raw["expressions"])
        encoder = cls(ConditionEncoderConfig(**raw))
        encoder.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
        return encoder.eval()


def _told(values: Tensor) -> Tensor:
    """Which rows [B, 1] are not all zero."""
    return values.abs().sum(1, keepdim=True) > 0
