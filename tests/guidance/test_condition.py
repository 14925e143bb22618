"""What a denoiser is told: camera features, nulls, and the two encoders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS
from idto3d.guidance import base
from idto3d.guidance.condition import Condition, camera_features
from idto3d.guidance.condition_encoder import ConditionEncoder
from idto3d.guidance.face_maps import head_to_camera
from idto3d.guidance.text_encoder import TextConditionEncoder, prompt_of
from idto3d.prompt import parse_prompt
from idto3d.render.camera import Camera
from tests.guidance.models import conditions

WORDS = Attributes("male", "old", "light", "short", "grey", "full beard")


def test_camera_features_do_not_depend_on_resolution_or_on_distance_with_equal_framing() -> None:
    near, far = Camera(yaw=0.4, distance=1000.0, fovy=0.32), Camera(yaw=0.4, distance=4000.0, fovy=0.0802)
    sharp = replace(near, resolution=512)
    np.testing.assert_allclose(camera_features(near), camera_features(sharp), atol=1e-6)
    np.testing.assert_allclose(camera_features(near), camera_features(far), atol=0.01)


def test_camera_features_say_where_the_head_appears() -> None:
    """Aiming lower puts the head higher in the picture: the y offset (down) becomes negative."""
    base_view, lower = camera_features(Camera()), camera_features(Camera(target=(0.0, -65.0, -60.0)))
    assert lower[7] < base_view[7] - 0.1
    assert abs(base_view[6]) < 1e-6
    np.testing.assert_allclose(base_view[:5], [0, 1, 0, 1, 0], atol=1e-6)


def test_one_subject_seen_by_two_cameras_makes_two_rows() -> None:
    identity = np.eye(128, dtype=np.float32)[3]
    condition = Condition.of(identity, 4, [Camera(), Camera(yaw=1.0)], WORDS)
    assert len(condition) == 2
    assert condition.identity.shape == (2, 128)
    assert condition.camera.shape == (2, 8)
    assert condition.attributes.tolist() == [WORDS.indices().tolist()] * 2
    assert Condition.of(None, None, [Camera()], None).identity.abs().sum() == 0


def test_encoder_rows_do_not_see_each_other() -> None:
    encoder, told = base.make_encoder().eval(), conditions(5)
    together = encoder(told)
    alone = encoder(told.rows(slice(2, 3)))
    torch.testing.assert_close(together.tokens[2:3], alone.tokens, rtol=0, atol=1e-5)
    torch.testing.assert_close(together.pooled[2:3], alone.pooled, rtol=0, atol=1e-5)


def test_each_null_is_learned_and_hides_what_it_replaces() -> None:
    encoder, told = base.make_encoder().eval(), conditions(2)
    nobody = encoder(told.without_identity()).tokens
    torch.testing.assert_close(nobody[0, :4], nobody[1, :4])
    assert not torch.allclose(nobody[0, 4:], nobody[1, 4:])
    silent = encoder(told.without_text()).tokens
    torch.testing.assert_close(silent[0, [4, *range(6, 12)]], silent[1, [4, *range(6, 12)]])
    encoder(told.without_identity()).tokens.sum().backward()
    assert encoder.identity_null.grad is not None
    assert encoder.identity_null.grad.abs().sum() > 0


def test_encoder_is_saved_and_read_again(tmp_path: Path) -> None:
    encoder, told = base.make_encoder().eval(), conditions(2)
    encoder.save_pretrained(tmp_path)
    again = ConditionEncoder.from_pretrained(tmp_path)
    assert again.config.expressions == EXPRESSIONS
    torch.testing.assert_close(again(told).tokens, encoder(told).tokens, rtol=0, atol=5e-3)


def test_what_stands_beside_the_latents_is_the_control_mixed_by_who_is_seen() -> None:
    encoder, told = base.make_encoder().eval(), conditions(2)
    torch.nn.init.normal_(encoder.mixed.weight)
    torch.nn.init.normal_(encoder.change.weight)
    here, other = encoder(told), encoder(replace(told, identity=told.identity.roll(1, 0)))
    moved = encoder(replace(told, control=told.control.roll(4, dims=3)))
    for one, another, shifted in (
        (here.beside, other.beside, moved.beside),
        (here.expected, other.expected, moved.expected),
    ):
        assert (one - another).abs().mean() > 1e-3
        torch.testing.assert_close(shifted, one.roll(1, dims=3), rtol=1e-4, atol=1e-4)


def test_an_untrained_encoder_expects_the_mean_head_as_drawn() -> None:
    told = conditions(2)
    expected = base.make_encoder()(told).expected
    drawn = torch.nn.functional.pixel_shuffle(expected, 4)
    torch.testing.assert_close(drawn, 2.0 * told.control[:, 3:] - 1.0)


def test_face_maps_change_the_front_alone_and_are_taken_over() -> None:
    """An encoder with maps starts as one without; then what they say changes the front alone."""
    torch.manual_seed(0)
    plain, mapped, told = base.make_encoder().eval(), base.make_encoder(maps=4).eval(), conditions(2)
    place = torch.full((2, 3, 64, 64), 0.2)
    place[:, 2, :, 32:] = -1.2  # the right half of the picture lies behind the ears
    told = replace(told, control=torch.cat([place, told.control[:, 3:]], 1))
    mapped.take_over(plain)
    for before, after in (
        (plain(told).beside, mapped(told).beside),
        (plain(told).expected, mapped(told).expected),
    ):
        torch.testing.assert_close(before, after)
    with torch.no_grad():
        mapped.face.who_shifts.normal_()
        own = mapped(told).place
    assert ((own - told.control[:, :3])[..., :32].abs().amax((0, 1)) > 0).all()
    assert (own[..., 32:] == 0).all()
    again = base.make_encoder(maps=4).eval()
    again.take_over(mapped)
    torch.testing.assert_close(again(told).place, mapped(told).place)


def test_a_translated_encoder_hears_another_recogniser() -> None:
    """Embeddings of 40 numbers that a matrix turns into ones of 128 are heard as those, nobody as nobody."""
    torch.manual_seed(0)
    encoder, told = base.make_encoder(maps=4).eval(), conditions(3)
    with torch.no_grad():
        encoder.face.who_shifts.normal_()
    other = torch.linalg.qr(torch.randn(40, 40))[0][:3]  # three of its embeddings
    matrix = told.identity.T @ other
    heard = encoder.translated(matrix).eval()
    assert heard.config.identity_dimension == 40
    for before, after in (
        (encoder(told), heard(replace(told, identity=other))),
        (encoder(told.without_identity()), heard(replace(told, identity=torch.zeros(3, 40)))),
    ):
        torch.testing.assert_close(after.tokens, before.tokens, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(after.beside, before.beside, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(after.place, before.place, rtol=1e-4, atol=1e-4)


def test_a_look_is_read_where_the_surface_is_known_to_lie() -> None:
    """Told true places, an encoder expects there what the looks have there, wherever it would look itself."""
    torch.manual_seed(0)
    encoder, told = base.make_encoder(maps=4).eval(), conditions(2)
    control = torch.cat([torch.rand(2, 3, 64, 64) * 0.2 + 0.1, told.control[:, 3:]], 1)
    told = replace(told, control=control)
    with torch.no_grad():
        encoder.face.who_shifts.normal_(std=0.05)
        for parameter in encoder.face.colour.parameters():
            parameter.normal_(std=0.3)
        itself = encoder(told)
        again = encoder(replace(told, place=itself.place))
        elsewhere = encoder(replace(told, place=control[:, :3] + 0.1))
        lost = encoder(replace(told, place=control[:, :3] + 1.0))
        untold = encoder(replace(told, place=torch.zeros_like(control[:, :3])))
    torch.testing.assert_close(again.expected, itself.expected)
    torch.testing.assert_close(untold.expected, itself.expected)
    torch.testing.assert_close(lost.expected, itself.expected)  # what is far away is another surface
    assert (elsewhere.expected - itself.expected).abs().mean() > 1e-3
    torch.testing.assert_close(elsewhere.place, itself.place)  # where things should be does not change


def test_a_vector_of_a_look_is_turned_as_cameras_turn() -> None:
    cameras = [Camera(yaw=0.7, pitch=-0.2), Camera(yaw=-2.0, pitch=0.4)]
    features = torch.from_numpy(np.stack([camera_features(camera) for camera in cameras]))
    turned = head_to_camera(features).double().numpy()
    np.testing.assert_allclose(turned, np.stack([camera.rotation() for camera in cameras]), atol=1e-6)


def test_an_embedding_of_another_recogniser_is_refused() -> None:
    with pytest.raises(UserError, match=r"Found an identity embedding of 512 numbers, expected 128"):
        base.make_encoder()(conditions(1, dimension=512))


def test_prompt_says_what_is_told_and_nothing_else() -> None:
    told = Condition.of(np.ones(8), EXPRESSIONS.index("cheek_puff"), [Camera(yaw=1.2)], WORDS)
    expected = (
        "photo of a person, a old man with light skin, short grey hair, full beard, "
        "cheek puff expression, side view"
    )
    assert prompt_of(told, 0) == expected
    assert prompt_of(told.without_identity().without_text(), 0) == ""
    partly = replace(told.without_identity(), attributes=torch.tensor([[1, -1, -1, -1, -1, -1]]))
    assert prompt_of(partly, 0) == "male, cheek puff expression, side view"


def test_a_prompt_is_told_until_it_is_taken_back(sd_folder: Path) -> None:
    """The asked words replace the read ones, the text stands as it was written, and both go as one."""
    prompt = parse_prompt("bald, as a bronze statue")
    told = Condition.of(np.ones(8), 0, [Camera(), Camera(yaw=1.2)], WORDS, prompt=prompt)
    assert "bald head, full beard, neutral expression, bald, as a bronze statue, side view" in prompt_of(
        told, 1
    )
    unprompted = Condition.of(np.ones(8), 0, [Camera(), Camera(yaw=1.2)], WORDS)
    assert prompt_of(told.without_prompt(), 1) == prompt_of(unprompted, 1)
    assert prompt_of(told.without_words(), 1) == "photo of a person, neutral expression, side view"
    assert prompt_of(told.without_text().without_identity(), 0) == ""
    both = Condition.concatenate([told, told.without_prompt()])
    assert both.verbatim == ("bald, as a bronze statue",) * 2 + ("",) * 2
    assert both.rows(torch.tensor([3, 0])).verbatim == ("", "bald, as a bronze statue")
    tokens = TextConditionEncoder.from_pretrained(sd_folder)(both).tokens
    assert (tokens[0] - tokens[2]).abs().max() > 1e-3


def test_a_prompt_that_names_a_person_leaves_the_identity_one_place(sd_folder: Path) -> None:
    encoder = TextConditionEncoder.from_pretrained(sd_folder)
    prompt, heard = parse_prompt("a person"), []
    inside = next(m for m in encoder.text_encoder.modules() if type(m).__name__ == "CLIPEncoderLayer")
    inside.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    for vector in (np.ones(8), -np.ones(8)):
        encoder(Condition.of(vector, None, [Camera()], None, prompt=prompt))
    assert int((heard[0] != heard[1]).any(2).sum()) == 1


def test_text_encoder_carries_the_identity_only_where_it_is_told(sd_folder: Path) -> None:
    """As in Arc2Face, the embedding takes the placeholder's place: it changes the tokens from there on."""
    encoder = TextConditionEncoder.from_pretrained(sd_folder)
    told = conditions(2, dimension=16)
    tokens = encoder(told).tokens
    assert tokens.shape == (2, 77, 32)
    other = replace(told, identity=torch.stack([told.identity[0], -told.identity[1]]))
    changed = (encoder(other).tokens - tokens).abs().amax((1, 2))
    assert changed[0] < 1e-6
    assert changed[1] > 1e-3
    with pytest.raises(UserError, match="expected at most 32"):
        encoder(conditions(1, dimension=64))
