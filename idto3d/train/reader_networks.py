"""The readers' two architectures: one backbone each, heads for landmarks, presence, actions and attributes.

Landmarks are the expectation of a softmax over a 14 x 14 map (integral regression, Sun 2018, eq. 3) plus
a global correction, which is precise below a cell and costs little on two CPU cores.
"""

import torch
from torch import nn

from idto3d.train.networks import Residual, convolution

LANDMARKS = 68
ACTIONS = 52
OUTPUTS = ["landmarks", "presence", "actions", "attributes"]
GRID = 14


class Reader112(nn.Module):
    """float32 [N, 3, 112, 112] in [-1, 1] -> landmarks [N, 136] in [0, 1] crop coordinates, presence logit
    [N, 1], actions [N, 52] in [0, 1], attribute logits [N, K]."""  # fmt: skip

    grid: torch.Tensor

    def __init__(
        self, fine: nn.Module, coarse: nn.Module, channels: tuple[int, int], attributes: int
    ) -> None:
        super().__init__()
        narrow, wide = channels
        self.fine = fine  # image -> [N, narrow, 14, 14]
        self.coarse = coarse  # -> [N, wide, 7, 7]
        self.lateral = nn.Conv2d(wide, narrow, 1)
        self.maps = nn.Conv2d(narrow, LANDMARKS, 1)
        self.summary = nn.Sequential(
            nn.Conv2d(wide, 48, 1, bias=False),
            nn.BatchNorm2d(48),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(48 * 7 * 7, 256, bias=False),
            nn.BatchNorm1d(256),
            nn.ReLU(inplace=True),
        )
        self.correction = nn.Linear(256, 2 * LANDMARKS)
        self.presence = nn.Linear(256, 1)
        self.actions = nn.Linear(256, ACTIONS)
        self.attributes = nn.Linear(256, attributes)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)
        at = (torch.arange(GRID) + 0.5) / GRID
        y, x = torch.meshgrid(at, at, indexing="ij")
        self.register_buffer("grid", torch.stack([x.flatten(), y.flatten()], 1))  # [196, 2]

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Read a batch of crops."""
        fine = self.fine(image)
        coarse = self.coarse(fine)
        context = nn.functional.interpolate(self.lateral(coarse), scale_factor=2.0, mode="nearest")
        maps = self.maps(torch.relu(fine + context)).flatten(2).softmax(-1)  # [N, 68, 196]
        summary = self.summary(coarse)
        with torch.autocast(image.device.type, enabled=False):  # bfloat16 would round to a quarter of a cell
            landmarks = (maps.float() @ self.grid).flatten(1) + self.correction(summary.float())
        return landmarks, self.presence(summary), self.actions(summary).sigmoid(), self.attributes(summary)


class MethodsReader(Reader112):
    """The reader that methods may use."""

    def __init__(self, attributes: int) -> None:
        super().__init__(*_halvings((24, 40, 80, 128), residuals=(1, 2, 2)), (80, 128), attributes)


class ScoringReader(Reader112):
    """The reader that scores: wider, and one residual more where landmarks are found."""

    def __init__(self, attributes: int) -> None:
        super().__init__(*_halvings((24, 48, 96, 160), residuals=(1, 3, 2)), (96, 160), attributes)


def _halvings(
    widths: tuple[int, int, int, int], residuals: tuple[int, int, int]
) -> tuple[nn.Module, nn.Module]:
    """3 x 3 convolutions of stride 2 with residuals between: the image at 14 x 14, and that at 7 x 7."""
    first, second, narrow, wide = widths
    fine = nn.Sequential(
        *convolution(3, first, 3, 2),
        *convolution(first, second, 3, 2),
        *(Residual(second) for _ in range(residuals[0])),
        *convolution(second, narrow, 3, 2),
        *(Residual(narrow) for _ in range(residuals[1])),
    )
    coarse = nn.Sequential(*convolution(narrow, wide, 3, 2), *(Residual(wide) for _ in range(residuals[2])))
    return fine, coarse


def attribute_slices(groups: dict[str, tuple[str, ...]]) -> list[slice]:
    """Where each group's logits lie in the attribute output."""
    slices, start = [], 0
    for words in groups.values():
        slices.append(slice(start, start + len(words)))
        start += len(words)
    return slices


def landmarks_of(output: torch.Tensor) -> torch.Tensor:
    """[N, 136] -> [N, 68, 2]."""
    return output.reshape(-1, LANDMARKS, 2)
