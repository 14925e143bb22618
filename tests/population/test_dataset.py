"""Training rows: every kind has the arrays that its reader expects, labels follow pictures, workers do not
matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from idto3d.expressions import EXPRESSIONS, preset
from idto3d.identity.accuracy import nearest_preset
from idto3d.population.dataset import KINDS, make_dataset
from idto3d.population.people import draw_person

SHAPES = {
    "faces": {"aligned": (112, 112, 3), "attributes": (6,), "person": ()},
    "readers": {"crops": (112, 112, 3), "landmarks": (68, 2), "present": (), "actions": (52,)},
    "renders": {"crops": (112, 112, 3), "landmarks": (68, 2), "present": (), "actions": (52,)},
    "portraits": {"photos": (160, 160, 3), "landmarks": (68, 2), "present": (), "actions": (52,)},
    "likenesses": {
        "position": (2000, 3),
        "normal": (2000, 3),
        "albedo": (2000, 3),
        "marks": (3000, 1),
        "person": (),
    },
    "views": {"photograph": (64, 64, 3), "normals": (64, 64, 3), "place": (3, 64, 64), "camera": (8,)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_have_the_arrays_of_their_kind(kind: str) -> None:
    rows = list(KINDS[kind](draw_person("validation", 3), 4))
    assert len(rows) == (1 if kind == "likenesses" else 4)
    for name, shape in SHAPES[kind].items():
        assert rows[0][name].shape == shape


@pytest.mark.parametrize("kind", ["renders", "portraits"])
def test_presets_come_in_turn_and_at_full_strength(kind: str) -> None:
    rows = list(KINDS[kind](draw_person("validation", 4), len(EXPRESSIONS)))
    actions = np.stack([row["actions"] for row in rows])
    assert nearest_preset(actions).tolist() == list(range(len(EXPRESSIONS)))
    np.testing.assert_array_equal(actions[1], preset(EXPRESSIONS[1]))


def test_a_views_control_lies_where_its_head_does() -> None:
    """Where the mean head is told, the normals mostly are no background."""
    for row in KINDS["views"](draw_person("validation", 5), 4):
        told = np.abs(row["place"].astype(np.float32)).sum(0) > 0
        drawn = (row["normals"] != row["normals"][0, 0]).any(-1)
        assert told.mean() > 0.1
        assert drawn[told].mean() > 0.8


def test_the_number_of_workers_changes_no_byte(tmp_path: Path) -> None:
    folders = [
        make_dataset("renders", "validation", 27, 2, tmp_path / str(workers), workers=workers)
        for workers in (1, 2)
    ]
    for name in ("crops", "landmarks", "actions", "person"):
        np.testing.assert_array_equal(*(np.load(folder / f"{name}.npy") for folder in folders))
