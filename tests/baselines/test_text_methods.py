"""Baselines by distillation at the smallest size: their calls to the last, and text in place of the face."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import idto3d
from idto3d.asset import read_expression, read_manifest
from idto3d.guidance import meter
from idto3d.population.people import draw_person
from idto3d.population.photos import draw_photo
from idto3d_baselines.specs import METHODS, GenerateRequest
from idto3d_baselines.subject import Found
from idto3d_protocols.schema import Budget

WEIGHTS = Path(idto3d.__file__).parent / "weights"
CALLS = 23  # odd: pairs for guidance do not divide it
TEXT = ("fantasia3d", "dreamfusion", "humannorm", "tada")
SMALL = {"grid_resolution": 56, "faces": 3000, "texture_size": 64}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("photos")
    for index in range(2):
        image = draw_photo(draw_person("validation", 5), index, 160).image
        Image.fromarray(image).save(folder / f"{index}.jpg", quality=95)
    return tuple(sorted(folder.iterdir()))


def request(name: str, photos: tuple[Path, ...], out: Path) -> GenerateRequest:
    budget = Budget(
        geometry_steps=3,
        texture_steps=2,
        fit_steps=4,
        geometry_batch=2,
        texture_batch=2,
        threads=1,
        guidance_calls=CALLS,
    )
    return GenerateRequest(name, photos, ("neutral", "smile"), 0, budget, WEIGHTS, out, dict(SMALL))


@pytest.mark.parametrize("name", [*TEXT, "sample_and_fit"])
def test_a_method_by_distillation_spends_its_calls_and_makes_a_head(
    name: str, photos: tuple[Path, ...], tmp_path: Path
) -> None:
    before = meter.spent()
    METHODS[name].load()(request(name, photos, tmp_path / "head"))
    manifest = read_manifest(tmp_path / "head")
    assert METHODS[name].needs_sds
    assert manifest.guidance_calls == meter.spent() - before == CALLS
    neutral, smile = (read_expression(tmp_path / "head", expression) for expression in manifest.expressions)
    assert 150.0 < np.ptp(neutral.vertices[:, 1]) < 400.0  # mm
    assert neutral.vertices.shape != smile.vertices.shape or not np.allclose(neutral.vertices, smile.vertices)


@pytest.mark.parametrize("name", [pytest.param("fantasia3d", marks=pytest.mark.slow), "tada"])
def test_text_baselines_hear_words_and_not_the_face(
    name: str, photos: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another person's embedding and the same words, every bit of the head is the same."""
    module = import_module(f"idto3d_baselines.{name}")
    read = module.read_photos

    def with_another_face(asked: GenerateRequest) -> Found:
        found = read(asked)
        found.vector[:] = np.roll(found.vector, 7)
        return found  # type: ignore[no-any-return]

    module.generate(request(name, photos, tmp_path / "own"))
    monkeypatch.setattr(module, "read_photos", with_another_face)
    module.generate(request(name, photos, tmp_path / "other"))
    assert read_manifest(tmp_path / "own").files == read_manifest(tmp_path / "other").files
