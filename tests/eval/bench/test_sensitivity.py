"""What identity loses by one change: nothing changed is the true head, and nobody's shape costs something."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from idto3d_eval.bench.made_heads import sitter
from idto3d_eval.bench.true_changes import changes, price_changes
from idto3d_eval.single import shipped_weights


def test_a_change_changes_what_it_names_and_nothing_else() -> None:
    person = sitter(3)
    for name, changed in changes(person).items():
        looks = [field.name for field in fields(person.appearance)]
        differ = {
            part
            for part in looks
            if not np.array_equal(getattr(person.appearance, part), getattr(changed.appearance, part))
        }
        assert (changed.shape == person.shape).all() == (not name.startswith("shape"))
        if name == "nothing" or name.startswith("shape"):
            assert not differ
        if name.startswith("skin alone"):
            assert differ == {"skin"}
    assert set(changes(sitter(3))) == set(changes(sitter(4)))


def test_nothing_changed_is_the_true_head(tmp_path: Path) -> None:
    prices = {price.changed: price for price in price_changes((0, 1), tmp_path, shipped_weights(), 2)}
    assert prices["nothing"].identity == pytest.approx(1.0, abs=1e-6)
    assert prices["shape of the mean of their sex, age and ancestry"].identity < 0.97
    kept = json.loads((tmp_path / "sensitivity.json").read_text())
    assert {row["changed"] for row in kept} == set(prices)
