"""Folders as users have them: what is a photo of a face, what is left out, and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import idto3d
from idto3d.errors import UserError
from idto3d.identity.detector import Detection
from idto3d.identity.photo_folder import MOST_PHOTOS, photo_paths, usable_photos
from idto3d.identity.reader import Reader, load_reader
from idto3d.population.people import draw_person
from idto3d.population.photos import draw_photo


@pytest.fixture(scope="module")
def reader() -> Reader:
    return load_reader(Path(idto3d.__file__).parent / "weights" / "reader_methods.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good photos, and everything that a careless or hostile hand leaves beside them."""
    person, photos = draw_person("validation", 5), tmp_path / "photos"
    photos.mkdir()
    for index in range(2):
        Image.fromarray(draw_photo(person, index, 160).image).save(photos / f"good{index}.jpg", quality=95)
    (photos / "cut.jpg").write_bytes((photos / "good0.jpg").read_bytes()[:900])
    (photos / "empty.png").write_bytes(b"")
    (photos / "notes.txt").write_text("my best side is the left one")
    Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(photos / "tiny.png")
    Image.fromarray(np.full((160, 160, 3), 90, np.uint8)).save(photos / "wall.png")
    (photos / ".hidden").write_bytes(b"\0")
    (photos / "inside").mkdir()
    (photos / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    return photos


def test_photos_with_a_face_are_kept_in_order_and_the_rest_is_told_with_its_reason(
    folder: Path, reader: Reader
) -> None:
    usable, skipped = usable_photos(photo_paths([folder]), reader)
    assert [path.name for path in usable] == ["good0.jpg", "good1.jpg"]
    reasons = {photo.path.name: photo.reason for photo in skipped}
    assert set(reasons) == {"cut.jpg", "empty.png", "notes.txt", "tiny.png", "wall.png"}
    assert all(name in reason and "\n" not in reason for name, reason in reasons.items())
    assert "damaged" in reasons["cut.jpg"]
    assert "8 x 8 pixels" in reasons["tiny.png"]
    assert "no readable face" in reasons["wall.png"]


def test_files_and_folders_may_be_named_together_and_no_photo_counts_twice(folder: Path) -> None:
    paths = photo_paths([folder / "wall.png", folder])
    assert paths[0].name == "wall.png"
    assert len(paths) == len({path.name for path in paths}) == 7


class Bright:
    """Finds a face wherever a picture is not one colour."""

    def detect(self, image: np.ndarray) -> list[Detection]:
        points = np.zeros((5, 2), np.float32)
        return [Detection(np.zeros(4, np.float32), points, 0.9)] if image.std() > 1 else []


def test_without_a_reader_the_detector_decides(folder: Path) -> None:
    usable, skipped = usable_photos(photo_paths([folder]), None, Bright())
    assert [path.name for path in usable] == ["good0.jpg", "good1.jpg"]
    assert "no face was detected" in next(photo.reason for photo in skipped if photo.path.name == "wall.png")


def test_where_no_photo_is_usable_the_first_is_named(folder: Path, reader: Reader) -> None:
    bad = [folder / "wall.png", folder / "notes.txt"]
    with pytest.raises(UserError, match=r"'wall\.png'.*and none in 1 more\)\.$"):
        usable_photos(bad, reader)


def test_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Found 0 photos"):
        photo_paths([])
    with pytest.raises(UserError, match=r"no photo at .*none\.jpg"):
        photo_paths([tmp_path / "none.jpg"])
    with pytest.raises(UserError, match="Found no file in"):
        photo_paths([tmp_path])
    for index in range(MOST_PHOTOS + 1):
        (tmp_path / f"{index}.jpg").touch()
    with pytest.raises(UserError, match="at most 64"):
        photo_paths([tmp_path])
