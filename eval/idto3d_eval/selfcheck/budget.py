"""Self-checks of what a head cost as far as it is counted: guidance calls and the trainable share."""

from __future__ import annotations

import math
from collections.abc import Iterator

from idto3d_eval.metrics.cost import guidance_calls, trainable_share
from idto3d_eval.selfcheck.check import Check, Graded, Known

STEPS = (0.0, 10.0, 20.0, 40.0, 80.0)
BASE = 1_000_000


def checks() -> Iterator[Check]:
    """Counts whose product and share are known."""

    def calls(case: str, images: int, evaluations: int, expected: float) -> Known:
        return Known("guidance_calls", case, float(guidance_calls(images, evaluations)), expected, 0.0)

    yield calls("nothing asked of the network", 0, 300, 0.0)
    yield calls("two images, 300 evaluations each", 2, 300, 600.0)
    yield calls("the same in batches of another size", 4, 150, 600.0)
    spent = tuple(float(guidance_calls(4, round(steps))) for steps in STEPS)
    yield Graded("guidance_calls", "steps of four images", STEPS, spent, "rises")

    def share(case: str, trainable: int, base: int, expected: float) -> Known:
        return Known("trainable_share", case, trainable_share(trainable, base).value, expected, 1e-15)

    yield share("nothing is trained", 0, BASE, 0.0)
    yield share("two of a thousand", 2_000, BASE, 0.002)
    yield share("all is trained", BASE, BASE, 1.0)
    yield share("the method has no base", 2_000, 0, math.nan)
    shares = tuple(trainable_share(round(steps), BASE).value for steps in STEPS)
    yield Graded("trainable_share", "trainable parameters", STEPS, shares, "rises")
