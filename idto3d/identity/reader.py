"""The face reader: landmarks, presence, ARKit actions and text attributes of the one face in an image.

The network reads a square crop. It is applied to the whole image, then to upright crops around the
landmarks it found, so that it always ends on a face of the size it reads best.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.identity.align import apply, five_points, inverse, square_crop, warp
from idto3d.identity.card import ModelCard, read_card
from idto3d.identity.detector import Detector
from idto3d.identity.sessions import open_session, run_fixed

CROP = 112  # pixels
REFINEMENTS = (
    1.6,
    1.35,
)  # crop side over the landmarks' extent, pass by pass; trained on 1.15 to 2
PRESENCE = 0.5  # a face is there from this probability on
SMALLEST_FACE = 12.0  # pixels of the landmarks' extent; smaller ones are not read


@dataclass(frozen=True)
class FaceReading:
    """What was read from one image."""

    landmarks: np.ndarray  # float32 [68, 2] pixels, x right, y down, pixel centres at + 0.5
    actions: np.ndarray  # float32 [52] in [0, 1], in the order of ARKIT_ACTIONS
    attribute_probabilities: np.ndarray  # float32 [K], each group of Attributes.GROUPS sums to one
    presence: float  # probability that a face is there

    @property
    def attributes(self) -> Attributes:
        """The likeliest word of each group."""
        return likeliest(self.attribute_probabilities)


@dataclass(frozen=True)
class NoFace:
    """Why an image was not read."""

    reason: str


class Reader:
    """A reader network with its card."""

    def __init__(self, session: Any, card: ModelCard) -> None:
        self.session = session
        self.card = card

    def read_crops(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One pass of the network.

        Args:
            crops: uint8 [N, 112, 112, 3] RGB.

        Returns:
            Landmarks [N, 68, 2] in [0, 1] of the crop, presence [N] in [0, 1], actions [N, 52] in [0, 1],
            attribute probabilities [N, K].
        """
        landmarks, presence, actions, attributes = run_fixed(
            self.session, self.card.preprocessing.blob(crops)
        )
        return (
            landmarks.reshape(-1, 68, 2),
            1.0 / (1.0 + np.exp(-np.clip(presence[:, 0], -30, 30))),
            actions,
            _probabilities(attributes),
        )


def load_reader(weights: Path, card: Path | None = None) -> Reader:
    """Load a reader.

    Args:
        weights: ONNX file of four outputs (see `idto3d.train.reader_networks.Reader112`).
        card: its model card; beside the weights where None.

    Returns:
        The reader.

    Raises:
        UserError: no such file, not a reader, or a card that does not fit.
    """
    found = read_card(weights, card)
    session = open_session(weights)
    widths = [output.shape[-1] for output in session.get_outputs()]
    if widths != [136, 1, 52, Attributes.dimension]:
        raise UserError(
            f"Found outputs of width {widths} in '{weights.name}', expected 136 (landmarks), 1 (presence), "
            f"52 (actions) and {Attributes.dimension} (attributes); name a reader."
        )
    return Reader(session, found)


def read_faces(
    reader: Reader, images: Sequence[np.ndarray], detector: Detector | None = None
) -> list[FaceReading | NoFace]:
    """Read the one face of each image.

    Args:
        reader: the network.
        images: uint8 [H, W, 3] RGB each, of any sizes.
        detector: finds the first crop in photos whose face is small; the whole image where None.

    Returns:
        One reading, or the reason for none, an image.
    """
    if not images:
        return []
    matrices = [_first_crop(image, detector) for image in images]
    landmarks = np.zeros((len(images), 68, 2))
    outputs: tuple[np.ndarray, ...] = ()
    for margin in (None, *REFINEMENTS):
        if margin is not None:
            matrices = [
                upright_crop(points, CROP, margin) if _extent(points) >= 1.0 else matrix
                for points, matrix in zip(landmarks, matrices, strict=True)
            ]
        crops = np.stack([warp(image, matrix, CROP) for image, matrix in zip(images, matrices, strict=True)])
        outputs = reader.read_crops(crops)
        landmarks = np.stack(
            [apply(inverse(m), points * CROP) for m, points in zip(matrices, outputs[0], strict=True)]
        )
    _, presence, actions, attributes = outputs
    return [
        _judge(images[i], landmarks[i], float(presence[i]), actions[i], attributes[i])
        for i in range(len(images))
    ]


def upright_crop(landmarks: np.ndarray, size: int, margin: float) -> np.ndarray:
    """`square_crop` turned so that the eyes lie above the mouth: [2, 3] matrix for `align.warp`."""
    points = five_points(landmarks)
    down = (points[3] + points[4]) / 2 - (points[0] + points[1]) / 2
    roll = float(np.arctan2(-down[0], down[1]))  # how far the face is turned, radians, clockwise in the image
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    matrix = square_crop(landmarks @ turn.T, size, margin)
    return np.concatenate([matrix[:, :2] @ turn, matrix[:, 2:]], 1)


def likeliest(probabilities: np.ndarray) -> Attributes:
    """Attributes of the largest probability in each group of [K]."""
    return Attributes.from_indices(np.array([probabilities[where].argmax() for where in _groups()], np.int64))


def _judge(
    image: np.ndarray, landmarks: np.ndarray, presence: float, actions: np.ndarray, attributes: np.ndarray
) -> FaceReading | NoFace:
    height, width = image.shape[:2]
    centre = (landmarks.min(0) + landmarks.max(0)) / 2
    if presence < PRESENCE or not np.isfinite(landmarks).all():
        return NoFace(f"no face: presence {presence:.2f}, expected at least {PRESENCE}")
    if not (0 <= centre[0] < width and 0 <= centre[1] < height):
        return NoFace("no face: landmarks outside the image")
    if _extent(landmarks) < SMALLEST_FACE:
        return NoFace(f"face of {_extent(landmarks):.0f} pixels, expected at least {SMALLEST_FACE:.0f}")
    return FaceReading(
        landmarks.astype(np.float32), actions.astype(np.float32), attributes.astype(np.float32), presence
    )


def _first_crop(image: np.ndarray, detector: Detector | None) -> np.ndarray:
    """The detected face with room around it, else the whole image centred in a square."""
    height, width = image.shape[:2]
    side, centre = float(max(height, width)), np.array([width / 2, height / 2])
    if detector is not None and (found := detector.detect(image)):
        left, top, box_width, box_height = found[0].box
        side = 1.8 * max(box_width, box_height)
        centre = np.array([left + box_width / 2, top + box_height / 2])
    scale = CROP / side
    return np.array([[scale, 0.0, CROP / 2 - scale * centre[0]], [0.0, scale, CROP / 2 - scale * centre[1]]])


def _extent(landmarks: np.ndarray) -> float:
    return float((landmarks.max(0) - landmarks.min(0)).max())


def _groups() -> list[slice]:
    ends = np.cumsum([len(words) for words in Attributes.GROUPS.values()])
    return [
        slice(int(end) - len(words), int(end))
        for end, words in zip(ends, Attributes.GROUPS.values(), strict=True)
    ]


def _probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax in each group of attributes."""
    found = np.empty_like(logits)
    for where in _groups():
        powers = np.exp(logits[:, where] - logits[:, where].max(1, keepdims=True))
        found[:, where] = powers / powers.sum(1, keepdims=True)
    return found
