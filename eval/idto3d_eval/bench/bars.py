"""A measured figure with the bound that it must keep to, and where a benchmark's figures are written."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from idto3d.whole_file import write_whole


@dataclass(frozen=True)
class Bar:
    """One figure of a benchmark.

    Attributes:
        name: what was measured.
        value: the figure; NaN where it is undefined, which no bound passes.
        bound: up to where it is good, or from where on.
        least: whether the bound is the least that is good.
        note: how many cases stand behind it, or why it is undefined.
    """

    name: str
    value: float
    bound: float
    least: bool = False
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the figure keeps to its bound."""
        return self.value >= self.bound if self.least else self.value <= self.bound

    def row(self) -> dict[str, str]:
        """The bar as a table shows it."""
        value = "undefined" if math.isnan(self.value) else f"{self.value:.3f}"
        bound = f"{'≥' if self.least else '≤'} {self.bound:g}"
        verdict = "passed" if self.passed else "FAILED"
        return {"figure": self.name, "found": value, "bound": bound, "": verdict, "of": self.note}


def write_figures(path: Path, bars: Sequence[Bar], **details: Any) -> None:
    """Write the bars and what stands behind them as JSON, whole or not at all; NaN becomes null."""
    rows = [{**asdict(bar), "passed": bar.passed} for bar in bars]
    write_json(path, {"bars": rows, **details})


def write_json(path: Path, value: Any) -> None:
    """A value as JSON, whole or not at all; NaN becomes null."""
    write_whole(path, json.dumps(_finite(value), indent=1, ensure_ascii=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
