"""Benchmarks, one file each: what a bar of the reference generator asks, measured beside its bound.

A file holds the command alone and imports what it measures with when it runs, so that `--help` stays light.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from idto3d_eval.bench import (
    ablation,
    cluster,
    determinism,
    distances,
    generator,
    interpolation,
    now,
    preferences,
    rasterisers,
    readers,
    runner,
    scale,
    sensitivity,
    shapes,
    statistics,
    strength,
    text,
)

BENCHMARKS: dict[str, Callable[..., None]] = {
    "ablation": ablation.command,
    "cluster": cluster.command,
    "strength": strength.command,
    "generator": generator.command,
    "rasterisers": rasterisers.command,
    "text": text.command,
    "interpolation": interpolation.command,
    "determinism": determinism.command,
    "sensitivity": sensitivity.command,
    "statistics": statistics.command,
    "scale": scale.command,
    "readers": readers.command,
    "now": now.command,
    "distances": distances.command,
    "preferences": preferences.command,
    "runner": runner.command,
    "shapes": shapes.command,
}

app = typer.Typer(
    help="Measure the generator, its parts and the ruler against their bounds.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for _name, _command in BENCHMARKS.items():
    app.command(_name)(_command)
