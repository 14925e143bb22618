"""The brackets around every method: the person's own head, somebody like them, and nobody in particular."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from idto3d.asset import read_expression, read_manifest
from idto3d.errors import UserError
from idto3d.population import truth
from idto3d.population.people import draw_person, matched_impostors
from idto3d_baselines import impostor, oracle, template_mean
from idto3d_baselines.specs import GenerateRequest, PersonReference
from idto3d_protocols.schema import Budget

BUDGET = Budget(geometry_steps=0, texture_steps=0, fit_steps=0, geometry_batch=1, texture_batch=1, threads=1)


def request(
    out: Path,
    index: int | None = 0,
    seed: int = 0,
    expressions: tuple[str, ...] = ("neutral",),
) -> GenerateRequest:
    person = None if index is None else PersonReference("validation", index, 0)
    return GenerateRequest("somebody", (), expressions, seed, BUDGET, Path("weights"), out, truth=person)


@pytest.fixture(autouse=True)
def small_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps that take no time, and a mean of two people: colour is not what these tests are about."""
    flat = np.full((8, 8, 3), 128, np.uint8)
    monkeypatch.setattr(truth, "true_maps", lambda _person: (flat, flat))
    few = truth.mean_person_maps.__wrapped__(2)
    monkeypatch.setattr(truth, "mean_person_maps", lambda: few)


def test_the_oracle_is_the_person(tmp_path: Path) -> None:
    """Its vertices are the true head's, to the float32 of a GLB in metres."""
    oracle.generate(request(tmp_path / "head", expressions=("neutral", "smile")))
    own = truth.true_meshes(draw_person("validation", 0), ("neutral", "smile"))
    for name, mesh in own.items():
        np.testing.assert_allclose(
            read_expression(tmp_path / "head", name).vertices, mesh.vertices, atol=1e-3
        )
    manifest = read_manifest(tmp_path / "head")
    assert (manifest.method, manifest.expressions) == ("oracle", ("neutral", "smile"))


def test_the_impostor_is_somebody_else_like_them(tmp_path: Path) -> None:
    """Same words, another face, a new one every seed, and none of those that make the floor."""
    meshes = []
    for seed in (0, 1):
        impostor.generate(request(tmp_path / str(seed), seed=seed))
        meshes.append(read_expression(tmp_path / str(seed), "neutral").vertices)
    person = draw_person("validation", 0)
    own = truth.true_mesh(person, "neutral").vertices
    for first, second in ((meshes[0], own), (meshes[1], own), (meshes[0], meshes[1])):
        assert np.abs(first - second).mean() > 0.5
    people = matched_impostors(person, impostor.INDEX + 1)
    assert people[-1].attributes == person.attributes
    assert impostor.INDEX >= 20  # the floor's impostors


def test_the_mean_head_is_told_nothing(tmp_path: Path) -> None:
    """Whoever is asked for, with whatever seed, it is the same head, and its smile is no neutral face."""
    files = []
    for index, seed in ((None, 0), (1, 5)):
        out = tmp_path / str(seed)
        template_mean.generate(request(out, index, seed, ("neutral", "smile")))
        files.append(read_manifest(out).files)
    assert files[0] == files[1]
    assert files[0]["neutral.glb"] != files[0]["smile.glb"]


@pytest.mark.parametrize("method", [oracle, impostor])
def test_without_a_true_person_there_is_no_bracket(tmp_path: Path, method: object) -> None:
    """Photographs of real people come without a truth."""
    with pytest.raises(UserError, match="no true head for identity 'somebody'"):
        method.generate(request(tmp_path / "head", None))  # type: ignore[attr-defined]
    assert not (tmp_path / "head").exists()
