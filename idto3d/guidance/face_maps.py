"""What a condition expects of a picture, as shape and appearance: learned maps over the mean head's front.

Two people's pictures differ in where things are and in how they look. Mixed in place, pictures of mouths that
lie apart give a blur; an active appearance model (Cootes et al. 2001) therefore mixes shapes, and appearances
brought onto one shape. So here: every pixel shows a place of the mean head (the control says which); linear
mixtures of shift maps, first of who it is, then of the expression, move it to the place that this person
shows there; a mixture of appearance maps is read at that place, and a small network makes a colour of it,
with the mean head as drawn in the control beside it, which knows the light. Maps are in the head's frame: a
shift seen from the side has parts that grow with the camera's turn, a normal is turned into the camera's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Where maps lie: lowest and highest x and y on the mean head, in the control's unit (decimetres).
LOW, HIGH = (-0.84, -1.26), (0.84, 0.84)
WHO_NODES, EXPRESSION_NODES, LOOK_NODES = (29, 36), (57, 71), (71, 89)  # 6, 3 and 2.4 mm apart
BEHIND, FADING = -0.75, 0.2  # maps end at the ears: z, and over which depth
WHO_MAPS, EXPRESSION_MAPS = 96, 24
TURNS = 3  # parts of a shift: from the front, with the camera's turn aside, and with its turn up
HIDDEN = 48
LOST = 0.5  # decimetres between two places that have nothing to do with each other (an ear and a cheek)


class FaceMaps(nn.Module):
    """A picture of the mean head's front as a condition would have it.

    Args:
        who: numbers of a condition, D.
        words: how many of them, the last ones, say the expression.
        looks: appearance maps that are mixed.
        channels: of an appearance map; the first three are a vector in the head's frame.
    """

    SEEN = 6  # channels of what the denoiser is shown besides: the picture, and the shift

    def __init__(self, who: int, words: int, looks: int, channels: int) -> None:
        super().__init__()
        self._words, self._sizes = words, [WHO_MAPS, looks]
        count = sum(self._sizes)
        self.shares = nn.Sequential(nn.Linear(who, 256), nn.SiLU(), nn.Linear(256, count))
        self.linear_shares = nn.Linear(who, count)
        # All faces move much alike: what has few numbers to read cannot know training people by heart.
        self.expression_shares = nn.Sequential(
            nn.Linear(words, 128), nn.SiLU(), nn.Linear(128, EXPRESSION_MAPS)
        )

        def maps(number: int, depth: int, nodes: tuple[int, int], spread: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(number, depth, nodes[1], nodes[0]) * spread)

        self.who_shifts = maps(WHO_MAPS, 3 * TURNS, WHO_NODES, 0.002)
        self.expression_shifts = maps(EXPRESSION_MAPS, 3 * TURNS, EXPRESSION_NODES, 0.002)
        self.looks = maps(looks, channels, LOOK_NODES, 0.02)
        last = nn.Conv2d(HIDDEN, 3, 1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        self.colour = nn.Sequential(
            nn.Conv2d(channels + 3 + 3 + 3 + 3, HIDDEN, 1),
            nn.SiLU(),
            nn.Conv2d(HIDDEN, HIDDEN, 1),
            nn.SiLU(),
            last,
        )

    def forward(
        self, place: Tensor, drawn: Tensor, who: Tensor, camera: Tensor, given: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What is to be seen where the mean head is.

        Args:
            place: of each pixel on the mean head, [B, 3, R, R] in the control's unit; 0 beside it.
            drawn: the mean head as drawn in the control, [B, 3, R, R] in [0, 1].
            who: conditions [B, D].
            camera: features [B, 8] of `camera_features`.
            given: places [B, 3, R, R] that the surface is known to show, 0 where they are not: looks are read
                there, and not where they are expected to lie. A face that is there already gets its own
                colours, as sharp as the maps, wherever its lips are.

        Returns:
            what the picture differs by from `drawn` on [-1, 1], and the place on the mean head that the
            person shows at each pixel, 0 beside the mean head's front, each [B, 3, R, R]; and channels
            [B, SEEN, R, R] for the denoiser.
        """
        with torch.autocast(place.device.type, enabled=False):
            place, drawn, who = place.float(), drawn.float(), who.float()
            head = place.abs().sum(1, keepdim=True) > 0
            front = head * ((place[:, 2:] - BEHIND) / FADING).clamp(0.0, 1.0)
            whose, looks = (self.shares(who) + self.linear_shares(who)).split(self._sizes, 1)
            moved = self.expression_shares(who[:, -self._words :])
            turns = torch.stack([torch.ones_like(camera[:, 0]), camera[:, 0], camera[:, 2]], 1).float()
            own = place + front * _shift(self.who_shifts, whose, place, turns)
            own = own + front * _shift(self.expression_shifts, moved, own, turns)
            shown = own
            if given is not None:
                known = (given.abs().sum(1, keepdim=True) > 0) & (
                    (given - place).norm(dim=1, keepdim=True) < LOST
                )
                shown = torch.where(known, given.float(), own)
            look = front * _read(_mixed(self.looks, looks), shown)
            turned = torch.einsum("bij,bjhw->bihw", head_to_camera(camera.float()), look[:, :3])
            shift = shown - place
            change = self.colour(torch.cat([look, turned, drawn, shown, shift], 1)) * head
        return change, own * (front > 0.5), torch.cat([change, shift], 1)


def _mixed(maps: Tensor, shares: Tensor) -> Tensor:
    """[B, C, h, w] of maps [M, C, h, w] and shares [B, M]."""
    return torch.einsum("bm,mchw->bchw", shares, maps)


def _shift(maps: Tensor, shares: Tensor, place: Tensor, turns: Tensor) -> Tensor:
    """[B, 3, R, R]: a mixed shift map's parts, read at pixels' places, each by how far the camera turned."""
    read = _read(_mixed(maps, shares), place)  # [B, 9, R, R]
    return torch.einsum("btchw,bt->bchw", read.unflatten(1, (TURNS, 3)), turns)


def _read(maps: Tensor, place: Tensor) -> Tensor:
    """Maps [B, C, h, w] at pixels' places [B, 3, R, R]."""
    low, high = place.new_tensor(LOW), place.new_tensor(HIGH)
    at = 2.0 * (place[:, :2].permute(0, 2, 3, 1) - low) / (high - low) - 1.0  # [B, R, R, 2] in [-1, 1]
    return functional.grid_sample(maps, at, align_corners=True, padding_mode="border")


def head_to_camera(camera: Tensor) -> Tensor:
    """Head to camera [B, 3, 3] as `Camera.rotation`, without roll; 0 where the camera is not told."""
    sin_yaw, cos_yaw, sin_pitch, cos_pitch = camera[:, :4].unbind(1)
    nothing = torch.zeros_like(sin_yaw)
    return torch.stack(
        [
            torch.stack([cos_yaw, nothing, -sin_yaw], 1),
            torch.stack([-sin_pitch * sin_yaw, cos_pitch, -sin_pitch * cos_yaw], 1),
            torch.stack([sin_yaw * cos_pitch, sin_pitch, cos_yaw * cos_pitch], 1),
        ],
        1,
    )
