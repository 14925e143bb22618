"""Which way words move an identity: found on people whose directions are known, and followed by a prompt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from idto3d.attributes import Attributes, one_hot
from idto3d.errors import UserError
from idto3d.generate import GeneratorSettings, Subject, as_asked
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.word_directions import FEATURES, FILE, WordDirections
from idto3d.prompt import Prompt, parse_prompt
from idto3d.train.guidance import fit_words
from idto3d.train.guidance_data import GuidanceData

SIZES = [len(words) for words in Attributes.GROUPS.values()]


def people(count: int = 4000, dimension: int = 64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit embeddings that words shift by known directions, with hair and its colour drawn together."""
    random = np.random.default_rng(0)
    attributes = np.stack([random.integers(0, size, count) for size in SIZES], 1)
    attributes[:, 4] = np.where(random.random(count) < 0.7, attributes[:, 3], attributes[:, 4])
    true = random.normal(0.0, 0.05, (Attributes.dimension, dimension))
    embeddings = one_hot(attributes) @ true + random.normal(0.0, 1.0 / dimension**0.5, (count, dimension))
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), attributes, true


def asked(text: str, loudness: float | None = None) -> Prompt:
    prompt = parse_prompt(text, loudness)
    assert prompt is not None
    return prompt


def test_what_goes_with_a_word_is_not_taken_for_it() -> None:
    """The step from short to long hair, though hair and its colour go together among the people."""
    embeddings, attributes, true = people()
    words = WordDirections.fit(embeddings, attributes)
    start = SIZES[0] + SIZES[1] + SIZES[2]
    step = true[start + 3] - true[start + 2]
    read = Attributes("male", "old", "light", "short", "grey", "no beard")
    found = words.moved(np.zeros(64), read, asked("long hair"), strength=1e-6)  # a unit vector along the step
    assert found @ step / np.linalg.norm(found) / np.linalg.norm(step) > 0.9


def test_how_far_a_word_leads_depends_on_the_words_it_speaks_of() -> None:
    """Hair's colour tells on heads that have hair: from black hair to none is another way than from blond."""
    random = np.random.default_rng(1)
    attributes = np.stack([random.integers(0, size, 4000) for size in SIZES], 1)
    hairy = attributes[:, 3] > 0
    colours = random.normal(0.0, 0.2, (5, 64))
    embeddings = hairy[:, None] * colours[attributes[:, 4]] + random.normal(0.0, 0.05, (4000, 64)) + 0.5
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    words = WordDirections.fit(embeddings, attributes)
    bald = embeddings[~hairy].mean(0)
    for colour in ("black", "blond"):
        index = Attributes.GROUPS["hair_colour"].index(colour)
        person = embeddings[(attributes[:, 3] == 2) & (attributes[:, 4] == index)].mean(0)
        read = Attributes("male", "old", "light", "short", colour, "no beard")
        moved = words.moved(person, read, asked("bald"))
        assert np.linalg.norm(moved - bald) < 0.3 * np.linalg.norm(person - bald)


def test_a_prompt_moves_an_identity_to_what_it_asks_and_no_farther() -> None:
    embeddings, attributes, true = people()
    words = WordDirections.fit(embeddings, attributes)
    person, read = embeddings[0], Attributes("male", "old", "light", "short", "grey", "no beard")
    moved = words.moved(person, read, asked("with a beard"))
    assert np.linalg.norm(moved) == pytest.approx(1.0, abs=1e-6)
    start = Attributes.dimension - 3
    step = true[start + 2] - true[start]
    assert (moved - person) @ step > 0.5 * step @ step
    np.testing.assert_allclose(words.moved(person, read, asked("old")), person, atol=1e-6)
    np.testing.assert_allclose(words.moved(person, read, asked("bald"), strength=0.0), person, atol=1e-6)


def test_where_nothing_was_read_the_way_is_from_the_average_person() -> None:
    embeddings, attributes, _ = people()
    words = WordDirections.fit(embeddings, attributes)
    weights = np.bincount(attributes[:, 1], minlength=3) / len(attributes)
    ages = words.directions[SIZES[0] : SIZES[0] + 3]
    assert np.abs(weights @ ages).max() < 1e-3  # a group's words weigh each other out
    moved = words.moved(embeddings[0], None, asked("young"))
    expected = embeddings[0] + ages[0] - weights @ ages
    np.testing.assert_allclose(moved, expected / np.linalg.norm(expected), atol=1e-6)


def test_the_file_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    assert WordDirections.read(tmp_path) is None
    embeddings, attributes, _ = people(200)
    words = WordDirections.fit(embeddings, attributes)
    words.save(tmp_path)
    again = WordDirections.read(tmp_path)
    assert again is not None
    np.testing.assert_array_equal(again.directions, words.directions)
    np.testing.assert_array_equal(again.shares, words.shares)
    with pytest.raises(UserError, match="Found an embedding of 9 numbers, expected 64"):
        words.moved(np.ones(9, np.float32), None, asked("old"))
    replace(words, directions=words.directions[:5]).save(tmp_path)
    with pytest.raises(UserError, match=r"directions of shape \(5, 64\)"):
        WordDirections.read(tmp_path)
    (tmp_path / FILE).write_bytes(b"no tensors")
    with pytest.raises(UserError, match="Found no directions in"):
        WordDirections.read(tmp_path)


def test_the_generator_moves_the_identity_and_then_asks_quietly(tiny_folder: Path) -> None:
    """Where the model has no directions, or nobody is told, a prompt is loud instead."""
    guidance, settings = Guidance.from_folder(tiny_folder), GeneratorSettings()
    embeddings, attributes, _ = people(500, 128)
    subject = Subject(embeddings[0].astype(np.float32), None, asked("bald"))
    assert as_asked(subject, guidance, settings) is subject
    guidance.words = WordDirections.fit(embeddings, attributes)
    moved = as_asked(subject, guidance, settings)
    assert moved.embedding is not None
    assert subject.embedding is not None
    assert 0.3 < moved.embedding @ subject.embedding < 0.999
    assert moved.prompt is not None
    assert moved.prompt.loudness == 0.0
    loud = as_asked(Subject(subject.embedding, None, asked("bald", 1.5)), guidance, settings)
    assert loud.prompt is not None
    assert loud.prompt.loudness == 1.5
    nobody = Subject(None, None, asked("bald"))
    assert as_asked(nobody, guidance, settings) is nobody


def test_held_out_people_have_no_say_in_the_directions(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, seen = GuidanceData.open(data_folder, "photograph"), []
    nowhere = WordDirections(np.zeros((FEATURES, 128), np.float32), np.zeros(23, np.float32))
    monkeypatch.setattr(
        WordDirections,
        "fit",
        lambda *told: seen.append(told) or nowhere,
    )
    fit_words(data_folder, tmp_path)
    people = np.unique(data.person[data.train])
    [(embeddings, attributes)] = seen
    assert len(embeddings) == len(attributes) == len(people) < 20
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-5)
    first = np.flatnonzero(data.person == people[3])[0]
    np.testing.assert_array_equal(attributes[3], data.attributes[first])
    assert WordDirections.read(tmp_path) is not None
