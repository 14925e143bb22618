"""Views and readings on disk: drawn, read with networks whose answer is known, and loaded again."""

import numpy as np
import pytest
import trimesh

from idto3d.asset import TexturedMesh
from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight
from idto3d_eval import features, views
from idto3d_eval.features import ScoringModels, load_features, read_features, read_images
from idto3d_eval.views import ViewSpec, read_views, render_head


class KnownRecogniser:
    """Embeds a crop as its mean colour."""

    def embed(self, aligned):
        raw = aligned.mean(axis=(1, 2)) + 1.0
        return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


class KnownReader:
    """Finds a face of fixed shape in the middle of every crop that is not flat grey."""

    def read_crops(self, crops):
        count = len(crops)
        angle = np.linspace(0.0, 2.0 * np.pi, 68, endpoint=False)
        ring = 0.5 + 0.36 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        present = crops[:, 36:76, 36:76].reshape(count, -1).std(axis=1) > 1.0
        probabilities = np.full((count, Attributes.dimension), 0.5)
        return np.tile(ring, (count, 1, 1)), present.astype(float), np.full((count, 52), 0.25), probabilities


MODELS = ScoringModels(KnownRecogniser(), KnownReader(), {"recogniser": {"name": "known"}})
SPECS = tuple(
    ViewSpec(
        name,
        Camera(yaw=yaw, distance=900.0, fovy=0.35, target=(0.0, 0.0, 0.0), resolution=48),
        EnvironmentLight.uniform(0.8),
        frontal,
    )
    for name, yaw, frontal in (("front-even", 0.0, True), ("left-even", 0.7, False))
)


def head(expression):
    ball = trimesh.creation.icosphere(subdivisions=3, radius=110.0 if expression == "neutral" else 90.0)
    vertices = np.asarray(ball.vertices)
    albedo = np.zeros((8, 8, 3), np.uint8)
    albedo[:4] = (200, 140, 120)
    return TexturedMesh(
        vertices=vertices,
        faces=np.asarray(ball.faces, np.int64),
        uvs=0.5 + vertices[:, :2] / 250.0,
        albedo=albedo,
        roughness_metallic=np.full((8, 8, 3), (0, 200, 0), np.uint8),
    )


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    render_head(head, ("neutral", "smile"), SPECS, folder)
    return folder


def test_what_is_drawn_is_there_with_its_cameras(drawn):
    found = read_views(drawn)
    assert found.expressions == ("neutral", "smile")
    assert [spec.name for spec in found.views] == ["front-even", "left-even"]
    assert found.views[1].camera == SPECS[1].camera
    np.testing.assert_array_equal(found.views[0].light.sh, SPECS[0].light.sh)
    colour = found.colour("smile", "front-even")
    normals, mask = found.normals("smile", "front-even")
    assert colour.shape == (48, 48, 3)
    assert colour.dtype == np.uint8
    assert 0.1 < mask.mean() < 0.6
    np.testing.assert_allclose(np.linalg.norm(normals[mask], axis=1), 1.0, atol=2e-3)
    assert (normals[~mask] == 0).all()


def test_drawing_again_makes_the_same_bytes(drawn, tmp_path):
    render_head(head, ("neutral", "smile"), SPECS, tmp_path)
    for path in sorted(path for path in drawn.rglob("*") if path.is_file()):
        assert (tmp_path / path.relative_to(drawn)).read_bytes() == path.read_bytes(), path.name


def test_readings_survive_the_disk(drawn, tmp_path):
    read_features(drawn, MODELS, tmp_path / "features.npz")
    found = load_features(tmp_path / "features.npz")
    assert (found.expressions, found.views) == (("neutral", "smile"), ("front-even", "left-even"))
    assert found.frontal.tolist() == [True, False]
    assert found.embeddings.shape == (2, 2, 3)
    assert found.landmarks.shape == (2, 2, 68, 2)
    assert (found.actions == 0.25).all()
    assert (found.reasons == "").all()
    assert found.cards == {"recogniser": {"name": "known"}}
    assert found.expression("smile") == 1
    with pytest.raises(UserError, match="expected 'anger' among them"):
        found.expression("anger")


def test_equal_readings_are_equal_bytes(drawn, tmp_path):
    for name in ("a.npz", "b.npz"):
        read_features(drawn, MODELS, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_an_image_without_a_face_is_nan_with_a_reason_and_moves_no_other(drawn):
    grey = np.full((48, 48, 3), 128, np.uint8)
    image = read_views(drawn).colour("neutral", "front-even")
    both, alone = read_images([grey, image], MODELS), read_images([image], MODELS)
    assert np.isnan(both.embeddings[0]).all()
    assert np.isnan(both.landmarks[0]).all()
    assert both.reasons[0].startswith("no face")
    assert both.reasons[1] == ""
    np.testing.assert_array_equal(both.embeddings[1], alone.embeddings[0])


def test_no_face_at_all_still_has_the_recognisers_width():
    read = read_images([np.full((48, 48, 3), 128, np.uint8)], MODELS)
    assert read.embeddings.shape == (1, 3)
    assert np.isnan(read.embeddings).all()


def test_photos_without_a_face_are_left_out_of_the_scoring(drawn, tmp_path):
    grey = np.full((48, 48, 3), 128, np.uint8)
    image = read_views(drawn).colour("neutral", "front-even")
    features.read_photos([grey, image], ["a.jpg", "b.jpg"], MODELS, tmp_path / "photos.npz")
    assert features.load_photo_embeddings(tmp_path / "photos.npz").shape == (1, 3)


def test_templates_of_unread_people_are_left_out(tmp_path):
    templates = np.array([[1.0, 0.0], [np.nan, np.nan]])
    features.write_templates(["a", "b"], templates, {}, tmp_path / "gallery.npz")
    ids, kept = features.load_templates(tmp_path / "gallery.npz")
    assert ids == ("a",)
    assert kept.shape == (1, 2)


def test_damage_is_one_sentence(tmp_path):
    (tmp_path / "features.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(UserError, match="read them again"):
        load_features(tmp_path / "features.npz")
    (tmp_path / views.MANIFEST).write_text("{")
    with pytest.raises(UserError, match="render the head again"):
        read_views(tmp_path)
