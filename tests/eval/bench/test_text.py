"""Text figures from heads whose readings are given, and the whole benchmark at its smallest."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from idto3d.asset import AssetManifest, write_head_asset
from idto3d.attributes import Attributes
from idto3d.errors import UserError
from idto3d.population.truth import mean_meshes
from idto3d_eval.bench import prompted
from idto3d_eval.bench.bars import Bar, write_figures
from idto3d_eval.bench.made_heads import Order, head_folder
from idto3d_eval.bench.measured_heads import Counted, words_of
from idto3d_eval.bench.prompted import ReadHead, TextBench, TextFigures, run_text, text_bars
from idto3d_eval.single import shipped_weights

PLAIN = words_of(Attributes("male", "young", "tan", "short", "brown", "no beard"))


def head(person: str, prompt: str, changes: dict[str, str], similarity: float = 0.6) -> ReadHead:
    """A head read as the plain one but for some words, between a floor of 0.2 and a ceiling of 0.7."""
    asked = {"old": {"age": "old"}, "with a beard": {"beard": "full beard"}, "": {}}[prompt]
    return ReadHead(person, prompt, asked, {**PLAIN, **changes}, Counted(similarity, 0.2, 0.7))


def test_text_bars_count_what_was_asked_and_what_was_not() -> None:
    heads = [
        head("a", "", {}),
        head("a", "old", {"age": "old"}),
        head("a", "with a beard", {"beard": "full beard", "skin": "brown"}, 0.5),
        head("b", "", {"age": "old"}),
        head("b", "old", {"age": "old"}),
        head("b", "with a beard", {"age": "old", "beard": "stubble"}, 0.5),
    ]
    found, changed, fall = text_bars(heads)
    assert found.value == pytest.approx(3 / 4)
    assert not found.passed
    assert changed.value == pytest.approx(1 / 20)  # one skin, of 4 heads × 5 groups nobody asked for
    assert changed.passed
    assert fall.value == pytest.approx((0.6 - 0.55) / 0.5)
    assert fall.passed
    rows = {row["prompt"]: row for row in TextFigures((), tuple(heads)).rows()}
    assert rows["old"]["asked found"] == "1.00"
    assert rows["old"]["found, where it was not"] == "1.00"  # of a alone: b read old before
    assert rows["with a beard"]["unasked changed"] == "0.10"


def test_a_head_without_a_readable_face_has_nothing_that_was_asked() -> None:
    plain, lost = head("a", "", {}), replace(head("a", "old", {}), words={})
    found, changed, _ = text_bars([plain, lost])
    assert (found.value, changed.value) == (0.0, 1.0)


def test_a_bar_that_is_undefined_fails_and_is_null_in_json(tmp_path: Path) -> None:
    bars = [Bar("a", math.nan, 0.1), Bar("b", 0.1, 0.1), Bar("c", 0.7, 0.8, least=True)]
    assert [bar.passed for bar in bars] == [False, True, False]
    assert bars[0].row()["found"] == "undefined"
    write_figures(tmp_path / "deep" / "f.json", bars, heads=[{"x": (math.inf, 1)}])
    stored = json.loads((tmp_path / "deep" / "f.json").read_text())
    assert stored["bars"][0]["value"] is None
    assert stored["heads"] == [{"x": [None, 1]}]


def test_a_prompt_nobody_understands_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    bench = TextBench(1, ("old", "bronze statue"), (1, 1))
    with pytest.raises(UserError, match="bronze statue"):
        run_text(bench, tmp_path, shipped_weights())
    assert list(tmp_path.iterdir()) == []


def mean_heads(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """Puts the mean head in the place of every head made; returns the list that orders come to stand in."""
    orders: list[Order] = []

    def make(order: Order, root: Path, weights: Path, _: object = None) -> Path:
        out = head_folder(order, root, weights)
        if not out.is_dir():
            orders.append(order)
            head = mean_meshes(["neutral"])
            write_head_asset(
                out, head, AssetManifest(method="m", identity="x", seed=0, expressions=("neutral",))
            )
        return out

    monkeypatch.setattr(prompted, "make_head", make)
    return orders


def test_each_head_is_made_once_and_equal_heads_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders, bench = mean_heads(monkeypatch), TextBench(1, ("bald",), (1, 1), loudness=3.0, impostors=1)
    first = run_text(bench, tmp_path, shipped_weights())
    assert [(order.prompt, order.loudness) for order in orders] == [("", None), ("bald", 3.0)]
    assert run_text(bench, tmp_path, shipped_weights()) == first
    assert len(orders) == 2
    found, changed, fall = first.bars
    assert (found.value, changed.value, fall.value) == (0.0, 0.0, 0.0)
    stored = json.loads((tmp_path / "text.json").read_text())
    assert [head["prompt"] for head in stored["heads"]] == ["", "bald"]
    assert set(stored["reader_on_true_heads"]) == set(Attributes.GROUPS)
    assert (tmp_path / "text.png").stat().st_size > 1000


@pytest.mark.slow
def test_a_prompt_reaches_the_head(tmp_path: Path) -> None:
    """The whole benchmark at its smallest, with the generator itself."""
    run_text(TextBench(1, ("bald",), (1, 2), impostors=1), tmp_path, shipped_weights())
    plain, bald = ((path / "neutral.glb").read_bytes() for path in sorted((tmp_path / "heads").iterdir()))
    assert plain != bald
