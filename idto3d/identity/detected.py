"""One identity from real photographs: a detector finds each face, a recogniser embeds it, and that is all.

The rule is that of `idto3d.identity.embedding` with what a detector knows: photo k has weight
w_k = score_k * min(1, between_k / 20), where between_k is the distance of the eye centres in pixels; the
identity is the sum of w_k e_k over the unit embeddings e_k, brought to length one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idto3d.errors import UserError
from idto3d.identity.detector import Detection, Detector
from idto3d.identity.embedding import combine, embed_faces, read_photos
from idto3d.identity.photo import photo_sha256
from idto3d.identity.recogniser import Recogniser

SHARP_EYES = 20.0  # pixels between the eye centres, about those of `embedding.SHARP_FACE`; chosen, not tuned


@dataclass(frozen=True)
class DetectedPhoto:
    """What one photo gave."""

    name: str
    sha256: str
    face: Detection
    vector: np.ndarray  # float32 [D], length one
    weight: float


@dataclass(frozen=True)
class DetectedIdentity:
    """One person as detector and recogniser see their photos; nobody put the face in words."""

    vector: np.ndarray  # float32 [D], length one
    photos: tuple[DetectedPhoto, ...]
    attributes: None = None


def embed_detected(paths: Sequence[Path], detector: Detector, recogniser: Recogniser) -> DetectedIdentity:
    """One identity from photos of one person; the largest face of each photo counts.

    Args:
        paths: at least one photo.
        detector: finds the faces.
        recogniser: embeds them.

    Returns:
        The combined embedding and what each photo gave, in the order of `paths`.

    Raises:
        UserError: no photo, an unreadable one, or one without a face (the sentence names it).
    """
    images = read_photos(paths)
    faces = []
    for path, image in zip(paths, images, strict=True):
        found = detector.detect(image)
        if not found:
            raise UserError(
                f"Found no face in '{Path(path).name}', expected one clearly visible; "
                "replace or remove the photo."
            )
        faces.append(found[0])
    vectors = embed_faces(images, [face.points for face in faces], recogniser)
    photos = tuple(
        DetectedPhoto(Path(path).name, photo_sha256(Path(path)), face, vector, detection_weight(face))
        for path, face, vector in zip(paths, faces, vectors, strict=True)
    )
    return DetectedIdentity(combine(vectors, np.array([photo.weight for photo in photos])), photos)


def detection_weight(face: Detection) -> float:
    """The detector's score times how large the face is, in [0, 1] (the rule above)."""
    between = float(np.linalg.norm(face.points[0] - face.points[1]))
    return face.score * min(1.0, between / SHARP_EYES)
