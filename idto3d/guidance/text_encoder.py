"""Stable Diffusion's condition encoder: words through CLIP, and the person as one of the words.

As Arc2Face does (Papantoniou et al. 2024), the prompt names the person by a placeholder whose token embedding
is replaced by the identity embedding, zero-padded to the encoder's width (512 to 768); the text encoder then
carries it to every token. Without an identity the placeholder's own embedding stays: "person".
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS
from idto3d.guidance.condition import Condition
from idto3d.guidance.condition_encoder import Encoded

PLACEHOLDER = "person"


class TextConditionEncoder(nn.Module):
    """`Condition` rows as text-encoder states [B, T, W]; no pooled vector.

    `suffix` ends every prompt that says anything, as a base that was tuned on one kind of picture asks for.
    """

    def __init__(self, text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer, suffix: str = "") -> None:
        super().__init__()
        self.suffix = suffix
        self.text_encoder = text_encoder
        self.tokenizer = tokenizer
        self.width = int(text_encoder.config.hidden_size)
        self.placeholder = int(tokenizer.encode(PLACEHOLDER, add_special_tokens=False)[0])

    @classmethod
    def from_pretrained(
        cls, folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> TextConditionEncoder:
        """Read `text_encoder/` and `tokenizer/` of a Stable Diffusion folder."""
        for part in ("text_encoder", "tokenizer"):
            if not (folder / part).is_dir():
                raise UserError(
                    f"Found neither condition_encoder/ nor {part}/ in '{folder}', expected one of them; "
                    "use a complete model folder."
                )
        text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=dtype)
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        return cls(text_encoder.eval().requires_grad_(False).to(device), tokenizer)

    def forward(self, condition: Condition) -> Encoded:
        """Tokens [B, T, W] of the rows' prompts, each with its own identity in the placeholder's place."""
        dimension = condition.identity.shape[1]
        if dimension > self.width:
            raise UserError(
                f"Found an identity embedding of {dimension} numbers, expected at most {self.width}, the "
                "text encoder's width; use another recogniser or model."
            )
        ids = self._ids(self.prompts(condition))
        device = ids.device
        padded = nn.functional.pad(condition.identity.to(device), (0, self.width - dimension))  # [B, W]
        told = condition.identity.to(device).abs().sum(1) > 0
        named = ids == self.placeholder
        named &= named.cumsum(1) == 1  # a prompt may say the word again and mean just that
        place = named & told[:, None]

        def insert(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            return torch.where(place[..., None], padded[:, None].to(output.dtype), output)

        handle = self.text_encoder.get_input_embeddings().register_forward_hook(insert)
        try:
            tokens: Tensor = self.text_encoder(ids).last_hidden_state
        finally:
            handle.remove()
        return Encoded(tokens, None)

    def prompts(self, condition: Condition) -> list[str]:
        """Each row in words, the suffix behind; a row told nothing stays empty."""
        said = [prompt_of(condition, row) for row in range(len(condition))]
        return [f"{prompt}, {self.suffix}" if prompt and self.suffix else prompt for prompt in said]

    def read(self, prompts: list[str]) -> Tensor:
        """States [B, T, W] of prompts as they are, nobody in the placeholder's place."""
        states: Tensor = self.text_encoder(self._ids(prompts)).last_hidden_state
        return states

    def _ids(self, prompts: list[str]) -> Tensor:
        device = next(self.text_encoder.parameters()).device
        ids: Tensor = self.tokenizer(
            prompts,
            padding="max_length",
            max_length=int(self.text_encoder.config.max_position_embeddings),
            truncation=True,
            return_tensors="pt",
        ).input_ids.to(device)  # [B, T]
        return ids


def prompt_of(condition: Condition, row: int) -> str:
    """One row in words, a user's own prompt as they wrote it; what is not told is not said, and a row told
    nothing is the empty prompt."""
    told_identity = bool(condition.identity[row].abs().sum() > 0)
    attributes = condition.attributes[row]
    expression = int(condition.expression[row])
    parts = [f"photo of a {PLACEHOLDER}"] if told_identity else []
    if bool((attributes >= 0).all()):
        parts.append(Attributes.from_indices(attributes.cpu().numpy()).prompt())
    else:
        named = zip(Attributes.GROUPS.items(), attributes.tolist(), strict=True)
        parts.extend(words[index] for (_, words), index in named if index >= 0)
    if expression >= 0:
        parts.append(f"{EXPRESSIONS[expression].replace('_', ' ')} expression")
    if condition.verbatim is not None:
        parts.append(condition.verbatim[row])
    if any(parts):
        parts.append(view_of(condition.camera[row]))
    return ", ".join(part for part in parts if part)


def view_of(camera: Tensor) -> str:
    """The view in words, as DreamFusion (section 3.3) adds them to a prompt; "" where it is not told."""
    if not bool(camera.abs().sum() > 0):
        return ""
    yaw = torch.atan2(camera[0], camera[1]).abs().item()
    pitch = torch.atan2(camera[2], camera[3]).item()
    if pitch > 1.05:
        return "overhead view"
    return "front view" if yaw < 0.6 else "side view" if yaw < 2.1 else "back view"
