"""Reading faces by passes, with a network whose answer is known; photos in and identities out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.identity.card import ModelCard
from idto3d.identity.embedding import combine, embed_photos
from idto3d.identity.photo import read_photo
from idto3d.identity.reader import FaceReading, NoFace, Reader, load_reader, read_faces
from idto3d.identity.recogniser import load_recogniser

from .test_recogniser import write_tiny_recogniser


def disc_landmarks() -> np.ndarray:
    """Landmarks of a disc of diameter one about the origin: the jaw on its rim, the rest level within."""
    angle = 2 * np.pi * np.arange(68) / 68
    landmarks = 0.5 * np.stack([np.cos(angle), np.sin(angle)], 1)
    for start, x in ((36, -0.2), (42, 0.2)):
        landmarks[start : start + 6] = [x, -0.15]
    landmarks[36, 0], landmarks[45, 0] = -0.3, 0.3
    landmarks[30], landmarks[48], landmarks[54] = [0, 0], [-0.15, 0.2], [0.15, 0.2]
    return landmarks


class RedDiscSession:
    """Reads a red disc as a face: landmarks in place and size, in crop coordinates."""

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="input", shape=["batch", 3, 112, 112])]

    def run(self, _: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        blob = feed["input"]
        shape = disc_landmarks()
        landmarks, presence = [], []
        for image in blob:
            weight = np.clip((image[0] - image[2]) / 2, 0, 1)
            area = weight.sum()
            presence.append([8.0 if area > 20 else -8.0])
            at = (np.arange(112) + 0.5) / 112
            x, y = (weight.sum(0) @ at) / (area + 1e-9), (weight.sum(1) @ at) / (area + 1e-9)
            radius = np.sqrt(area / np.pi) / 112
            landmarks.append((shape * 2 * radius + [x, y]).ravel())
        count = len(blob)
        attributes = np.zeros((count, Attributes.dimension))
        attributes[:, 1] = 3.0  # male
        outputs = [np.array(landmarks), np.array(presence), np.full((count, 52), 0.25), attributes]
        return [output.astype(np.float32) for output in outputs]


@pytest.fixture
def reader() -> Reader:
    return Reader(RedDiscSession(), ModelCard(name="disc", sha256=""))


def disc(width: int, height: int, x: float, y: float, radius: float) -> np.ndarray:
    ys, xs = np.mgrid[0:height, 0:width] + 0.5
    image = np.full((height, width, 3), 60, np.uint8)
    image[(xs - x) ** 2 + (ys - y) ** 2 < radius**2] = (255, 0, 0)
    return image


def test_landmarks_come_back_in_photo_pixels(reader: Reader) -> None:
    """Wherever the face is and however large the photo, the landmarks lie on it to half a per cent."""
    cases = [(256, 256, 120, 130, 60), (640, 360, 450, 150, 90), (1500, 2000, 400, 1500, 250)]
    found = read_faces(reader, [disc(*case) for case in cases])
    for (_, _, x, y, radius), reading in zip(cases, found, strict=True):
        assert isinstance(reading, FaceReading)
        expected = disc_landmarks() * 2 * radius + [x, y]
        assert np.abs(reading.landmarks - expected).max() < 0.02 * radius
        assert reading.attributes.sex == "male"
        np.testing.assert_allclose(reading.actions, 0.25)
        np.testing.assert_allclose(reading.attribute_probabilities.sum(), len(Attributes.GROUPS), rtol=1e-5)


def test_one_image_or_many_is_the_same(reader: Reader) -> None:
    """What else is read changes no bit of a reading."""
    images = [disc(256, 256, 100 + 5 * i, 120, 50 + i) for i in range(5)]
    together = read_faces(reader, images)
    for image, other in zip(images, together, strict=True):
        alone = read_faces(reader, [image])[0]
        assert isinstance(alone, FaceReading)
        assert isinstance(other, FaceReading)
        assert np.array_equal(alone.landmarks, other.landmarks)


def test_no_face_is_a_reason_and_no_zero(reader: Reader) -> None:
    """An empty picture gives a reason; no image, no reading."""
    found = read_faces(reader, [np.full((200, 200, 3), 60, np.uint8)])[0]
    assert isinstance(found, NoFace)
    assert "presence" in found.reason
    assert read_faces(reader, []) == []


def test_photos_combine_by_the_stated_rule(tmp_path: Path, reader: Reader) -> None:
    """Weights are presence times face size; the sum is brought to length one."""
    write_tiny_recogniser(tmp_path / "tiny.onnx")
    recogniser = load_recogniser(tmp_path / "tiny.onnx")
    for name, radius in (("near.png", 70), ("far.png", 14)):
        Image.fromarray(disc(256, 256, 128, 128, radius)).save(tmp_path / name)
    paths = [tmp_path / "near.png", tmp_path / "far.png"]
    identity = embed_photos(paths, reader, recogniser)
    weights = [photo.weight for photo in identity.photos]
    assert weights[0] == pytest.approx(1.0, abs=0.01)
    assert 0.1 < weights[1] < 0.9
    expected = sum(photo.weight * photo.vector for photo in identity.photos)
    np.testing.assert_allclose(identity.vector, expected / np.linalg.norm(expected), atol=1e-6)
    assert identity.attributes.sex == "male"
    assert [photo.name for photo in identity.photos] == ["near.png", "far.png"]


def test_one_photo_twice_is_that_photo() -> None:
    """The combination of equal unit vectors is that vector."""
    vector = np.array([[0.6, 0.8]] * 2, np.float32)
    np.testing.assert_allclose(combine(vector, np.array([1.0, 0.3])), [0.6, 0.8], atol=1e-6)


def test_photo_without_a_face_is_named(tmp_path: Path, reader: Reader) -> None:
    """The sentence says which photo shows no face."""
    write_tiny_recogniser(tmp_path / "tiny.onnx")
    Image.new("RGB", (200, 200), (10, 90, 10)).save(tmp_path / "meadow.jpg")
    with pytest.raises(UserError, match=r"no readable face in 'meadow.jpg'.*replace"):
        embed_photos([tmp_path / "meadow.jpg"], reader, load_recogniser(tmp_path / "tiny.onnx"))
    with pytest.raises(UserError, match="Found 0 photos"):
        embed_photos([], reader, load_recogniser(tmp_path / "tiny.onnx"))


def test_bad_files_get_a_sentence(tmp_path: Path) -> None:
    """A truncated JPEG, a text, a huge and a tiny image, and no file at all."""
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "whole.jpg")
    assert read_photo(tmp_path / "whole.jpg").shape == (200, 200, 3)
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"damaged image in 'half.jpg'"):
        read_photo(tmp_path / "half.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(UserError, match=r"no image in 'text.jpg'"):
        read_photo(tmp_path / "text.jpg")
    Image.new("1", (12000, 12000)).save(tmp_path / "huge.png")
    with pytest.raises(UserError, match=r"12000 x 12000"):
        read_photo(tmp_path / "huge.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "tiny.png")
    with pytest.raises(UserError, match=r"8 x 8"):
        read_photo(tmp_path / "tiny.png")
    with pytest.raises(UserError, match=r"no photo at"):
        read_photo(tmp_path / "none.png")


def test_large_photos_are_reduced(tmp_path: Path) -> None:
    """A photo of 12 million pixels is read at no more than 2048 a side, in its shape."""
    Image.new("RGB", (4000, 3000), (9, 9, 9)).save(tmp_path / "phone.jpg")
    height, width = read_photo(tmp_path / "phone.jpg").shape[:2]
    assert max(height, width) <= 2048
    assert width / height == pytest.approx(4 / 3, abs=0.01)


def test_a_recogniser_is_no_reader(tmp_path: Path) -> None:
    """Weights of another kind are refused in one sentence."""
    write_tiny_recogniser(tmp_path / "tiny.onnx")
    with pytest.raises(UserError, match="name a reader"):
        load_reader(tmp_path / "tiny.onnx")
