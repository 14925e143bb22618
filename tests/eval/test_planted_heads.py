"""Heads planted to deceive, on the path of a run: asset, views, readings, rows.

Each is caught by the metric that is there for it, and passes the ones that it deceives; a test says which is
which. What is planted is made of true heads of validation people, drawn small.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from idto3d.asset import AssetError, AssetManifest, TexturedMesh, write_head_asset
from idto3d.expressions import EXPRESSIONS
from idto3d.glb import encode_glb
from idto3d_eval.features import HeadFeatures, load_features, read_features
from idto3d_eval.geometry_score import compare_geometry
from idto3d_eval.metrics.identity import calibrated_identity
from idto3d_eval.metrics.retrieval import MINIMUM_GALLERY
from idto3d_eval.metrics.surface import Surface
from idto3d_eval.reference import Gallery, Reference, Truth, true_outer_skin
from idto3d_eval.rows.context import Head
from idto3d_eval.score import score_method
from idto3d_eval.selfcheck import drawn
from idto3d_eval.tables import ScoreRow
from idto3d_eval.views import render_asset

SHOWN = ("neutral", "smile", "surprise", "smirk")  # the last one is one-sided
WHO = 0  # the person in whose name the heads are planted
STRANGER = 2
FLIP = np.array([-1.0, 1.0, 1.0])
Meshes = Mapping[str, TexturedMesh]
GEOMETRY = ("now_median", "now_metrical_median", "now_published_median", "chamfer_l1", "normal_error")


@dataclass(frozen=True)
class Scores:
    """Rows of one planted head."""

    rows: list[ScoreRow]

    def of(self, metric: str, expression: str | None = None) -> float:
        """The mean of a metric's rows, of one expression where it is named."""
        values = [
            row.value for row in self.rows if row.metric == metric and expression in (None, row.expression)
        ]
        assert values, metric
        return float(np.mean(values))

    def reasons(self, metric: str) -> set[str]:
        """Why its rows are undefined."""
        return {row.reason for row in self.rows if row.metric == metric}

    def calibrated(self) -> float:
        """Calibrated identity of this head alone."""
        parts = (self.of(f"identity_{name}") for name in ("counted", "floor", "ceiling"))
        return calibrated_identity(*(np.array([part]) for part in parts)).value


@pytest.fixture(scope="module")
def truth() -> Truth:
    """The person's outer skin, its landmarks read on the true head's views."""
    readings = drawn.read({"neutral": drawn.drawn(WHO)})
    return true_outer_skin(drawn.people()[WHO], readings, drawn.views())


@pytest.fixture(scope="module")
def references(truth: Truth) -> Mapping[str, Reference]:
    """What heads are measured against: photos, twenty impostors' floor, the true head's ceiling, the skin; of
    the stranger photos, since a run's other people are looked for, too."""
    own, other = drawn.names()[WHO], drawn.names()[STRANGER]
    return {own: replace(drawn.reference(WHO), truth=truth), other: drawn.reference(STRANGER)}


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    """Some people that are drawn and read; directions at random make up the number that rank-1 asks for."""
    some = drawn.gallery_of(40)
    rest = np.random.default_rng(0).normal(size=(MINIMUM_GALLERY - len(some.ids), some.templates.shape[1]))
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    ids = (*some.ids, *(f"direction-{number}" for number in range(len(rest))))
    return Gallery(ids, np.concatenate([some.templates, rest.astype(np.float32)]))


@pytest.fixture(scope="module")
def plant(
    tmp_path_factory: pytest.TempPathFactory, references: Mapping[str, Reference], gallery: Gallery
) -> Callable[[Meshes], Scores]:
    """Write a head in the person's name, draw it, read it, score it."""

    def planted(meshes: Meshes) -> Scores:
        folder = tmp_path_factory.mktemp("planted")
        name, expressions = drawn.names()[WHO], tuple(meshes)
        manifest = AssetManifest(method="planted", identity=name, seed=0, expressions=expressions)
        write_head_asset(folder / "head", meshes, manifest)
        render_asset(folder / "head", drawn.views(), folder / "views")
        read_features(folder / "views", drawn.models(), folder / "features.npz")
        features = load_features(folder / "features.npz")
        return Scores(_scored(references, gallery, expressions, features, folder / "head"))

    return planted


@pytest.fixture(scope="module")
def true_scores(plant: Callable[[Meshes], Scores]) -> Scores:
    """The person's own head: what the others are compared with."""
    return plant(heads(WHO))


def heads(index: int, change: Callable[[TexturedMesh], TexturedMesh] = lambda mesh: mesh) -> Meshes:
    """A person's true heads, each changed."""
    return {name: change(drawn.head(index, name)) for name in SHOWN}


def _scored(
    references: Mapping[str, Reference],
    gallery: Gallery,
    expressions: tuple[str, ...],
    features: HeadFeatures | None,
    asset: Path | None,
    failure: str = "",
) -> list[ScoreRow]:
    """All rows; identity and geometry of the neutral head, since that is what has a floor here."""
    head = Head(drawn.names()[WHO], 0, features, failure, asset=asset, views=drawn.views())
    neutral = head if features is None else replace(head, features=features.asked(("neutral",)))
    rows = score_method([neutral], references, gallery, ("neutral",), ("identity", "geometry"))
    return rows + score_method([head], references, gallery, expressions, ("expression",))


def test_the_true_head_passes_everything(true_scores: Scores) -> None:
    assert true_scores.calibrated() == pytest.approx(1.0, abs=0.01)
    assert true_scores.of("rank1") == 1.0
    for expression in SHOWN:
        assert true_scores.of("joint", expression) == 1.0
    assert true_scores.of("now_median") < 0.02
    assert true_scores.of("now_metrical_median") < 0.02
    assert true_scores.of("normal_error") < 1.0


def test_another_persons_texture_is_caught_by_identity_and_deceives_geometry(
    plant: Callable[[Meshes], Scores], true_scores: Scores
) -> None:
    """Right shape in wrong skin: identity, rank-1 and the joint score fall; geometry sees nothing."""
    other = drawn.head(STRANGER)
    found = plant(
        heads(
            WHO, lambda mesh: replace(mesh, albedo=other.albedo, roughness_metallic=other.roughness_metallic)
        )
    )
    assert found.calibrated() < 0.1
    assert found.of("rank1") == found.of("joint") == 0.0
    for metric in (
        "now_median",
        "now_metrical_median",
        "chamfer_l1",
    ):  # landmarks are read a little elsewhere
        assert found.of(metric) == pytest.approx(true_scores.of(metric), abs=0.01)
    for expression in ("smile", "surprise"):
        assert found.of("expression_accuracy", expression) == 1.0


def test_a_statue_of_thirteen_equal_faces_is_caught_by_the_joint_score_and_deceives_drift(
    plant: Callable[[Meshes], Scores],
) -> None:
    """The right person who never moves: accuracy and the joint score are one in thirteen."""
    found = plant({name: drawn.head(WHO) for name in EXPRESSIONS})
    assert found.of("expression_accuracy") == pytest.approx(1 / 13)
    assert found.of("joint") == pytest.approx(1 / 13)
    assert found.of("identity_drift") == pytest.approx(0.0, abs=1e-12)
    assert found.calibrated() == pytest.approx(1.0, abs=0.01)
    assert found.of("rank1") == 1.0


def test_a_puppet_with_a_strangers_face_is_caught_by_identity_and_deceives_expression(
    plant: Callable[[Meshes], Scores], true_scores: Scores
) -> None:
    """Every expression is right, on another person: accuracy is the truth's; joint is zero."""
    found = plant(heads(STRANGER))
    for expression in ("smile", "surprise", "smirk"):
        assert found.of("expression_accuracy", expression) == 1.0
    assert found.of("rank1") == found.of("joint") == 0.0
    assert found.calibrated() < 0.0
    assert found.of("identity_drift") < true_scores.of("identity_drift") + 0.05
    assert found.of("now_median") > 1.0


def test_a_mirrored_head_is_caught_by_the_one_sided_expression_and_deceives_identity(
    plant: Callable[[Meshes], Scores], true_scores: Scores
) -> None:
    """A face looks the same in a mirror, so identity passes and the reader finds the left eye on the left:
    the smirk is on the wrong side, and only as much geometry is wrong as the person is uneven."""

    def mirrored(mesh: TexturedMesh) -> TexturedMesh:
        return replace(mesh, vertices=mesh.vertices * FLIP, faces=mesh.faces[:, ::-1].copy())

    found = plant(heads(WHO, mirrored))
    assert found.of("joint", "smirk") == found.of("expression_accuracy", "smirk") == 0.0
    assert found.of("expression_error", "smirk") > true_scores.of("expression_error", "smirk") + 1.0
    assert found.of("expression_accuracy", "smile") == 1.0
    assert found.calibrated() > 0.9
    assert found.of("rank1") == 1.0
    assert 0.05 < found.of("now_median") < 0.5
    assert found.of("normal_error") > 5.0 * true_scores.of("normal_error")


def test_a_mirror_that_turns_the_skin_inside_out_is_caught_by_normals_and_deceives_the_published_now(
    plant: Callable[[Meshes], Scores],
) -> None:
    """As above with the faces left as they were wound: what is seen from outside is the far side."""
    found = plant(heads(WHO, lambda mesh: replace(mesh, vertices=mesh.vertices * FLIP)))
    assert found.of("normal_error") > 90.0
    assert found.of("now_median") > 2.0
    assert found.of("chamfer_l1") > 2.0
    assert found.of("now_published_median") < 0.5
    assert found.calibrated() > 0.9


def test_a_mirrored_head_that_brings_its_own_landmarks_is_refused_except_as_published(truth: Truth) -> None:
    """Landmarks that keep their names through the mirror fit the truth only mirrored."""
    mesh = drawn.head(WHO)
    head = Surface(mesh.vertices * FLIP, mesh.faces[:, ::-1])
    found = compare_geometry(head, truth.landmarks * FLIP, truth).measurements
    assert found["now_published_median"].value < 0.02
    for metric in ("now_median", "now_metrical_median", "chamfer_l1", "surface_recall", "normal_error"):
        assert "better mirrored" in found[metric].reason


def test_a_head_scaled_by_a_thousand_is_refused_before_anything_reads_it(
    tmp_path: Path, references: Mapping[str, Reference], gallery: Gallery
) -> None:
    """A file in the wrong unit: one sentence, which then stands at every figure as the reason."""
    name = drawn.names()[WHO]
    meshes = heads(WHO, lambda mesh: replace(mesh, vertices=1000.0 * mesh.vertices))
    manifest = AssetManifest(method="planted", identity=name, seed=0, expressions=SHOWN)
    with pytest.raises(AssetError, match="expected a head within 2000 mm of its eyes"):
        write_head_asset(tmp_path / "head", meshes, manifest)
    folder = tmp_path / "foreign"
    folder.mkdir()
    for expression, mesh in meshes.items():
        (folder / f"{expression}.glb").write_bytes(encode_glb(mesh))
    (folder / "asset.json").write_text(json.dumps(manifest.model_dump(mode="json")))
    with pytest.raises(AssetError, match="expected a head within 2000 mm of its eyes") as refused:
        render_asset(folder, drawn.views(), tmp_path / "views")
    rows = Scores(_scored(references, gallery, SHOWN, None, None, str(refused.value)))
    for metric in ("identity_counted", "rank1", "joint", "expression_error", *GEOMETRY):
        assert math.isnan(rows.of(metric))
        assert rows.reasons(metric) == {str(refused.value)}
    assert rows.of("face_coverage") == 0.0


def test_a_scale_is_caught_by_the_metrical_now_and_deceives_the_free_one(truth: Truth) -> None:
    """What the bounds of a file let pass, up to a thousandfold where no file is between."""
    mesh = drawn.head(WHO)
    for scale in (1.2, 1000.0):
        head = Surface(scale * mesh.vertices, mesh.faces)
        found = compare_geometry(head, scale * truth.landmarks, truth).measurements
        assert found["now_median"].value < 0.02
        assert found["now_published_median"].value < 0.02
        assert found["now_metrical_median"].value > 1.5
        assert found["surface_recall"].value < 0.8
