"""The recognisers' architectures, small enough for two CPU cores: at most 140 M multiply-adds.

B shrinks the image fourfold in its first layer, A in its first two. B pools with a global depthwise
convolution (MobileFaceNet, Chen 2018, sec. 3.2); A reads all of its last map at once, as ArcFace's own
network does (Deng 2019, sec. 3.1), since what it is to give away, such as moles, has a place.
"""

import warnings
from pathlib import Path
from typing import cast

import torch
from torch import nn

OPSET = 17


class Recogniser112(nn.Module):
    """float32 [N, 3, 112, 112] in [-1, 1] -> float32 [N, dimension], not normalised."""

    body: nn.Sequential
    dimension: int

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Embed a batch."""
        return cast(torch.Tensor, self.body(image))


class ResidualRecogniser(Recogniser112):
    """Plain 3 x 3 convolutions with residuals (He 2016), recogniser A."""

    dimension = 512  # ArcFace's

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(3, 32, 3, 2),  # 56 x 56
            *convolution(32, 64, 3, 2),  # 28 x 28
            *convolution(64, 128, 3, 2),  # 14 x 14
            Residual(128),
            Residual(128),
            *convolution(128, 192, 3, 2),  # 7 x 7
            Residual(192),
            Residual(192),
            *convolution(192, 64, 1, 1),
            nn.Flatten(),
            nn.Linear(64 * 7 * 7, self.dimension, bias=False),
            nn.BatchNorm1d(self.dimension),
        )


class SeparableRecogniser(Recogniser112):
    """Depthwise-separable inverted residuals (MobileFaceNet, Chen 2018), recogniser B."""

    dimension = 128

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(3, 32, 4, 4),  # 28 x 28
            Separable(32, 1),
            *convolution(32, 64, 2, 2),  # 14 x 14
            Separable(64, 2),
            Separable(64, 2),
            *convolution(64, 128, 2, 2),  # 7 x 7
            Separable(128, 2),
            Separable(128, 2),
            nn.Conv2d(128, 128, 7, groups=128, bias=False),  # global depthwise: 7 x 7 -> 1 x 1
            nn.BatchNorm2d(128),
            nn.Flatten(),
            nn.Linear(128, self.dimension, bias=False),
            nn.BatchNorm1d(self.dimension),
        )


def export_onnx(network: nn.Module, path: Path, outputs: list[str]) -> None:
    """Write `network` as ONNX: input "input" [batch, 3, 112, 112], the named outputs, any batch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    network.eval()
    with warnings.catch_warnings():  # the TorchScript exporter needs no further package, and says it is old
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 112, 112),),
            str(partial),
            dynamo=False,
            opset_version=OPSET,
            input_names=["input"],
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in ["input", *outputs]},
        )
    partial.replace(path)


def convolution(inputs: int, outputs: int, size: int, stride: int) -> list[nn.Module]:
    """Convolution, batch norm, rectifier; an even size is a patch without overlap."""
    padding = size // 2 if size % 2 else 0
    return [
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


class Residual(nn.Module):
    """One 3 x 3 convolution with a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] -> the same."""
        return torch.relu(x + self.norm(self.convolution(x)))


class Separable(nn.Module):
    """Depthwise 3 x 3, then two pointwise layers, with a skip."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, wide, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(wide, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] -> the same."""
        return x + cast(torch.Tensor, self.body(x))
