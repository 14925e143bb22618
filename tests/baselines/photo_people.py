"""Requests that look at photos, small enough for a test: coarse bodies, small maps, few calls."""

from __future__ import annotations

from functools import cache, partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idto3d.generate import GeneratorSettings, start_grid
from idto3d.geometry.mean_head import load_mean_head
from idto3d.geometry.tet_grid import TetGrid
from idto3d.population.people import draw_person
from idto3d.population.photos import draw_photo
from idto3d.texture import material_field
from idto3d_baselines import reference_head, sds_head
from idto3d_baselines.specs import GenerateRequest
from idto3d_protocols.schema import Budget

PERSON, PHOTOS = 3, 2


@cache
def pictures() -> tuple[np.ndarray, ...]:
    """Photos of one validation person, drawn once."""
    person = draw_person("validation", PERSON)
    return tuple(draw_photo(person, number).image for number in range(PHOTOS))


@cache
def start() -> TetGrid:
    """The grid around the shipped mean head, coarser."""
    weights = files("idto3d") / "weights" / "mean_head.npz"
    return start_grid(load_mean_head(Path(str(weights))), 56)


def photo_request(
    folder: Path, weights: Path, calls: int, expressions: tuple[str, ...] = ("neutral", "smile", "surprise")
) -> GenerateRequest:
    """A request to make a head in `folder` from photos that lie beside it."""
    paths = []
    for number, picture in enumerate(pictures()):
        path = folder.parent / f"photo{number}.png"
        if not path.exists():
            Image.fromarray(picture).save(path)
        paths.append(path)
    budget = Budget(
        geometry_steps=20,
        texture_steps=20,
        fit_steps=12,
        geometry_batch=2,
        texture_batch=2,
        threads=1,
        guidance_calls=calls,
    )
    return GenerateRequest("somebody", tuple(paths), expressions, 5, budget, weights, folder)


def make_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start's grid made once, few faces, small maps and small pictures."""
    small = partial(GeneratorSettings, grid_resolution=56, faces=2500, texture_size=32)
    monkeypatch.setattr(reference_head, "start_grid", lambda _head, _resolution: start())
    monkeypatch.setattr(material_field, "SURFACE_SAMPLES", 20_000)
    monkeypatch.setattr(sds_head, "GeneratorSettings", small)
    monkeypatch.setattr(reference_head, "FIT_PIXELS", 48)
    monkeypatch.setattr(reference_head, "COLOUR_PIXELS", 96)
    monkeypatch.setattr(reference_head, "HELD_PIXELS", 48)
