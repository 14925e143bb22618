"""Gradients that move a surface as a whole: smoothing over the grid, and Adam with one step size per tensor.

Large Steps in Inverse Rendering of Geometry (Nicolet et al. 2021) replaces a gradient g by (I + λL)^-2 g and
steps with one second moment for all coordinates (its UniformAdam), because a per-coordinate one would undo
the smoothing. Here L is the lattice's Laplacian, and its inverse is close to repeated box filters.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from idto3d.geometry.tet_grid import TetGrid

BOX = 3  # cells; n passes of a box of three have a standard deviation of sqrt(2 n / 3) cells


def diffuse(values: Tensor, grid: TetGrid, passes: int) -> Tensor:
    """Box-filter `values` [V] or [V, C] `passes` times over the lattice; the filter sums to one."""
    lattice_size = grid.shape[0] * grid.shape[1] * grid.shape[2]
    dense = values.new_zeros(lattice_size, values[0].numel())
    dense[grid.lattice] = values.reshape(len(values), -1)
    for _ in range(passes):
        for stride in grid.strides:  # a flat shift wraps from one row to the next only outside the band
            spread = dense.clone()
            spread[stride:] += dense[:-stride]
            spread[:-stride] += dense[stride:]
            dense = spread
        dense = dense / float(BOX) ** 3  # every pass: 36 of them together leave single precision
    return dense[grid.lattice].reshape(values.shape)


class UniformAdam(torch.optim.Optimizer):
    """Adam whose second moment is one number per tensor, its largest squared gradient (Nicolet 2021).

    Args:
        parameters: tensors, or torch's parameter groups with their own `lr`.
        lr: step in the parameter's unit (mm for geometry): the most that an entry moves in a step.
        betas: decay of the first and second moment.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            decay_1, decay_2 = group["betas"]
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = 0
                    state["mean"] = torch.zeros_like(parameter)
                    state["power"] = parameter.new_zeros(())
                state["step"] += 1
                state["mean"].lerp_(gradient, 1.0 - decay_1)
                largest = torch.linalg.vector_norm(gradient, ord=float("inf"))
                state["power"].mul_(decay_2).add_(largest.square(), alpha=1.0 - decay_2)
                mean_scale = 1.0 - decay_1 ** state["step"]
                power_scale = 1.0 - decay_2 ** state["step"]
                size = (state["power"] / power_scale).sqrt().clamp_min(1e-30)
                parameter.add_(state["mean"], alpha=-float(group["lr"] / mean_scale / size))
