"""What is asked of a metric before it may be reported, and how the answer is judged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Expectation = Literal["rises", "falls"]


@dataclass(frozen=True)
class Known:
    """A case whose answer is known: a truth compared with itself, a closed form, an invariance.

    Attributes:
        metric: its name in `METRICS`.
        case: the case in a few words, such as "a head against itself" or "turned and moved".
        value: what the metric gave; NaN where it was undefined.
        expected: what it must give; NaN where it must be undefined.
        tolerance: largest absolute difference that passes.
    """

    metric: str
    case: str
    value: float
    expected: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the answer is the known one."""
        if math.isnan(self.expected):
            return math.isnan(self.value)
        return abs(self.value - self.expected) <= self.tolerance

    @property
    def told(self) -> str:
        """The case, what was found and what was expected, in one line."""
        within = f" within {self.tolerance:g}" if self.tolerance and not math.isnan(self.expected) else ""
        return f"{self.case}: found {_number(self.value)}, expected {_number(self.expected)}{within}"


@dataclass(frozen=True)
class Graded:
    """A metric under damage that grows: it must follow, step by step.

    Attributes:
        metric: its name in `METRICS`.
        damage: what grows, with its unit, such as "blur, pixels" or "another person's share".
        levels: [L] of the damage, rising; the first is none.
        values: [L] what the metric gave.
        expected: which way it must go.
        slack: how far one step may go back, for the noise of a reading, before the check fails.
    """

    metric: str
    damage: str
    levels: tuple[float, ...]
    values: tuple[float, ...]
    expected: Expectation
    slack: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every step goes the right way within the slack, and the last lies further from the first
        than the slack, so that noise alone never passes."""
        sign = 1.0 if self.expected == "rises" else -1.0
        if len(self.values) < 2 or any(math.isnan(value) for value in self.values):
            return False
        steps = [sign * (b - a) for a, b in zip(self.values, self.values[1:], strict=False)]
        whole = sign * (self.values[-1] - self.values[0])
        return all(step >= -self.slack for step in steps) and whole > self.slack

    @property
    def told(self) -> str:
        """The damage, what was found at each level and which way it must go, in one line."""
        found = ", ".join(map(_number, self.values))
        slack = f", one step back by at most {self.slack:g}" if self.slack else ""
        return f"{self.damage} at {', '.join(f'{each:g}' for each in self.levels)}: found {found}, " + (
            f"expected that it {self.expected}{slack}"
        )


Check = Known | Graded


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.4g}"
