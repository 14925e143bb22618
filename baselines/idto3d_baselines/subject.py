"""What a method may know of a person: read from the conditioning photos by the methods' own networks.

The readers here are those that the profile of the request's weights names for methods; the networks that
score never appear (decision: no network that scores is used by a method).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from idto3d.asset import AssetManifest
from idto3d.errors import UserError
from idto3d.generate import Subject
from idto3d.guidance.guidance import reads_text
from idto3d.identity.detected import DetectedIdentity, embed_detected
from idto3d.identity.detector import DETECTORS, Detector
from idto3d.identity.embedding import IdentityEmbedding, embed_photos
from idto3d.identity.reader import Reader, load_reader
from idto3d.identity.recogniser import load_recogniser
from idto3d.profile import load_profile, weight_files
from idto3d.prompt import Prompt, check_understood, parse_prompt
from idto3d_baselines.specs import GenerateRequest

READER = "reader_methods.onnx"
Found = IdentityEmbedding | DetectedIdentity


def read_photos(request: GenerateRequest) -> Found:
    """Embedding and readings of the request's photos."""
    reader, detector = face_finders(request.weights)
    recogniser = load_recogniser(request.weights / load_profile(request.weights).recogniser)
    if reader is not None:
        return embed_photos(request.photos, reader, recogniser, detector)
    assert detector is not None
    return embed_detected(request.photos, detector, recogniser)


def face_finders(weights: Path) -> tuple[Reader | None, Detector | None]:
    """What finds the faces in photos under the profile of a folder of weights; at least one of the two.

    Raises:
        UserError: the profile names neither.
    """
    profile = load_profile(weights)
    if profile.reader is None and profile.detector is None:
        raise UserError(
            f"Found neither reader nor detector in profile '{profile.name}', expected one of them to find "
            "the faces; name it in profile.json."
        )
    reader = None if profile.reader is None else load_reader(weights / profile.reader)
    chosen = profile.detector
    return reader, None if chosen is None else DETECTORS[chosen.kind](weights / chosen.file)


def subject_of(found: Found, prompt: Prompt | None = None) -> Subject:
    """What the generator is told."""
    return Subject(found.vector, found.attributes, prompt)


def prompt_of(text: str, weights: Path, loudness: float | None = None) -> Prompt | None:
    """A prompt, as far as the base model in `weights` can follow it; None for an empty one.

    Raises:
        UserError: it contradicts itself, or has words that a model without a text encoder does not know.
    """
    prompt = parse_prompt(text, loudness)
    if prompt is not None and not reads_text(weights / load_profile(weights).base):
        check_understood(prompt)
    return prompt


def manifest_of(request: GenerateRequest, method: str, found: Found) -> AssetManifest:
    """A manifest with the photos' and the weights' hashes."""
    weights = weight_files(request.weights, load_profile(request.weights))
    return AssetManifest(
        method=method,
        identity=request.identity,
        seed=request.seed,
        expressions=request.expressions,
        weights={path.relative_to(request.weights).as_posix(): _sha256(path) for path in weights},
        parameters={**request.parameters, **({"prompt": request.prompt} if request.prompt else {})},
        photos=tuple(photo.sha256 for photo in found.photos),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
