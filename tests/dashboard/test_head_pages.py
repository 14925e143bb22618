"""The pages of heads and geometry, run as Streamlit runs them, on a small finished run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
from streamlit.testing.v1 import AppTest

from idto3d_dashboard.drawing.curves import Curve, line_chart
from idto3d_eval.heat_map import ErrorMap
from idto3d_eval.metrics.table import METRICS
from idto3d_eval.run_folder import BY_IDENTITY, PEOPLE, SCORES, SUMMARY
from tests.dashboard.fake_runs import finished, give_head, square

ROWS = (
    "[{method: good, label: good}, {method: other, label: swapped, photos_of: next}, "
    "{method: truth, label: truth}]"
)
FIRST, SECOND = "heldout-0000", "heldout-0001"
PAGES = ("identity", "expressions", "geometry")
Shown = list[dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("runs") / "fake", 3, ROWS)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A run in which `good` has heads of one mesh, and the others have none."""
    run = tmp_path / "fake"
    shutil.copytree(made, run)
    give_head(run, FIRST)
    return run


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What pages gave the viewer."""
    calls: Shown = []

    def show_heads(heads: Any, **told: Any) -> None:
        calls.append({"heads": list(heads), **told})

    monkeypatch.setattr("idto3d_dashboard.viewer.show_heads", show_heads)
    return calls


@pytest.fixture
def page(folder: Path, shown: Shown) -> Callable[..., AppTest]:
    """Opens a page at an address."""
    del shown

    def opened(name: str, **address: str | list[str]) -> AppTest:
        app = AppTest.from_function(script, kwargs={"folder": str(folder), "name": name}, default_timeout=60)
        for key, value in address.items():
            app.query_params[key] = value
        app.run()
        assert [str(error.value) for error in app.exception] == []
        return app

    return opened


def script(folder: str, name: str) -> None:
    import importlib
    from pathlib import Path

    from idto3d_dashboard.choice import choose
    from idto3d_dashboard.live_sheet import LiveSheet
    from idto3d_dashboard.reading.run import open_run

    module = importlib.import_module(f"idto3d_dashboard.pages.{name}")
    module.show(choose(open_run(Path(folder)), {"fake": Path(folder)}), LiveSheet())


def words(app: AppTest) -> str:
    """All that a page says."""
    parts = [*app.title, *app.subheader, *app.caption, *app.info, *app.warning, *app.get("html")]
    return "\n".join(str(getattr(part, "value", "") or getattr(part.proto, "body", "")) for part in parts)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_stands_with_all_methods_and_with_one(page: Callable[..., AppTest], name: str) -> None:
    assert FIRST in words(page(name))
    assert SECOND in words(page(name, method=["truth"], identity=SECOND, expression="smile"))


@pytest.mark.parametrize("name", PAGES)
def test_without_methods_a_page_says_what_to_do(page: Callable[..., AppTest], name: str) -> None:
    app = page(name)
    app.multiselect[0].set_value([]).run()
    assert [str(error.value) for error in app.exception] == []
    assert "choose one or more under Methods" in words(app)


def test_heads_have_their_look_from_the_address_and_their_figures(
    page: Callable[..., AppTest], shown: Shown
) -> None:
    app = page("identity", look="clay")
    (call,) = shown
    (head,) = call["heads"]
    assert call["look"] == "clay"
    assert head.name == "good"
    assert head.glb.name == "neutral.glb"
    assert "similarity 0." in head.note
    assert f"heads/truth/{FIRST}/seed-0" in words(app)
    assert f"logs/heads/truth/{FIRST}/seed-0.log" in words(app)


def test_photos_have_texts_and_those_of_scoring_stand_apart(page: Callable[..., AppTest]) -> None:
    told = words(page("identity"))
    assert f'alt="{FIRST}, a photo that heads are made from, 1 of 2"' in told
    assert f'alt="{FIRST}, a photo that heads are scored by, 1 of 1"' in told
    assert f"Made from photos of {SECOND} instead: swapped." in told


def test_the_table_of_people_follows_the_metric(page: Callable[..., AppTest], folder: Path) -> None:
    app = page("identity", metric="now_median")
    table = app.dataframe[0].value
    means = polars.read_parquet(folder / BY_IDENTITY)
    own = means.filter((means["method"] == "good") & (means["metric"] == "now_median"))
    assert table["good"].tolist() == pytest.approx(own["mean"].to_list())
    assert next(iter(table["identity"])) == FIRST


def test_values_that_are_missing_say_why(page: Callable[..., AppTest], folder: Path) -> None:
    scores = polars.read_parquet(folder / SCORES)
    gone = (scores["method"] == "good") & (scores["identity"] == FIRST)
    scores = scores.with_columns(
        value=polars.when(gone).then(float("nan")).otherwise(polars.col("value")),
        reason=polars.when(gone).then(polars.lit("no face <b>was</b> read")).otherwise(polars.col("reason")),
    )
    region = polars.col("metric").str.starts_with("region_")
    named = polars.when(region).then(polars.lit("neutral")).otherwise(polars.col("expression"))
    scores.with_columns(expression=named).write_parquet(folder / SCORES)
    (folder / BY_IDENTITY).unlink()
    told = words(page("identity", method=["good"]))
    assert "no face &lt;b&gt;was&lt;/b&gt; read" in told
    assert f"No view of {FIRST} was read (good: no face" in told
    assert "no face &lt;b&gt;was&lt;/b&gt; read" in words(page("geometry", method=["good"]))


def test_a_slider_sends_weights_and_the_same_head(page: Callable[..., AppTest], shown: Shown) -> None:
    app = page("expressions", expression="smile")
    first = shown[-1]
    assert first["weights"] == {"smile": 1.0}
    app.slider[0].set_value(0.25).run()
    assert shown[-1]["weights"] == {"smile": 0.25}
    assert shown[-1]["heads"][0].glb is first["heads"][0].glb
    assert "truth cannot be blended: no head with neutral to blend" in words(app)


def test_pictures_of_the_matrix_say_what_was_read(page: Callable[..., AppTest]) -> None:
    told = words(page("expressions", view="front-even"))
    assert f'alt="good&#x27;s head of {FIRST} with smile, view front-even"' in told
    assert "truth" in told


def test_without_a_true_head_a_sentence_stands(page: Callable[..., AppTest], folder: Path) -> None:
    means = polars.read_parquet(folder / BY_IDENTITY)
    unknown = polars.when(polars.col("metric") == "now_median").then(None).otherwise(polars.col("mean"))
    means.with_columns(mean=unknown).write_parquet(folder / BY_IDENTITY)
    assert f"No true head of {FIRST} is known" in words(page("geometry"))


def planes(app: AppTest) -> str:
    """The charts of a page, as HTML."""
    return "".join(each.proto.body for each in app.get("html") if 'class="idto3d plane' in each.proto.body)


def test_a_group_has_no_curve_of_all_people(page: Callable[..., AppTest], folder: Path) -> None:
    """A run stores the pooled curve alone: under a group's name it would be a wrong one."""
    summary = json.loads((folder / SUMMARY).read_text())
    title = f"{METRICS['now_curve'].title}: points within a distance of the head"
    summary["curves"] = [{"title": title, "series": {"good": [[0.0, 0.0], [1.0, 0.5], [2.0, 1.0]]}}]
    (folder / SUMMARY).write_text(json.dumps(summary))
    people = [{"identity": FIRST, "groups": {"sex": "female"}}]
    (folder / PEOPLE).write_text(json.dumps({"people": people}))

    assert planes(page("geometry")).count("<p>distance, mm</p>") == 1
    app = page("geometry", group="sex: female")
    assert "<p>distance, mm</p>" not in planes(app)
    assert "so there is none of sex: female" in words(app)


def test_a_second_line_of_a_row_goes_by_the_name_of_the_first() -> None:
    """A legend of twice as many names leaves a telephone no room for the chart."""
    curves = [Curve("a", [0.0], [0.0]), Curve("a", [0.0], [1.0], "Ada"), Curve("b", [0.0], [1.0], "Ada")]
    html = line_chart(curves, ("a", "b"), x="mm", y="share")
    assert re.findall(r"</i>([^<]+)</li>", html) == ["a", "b, Ada"]


def test_a_heat_map_is_shown_with_its_curve(
    page: Callable[..., AppTest], shown: Shown, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"good/{FIRST}/seed-0"
    for name in (
        f"features/{place}/features.npz",
        f"views/{place}/views.json",
        f"references/{FIRST}/features.npz",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    mesh = square(0.0)
    found = ErrorMap(mesh.vertices, mesh.faces, np.array([0.0, 1.0, 2.0, 3.0]), face=np.array([0.5, 1.5]))
    monkeypatch.setattr("idto3d_eval.error_gallery.person_maps", lambda *_: {"neutral": found})
    app = page("geometry")
    (call,) = shown
    (head,) = call["heads"]
    assert head.glb[:4] == b"glTF"
    assert head.note == "median of the whole head 1.50 mm"
    assert "No heat map of truth" in words(app)
    assert planes(app).count("<figure") == 2  # no region was measured
