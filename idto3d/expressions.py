"""The 13 named expressions and the 52 ARKit facial actions that they are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Apple ARKit `ARFaceAnchor.BlendShapeLocation`, alphabetical; the order of every 52-vector in this project.
ARKIT_ACTIONS: tuple[str, ...] = (
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)

# Each preset names its actions with their strength; a name without side means left and right alike.
# The combinations follow FACS descriptions of the emotions (Ekman & Friesen 1978), strengths chosen by eye.
_PRESETS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile": 0.9, "cheekSquint": 0.6, "mouthDimple": 0.3},
    "laugh": {"mouthSmile": 1.0, "jawOpen": 0.55, "cheekSquint": 0.9, "eyeSquint": 0.6, "mouthUpperUp": 0.6},
    "surprise": {"browInnerUp": 1.0, "browOuterUp": 1.0, "eyeWide": 1.0, "jawOpen": 0.5, "mouthFunnel": 0.3},
    "fear": {"browInnerUp": 1.0, "browDown": 0.4, "eyeWide": 1.0, "mouthStretch": 1.0, "jawOpen": 0.2},
    "anger": {"browDown": 1.0, "eyeSquint": 0.6, "noseSneer": 0.7, "mouthPress": 0.9, "mouthFrown": 0.5},
    "sadness": {"browInnerUp": 0.9, "mouthFrown": 1.0, "mouthShrugLower": 0.6, "eyeLookDown": 0.5},
    "disgust": {
        "noseSneer": 1.0,
        "mouthUpperUp": 0.9,
        "browDown": 0.5,
        "eyeSquint": 0.5,
        "mouthShrugUpper": 0.5,
    },
    "shout": {"jawOpen": 1.0, "mouthStretch": 0.6, "browDown": 0.7, "noseSneer": 0.5, "mouthUpperUp": 0.4},
    "kiss": {"mouthPucker": 1.0, "mouthFunnel": 0.4, "jawForward": 0.3},
    "cheek_puff": {"cheekPuff": 1.0, "mouthClose": 0.2, "mouthPress": 0.5},
    "eyes_closed": {"eyeBlink": 1.0},
    "smirk": {"mouthSmileLeft": 1.0, "mouthDimpleLeft": 0.7, "browOuterUpLeft": 0.7, "mouthLeft": 0.4},
}

EXPRESSIONS: tuple[str, ...] = tuple(_PRESETS)


def preset(name: str) -> NDArray[np.float32]:
    """ARKit actions of a named expression.

    Args:
        name: one of `EXPRESSIONS`.

    Returns:
        [52] float32 in [0, 1], in the order of `ARKIT_ACTIONS`.

    Raises:
        KeyError: the name is not one of the 13.
    """
    if name not in _PRESETS:
        raise KeyError(f"Found expression '{name}', expected one of {', '.join(EXPRESSIONS)}.")
    actions = np.zeros(len(ARKIT_ACTIONS), np.float32)
    for action, strength in _PRESETS[name].items():
        for side in ("", "Left", "Right"):
            if action + side in ARKIT_ACTIONS:
                actions[ARKIT_ACTIONS.index(action + side)] = strength
    return actions


def presets() -> NDArray[np.float32]:
    """All 13 presets as rows, in the order of `EXPRESSIONS`; [13, 52] float32."""
    return np.stack([preset(name) for name in EXPRESSIONS])
