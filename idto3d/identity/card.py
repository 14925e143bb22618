"""Model cards as readers meet them: preprocessing and provenance of a weight file, checked by its sha256."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from idto3d.errors import UserError


class Preprocessing(BaseModel):
    """How pixels of 0..255 become a network's input; the default is insightface's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    std: tuple[float, float, float] = (127.5, 127.5, 127.5)
    colour: Literal["RGB", "BGR"] = "RGB"
    mirrored_sum: bool = False  # add the mirrored face's embedding before normalising

    def blob(self, images: np.ndarray) -> np.ndarray:
        """uint8 [N, H, W, 3] RGB -> float32 [N, 3, H, W] in the network's order and range."""
        count, height, width, _ = images.shape
        planes = np.empty((count, 3, height, width), np.float32)
        for plane in range(3):
            # One plane after the other, in place: a third of the time of one expression over all of them.
            own = planes[:, plane]
            own[...] = images[..., plane if self.colour == "RGB" else 2 - plane]
            own -= np.float32(self.mean[plane])
            own /= np.float32(self.std[plane])
        return planes


class ModelCard(BaseModel):
    """What is known of a weight file."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    sha256: str
    task: str = "recognition"
    population: str = "unknown"
    preprocessing: Preprocessing = Preprocessing()
    training: dict[str, Any] = {}
    measured: dict[str, Any] = {}


def read_card(weights: Path, card: Path | None = None) -> ModelCard:
    """The card of a weight file.

    Args:
        weights: ONNX file.
        card: JSON; `<weights' stem>.card.json` beside it where None. A file without a card gets insightface's
            preprocessing and says that nothing else is known.

    Returns:
        The card, whose sha256 is that of the file.

    Raises:
        UserError: no such file, a malformed card, or a card of another file.
    """
    if not weights.is_file():
        raise UserError(
            f"Found no weights at '{weights}', expected an ONNX file; name another or train it with "
            "'idto3d-eval train'."
        )
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    path = card or weights.with_name(weights.stem + ".card.json")
    if not path.exists():
        if card is not None:
            raise UserError(f"Found no model card at '{card}', expected JSON; name another or leave it out.")
        return ModelCard(name=weights.stem, sha256=sha256)
    try:
        content = json.loads(path.read_text())
        content.setdefault("name", weights.stem)
        content.setdefault("sha256", sha256)
        found = ModelCard.model_validate(content)
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise UserError(
            f"Found no JSON object in the model card '{path.name}' ({error}), expected one; write it again."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"Found a wrong field '{where}' in the model card '{path.name}' ({first['msg']}), expected name, "
            "sha256, task and preprocessing; correct it."
        ) from error
    if found.sha256 != sha256:
        raise UserError(
            f"Found a card of sha256 {found.sha256[:12]}… beside weights of sha256 {sha256[:12]}… "
            f"('{weights.name}'), expected them to agree; restore the file or its card."
        )
    return found
