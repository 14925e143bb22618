"""From casual photos to one identity: read, align, embed each, and combine them by a stated rule.

The rule: photo k has weight w_k = presence_k * min(1, between_k / 30), where between_k is the distance of
the outer eye corners in pixels; the identity is the sum of w_k e_k over the unit embeddings e_k, brought to
length one. A blurred or half hidden face counts less, and no photo counts more than another good one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.identity.align import align
from idto3d.identity.detector import Detector
from idto3d.identity.photo import photo_sha256, read_photo
from idto3d.identity.reader import FaceReading, NoFace, Reader, likeliest, read_faces
from idto3d.identity.recogniser import Recogniser

SHARP_FACE = 30.0  # pixels between the outer eye corners; chosen, not tuned


@dataclass(frozen=True)
class PhotoReading:
    """What one photo gave."""

    name: str
    sha256: str
    reading: FaceReading
    vector: np.ndarray  # float32 [D], length one
    weight: float


@dataclass(frozen=True)
class IdentityEmbedding:
    """One person as their photos show them."""

    vector: np.ndarray  # float32 [D], length one
    photos: tuple[PhotoReading, ...]

    @property
    def attributes(self) -> Attributes:
        """The likeliest words, over all photos by weight."""
        weighted = [photo.weight * photo.reading.attribute_probabilities for photo in self.photos]
        return likeliest(np.sum(weighted, axis=0))


def embed_photos(
    paths: Sequence[Path], reader: Reader, recogniser: Recogniser, detector: Detector | None = None
) -> IdentityEmbedding:
    """One identity from photos of one person.

    Args:
        paths: at least one photo, one face each.
        reader: finds and describes the face.
        recogniser: embeds it.
        detector: for photos whose face is small.

    Returns:
        The combined embedding and what each photo gave, in the order of `paths`.

    Raises:
        UserError: no photo, an unreadable one, or one without a face (the sentence names it).
    """
    images = read_photos(paths)
    readings = []
    for path, found in zip(paths, read_faces(reader, images, detector), strict=True):
        if isinstance(found, NoFace):
            raise UserError(
                f"Found no readable face in '{Path(path).name}' ({found.reason}), expected one clearly "
                "visible face; replace or remove the photo."
            )
        readings.append(found)
    vectors = embed_faces(images, [reading.landmarks for reading in readings], recogniser)
    photos = tuple(
        PhotoReading(Path(path).name, photo_sha256(Path(path)), reading, vector, photo_weight(reading))
        for path, reading, vector in zip(paths, readings, vectors, strict=True)
    )
    return IdentityEmbedding(combine(vectors, np.array([photo.weight for photo in photos])), photos)


def read_photos(paths: Sequence[Path]) -> list[np.ndarray]:
    """The pictures [H, W, 3] uint8 of at least one photo.

    Raises:
        UserError: no photo, or an unreadable one.
    """
    if not paths:
        raise UserError("Found 0 photos, expected at least 1; add photos of the person.")
    return [read_photo(Path(path)) for path in paths]


def embed_faces(
    images: Sequence[np.ndarray], points: Sequence[np.ndarray], recogniser: Recogniser
) -> np.ndarray:
    """Unit embeddings [N, D] of one face a picture, from its landmarks as `align` takes them."""
    aligned = [align(image, face) for image, face in zip(images, points, strict=True)]
    return recogniser.embed(np.stack(aligned))


def photo_weight(reading: FaceReading) -> float:
    """Presence times how large the face is, in [0, 1] (the rule above)."""
    between = float(np.linalg.norm(reading.landmarks[36] - reading.landmarks[45]))
    return reading.presence * min(1.0, between / SHARP_FACE)


def combine(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sum of unit embeddings [N, D], brought to length one; float32 [D]."""
    summed = (weights[:, None] * vectors.astype(np.float64)).sum(0)
    return np.asarray(summed / max(float(np.linalg.norm(summed)), 1e-12), np.float32)
