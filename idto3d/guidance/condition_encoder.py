"""The tiny base model's condition encoder: identity, expression, camera and attributes become tokens.

Cross-attention reads the tokens (as IP-Adapter, Ye et al. 2023, does with face embeddings); their pooled
projection is added to the timestep embedding, where every residual block hears it. The control stays a
picture, at the latents' resolution, and stands beside the noisy latents; the condition mixes fields over the
mean head into it, so that a place hears at once who is seen and not through many layers. Where the denoiser
is to know faces well, a map is laid over the mean head's front besides, a linear mixture of learned ones,
which every pixel reads at its own place: what a linear reading of an embedding says of a face, it can say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from idto3d.errors import UserError
from idto3d.guidance.condition import CAMERA_FEATURES, Condition
from idto3d.guidance.control import CONTROL_CHANNELS

# Waves tell positions apart that coordinates in decimetres blur (Tancik et al. 2020); lengths in that unit.
WAVES = (1.2, 0.6, 0.3)
# The map over the mean head's front: its lowest and highest x and y, and its nodes along each, 3 mm apart.
MAP_LOW, MAP_HIGH, MAP_NODES = (-0.84, -1.26), (0.84, 0.84), (57, 71)
MAP_BEHIND, MAP_FADING = -0.75, 0.2  # it ends at the ears: z, and over which depth


@dataclass(frozen=True)
class Encoded:
    """What the denoiser reads: tokens [B, T, W]; a pooled vector [B, P] and channels [B, C, h, w] beside the
    latents where the denoiser takes them; latents [B, 3 patch², h, w] that it only has to correct, where the
    condition alone says what to expect; and face embeddings [B, 1, D] where it has a face adapter."""

    tokens: Tensor
    pooled: Tensor | None
    beside: Tensor | None = None
    expected: Tensor | None = None
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
    maps: int = 0  # that the map over the mean head's front is mixed from; 0 for none
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
        drawn = config.map_channels if config.maps else 0
        seen = (CONTROL_CHANNELS + 2 * 3 * len(WAVES) + drawn) * config.patch**2  # sine and cosine of 3 axes
        self.beside = nn.Conv2d(seen, config.beside, 1)
        who = config.identity_dimension + config.pooled
        self.fields = nn.ModuleList(
            [nn.Conv2d(seen, config.fields, 1), nn.Conv2d(config.fields, config.fields, 1)]
        )
        self.mixes = nn.ModuleList(nn.Linear(who, config.fields) for _ in self.fields)
        self.mixed = nn.Conv2d(config.fields, config.beside, 1, bias=False)
        self.change = nn.Conv2d(config.fields, 3 * config.patch**2, 1)
        if config.maps:
            self.shares = nn.Sequential(nn.Linear(who, 256), nn.SiLU(), nn.Linear(256, config.maps))
            self.linear_shares = nn.Linear(who, config.maps)
            width_of_map, height_of_map = MAP_NODES
            self.maps = nn.Parameter(
                torch.randn(config.maps, config.map_channels, height_of_map, width_of_map) * 0.02
            )
            self.painted = nn.Conv2d(drawn * config.patch**2, 3 * config.patch**2, 1)
        painted = [*self.painted.parameters()] if config.maps else []
        for parameter in (*self.mixed.parameters(), *self.change.parameters(), *painted):
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
        beside, expected = self._spread(condition, torch.cat([scaled, pooled], 1))
        return Encoded(tokens, pooled, beside, expected)

    def _spread(self, condition: Condition, who: Tensor) -> tuple[Tensor, Tensor]:
        """What stands beside the latents, [B, beside, h, w], and what the condition expects of them,
        [B, 3 patch², h, w]: the mean head as drawn in the control, changed by fields over it that `who`
        [B, D + P] mixes. Under pure noise the best denoiser is E[x0 | condition], which needs no other layer.
        """
        control, patch = condition.control, self.config.patch
        if control is None:
            raise ValueError("Found a condition without a control, expected one: this denoiser looks at it.")
        phases = [control[:, :3] * (2 * torch.pi / wave) for wave in WAVES]
        waves = [wave for phase in phases for wave in (phase.sin(), phase.cos())]
        seen = functional.pixel_unshuffle(torch.cat([control, *waves], 1), patch)
        head = control[:, :3].abs().sum(1, keepdim=True) > 0
        said: Tensor | float = 0.0
        if self.config.maps:
            mapped = functional.pixel_unshuffle(self._mapped(control[:, :3], who) * head, patch)
            seen, said = torch.cat([seen, mapped], 1), self.painted(mapped)
        fields = seen
        for layer, mix in zip(self.fields, self.mixes, strict=True):
            fields = functional.silu(layer(fields)) * (1.0 + mix(who))[:, :, None, None]
        drawn = functional.pixel_unshuffle((2.0 * control[:, 3:] - 1.0) * head, patch)  # grey elsewhere
        return self.beside(seen) + self.mixed(fields), drawn + said + self.change(fields)

    def _mapped(self, place: Tensor, who: Tensor) -> Tensor:
        """The map that `who` [B, D + P] mixes, read at pixels' places [B, 3, R, R]; zero behind the ears."""
        shares = self.shares(who) + self.linear_shares(who)
        # Einstein sums leave autocast's half precision; a map is cheap.
        mixed = torch.einsum("bm,mchw->bchw", shares, self.maps.to(shares.dtype))
        low, high = place.new_tensor(MAP_LOW), place.new_tensor(MAP_HIGH)
        at = 2.0 * (place[:, :2].permute(0, 2, 3, 1) - low) / (high - low) - 1.0  # [B, R, R, 2] in [-1, 1]
        read = functional.grid_sample(mixed.float(), at.float(), align_corners=True, padding_mode="zeros")
        front = ((place[:, 2:] - MAP_BEHIND) / MAP_FADING).clamp(0.0, 1.0)
        return read * front

    def take_over(self, other: ConditionEncoder) -> None:
        """Start from another encoder's weights, but for what reads the identity where the lengths differ, and
        what reads a map where the other has none."""
        own, theirs = self.state_dict(), other.state_dict()
        taken = {name: value for name, value in theirs.items() if own[name].shape == value.shape}
        pooled = self.config.pooled
        for name in theirs.keys() - taken.keys():
            value = theirs[name]
            if name.startswith(("mixes", "shares.0", "linear_shares")):
                # [fields, D + P]: the P pooled columns.
                own[name][:, -pooled:] = value[:, -pooled:]
                own[name][:, :-pooled] = 0.0
            elif name in ("beside.weight", "fields.0.weight"):
                # [channels, seen, 1, 1]: the map is seen last.
                own[name][:, : value.shape[1]] = value
                own[name][:, value.shape[1] :] = 0.0
            else:
                continue
            taken[name] = own[name]
        self.load_state_dict({**own, **taken})

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
