"""The self-checks of geometry and mesh health pass, and cover every card of theirs."""

from idto3d_eval.metrics import METRICS
from idto3d_eval.selfcheck import geometry_more, mesh

ELSEWHERE = {
    "now_median",
    "now_mean",
    "now_std",
    "now_metrical_median",
    "chamfer_l1",
    "surface_recall",
    "normal_error",
}


def test_geometry_passes_its_checks_and_leaves_no_card_out():
    found = list(geometry_more.checks())
    assert [check for check in found if not check.passed] == []
    own = {name for name, card in METRICS.items() if card.family == "geometry"}
    assert own - {check.metric for check in found} <= ELSEWHERE


def test_mesh_health_passes_its_checks_and_leaves_no_card_out():
    found = list(mesh.checks())
    assert [check for check in found if not check.passed] == []
    assert {check.metric for check in found} == {
        name for name, card in METRICS.items() if card.family == "mesh"
    }
