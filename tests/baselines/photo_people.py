"""Requests that look at photos, small enough for a test: coarse bodies, small maps, few calls."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idto3d.generate import GeneratorSettings
from idto3d.population.people import draw_person
from idto3d.population.photos import draw_photo
from idto3d_baselines import reference_head, sds_head
from idto3d_baselines.specs import GenerateRequest
from idto3d_protocols.schema import Budget

PERSON, PHOTOS = 3, 2


@cache
def pictures() -> tuple[np.ndarray, ...]:
    """Photos of one validation person, drawn once."""
    person = draw_person("validation", PERSON)
    return tuple(draw_photo(person, number).image for number in range(PHOTOS))


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
    """A coarse grid, few faces, small maps and small pictures."""
    small = partial(GeneratorSettings, grid_resolution=20, faces=2500, texture_size=32)
    monkeypatch.setattr(sds_head, "GeneratorSettings", small)
    monkeypatch.setattr(reference_head, "FIT_PIXELS", 48)
    monkeypatch.setattr(reference_head, "COLOUR_PIXELS", 96)
    monkeypatch.setattr(reference_head, "HELD_PIXELS", 48)
