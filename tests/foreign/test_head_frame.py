"""A head in any usual orientation, place and size is brought into the head frame, and a ball is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from idto3d.asset import AssetError, TexturedMesh
from idto3d.foreign.head_frame import fit_similarity, place_head, turned
from idto3d.geometry.mean_head import MeanHead, load_mean_head
from idto3d.identity.reader import Reader, load_reader
from idto3d.population.people import draw_person
from idto3d.population.truth import true_meshes


@pytest.fixture(scope="module")
def reader(repository: Path) -> Reader:
    return load_reader(repository / "idto3d/weights/reader_methods.onnx")


@pytest.fixture(scope="module")
def mean(repository: Path) -> MeanHead:
    return load_mean_head(repository / "idto3d/weights/mean_head.npz")


@pytest.fixture(scope="module")
def head() -> TexturedMesh:
    return true_meshes(draw_person("validation", 1, 0), ("neutral",))["neutral"]


def test_a_similarity_that_is_known_is_found() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(20, 3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    found, scale, move = fit_similarity(source, 2.5 * source @ rotation.T + [1.0, 2.0, 3.0], scale=True)
    np.testing.assert_allclose(found, rotation, atol=1e-9)
    assert scale == pytest.approx(2.5)
    np.testing.assert_allclose(move, [1.0, 2.0, 3.0], atol=1e-9)


def test_a_head_that_stands_in_the_frame_is_left_alone(
    head: TexturedMesh, reader: Reader, mean: MeanHead
) -> None:
    placement = place_head(head, reader, mean, scale=False)
    assert placement.stands
    assert placement.apply(head) is head


@pytest.mark.parametrize(("up", "forward"), [("+z", "-y"), ("-y", "-z")])
def test_a_turned_head_is_turned_back(
    head: TexturedMesh, reader: Reader, mean: MeanHead, up: str, forward: str
) -> None:
    away = replace(head, vertices=0.01 * (head.vertices @ turned(up, forward)) + [30.0, 10.0, -5.0])
    placement = place_head(away, reader, mean, scale=True)
    assert placement.orientation == (up, forward)
    back = placement.apply(away).vertices
    # Its face comes out at the mean head's size: what is left of its own is in the distances' spread.
    rotation, _, _ = fit_similarity(back, head.vertices, scale=True)
    angle = np.degrees(np.arccos((np.trace(rotation) - 1.0) / 2.0))
    assert angle < 8.0
    assert placement.residual < 10.0


def test_a_declared_orientation_alone_is_tried(head: TexturedMesh, reader: Reader, mean: MeanHead) -> None:
    with pytest.raises(AssetError, match="the declared orientation"):
        place_head(head, reader, mean, scale=False, declared=("+x", "+y"))


def test_what_is_no_face_is_refused(reader: Reader, mean: MeanHead) -> None:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=110.0)
    grey = TexturedMesh(
        np.asarray(ball.vertices),
        np.asarray(ball.faces, dtype=np.int64),
        np.zeros((len(ball.vertices), 2)),
        np.full((2, 2, 3), 180, np.uint8),
        np.full((1, 1, 3), (0, 255, 0), np.uint8),
    )
    with pytest.raises(AssetError, match="no readable face"):
        place_head(grey, reader, mean, scale=False, declared=("+y", "+z"))
