"""Artefacts that were damaged on disk between two runs: found by their hash, told in one line, made again."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import fake_stages as fake
import pytest
from rich.console import Console

from idto3d.errors import UserError
from idto3d_eval.run import RunResult, run_protocol

ROWS = "[{method: good, label: good}, {method: mean, label: mean}]"
HEAD = "heads/good/heldout-0000/seed-0"
VIEWS = "views/good/heldout-0000/seed-0"


def run(root: Path, **options: Any) -> tuple[RunResult, str]:
    said = io.StringIO()
    asked: dict[str, Any] = {"methods": fake.METHODS, "stages": fake.TABLE, **options}
    result = run_protocol(
        fake.protocol(methods=ROWS),
        root,
        progress=False,
        workers=1,
        weights=root.parent / "weights",
        console=Console(file=said, width=140),
        **asked,
    )
    return result, said.getvalue()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "run"
    run(root)
    return root


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def flip(folder: Path) -> None:
    """Flips one bit of a byte in the middle of an artefact's first file."""
    file = sorted(path for path in folder.rglob("*") if path.is_file())[0]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def lose(root: Path, job: str) -> None:
    """Makes a job one that is still to be done."""
    (root / "index" / f"{job}.json").unlink()


def same(one: Path, other: Path) -> bool:
    """Whether tables and all artefacts of two runs are the same."""
    files = [path.relative_to(one) for path in one.rglob("*") if path.is_file() and "logs" not in path.parts]
    made = [name for name in files if name.parts[0] in {"heads", "views", "features", "scores"}]
    return (
        all((one / name).read_bytes() == (other / name).read_bytes() for name in made)
        and (one / "scores.parquet").read_bytes() == (other / "scores.parquet").read_bytes()
    )


@pytest.mark.parametrize(("damaged", "needed_by"), [(HEAD, VIEWS), (VIEWS, f"features{VIEWS[5:]}")])
def test_a_damaged_artefact_that_something_is_made_from_is_made_again_first(
    copy: Path, whole: Path, damaged: str, needed_by: str
) -> None:
    flip(copy / damaged)
    lose(copy, needed_by)
    result, said = run(copy)
    assert f"Found files of {damaged} that are not those that were indexed; it is made again." in said
    assert result.computed == 2  # it and what was lost; what else was made from it stands
    assert result.failed == 0
    assert same(copy, whole)


def test_damage_upon_damage_is_mended_from_the_bottom(copy: Path, whole: Path) -> None:
    for job in ("identities/heldout-0000", HEAD, VIEWS):
        flip(copy / job)
    lose(copy, f"features{VIEWS[5:]}")
    result, said = run(copy)
    assert said.count("it is made again") == 3
    assert result.computed == 4
    assert same(copy, whole)


def test_damaged_scores_are_made_again_before_tables_are_made_of_them(copy: Path, whole: Path) -> None:
    flip(copy / "scores/good")
    (copy / "report.md").unlink()
    result, said = run(copy)
    assert "Found files of scores/good that are not those that were indexed" in said
    assert result.computed == 1
    assert same(copy, whole)


def test_a_finished_run_that_is_shown_again_looks_at_nothing_and_with_check_at_everything(
    copy: Path, whole: Path
) -> None:
    for job in (HEAD, VIEWS, "scores/mean"):
        flip(copy / job)
    result, said = run(copy)
    assert result.computed == 0
    assert "made again" not in said
    result, said = run(copy, check=True)
    assert result.computed == 3
    assert [
        job for job in (HEAD, VIEWS, "scores/mean") if f"Found files of {job} that are not" not in said
    ] == []
    assert same(copy, whole)
    result, said = run(copy, check=True)
    assert result.computed == 0
    assert "Artefacts hashed: all whole." in said


def test_what_comes_out_otherwise_takes_down_what_was_made_from_it(copy: Path) -> None:
    """A damaged head whose method changed nothing in its key but draws anew: its views are drawn from the new
    one."""
    unseeded = {"methods": fake.METHODS, "stages": "fake_stages:CHANGING"}
    shutil.rmtree(copy)
    run(copy, **unseeded)
    before = (copy / HEAD / "part.glb").read_bytes()
    flip(copy / HEAD)
    lose(copy, "scores/good")
    result, _ = run(copy, check=True, **unseeded)
    after = (copy / HEAD / "part.glb").read_bytes()
    assert before != after
    assert result.computed == 4  # the head, its views, its features, the row
    assert run(copy, check=True, **unseeded)[0].computed == 0


def test_a_disk_that_gives_back_other_bytes_every_time_is_told_in_one_sentence(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from idto3d_eval.store import Store

    monkeypatch.setattr(Store, "broken", lambda _, jobs: [job for job in jobs if job == "scores/good"])
    (copy / "report.md").unlink()
    with pytest.raises(UserError, match="damaged again after they were made 3 times") as told:
        run(copy)
    assert "\n" not in str(told.value)
