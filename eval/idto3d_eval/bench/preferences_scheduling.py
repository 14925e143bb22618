"""How many of random's votes adaptive scheduling needs for intervals of the same width."""

from __future__ import annotations

from collections.abc import Callable

from idto3d_eval.bench.bars import Bar
from idto3d_eval.preference.scheduling_gain import NU, measure_gain

SHARE = 0.7  # the bar: at most
VOTES = 1200  # 30 raters, 40 pairs each


def measure_scheduling(studies: int, seed: int, told: Callable[[str, int, int], None]) -> list[Bar]:
    """The bar of 8 methods, neighbours 0.5 log-odds apart."""
    gain = measure_gain(studies, VOTES, seed=seed, told=told)
    note = (
        f"width {gain.width:.3f} at {gain.votes:,} votes, which random pairs reach at {gain.needed:,.0f}; "
        f"± {gain.error:.3f} between {studies} studies; nu {NU:g}"
    )
    return [Bar("votes of adaptive scheduling, in parts of random's", gain.ratio, SHARE, note=note)]
