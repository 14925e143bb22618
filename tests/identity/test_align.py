"""Alignment onto ArcFace's template."""

from __future__ import annotations

import numpy as np
import pytest

from idto3d.identity.align import ARCFACE_TEMPLATE, align, apply, five_points, inverse, similarity, warp
from idto3d.identity.reader import upright_crop


def face_landmarks() -> np.ndarray:
    """68 points whose five points are the template's; [68, 2] pixels."""
    landmarks = np.zeros((68, 2))
    landmarks[:36] = np.linspace([10, 40], [100, 110], 36)
    eye_right, eye_left, nose, mouth_right, mouth_left = ARCFACE_TEMPLATE + 0.5
    ring = 4 * np.stack([np.cos(np.arange(6) * np.pi / 3), np.sin(np.arange(6) * np.pi / 3)], 1)
    landmarks[36:42], landmarks[42:48] = eye_right + ring, eye_left + ring
    landmarks[30] = nose
    landmarks[48:] = (mouth_right + mouth_left) / 2
    landmarks[48], landmarks[54] = mouth_right, mouth_left
    return landmarks


def test_similarity_recovers_turn_scale_and_shift() -> None:
    """Points moved by a known similarity give that similarity back."""
    matrix = 1.7 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    expected = np.concatenate([matrix, [[3.0], [-8.0]]], 1)
    found = similarity(ARCFACE_TEMPLATE, apply(expected, ARCFACE_TEMPLATE))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_similarity_never_mirrors() -> None:
    """Mirrored points still give a matrix of positive determinant."""
    found = similarity(ARCFACE_TEMPLATE, ARCFACE_TEMPLATE * [-1, 1])
    assert np.linalg.det(found[:, :2]) >= 0


def test_face_on_the_template_stays_as_it_is() -> None:
    """An image whose five points already lie on the template comes out unchanged."""
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    landmarks = face_landmarks()
    np.testing.assert_allclose(five_points(landmarks), ARCFACE_TEMPLATE + 0.5)
    assert np.abs(align(image, landmarks).astype(int) - image).max() <= 1


def test_alignment_agrees_with_insightface() -> None:
    """On a smooth photo, the aligned face is insightface's own to a few grey levels."""
    face_align = pytest.importorskip("insightface.utils.face_align")
    y, x = np.mgrid[0:200, 0:240]
    image = np.stack([x, y, (x + y) / 2], -1).astype(np.uint8)
    points = apply(np.array([[1.4, 0.2, 20.0], [-0.2, 1.4, 30.0]]), ARCFACE_TEMPLATE)
    ours = align(image, points + 0.5)  # insightface has pixel centres at whole numbers
    theirs = face_align.norm_crop(image, points, 112)
    assert np.abs(ours.astype(int) - theirs).max() <= 2


def test_a_shrinking_warp_keeps_places() -> None:
    """A white square stays where the matrix puts it when the image shrinks eightfold."""
    image = np.zeros((800, 800, 3), np.uint8)
    image[240:400, 480:640] = 255
    small = warp(image, np.array([[0.125, 0, 0], [0, 0.125, 0]]), 100)
    ys, xs = np.nonzero(small[..., 0] > 127)
    assert (ys.min(), ys.max(), xs.min(), xs.max()) == (30, 49, 60, 79)


def test_upright_crop_undoes_roll() -> None:
    """A face rolled by 40 degrees stands upright in its crop, and the matrix's inverse leads back."""
    landmarks = face_landmarks()
    roll = np.radians(40)
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    rolled = (landmarks - 56) @ turn.T + [150, 90]
    matrix = upright_crop(rolled, 112, 1.35)
    upright = apply(matrix, rolled)
    eyes, mouth = five_points(upright)[:2].mean(0), five_points(upright)[3:].mean(0)
    straight = five_points(landmarks)[3:].mean(0) - five_points(landmarks)[:2].mean(0)
    assert abs((mouth - eyes)[0]) < 1e-6
    assert (mouth - eyes)[1] > 0
    assert np.linalg.norm(straight) > 0
    assert 0 <= upright.min() <= upright.max() <= 112
    np.testing.assert_allclose(apply(inverse(matrix), upright), rolled, atol=1e-9)
