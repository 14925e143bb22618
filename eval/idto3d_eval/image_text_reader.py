"""A CLIP in transformers' format, from a local folder: cosines of pictures to texts."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d_eval.metrics.image_text import PHRASES

TEMPLATE = "a photo of the face of a person with {}"


@dataclass(frozen=True)
class ImageTextReader:
    """A CLIP, ready to be asked.

    Attributes:
        model: transformers' CLIPModel.
        processor: what prepares its pictures and texts.
        card: name, architecture, and how pictures are prepared.
    """

    model: Any
    processor: Any
    card: dict[str, Any]

    def cosines(self, images: Sequence[NDArray[np.uint8]], texts: Sequence[str]) -> NDArray[np.float64]:
        """[N, T] cosines of images [H, W, 3] uint8 sRGB to texts, one image at a time."""
        import torch

        from idto3d.threads import torch_threads

        with torch.no_grad(), torch_threads(1):
            words = self.processor(text=list(texts), return_tensors="pt", padding=True, truncation=True)
            table = _unit(_pooled(self.model.get_text_features(**words)))  # [T, D]
            rows = []
            for image in images:
                pixels = self.processor(images=image, return_tensors="pt")
                rows.append(_unit(_pooled(self.model.get_image_features(**pixels))) @ table.T)
        return np.concatenate(rows) if rows else np.zeros((0, len(texts)))


@functools.cache
def load_image_text_reader(folder: Path) -> ImageTextReader:
    """Load a CLIP from a folder as `save_pretrained` writes it; safetensors only, and no network.

    Raises:
        UserError: no such folder, or none that transformers can read.
    """
    try:
        from transformers import CLIPModel, CLIPProcessor

        model = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        processor = CLIPProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise UserError(
            f"Found no CLIP that transformers can read in '{folder}' ({str(error).splitlines()[0][:120]}), "
            "expected a folder with config.json, model.safetensors, a tokenizer and a preprocessor; save it "
            "again."
        ) from error
    prepared = processor.image_processor.to_dict()
    card = {
        "name": folder.name,
        "preprocessing": {
            name: prepared.get(name) for name in ("size", "crop_size", "image_mean", "image_std")
        },
        "text": TEMPLATE,
    }
    return ImageTextReader(model.eval(), processor, card)


def expression_texts(expressions: Sequence[str]) -> list[str]:
    """The words for each expression; a name that no phrase is known for stands as it is."""
    return [TEMPLATE.format(PHRASES.get(name, name.replace("_", " "))) for name in expressions]


def _pooled(found: Any) -> Any:
    """The projected embeddings [N, D], bare or in the output of newer versions of transformers."""
    return found if hasattr(found, "detach") else found.pooler_output


def _unit(vectors: Any) -> NDArray[np.float64]:
    array = vectors.detach().numpy().astype(np.float64)
    unit: NDArray[np.float64] = array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12)
    return unit
