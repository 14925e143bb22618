"""Other recognisers: where they are found, what is refused, and that they read the very same crops."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d_eval.features import HeadFeatures, load_features, load_scoring_models, read_features
from idto3d_eval.keys import file_sha256
from idto3d_eval.other_readings import embed_views
from idto3d_eval.plan import Job, plan_run
from idto3d_eval.recognisers import CONDITIONS, PLACES, conditions_methods, described, find_recogniser, load
from idto3d_eval.run import shipped_weights
from idto3d_eval.views import render_true_head, view_specs
from idto3d_protocols.loader import load_protocol
from idto3d_protocols.schema import Protocol

WEIGHTS = shipped_weights()
EMPTY = "left20-side"  # the view whose picture of a smile shows nobody
MOBILE_FACE_NET = {  # as its repository does: ImageNet mean and deviation, sum with the mirrored face
    "mean": [123.675, 116.28, 103.53],
    "std": [58.395, 57.12, 57.375],
    "colour": "RGB",
    "mirrored_sum": True,
}


def card(folder: Path, name: str, file: Path, **fields: Any) -> Path:
    """A card in a folder, of weights that lie elsewhere."""
    path = folder / f"{name}.card.json"
    path.write_text(json.dumps({"name": name, "file": str(file), **fields}))
    return path


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside the folder of weights in which recognisers are looked for."""
    monkeypatch.setenv(PLACES, str(tmp_path))
    return tmp_path


def test_one_that_methods_use_may_be_listed_and_is_labelled() -> None:
    found = find_recogniser("recogniser_a", WEIGHTS)
    assert found.card is not None
    assert conditions_methods(found, WEIGHTS)
    (row,) = described(["recogniser_a"], WEIGHTS)
    assert row["label"] == CONDITIONS
    assert row["sha256"] == file_sha256(WEIGHTS / "recogniser_a.onnx")


def test_the_same_bytes_under_another_name_are_labelled_too(outside: Path) -> None:
    file = WEIGHTS / "recogniser_a.onnx"
    card(outside, "innocent", file, sha256=file_sha256(file))
    assert described(["innocent"], WEIGHTS)[0]["label"] == CONDITIONS


def test_the_scoring_recogniser_is_refused_under_any_name(outside: Path) -> None:
    file = WEIGHTS / "recogniser_b.onnx"
    card(outside, "another", file, sha256=file_sha256(file))
    for name in ("recogniser_b", "another"):
        with pytest.raises(UserError, match="the one that scores"):
            find_recogniser(name, WEIGHTS)


def test_outside_the_weights_a_card_with_its_sha256_is_asked_for(outside: Path) -> None:
    with pytest.raises(UserError, match="no recogniser called 'nobody'"):
        find_recogniser("nobody", WEIGHTS)
    shutil.copy(WEIGHTS / "recogniser_a.onnx", outside / "Bare.onnx")
    with pytest.raises(UserError, match="cannot be guessed"):
        find_recogniser("bare", WEIGHTS)
    card(outside, "unpinned", outside / "Bare.onnx")
    with pytest.raises(UserError, match="no sha256 in the card"):
        find_recogniser("unpinned", WEIGHTS)
    card(outside, "wrong", outside / "Bare.onnx", sha256="00")
    with pytest.raises(UserError, match="expected them to agree"):
        load(find_recogniser("wrong", WEIGHTS))
    card(outside, "pinned", outside / "Bare.onnx", sha256=file_sha256(outside / "Bare.onnx"))
    assert find_recogniser("pinned", WEIGHTS).weights == outside / "Bare.onnx"


def test_its_preprocessing_is_in_its_key_and_what_was_measured_is_not(outside: Path) -> None:
    file = WEIGHTS / "recogniser_a.onnx"
    sha = file_sha256(file)
    hashes = []
    for fields in ({}, {"measured": {"x": 1}}, {"preprocessing": {"colour": "BGR"}}):
        card(outside, "varied", file, sha256=sha, **fields)
        hashes.append(find_recogniser("varied", WEIGHTS).hashes())
    assert hashes[0] == hashes[1] != hashes[2]


def listing(*names: str) -> Protocol:
    return load_protocol("smoke").model_copy(update={"recognisers": names})


def keys(jobs: tuple[Job, ...]) -> dict[str, str]:
    return {job.name: job.key_inputs.key() for job in jobs}


def test_listing_one_adds_jobs_and_moves_no_key_but_those_of_scores(outside: Path) -> None:
    card(outside, "second", WEIGHTS / "recogniser_a.onnx", sha256=file_sha256(WEIGHTS / "recogniser_a.onnx"))
    none, one, two = (
        plan_run(listing(*names), WEIGHTS) for names in ((), ("recogniser_a",), ("recogniser_a", "second"))
    )
    before, after, last = keys(none.jobs), keys(one.jobs), keys(two.jobs)
    assert {name for name in before if before[name] != after[name]} == {
        job.name for job in none.of_stage("score")
    }
    added = set(after) - set(before)
    people, heads = 2, 6
    assert len(added) == heads + 2 * people + 1
    assert {name.split("/")[1] for name in added} == {"recogniser_a"}
    assert all(last[name] == after[name] for name in added)
    read = next(job for job in one.of_stage("read_by"))
    place = read.name.removeprefix("features_by/recogniser_a/")
    assert set(read.needs) == {f"views/{place}", f"features/{place}"}
    reference = next(job for job in one.of_stage("reference_by"))
    assert reference.needs == (f"photos_by/recogniser_a/{reference.key_inputs.identity}",)
    score = next(job for job in one.of_stage("score"))
    assert {"gallery_by/recogniser_a", reference.name, reference.needs[0]} <= set(score.needs)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, HeadFeatures]]:
    """Two true heads, drawn and read by the scoring networks; one picture shows nobody."""
    from PIL import Image

    from idto3d.population.people import find_person

    protocol = load_protocol("smoke")
    models, found = load_scoring_models(WEIGHTS), {}
    for name in protocol.population.identities:
        folder = tmp_path_factory.mktemp(name)
        person = find_person(name, protocol.population.population_seed)
        render_true_head(person, ("neutral", "smile"), view_specs(protocol), folder / "views", buffers=False)
        Image.new("RGB", (128, 128), (90, 90, 90)).save(folder / "views" / "smile" / f"{EMPTY}.png")
        read_features(folder / "views", models, folder / "features.npz")
        found[name] = (folder / "views", load_features(folder / "features.npz"))
    return found


def test_the_crops_are_the_scoring_ones_to_the_bit(drawn: dict[str, tuple[Path, HeadFeatures]]) -> None:
    recogniser = load_scoring_models(WEIGHTS).recogniser
    for views, features in drawn.values():
        again = embed_views(views, features, recogniser)
        np.testing.assert_array_equal(again.embeddings, features.embeddings)
        unread = again.embeddings[1, features.views.index(EMPTY)]
        assert features.reasons[1, features.views.index(EMPTY)]
        assert np.isnan(unread).all()
        assert np.isfinite(again.embeddings[0]).all()
        assert again.landmarks is features.landmarks


@pytest.mark.shared_data
def test_a_real_recogniser_tells_two_rendered_heads_apart(
    shared_data: Path, outside: Path, drawn: dict[str, tuple[Path, HeadFeatures]]
) -> None:
    """MobileFaceNet, trained on photographs, puts one head's views nearer to each other than to another's."""
    file = shared_data / "recogniser" / "MobileFaceNet.onnx"
    fields = {"sha256": file_sha256(file), "preprocessing": MOBILE_FACE_NET}
    card(outside, "mobilefacenet", file, **fields)
    assert described(["mobilefacenet"], WEIGHTS)[0]["label"] == ""
    recogniser = load(find_recogniser("mobilefacenet", WEIGHTS))
    first, second = (embed_views(*each, recogniser).embeddings.reshape(4, -1)[:3] for each in drawn.values())
    assert first.shape[1] == 128
    own = [(rows @ rows.T)[np.triu_indices(3, 1)].mean() for rows in (first, second)]
    assert min(own) > (first @ second.T).mean() + 0.1
