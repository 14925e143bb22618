"""The horizontal axis of a plane: of numbers, of names in their order, or of costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from idto3d_dashboard.drawing.plane import bounds, share
from idto3d_eval.charts import axis

_FEWEST_TICKS, _MOST_TICKS = 3, 7  # of a logarithm, on a telephone too


@dataclass(frozen=True)
class Across:
    """Where what is drawn lies, in percent from the left.

    Attributes:
        low, high: of the axis; logarithms where it is logarithmic.
        names: the places, where they are no numbers.
        logarithmic: whether it is.
    """

    low: float
    high: float
    names: tuple[str, ...] = ()
    logarithmic: bool = False

    @classmethod
    def of(cls, places: Sequence[float | str]) -> Across:
        """An axis from the first number to the last, or of names in the order in which they come."""
        if any(isinstance(place, str) for place in places):
            return cls(0.0, 1.0, tuple(dict.fromkeys(map(str, places))))
        low, high = bounds(map(float, places)) or (0.0, 1.0)
        return cls(low, high if high > low else low + 1.0)

    @classmethod
    def of_costs(cls, costs: Sequence[float]) -> Across:
        """An axis with room at both ends, logarithmic where everything costs something."""
        logarithmic = min(costs) > 0
        ends = [math.log10(cost) if logarithmic else cost for cost in (min(costs), max(costs))]
        room = 0.06 * (ends[1] - ends[0]) or 0.3
        return cls(ends[0] - room, ends[1] + room, logarithmic=logarithmic)

    def place(self, at: float | str) -> float:
        """Percent from the left."""
        if self.names:
            return 100.0 * (self.names.index(str(at)) + 0.5) / len(self.names)
        return share(math.log10(float(at)) if self.logarithmic else float(at), self.low, self.high)

    def columns(self) -> list[tuple[float, str]]:
        """Percents and texts of the ticks."""
        if self.names:
            return [(self.place(name), name) for name in self.names]
        return [(self.place(tick), f"{tick:,.4g}") for tick in self._ticks()]

    def _ticks(self) -> list[float]:
        """Round numbers on the axis, few enough to be read."""
        low, high = (10.0**self.low, 10.0**self.high) if self.logarithmic else (self.low, self.high)
        even = [tick for tick in axis(low, high)[2] if low <= tick <= high]
        if not self.logarithmic:
            return even
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        found: list[float] = []
        for factors in ((1, 2, 5), (1, 3), (1,)):
            every = [factor * 10.0**power for power in powers for factor in factors]
            found = [tick for tick in every if self.low <= math.log10(tick) <= self.high]
            if len(found) <= _MOST_TICKS:
                break
        return found if len(found) >= _FEWEST_TICKS else even
