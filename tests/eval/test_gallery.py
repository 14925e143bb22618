"""A run's heads as pictures: what is shown, in which order, and what is said where there are none."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idto3d.asset import AssetManifest, write_head_asset
from idto3d.errors import UserError
from idto3d.population.people import draw_person
from idto3d.population.truth import true_meshes
from idto3d_eval import portraits
from idto3d_eval.gallery import CELL, FRAMES, GAP, Shelf, sheet, turntable
from idto3d_eval.views import render_true_head, view_specs
from idto3d_protocols.loader import load_protocol

EXPRESSIONS = ("neutral", "smile")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person's true head, as the heads of two methods."""
    root, person = tmp_path_factory.mktemp("run"), draw_person("validation", 0)
    photos = root / "identities" / person.id / "conditioning"
    photos.mkdir(parents=True)
    Image.fromarray(np.full((40, 60, 3), (200, 30, 30), np.uint8)).save(photos / "0000.jpg", quality=95)
    specs = view_specs(load_protocol("smoke"))[:1]
    for method in ("id_to_3d", "oracle"):
        manifest = AssetManifest(method=method, identity=person.id, seed=0, expressions=EXPRESSIONS)
        write_head_asset(
            root / "heads" / method / person.id / "seed-0", true_meshes(person, EXPRESSIONS), manifest
        )
        views = root / "views" / method / person.id / "seed-0"
        views.parent.mkdir(parents=True)
        render_true_head(person, EXPRESSIONS, specs, views)
    return root


def test_photos_stand_left_and_true_heads_above_those_of_the_method(run: Path) -> None:
    shown = np.asarray(Image.open(io.BytesIO(sheet(Shelf(run, "id_to_3d"), 4))).convert("RGB")).astype(int)
    step = CELL + GAP
    assert shown.shape[:2] == (3 * step, 3 * step)
    cells = [[shown[r * step :, c * step :][:CELL, :CELL] for c in range(3)] for r in range(3)]
    assert np.abs(cells[0][0].mean((0, 1)) - (200, 30, 30)).max() < 6
    for column in (1, 2):
        assert np.abs(cells[0][column] - cells[1][column]).mean() < 3  # the same head
        assert np.abs(cells[2][column] - cells[1][column]).mean() > 3  # its normals
    alone = Image.open(io.BytesIO(sheet(Shelf(run, "oracle"), 1)))
    assert alone.size == (3 * step, 3 * step)


def test_a_turntable_swings_there_and_back(run: Path) -> None:
    told: list[tuple[int, int]] = []
    film = Image.open(io.BytesIO(turntable(Shelf(run, "id_to_3d"), 1, 1, lambda *done: told.append(done))))
    assert film.n_frames == 2 * FRAMES - 2
    assert film.size == (2 * (CELL + GAP), CELL + GAP)
    assert told == [(1, 2), (2, 2)]


def test_a_run_without_such_heads_is_one_sentence(run: Path) -> None:
    with pytest.raises(UserError, match="no heads of 'nobody'"):
        sheet(Shelf(run, "nobody"), 1)


def test_each_method_has_a_picture_of_its_heads_from_all_around(run: Path, tmp_path: Path) -> None:
    protocol = load_protocol("smoke")
    rows = tuple(row for row in protocol.methods if row.label in {"id_to_3d", "oracle"})
    person = draw_person("validation", 0).id
    people = protocol.population.model_copy(update={"identities": (person,)})
    made = protocol.model_copy(update={"methods": rows, "population": people})
    (run / "protocol.json").write_text(made.model_dump_json())
    written = portraits.write_portraits(run, tmp_path, 2)
    assert sorted(path.name for path in written) == sorted(f"{row.label}.jpg" for row in rows)
    columns = 2 + len(portraits.YAWS) + 2 + 1  # photo, true head, sides, clay, the last expression
    for path in written:
        assert Image.open(path).size == (columns * portraits.CELL, portraits.CELL)
