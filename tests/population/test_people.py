"""Synthetic people: disjoint by construction, the same for the same seed, different for another."""

from __future__ import annotations

import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS, preset, presets
from idto3d.population.appearance import SKIN_TONES
from idto3d.population.head_model import load_head_model
from idto3d.population.people import SPLITS, draw_person, find_person, matched_impostors
from idto3d.population.photos import draw_photo
from idto3d.population.surface import Surface


def test_the_same_arguments_give_the_same_person() -> None:
    first, second = draw_person("heldout", 3), draw_person("heldout", 3)
    assert np.array_equal(first.shape, second.shape)
    assert np.array_equal(first.appearance.skin, second.appearance.skin)


def test_no_two_splits_share_a_person() -> None:
    codes = {tuple(draw_person(split, index).shape.tolist()) for split in SPLITS for index in range(12)}
    assert len(codes) == 12 * len(SPLITS)


def test_another_population_seed_draws_other_people_under_the_same_ids() -> None:
    first, fresh = draw_person("heldout", 0), draw_person("heldout", 0, population_seed=1)
    assert first.id == fresh.id
    assert not np.allclose(first.shape, fresh.shape)


def test_shifted_people_lie_outside_the_trained_spread() -> None:
    model = load_head_model()
    spread = {
        split: np.std([draw_person(split, k).shape[-len(model.axis_names) :] for k in range(24)])
        for split in ("guidance", "shifted")
    }
    assert spread["shifted"] > 1.25 * spread["guidance"]
    skins = [draw_person("shifted", k).appearance.skin.mean() for k in range(24)]
    assert np.mean(skins) < SKIN_TONES[3].mean()


def test_impostors_share_the_words_and_nothing_else() -> None:
    person = draw_person("heldout", 1)
    impostors = matched_impostors(person, 5)
    assert all(impostor.attributes == person.attributes for impostor in impostors)
    assert len({tuple(p.shape.tolist()) for p in [person, *impostors]}) == 6
    assert find_person(impostors[3].id).shape.tolist() == impostors[3].shape.tolist()


def test_an_unknown_split_is_one_sentence() -> None:
    with pytest.raises(UserError, match="Found split 'nobody', expected one of"):
        draw_person("nobody", 0)


def test_the_thirteen_presets_are_distinct() -> None:
    assert len(EXPRESSIONS) == 13
    gaps = np.linalg.norm(presets()[:, None] - presets()[None], axis=-1)
    assert gaps[~np.eye(13, dtype=bool)].min() > 0.5


def test_actions_move_the_face_they_name() -> None:
    model = load_head_model()
    person = draw_person("heldout", 0)
    neutral = model.neutral(person.shape)
    opened = model.vertices(person.shape, preset("shout"))
    chin = model.landmark_index[8]
    assert opened[chin, 1] < neutral[chin, 1] - 10.0  # mm, down
    closed = Surface(person, preset("eyes_closed")).landmarks
    open_eyes = Surface(person, preset("neutral")).landmarks
    assert open_eyes[37, 1] - closed[37, 1] > 5.0  # mm, the upper lid comes down


def test_the_origin_lies_between_the_eyes_and_the_face_looks_along_z() -> None:
    surface = Surface(draw_person("heldout", 2), preset("neutral"))
    eyes = surface.landmarks[[36, 39, 42, 45]].mean(0)
    assert np.abs(eyes[:2]).max() < 6.0
    assert surface.landmarks[30, 2] > surface.landmarks[0, 2] + 50.0
    assert surface.landmarks[45, 0] > 0 > surface.landmarks[36, 0]


def test_a_photo_is_the_same_bytes_again_and_shows_its_landmarks() -> None:
    person = draw_person("heldout", 0)
    first, second = draw_photo(person, 2, 96), draw_photo(person, 2, 96)
    assert np.array_equal(first.image, second.image)
    assert first.image.shape == (96, 96, 3)
    assert np.abs(first.landmarks.mean(0) - 48).max() < 40
