"""A word for one person: a vector in a word's place, learned until the denoiser draws their photos.

Textual inversion (Gal et al. 2022, arXiv 2208.01618): all of the model stays, one embedding learns by the
denoising loss. Where the base reads text, the word "person" is the place (`TextConditionEncoder` takes a
vector there), and the vector starts as that word's own. The tiny base has no sentences but a vector for each
attribute word: the person's takes the place of their sex's, and starts there.

The tiny base was not trained to find a face in one word: a word's vector has 128 numbers, all of which were
only ever a few points. What the token carries is measured, not promised (`fantasia3d_token`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from idto3d.guidance.condition import Condition
from idto3d.guidance.condition_encoder import ConditionEncoder, Encoded
from idto3d.guidance.face_adapter import FaceConditionEncoder
from idto3d.guidance.guidance import Encoder, Guidance
from idto3d.guidance.text_encoder import TextConditionEncoder
from idto3d_baselines.personal_prior import learn
from idto3d_baselines.photo_crops import PhotoCrops
from idto3d_baselines.plain_sds import Bounds

GROUP = 0  # of the attributes, whose word the token replaces: the sex, which every face has
TABLE = f"attributes.{GROUP}.weight"
# Of Adam. Gal et al. take 0.005 a picture for Stable Diffusion; a word of the tiny base has a length near 11.
RATE, TEXT_RATE = 0.03, 0.005


@dataclass(frozen=True)
class Token:
    """A pseudo-word.

    Attributes:
        vector: [W], the encoder's width.
        start: [W], the word's own vector, from which it was learned.
        word: index of the word within its group that it takes the place of; -1 for encoders that read text.
    """

    vector: Tensor
    start: Tensor
    word: int

    def carried_to(self, encoder: Encoder) -> Token:
        """The same change to the same word of another prior's encoder, which photos cannot teach."""
        start = _own_vector(encoder, self.word)
        return Token(start + (self.vector - self.start).to(start), start, self.word)


class TokenEncoder(nn.Module):
    """An encoder to which one word means one person; rows that are told nothing in words stay as they are."""

    def __init__(self, encoder: Encoder, token: Token) -> None:
        super().__init__()
        assert isinstance(encoder, nn.Module)
        self.encoder, self.token = encoder, token

    def forward(self, condition: Condition) -> Encoded:
        """What the denoiser reads."""
        encoder = self.encoder
        if isinstance(encoder, ConditionEncoder):
            table = _table(encoder)
            row = torch.arange(len(table), device=table.device) == self.token.word
            changed = torch.where(row[:, None], self.token.vector.to(table), table)
            encoded: Encoded = functional_call(encoder, {TABLE: changed}, (condition,))
            return encoded
        told = (condition.expression >= 0) | (condition.attributes >= 0).any(1)
        vector = self.token.vector.to(condition.identity.device)
        named = replace(condition, identity=told[:, None] * vector)
        if isinstance(encoder, FaceConditionEncoder):
            return replace(encoder.forward(condition), tokens=encoder.text.forward(named).tokens)
        assert isinstance(encoder, TextConditionEncoder)
        return encoder.forward(named)


def learned_token(
    guidance: Guidance,
    crops: PhotoCrops,
    calls: int,
    noise: Bounds,
    seed: list[int],
    report: Callable[[int], None] | None = None,
) -> Token:
    """Learn the pseudo-word of the person in some pictures.

    Args:
        guidance: the prior; nothing of it changes but its calls.
        crops: what it learns from, told the person's words.
        calls: pictures to look at, exactly.
        noise: the range of t / T.
        seed: key of all that is drawn.
        report: called with the calls of each step.
    """
    encoder = guidance.encoder
    own = isinstance(encoder, ConditionEncoder)
    word = int(crops.condition.attributes[0, GROUP]) if own else -1
    start = _own_vector(encoder, word)
    vector = nn.Parameter(start.clone())
    with told_token(guidance, Token(vector, start, word)):
        learn(guidance, [vector], crops, calls, noise, RATE if own else TEXT_RATE, seed, report)
    return Token(vector.detach(), start, word)


@contextmanager
def told_token(guidance: Guidance, token: Token) -> Iterator[Guidance]:
    """A guidance that hears of a token, inside a with statement."""
    before = guidance.encoder
    guidance.encoder = TokenEncoder(before, token)
    try:
        yield guidance
    finally:
        guidance.encoder = before


def _own_vector(encoder: Encoder, word: int) -> Tensor:
    """[W], what an encoder reads where the token will stand."""
    if isinstance(encoder, ConditionEncoder):
        return _table(encoder)[word].detach().float().clone()
    text = encoder.text if isinstance(encoder, FaceConditionEncoder) else encoder
    assert isinstance(text, TextConditionEncoder)
    table = text.text_encoder.get_input_embeddings().weight
    start: Tensor = table[text.placeholder]
    return start.detach().float().clone()


def _table(encoder: ConditionEncoder) -> Tensor:
    """[words + 1, W] of the group."""
    table = encoder.attributes[GROUP].weight
    assert isinstance(table, Tensor)
    return table
