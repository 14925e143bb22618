"""Budgets are measured in the denoiser: what a method says of itself is compared with it."""

from __future__ import annotations

import pytest

from idto3d.errors import UserError
from idto3d.guidance import meter
from idto3d_eval.stages import check_budget


def test_the_meter_adds_up() -> None:
    before = meter.spent()
    meter.count(3)
    meter.count(4)
    assert meter.spent() - before == 7


@pytest.mark.parametrize("spent", [0, 5, 10])
def test_a_method_without_distillation_may_spend_less(spent: int) -> None:
    assert check_budget(spent, spent, 10, exactly=False) is None  # other numbers are raised


def test_no_declared_budget_allows_any_number() -> None:
    assert check_budget(12345, 12345, None, exactly=True) is None


@pytest.mark.parametrize(
    ("spent", "told", "exactly", "sentence"),
    [
        (11, 11, False, "Found 11 guidance calls, expected at most the 10"),
        (9, 9, True, "Found 9 guidance calls, expected exactly the 10"),
        (10, 9, True, "tells of 9 guidance calls where 10 were measured"),
    ],
)
def test_other_numbers_are_refused(spent: int, told: int, exactly: bool, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        check_budget(spent, told, 10, exactly=exactly)
