"""What a study's files are of: told apart from making them, which loads far more than serving them needs."""

from __future__ import annotations

from dataclasses import dataclass

PHOTO = "(photo)"


@dataclass(frozen=True)
class Part:
    """One file of a study: a head or a photo, and whose.

    Attributes:
        role: a method, what was done to a head, or `PHOTO`.
        identity, expression: of the head; a photo's expression is its number.
        textured: whether the head has its maps.
    """

    role: str
    identity: str
    expression: str
    textured: bool
