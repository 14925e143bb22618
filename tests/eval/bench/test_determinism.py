"""The same order twice: a head of its own each, to the bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from idto3d.errors import UserError
from idto3d_eval.bench.made_heads import Order, head_folder, make_head_apart, parse_steps
from idto3d_eval.bench.repeats import compare_repeats, differing_files, thread_counts
from idto3d_eval.single import shipped_weights


@pytest.mark.slow
def test_one_seed_gives_the_same_files_in_two_processes(tmp_path: Path) -> None:
    order = Order(0, geometry_steps=1, texture_steps=1)
    (bar,) = compare_repeats(order, (1,), tmp_path, shipped_weights(), impostors=1)
    assert (bar.value, bar.passed) == (0.0, True)
    assert len(list((tmp_path / "heads").glob("*/neutral.glb"))) == 2
    assert json.loads((tmp_path / "determinism.json").read_text())["bars"][0]["passed"] is True


def test_a_file_that_differs_or_is_missing_is_named(tmp_path: Path) -> None:
    contents = {"a": {"x.glb": b"1", "y.glb": b"1"}, "b": {"x.glb": b"1", "y.glb": b"2"}}
    for asset, files in contents.items():
        (tmp_path / asset).mkdir()
        for name, data in files.items():
            (tmp_path / asset / name).write_bytes(data)
    assert differing_files(tmp_path / "a", tmp_path / "b") == ["y.glb"]
    (tmp_path / "b" / "x.glb").unlink()
    assert differing_files(tmp_path / "a", tmp_path / "b") == ["x.glb", "y.glb"]


def test_everything_that_can_change_a_head_gives_it_another_folder(tmp_path: Path) -> None:
    order, weights = Order(0), shipped_weights()
    others = [
        Order(1),
        *(
            replace(order, **change)  # type: ignore[arg-type]
            for change in (
                {"prompt": "old"},
                {"seed": 1},
                {"threads": 2},
                {"repeat": 1},
                {"texture_steps": 3},
            )
        ),
    ]
    folders = {head_folder(one, tmp_path, weights) for one in (order, *others)}
    assert len(folders) == 7
    assert head_folder(order, tmp_path, weights) in folders


def test_a_head_that_cannot_be_made_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that makes it is real; its interpreter is one that fails at once."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(UserError, match=r"making validation-0000-.* failed \(no word\)"):
        make_head_apart(Order(0), tmp_path, shipped_weights())


def test_numbers_are_read_or_refused() -> None:
    assert thread_counts("1, 2,1") == (1, 2)
    assert parse_steps("3,4") == (3, 4)
    assert min(parse_steps(None)) > 0
    for wrong in ("", "1,x", "0"):
        with pytest.raises(UserError, match="thread counts"):
            thread_counts(wrong)
    with pytest.raises(UserError, match="140,200"):
        parse_steps("12")
