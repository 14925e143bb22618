"""Recognisers through insightface's reader: made here, and a real one on real portraits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d.identity.align import align
from idto3d.identity.card import read_card
from idto3d.identity.detector import YuNetDetector
from idto3d.identity.photo import read_photo
from idto3d.identity.recogniser import OnnxRecogniser, load_recogniser

MOBILE_FACE_NET = {  # as its repository does: ImageNet mean and deviation, sum with the mirrored face
    "preprocessing": {
        "mean": [123.675, 116.28, 103.53],
        "std": [58.395, 57.12, 57.375],
        "colour": "RGB",
        "mirrored_sum": True,
    },
    "training": {"data": "MS-Celeb-1M"},
}


def write_tiny_recogniser(path: Path, size: int = 112) -> None:
    """A recogniser whose embedding is the mean colour of each of 4 x 4 cells."""
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [
            helper.make_node(
                "AveragePool", ["x"], ["p"], kernel_shape=[size // 4] * 2, strides=[size // 4] * 2
            ),
            helper.make_node("Flatten", ["p"], ["y"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 48])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.onnx"
    write_tiny_recogniser(path)
    return path


@pytest.fixture
def faces() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (11, 112, 112, 3), dtype=np.uint8)


def test_embeddings_are_what_insightface_computes(tiny: Path, faces: np.ndarray) -> None:
    """Without a card the preprocessing is insightface's: its own get_feat gives the same direction."""
    recogniser = load_recogniser(tiny)
    theirs = recogniser.model.get_feat([face[..., ::-1] for face in faces])  # it takes BGR
    theirs = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
    ours = recogniser.embed(faces)
    assert ours.shape == (11, recogniser.dimension) == (11, 48)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_batch_composition_changes_no_bit(tiny: Path, faces: np.ndarray) -> None:
    """A face embedded alone and among others is the same to the bit."""
    recogniser = load_recogniser(tiny)
    together = recogniser.embed(faces)
    alone = np.concatenate([recogniser.embed(face[None]) for face in faces])
    assert np.array_equal(together, alone)


def test_card_overrides_the_preprocessing(tiny: Path, faces: np.ndarray) -> None:
    """Mean, deviation, colour order and the mirrored sum come from the card."""
    card = tiny.with_name("tiny.card.json")
    content = {"preprocessing": {"mean": [0, 0, 0], "std": [2, 4, 8], "colour": "BGR", "mirrored_sum": True}}
    card.write_text(json.dumps(content))
    cells = faces.astype(np.float64).reshape(11, 4, 28, 4, 28, 3).mean((2, 4))[..., ::-1] / [2, 4, 8]
    expected = (cells + cells[:, :, ::-1]).transpose(0, 3, 1, 2).reshape(11, 48)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(load_recogniser(tiny).embed(faces), expected, atol=1e-5)


def test_pack_folder_gives_its_recogniser(tmp_path: Path, faces: np.ndarray) -> None:
    """From a folder of several networks, the one that reads 112 x 112 faces is taken."""
    write_tiny_recogniser(tmp_path / "a_landmarks.onnx", size=192)
    write_tiny_recogniser(tmp_path / "b_recogniser.onnx")
    assert load_recogniser(tmp_path).embed(faces).shape == (11, 48)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "no JSON"),
        ('{"preprocessing": {"mean": 3}}', "preprocessing.mean"),
        ('{"preprocessing": {"gamma": 3}}', "preprocessing.gamma"),
        ('{"sha256": "0000"}', "expected them to agree"),
    ],
)
def test_wrong_card_gets_a_sentence(tiny: Path, content: str, said: str) -> None:
    """A malformed card and a card of another file are refused in one sentence."""
    tiny.with_name("tiny.card.json").write_text(content)
    with pytest.raises(UserError, match=said):
        read_card(tiny)


def test_wrong_weights_get_a_sentence(tmp_path: Path) -> None:
    """No file, no ONNX, and a network of another input are refused in one sentence."""
    with pytest.raises(UserError, match="no weights"):
        load_recogniser(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(UserError, match="cannot read"):
        load_recogniser(tmp_path / "text.onnx")
    write_tiny_recogniser(tmp_path / "wide.onnx", size=192)
    with pytest.raises(UserError, match="expected a recogniser of 112 x 112"):
        load_recogniser(tmp_path / "wide.onnx")


@pytest.fixture
def mobile_face_net(shared_data: Path, tmp_path: Path) -> OnnxRecogniser:
    card = tmp_path / "MobileFaceNet.card.json"
    card.write_text(json.dumps(MOBILE_FACE_NET))
    return load_recogniser(shared_data / "recogniser" / "MobileFaceNet.onnx", card)


@pytest.mark.shared_data
def test_real_recogniser_puts_one_person_above_different_people(
    shared_data: Path, mobile_face_net: OnnxRecogniser
) -> None:
    """On official portraits: two photos of one man are more alike than any two of different people."""
    detector = YuNetDetector(next((shared_data / "detector").glob("*640*.onnx")))
    aligned = []
    for name in ("obama.jpg", "obama2.jpg", "biden.jpg", "astronaut.png"):
        photo = read_photo(shared_data / "portraits" / name)
        aligned.append(align(photo, detector.detect(photo)[0].points))
    similarity = (lambda e: e @ e.T)(mobile_face_net.embed(np.stack(aligned)))
    different = similarity[np.triu_indices(4, 1)][1:]  # all pairs but the first
    assert similarity[0, 1] > 0.5
    assert similarity[0, 1] > different.max() + 0.05
    assert different.max() < 0.45


@pytest.mark.shared_data
def test_no_face_no_detection(shared_data: Path) -> None:
    """A detector finds nothing in noise."""
    detector = YuNetDetector(next((shared_data / "detector").glob("*640*.onnx")))
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    assert detector.detect(noise) == []
