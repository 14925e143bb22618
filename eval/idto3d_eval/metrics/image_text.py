"""Do a picture and words agree: cosine of a CLIP's embeddings of both (Radford et al., ICML 2021; as a score
of pictures against their text, Hessel et al., "CLIPScore", EMNLP 2021)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from idto3d_eval.metrics.card import Measurement, MetricCard

Floats = NDArray[np.float64]

NO_CLIP = "no CLIP is given"
# What each preset is called when a picture of it is asked for; ours.
PHRASES = {
    "neutral": "a neutral expression",
    "smile": "a smile",
    "laugh": "a laugh, the mouth open",
    "surprise": "a surprised expression",
    "fear": "a frightened expression",
    "anger": "an angry expression",
    "sadness": "a sad expression",
    "disgust": "a disgusted expression",
    "shout": "the mouth wide open, shouting",
    "kiss": "the lips pursed for a kiss",
    "cheek_puff": "puffed cheeks",
    "eyes_closed": "the eyes closed",
    "smirk": "a smirk",
}
_READ = (
    "Frontal views as the CLIP's own processor prepares them, one at a time; text: 'a photo of the face of a "
    "person with' and the expression in words (`PHRASES`)."
)
_CAVEATS = (
    "Undefined without a CLIP; which one was used stands with the readings (sha256 of each file).",
    "A base such as Stable Diffusion 1.5 reads its prompts with a CLIP: scored by the same one, methods on "
    "it "
    "are judged by what they optimised.",
)

CARDS = (
    MetricCard(
        name="image_text_agreement",
        title="Image-text agreement",
        definition="Cosine between a CLIP's embedding of a frontal view and of the words for the expression "
        "that "
        "was asked for, averaged over frontal views.",
        source="CLIPScore without its factor and floor: Hessel et al., EMNLP 2021.",
        unit="1",
        low=-1.0,
        high=1.0,
        better="higher",
        family="appearance",
        level="head",
        failure_modes=(
            "Any face at all scores nearly as high as the right one: read the share beside it.",
            *_CAVEATS,
        ),
        preprocessing=_READ,
    ),
    MetricCard(
        name="image_text_share",
        title="Own text nearest",
        definition="Share of frontal views whose nearest text, among those of the protocol's expressions, "
        "is that "
        "of the expression that was asked for; ties share.",
        source="R-precision of text-to-3D (Poole et al., DreamFusion, 2022), over expressions.",
        unit="1",
        low=0.0,
        high=1.0,
        better="higher",
        family="appearance",
        level="head",
        failure_modes=("Chance is one over the number of expressions.", *_CAVEATS),
        preprocessing=_READ,
    ),
)


def image_text_agreement(cosines: Floats, asked: int) -> Measurement:
    """Mean cosine of views to the text that was asked for.

    Args:
        cosines: [V, T] of V frontal views to T texts.
        asked: which text.
    """
    if len(cosines) == 0:
        return Measurement(math.nan, "no frontal view")
    return Measurement(float(np.asarray(cosines, np.float64)[:, asked].mean()))


def image_text_share(cosines: Floats, asked: int) -> Measurement:
    """Share of views [V, T] whose largest cosine is the asked text's; of a tie, its part."""
    if len(cosines) == 0:
        return Measurement(math.nan, "no frontal view")
    best = cosines == cosines.max(axis=1, keepdims=True)
    return Measurement(float((best[:, asked] / best.sum(axis=1)).mean()))
