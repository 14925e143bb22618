"""NoW's cumulative curves from stored rows, and the rows that they are read from."""

import numpy as np
import polars
import pytest

from idto3d_eval.geometry_curves import cumulative_curves
from idto3d_eval.metrics.geometry_now import CURVE_MM
from idto3d_eval.rows.context import RowWriter
from idto3d_eval.rows.geometry import _curve_rows


def table(rows, method):
    return polars.DataFrame(
        {
            "method": [method for _ in rows],
            "metric": [row.metric for row in rows],
            "view": [row.view for row in rows],
            "value": [row.value for row in rows],
        }
    )


def test_a_curve_comes_back_from_its_rows():
    distances = np.random.default_rng(0).gamma(2.0, 0.8, size=4_000)
    rows = []
    _curve_rows(RowWriter("", 0, frozenset({"geometry"}), rows), "now_curve", distances)
    (curve,) = cumulative_curves(table(rows, "id_to_3d"))
    assert set(curve) == {"title", "x", "y", "series"}
    points = np.array(curve["series"]["id_to_3d"])
    assert points[0].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(points[1:, 0], CURVE_MM)
    np.testing.assert_allclose(points[1:, 1], [(distances <= mm).mean() for mm in CURVE_MM])
    assert (np.diff(points[:, 1]) >= 0).all()


def test_seeds_are_averaged_and_methods_without_a_curve_left_out():
    rows = []
    for scale in (1.0, 2.0):
        _curve_rows(
            RowWriter("", 0, frozenset({"geometry"}), rows), "now_published_curve", np.full(10, scale)
        )
    none = []
    _curve_rows(RowWriter("", 0, frozenset({"geometry"}), none), "now_published_curve", np.zeros(0))
    assert np.isnan(none[0].value)
    (curve,) = cumulative_curves(polars.concat([table(rows, "one"), table(none, "none")]))
    assert set(curve["series"]) == {"one"}
    assert dict(curve["series"]["one"])[1.5] == pytest.approx(0.5)


def test_without_rows_there_is_no_curve():
    assert cumulative_curves(table([], "one").cast({"method": polars.String, "metric": polars.String})) == []
