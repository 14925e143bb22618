"""Real photographs by detector and recogniser alone: the rule, the refusals, and both detectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from idto3d.errors import UserError
from idto3d.identity.card import ModelCard
from idto3d.identity.detected import embed_detected
from idto3d.identity.detector import Detection, ScrfdDetector

POINTS = np.array([[30.0, 40.0], [70.0, 40.0], [50.0, 60.0], [35.0, 80.0], [65.0, 80.0]])


class Finding:
    """A detector that finds what it is told to, image by image."""

    def __init__(self, *answers: list[Detection]) -> None:
        self.answers = list(answers)

    def detect(self, image: np.ndarray) -> list[Detection]:
        del image
        return self.answers.pop(0)


class Brightness:
    """A recogniser whose embedding is the face's mean colour."""

    card = ModelCard(name="brightness", sha256="")

    def embed(self, aligned: np.ndarray) -> np.ndarray:
        means = aligned.reshape(len(aligned), -1, 3).mean(1)
        return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)


def photo(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (120, 120), colour).save(path)
    return path


def face(score: float = 1.0, scale: float = 1.0) -> Detection:
    return Detection(np.array([20.0, 20.0, 60.0, 80.0]) * scale, POINTS * scale, score)


def test_small_and_doubtful_faces_count_less(tmp_path: Path) -> None:
    """Weight is the score times the eyes' distance over 20 pixels, at most one."""
    paths = [photo(tmp_path / "a.png", (255, 0, 0)), photo(tmp_path / "b.png", (0, 255, 0))]
    found = embed_detected(paths, Finding([face()], [face(0.8, 0.25)]), Brightness())
    assert [each.weight for each in found.photos] == pytest.approx([1.0, 0.8 * 0.5])
    np.testing.assert_allclose(found.vector, np.array([1.0, 0.4, 0.0]) / np.hypot(1.0, 0.4), atol=1e-6)
    assert found.attributes is None


def test_a_photo_without_a_face_is_named(tmp_path: Path) -> None:
    paths = [photo(tmp_path / "a.png", (9, 9, 9)), photo(tmp_path / "wall.png", (9, 9, 9))]
    with pytest.raises(UserError, match=r"Found no face in 'wall\.png'"):
        embed_detected(paths, Finding([face()], []), Brightness())
    with pytest.raises(UserError, match="Found 0 photos"):
        embed_detected([], Finding(), Brightness())


def write_scrfd(path: Path, cell: int) -> None:
    """An ONNX of SCRFD's shape that always finds one face, from one cell of its finest grid (80 x 80, two
    anchors a cell): a box of 8 x 8 strides and five points around the cell."""
    outputs = []
    for stride in (8, 16, 32):
        rows = 2 * (640 // stride) ** 2
        score, box, points = np.zeros((rows, 1)), np.zeros((rows, 4)), np.zeros((rows, 10))
        if stride == 8:
            score[cell], box[cell] = 0.9, 4.0
            points[cell] = np.array([[-1, -1], [1, -1], [0, 0], [-1, 1], [1, 1]]).ravel()
        outputs += [("score", stride, score), ("box", stride, box), ("points", stride, points)]
    outputs.sort(key=lambda each: ["score", "box", "points"].index(each[0]))  # SCRFD's order
    nodes, values = [], []
    for kind, stride, array in outputs:
        constant = numpy_helper.from_array(array.astype(np.float32))
        nodes.append(helper.make_node("Constant", [], [f"{kind}_{stride}"], value=constant))
        values.append(helper.make_tensor_value_info(f"{kind}_{stride}", TensorProto.FLOAT, array.shape))
    image = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, 640, 640])
    graph = helper.make_graph(nodes, "scrfd", [image], values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def test_a_packs_detector_reports_pixels_of_the_photo(tmp_path: Path) -> None:
    """One face at the cell (column 20, row 10) of an image twice as large as the network's input."""
    write_scrfd(tmp_path / "det_10g.onnx", 2 * (10 * 80 + 20))
    (found,) = ScrfdDetector(tmp_path / "det_10g.onnx").detect(np.zeros((1280, 1280, 3), np.uint8))
    centre = np.array([20, 10]) * 8 * 2
    np.testing.assert_allclose(found.box, [*(centre - 64), 128, 128], atol=1e-3)
    np.testing.assert_allclose(found.points[2], centre + 0.5, atol=1e-3)
    np.testing.assert_allclose(found.points[1] - found.points[0], [32.0, 0.0], atol=1e-3)
    assert found.score == pytest.approx(0.9, abs=1e-5)


def test_a_file_that_is_no_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Found no detector at"):
        ScrfdDetector(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(UserError, match="insightface cannot read"):
        ScrfdDetector(tmp_path / "text.onnx")
