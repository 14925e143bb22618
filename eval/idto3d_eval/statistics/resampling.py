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
KEPT_SIGNS = 16_000_000  # bytes; 200,000 patterns of 200 identities are 5 million, asked for by every pair
# Sets that are kept at once. Of 200 identities some metrics know 200, others 199, 198 and so on, in turns.
_SETS, _RECENT = 12, 2


def weights(identities: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each identity is drawn, with replacement: parts of [I, B], columns sum to I."""
    if identities * draws <= KEPT:
        yield _recent_weights(identities, draws, seed)
    else:
        yield from _drawn_weights(identities, draws, seed)


def signs(identities: int, draws: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Random signs, a bit an identity: parts of [B, ⌈I / 8⌉] bytes."""
    groups = -(-identities // 8)
    words = -(-groups // 8)
    if words * 8 * draws <= KEPT_SIGNS:
        kept, size = _kept_signs(words, draws, seed), max(1, KEPT // max(identities, 1))
        for start in range(0, draws, size):  # in parts that stay in the processor's cache
            yield kept[start : start + size, :groups]
    else:
        for part in _drawn_signs(words, draws, seed):
            yield part[:, :groups]


@lru_cache(_RECENT)
def _recent_weights(identities: int, draws: int, seed: int) -> NDArray[np.float64]:
    return _kept_weights(identities, draws, seed).astype(np.float64)


@lru_cache(_SETS)
def _kept_weights(identities: int, draws: int, seed: int) -> NDArray[np.uint16]:
    drawn = list(_drawn_weights(identities, draws, seed))
    return np.concatenate(drawn, axis=1).astype(np.uint16)  # a quarter of the memory


@lru_cache(_RECENT)
def _kept_signs(words: int, draws: int, seed: int) -> NDArray[np.uint8]:
    """Columns lie together in memory: whoever reads them takes one at a time."""
    return np.asfortranarray(np.concatenate(list(_drawn_signs(words, draws, seed))))


def _drawn_weights(identities: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    even = np.full(identities, 1.0 / identities)
    for count in _parts(draws, identities):
        drawn = rng.multinomial(identities, even, size=count)
        yield np.ascontiguousarray(drawn.T, dtype=np.float64)


def _drawn_signs(words: int, draws: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Words of 64 bits, so that as many identities as fit share them, and parts end where the generator's
    own steps end: parts of [B, 8 words] bytes."""
    rng = np.random.default_rng(seed)
    for count in _parts(draws, words * 64):
        drawn = rng.integers(0, 2**64, size=(count, words), dtype=np.uint64, endpoint=False)
        yield drawn.view(np.uint8)


def _parts(draws: int, width: int) -> Iterator[int]:
    """Sizes that add up to `draws`, each small enough to hold with `width` numbers a draw."""
    size = max(1, KEPT // max(width, 1))
    for start in range(0, draws, size):
        yield min(size, draws - start)
