"""Rows of mesh health: whether a head's neutral mesh and its texture layout are sound."""

from __future__ import annotations

from idto3d_eval.metrics.mesh_health import NAMES, measure_mesh
from idto3d_eval.reference import GEOMETRY_EXPRESSION
from idto3d_eval.rows.context import Head, Measures, RowWriter


def head_rows(writer: RowWriter, head: Head, measures: Measures) -> None:
    """All figures of the neutral mesh, whether or not a true head exists."""
    from idto3d.asset import read_expression

    del measures
    if head.asset is None:
        for name in NAMES:
            writer.write(name, head.missing(), expression=GEOMETRY_EXPRESSION)
        return
    mesh = read_expression(head.asset, GEOMETRY_EXPRESSION)
    for name, measured in measure_mesh(mesh.vertices, mesh.faces, mesh.uvs).items():
        writer.write(name, measured, expression=GEOMETRY_EXPRESSION)
