"""What a method may know of a person: read from the conditioning photos by the methods' own networks.

The readers here are `recogniser_a` and `reader_methods`; the networks that score never appear (decision: no
network that scores is used by a method).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from idto3d.asset import AssetManifest
from idto3d.generate import Subject
from idto3d.guidance.guidance import reads_text
from idto3d.identity.embedding import IdentityEmbedding, embed_photos
from idto3d.identity.reader import load_reader
from idto3d.identity.recogniser import load_recogniser
from idto3d.prompt import LOUDNESS, Prompt, check_understood, parse_prompt
from idto3d_baselines.specs import GenerateRequest

RECOGNISER = "recogniser_a.onnx"
READER = "reader_methods.onnx"


def read_photos(request: GenerateRequest) -> IdentityEmbedding:
    """Embedding and readings of the request's photos."""
    reader = load_reader(request.weights / READER)
    recogniser = load_recogniser(request.weights / RECOGNISER)
    return embed_photos(request.photos, reader, recogniser)


def subject_of(found: IdentityEmbedding, prompt: Prompt | None = None) -> Subject:
    """What the generator is told."""
    return Subject(found.vector, found.attributes, prompt)


def prompt_of(text: str, weights: Path, loudness: float = LOUDNESS) -> Prompt | None:
    """A prompt, as far as the base model in `weights` can follow it; None for an empty one.

    Raises:
        UserError: it contradicts itself, or has words that a model without a text encoder does not know.
    """
    prompt = parse_prompt(text, loudness)
    if prompt is not None and not reads_text(weights / "guidance"):
        check_understood(prompt)
    return prompt


def manifest_of(request: GenerateRequest, method: str, found: IdentityEmbedding) -> AssetManifest:
    """A manifest with the photos' and the weights' hashes."""
    weights = [request.weights / name for name in (RECOGNISER, READER, "mean_head.npz")]
    weights += sorted((request.weights / "guidance").rglob("*.safetensors"))
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
    return hashlib.sha256(path.read_bytes()).hexdigest()
