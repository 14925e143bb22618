"""The table of check modules, and running them: every check judged, every metric covered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module

from idto3d.errors import UserError
from idto3d_eval.metrics import METRICS
from idto3d_eval.metrics.card import Family
from idto3d_eval.selfcheck.check import Check

# A module of this package with `checks()` -> the families that it speaks of.
MODULES: dict[str, tuple[Family, ...]] = {
    "retrieval": ("identity",),
    "budget": ("cost",),
    "light": ("light",),
    "geometry": ("geometry",),
    "geometry_more": ("geometry",),
    "mesh": ("mesh",),
    "identity": ("identity",),
    "identity_more": ("identity",),
    "expression": ("expression",),
    "disentanglement": ("expression",),
    "stillness": ("expression",),
    "appearance": ("appearance",),
    "stability": ("stability",),
    "cost": ("cost",),
}
Told = Callable[[str, int, int], None]  # what is done, steps done, steps in all


@dataclass
class Outcome:
    """What was checked of one metric.

    Attributes:
        metric: its name in `METRICS`.
        checks: in the order in which they were made.
        stopped: why a module that speaks of it ended before its end; "" where none did.
    """

    metric: str
    checks: list[Check] = field(default_factory=list)
    stopped: str = ""

    @property
    def why(self) -> str:
        """Why it failed, in one line; "" where it passed."""
        if self.stopped:
            return self.stopped
        if not self.checks:
            return "no check speaks of it"
        return next((check.told for check in self.checks if not check.passed), "")

    @property
    def passed(self) -> bool:
        """Whether every check was made and passed."""
        return not self.why


def run_checks(
    names: Sequence[str] = (), modules: Iterable[str] = tuple(MODULES), told: Told | None = None
) -> dict[str, Outcome]:
    """Make the checks of metrics, by whichever modules speak of their families.

    Args:
        names: metrics; all where there is none.
        modules: of `MODULES`.
        told: called with (module, modules done, modules in all).

    Returns:
        Metric -> outcome, in the order of `METRICS`. A module that raises fails every metric of its families.

    Raises:
        UserError: an unknown metric.
    """
    check_names(names)
    wanted = [name for name in METRICS if not names or name in names]
    families = {METRICS[name].family for name in wanted}
    asked = [name for name in modules if families & set(MODULES[name])]
    outcomes = {name: Outcome(name) for name in wanted}
    for done, module in enumerate(asked):
        if told is not None:
            told("metrics", done, len(asked))
        for metric, stopped in _run(module, outcomes).items():
            outcomes[metric].stopped = outcomes[metric].stopped or stopped
    if told is not None:
        told("metrics", len(asked), len(asked))
    return outcomes


def check_names(names: Iterable[str]) -> None:
    """Raise UserError where a name is no metric's."""
    for name in names:
        if name not in METRICS:
            raise UserError(f"Found no metric called {name!r}, expected one of {', '.join(METRICS)}.")


def _run(module: str, outcomes: dict[str, Outcome]) -> dict[str, str]:
    """Add a module's checks to the outcomes; metric -> why the module stopped, where it did."""
    try:
        for check in import_module(f"{__package__}.{module}").checks():
            if check.metric not in METRICS:
                raise KeyError(f"a check of {check.metric!r}, which is no metric")
            if check.metric in outcomes:
                outcomes[check.metric].checks.append(check)
    except Exception as error:  # whatever a metric raises on a known case is a failure of its check
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        spoken = [name for name in outcomes if METRICS[name].family in MODULES[module]]
        return dict.fromkeys(spoken, f"selfcheck/{module}.py stopped ({reason})")
    return {}
