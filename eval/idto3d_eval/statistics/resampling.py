"""Seeded draws that many figures of one table share: weights of the bootstrap, signs of the flips.

Equal (identities, draws, seed) give equal draws, so a table draws them once; what would take too much
memory to keep is drawn again in parts, with the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

KEPT = 4_000_000  # numbers of one set of draws that are kept for the next figure
_SETS = 4  # sets that are kept at once: 12, 11 and 10 identities of one table, say


def weights(identities: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each identity is drawn, with replacement: parts of [I, B], columns sum to I."""
    if identities * draws <= KEPT:
        yield _kept_weights(identities, draws, seed)
    else:
        yield from _drawn_weights(identities, draws, seed)


def signs(identities: int, draws: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Random signs, a bit an identity: parts of [B, ⌈I / 8⌉] bytes."""
    if -(-identities // 8) * draws <= KEPT:
        yield _kept_signs(identities, draws, seed)
    else:
        yield from _drawn_signs(identities, draws, seed)


@lru_cache(_SETS)
def _kept_weights(identities: int, draws: int, seed: int) -> NDArray[np.float64]:
    return np.concatenate(list(_drawn_weights(identities, draws, seed)), axis=1)


@lru_cache(_SETS)
def _kept_signs(identities: int, draws: int, seed: int) -> NDArray[np.uint8]:
    return np.concatenate(list(_drawn_signs(identities, draws, seed)))


def _drawn_weights(identities: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    even = np.full(identities, 1.0 / identities)
    for count in _parts(draws, identities):
        drawn = rng.multinomial(identities, even, size=count)
        yield np.ascontiguousarray(drawn.T, dtype=np.float64)


def _drawn_signs(identities: int, draws: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    groups = -(-identities // 8)
    for count in _parts(draws, groups * 8):
        # Whole words, so that parts end where the generator's own steps end.
        words = rng.integers(0, 2**64, size=(count, -(-groups // 8)), dtype=np.uint64, endpoint=False)
        yield words.view(np.uint8)[:, :groups]


def _parts(draws: int, width: int) -> Iterator[int]:
    """Sizes that add up to `draws`, each small enough to hold with `width` numbers a draw."""
    size = max(1, KEPT // max(width, 1))
    for start in range(0, draws, size):
        yield min(size, draws - start)
