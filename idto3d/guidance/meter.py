"""How many images the denoisers of this process have looked at: a budget is measured, not believed."""

from __future__ import annotations

_spent = 0


def count(images: int) -> None:
    """Add images × network evaluations (design: Budget), per-subject tuning included."""
    global _spent
    _spent += images


def spent() -> int:
    """Guidance calls since this process began."""
    return _spent
