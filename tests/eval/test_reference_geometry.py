"""A reference keeps the true outer skin of every expression, compactly and to a micrometre."""

from types import SimpleNamespace

import numpy as np
import pytest

from idto3d.expressions import EXPRESSIONS
from idto3d.population.people import draw_person
from idto3d.population.truth import outer_skin
from idto3d_eval import reference
from idto3d_eval.reference import POSED_POINTS, TRUTH_POINTS, Reference, build_reference, load_reference

LANDMARKS = np.arange(21.0).reshape(7, 3)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """The reference of a person with all expressions; its renders are not drawn but made up."""
    person, names = draw_person("validation", 2), tuple(EXPRESSIONS)
    read = SimpleNamespace(
        embeddings=np.ones((len(names), 1, 4), np.float32), actions=np.zeros((len(names), 1, 52))
    )
    monkeypatch.setattr(reference, "_read_true_head", lambda *_: read)
    monkeypatch.setattr(
        reference, "lift_now_landmarks", lambda _, expression, *__: LANDMARKS + names.index(expression)
    )
    path = tmp_path / "reference.npz"
    photos = np.ones((2, 4), np.float32)
    build_reference(person, photos, names, [SimpleNamespace(name="front")], [], None, path)
    return person, path


def test_every_expression_comes_back(stored):
    person, path = stored
    found = load_reference(path)
    for number, name in enumerate(EXPRESSIONS):
        vertices, faces = outer_skin(person, name)
        truth = found.truth_of(name)
        assert np.abs(truth.vertices - vertices).max() < 1e-3
        assert (truth.faces == faces).all()
        assert (truth.landmarks == LANDMARKS + number).all()
        assert len(truth.points) == (TRUTH_POINTS if name == "neutral" else POSED_POINTS)
    assert found.truth_of("no such expression") is None


def test_thirteen_skins_take_less_than_half_a_megabyte(stored):
    _, path = stored
    assert path.stat().st_size < 500_000


def test_without_a_true_head_no_expression_has_one():
    assert Reference(np.zeros((1, 4), np.float32)).truth_of("smile") is None
