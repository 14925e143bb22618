"""Sheets of heads: every head has its place, however many there are, and what is not there is said."""

from __future__ import annotations

import io
from pathlib import Path

import fake_stages as fake
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from idto3d.errors import UserError
from idto3d_eval import contact_sheet
from idto3d_eval.archive import write_archive
from idto3d_eval.cli import app
from idto3d_eval.contact_sheet import ARCHIVED, contact_sheet_png, person_sheets
from idto3d_eval.run import run_protocol
from idto3d_eval.run_folder import records_of
from idto3d_eval.sheets import write_sheets
from idto3d_eval.store import Store

ROWS = (
    "[{method: good, label: good}, {method: other, label: other, parameters: {behaviour: raise,"
    " only: heldout-0001}}, {method: truth, label: truth}]"
)
PROTOCOL = fake.protocol(people=3, methods=ROWS)
VIEWS = [f"views/{label}/heldout-000{n}/seed-0" for label in ("good", "other", "truth") for n in range(3)]
STEP = contact_sheet._METHODS_CELL + contact_sheet._GAP


def run(root: Path, archive: Path | None = None) -> Path:
    run_protocol(
        PROTOCOL,
        root,
        progress=False,
        workers=1,
        weights=root.parent / "weights",
        methods=fake.METHODS,
        stages=fake.TABLE,
        console=Console(file=io.StringIO()),
        archive=archive,
    )
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("sheets") / "run")


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def cell(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    x, y = contact_sheet._NAMES + column * STEP, contact_sheet._HEADER + row * STEP
    return sheet[y : y + contact_sheet._METHODS_CELL, x : x + contact_sheet._METHODS_CELL]


def colour(path: Path) -> np.ndarray:
    return pixels(path)[0, 0]


def test_methods_times_people_has_photos_first_and_each_neutral_head_in_its_place(root: Path) -> None:
    sheet = pixels(root / "methods.jpg")
    for column in range(3):
        photo = root / f"identities/heldout-000{column}/conditioning/00.jpg"
        assert np.abs(cell(sheet, 0, column).mean((0, 1)) - colour(photo)).max() < 4
        for row, label in ((1, "good"), (3, "truth")):
            head = root / f"views/{label}/heldout-000{column}/seed-0/neutral/front-even.png"
            assert np.abs(cell(sheet, row, column).mean((0, 1)) - colour(head)).max() < 4
    paper = np.array(contact_sheet._PAPER)
    assert np.abs(np.median(cell(sheet, 2, 1), axis=(0, 1)) - paper).max() < 4  # the head that failed


def test_the_command_writes_a_sheet_for_each_person(root: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["gallery", str(root), "--sheets", "--out", str(tmp_path)])
    assert told.exit_code == 0
    names = ["methods.jpg", *(f"people/heldout-000{n}.jpg" for n in range(3))]
    assert told.stdout.split() == [str(tmp_path / name) for name in names]
    assert (tmp_path / "methods.jpg").read_bytes() == (root / "methods.jpg").read_bytes()
    person = pixels(tmp_path / "people/heldout-0002.jpg")
    for column, expression in enumerate(PROTOCOL.expressions):
        head = root / f"views/good/heldout-0002/seed-0/{expression}/front-even.png"
        assert np.abs(cell(person, 1, column).mean((0, 1)) - colour(head)).max() < 4


def test_a_folder_that_is_no_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Found no run at .* run its protocol first"):
        write_sheets(tmp_path, tmp_path / "out")


def test_the_sheet_of_everything_shrinks_its_pictures_where_there_are_many(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert contact_sheet._cell_that_fits(8 * 5 * 2) == contact_sheet.CELL
    many = contact_sheet._cell_that_fits(18 * 12 * 5)
    assert contact_sheet._SMALLEST < many < contact_sheet.CELL
    assert 18 * 12 * 5 * many**2 <= contact_sheet._MOST_PIXELS
    monkeypatch.setattr(contact_sheet, "_MOST_PIXELS", 18 * 60**2)
    store = Store(root)
    small = contact_sheet_png(PROTOCOL, store, records_of(store, VIEWS))
    with Image.open(io.BytesIO(small)) as image, Image.open(root / "contact_sheet.png") as whole:
        assert image.width < whole.width
        assert image.height < whole.height


def test_a_row_from_an_archive_says_why_it_has_no_picture(root: Path, tmp_path: Path) -> None:
    write_archive(root, tmp_path / "run.zip")
    taken = run(tmp_path / "run", tmp_path / "run.zip")
    store = Store(taken)
    strips = person_sheets(PROTOCOL, store, records_of(store, VIEWS))[1].strips
    assert [strip.absent for strip in strips] == ["archived", "no head", "archived"]
    assert strips[0].reason == ARCHIVED
    assert "the loss is NaN" in strips[1].reason
    assert ARCHIVED in (taken / "report.html").read_text()
