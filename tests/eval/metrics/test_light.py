"""Baked light: none in a true head, found where it is baked, and what identity loses under other lights."""

from dataclasses import replace

import numpy as np
import pytest

from idto3d.asset import AssetManifest, write_head_asset
from idto3d.population.people import draw_person
from idto3d.population.truth import true_mesh
from idto3d.render.camera import Camera
from idto3d.render.light import EnvironmentLight, sh_basis
from idto3d.texture.bake import rasterise_atlas
from idto3d.texture.unwrap import Unwrapped
from idto3d_eval.features import HeadFeatures
from idto3d_eval.metrics.identity import identity_similarity
from idto3d_eval.metrics.light import (
    MAXIMUM_DROP,
    MAXIMUM_EXCESS,
    baked_light,
    explained_by_normals,
    face_albedo,
    relighting_drop,
)
from idto3d_eval.reference import Reference
from idto3d_eval.rows.context import Head
from idto3d_eval.score import score_method
from idto3d_eval.views import ViewSpec

LAMP = EnvironmentLight.from_lamps(
    np.array([[0.8, 0.3, 0.52]]), np.array([[0.8, 0.8, 0.8]]), np.full(3, 0.35)
)


def lit(mesh, light):
    """The head with a light's shading multiplied into its albedo, texel by texel."""
    size = mesh.albedo.shape[0]
    layout = Unwrapped(np.arange(len(mesh.vertices)), mesh.faces, mesh.uvs.astype(np.float32))
    texels = rasterise_atlas(layout, size)
    corners = mesh.vertices[mesh.faces]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
    shading = light.irradiance(facing[texels.triangle])
    linear = (mesh.albedo[texels.mask] / 255.0) ** 2.2 * shading
    albedo = mesh.albedo.copy()
    albedo[texels.mask] = np.rint(np.clip(linear, 0.0, 1.0) ** (1 / 2.2) * 255.0)
    return replace(mesh, albedo=albedo)


@pytest.fixture(scope="module")
def heads():
    return [true_mesh(draw_person("validation", index), "neutral") for index in (0, 3)]


def test_a_head_with_baked_light_fails_and_the_same_head_without_it_passes(heads):
    for true in heads:
        own = baked_light(true)
        assert 0.0 <= own.value < 0.5
        assert baked_light(replace(true)).value - own.value <= MAXIMUM_EXCESS
        assert baked_light(lit(true, EnvironmentLight.uniform(0.8))).value - own.value <= MAXIMUM_EXCESS
        assert baked_light(lit(true, LAMP)).value - own.value > 2 * MAXIMUM_EXCESS


def test_points_are_on_the_visible_face_alone(heads):
    luminance, normals = face_albedo(heads[0])
    assert len(luminance) == len(normals) > 5000
    assert np.allclose(np.linalg.norm(normals, axis=1), 1.0)
    assert (luminance >= 0.0).all()
    assert (normals[:, 2] > 0.0).mean() > 0.9


def test_what_harmonics_make_is_explained_and_noise_is_not():
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(20_000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    shading = sh_basis(normals) @ rng.normal(size=9)
    assert explained_by_normals(shading, normals).value == pytest.approx(1.0)
    assert explained_by_normals(rng.normal(size=20_000), normals).value < 0.005
    half = shading + shading.std() * rng.normal(size=20_000)
    assert explained_by_normals(half, normals).value == pytest.approx(0.5, abs=0.02)


def test_the_scale_and_the_order_of_points_change_nothing():
    rng = np.random.default_rng(1)
    normals = rng.normal(size=(500, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    values = normals[:, 1] + rng.normal(size=500)
    order = rng.permutation(500)
    found = explained_by_normals(values, normals).value
    assert explained_by_normals(7.0 * values + 3.0, normals).value == pytest.approx(found)
    assert explained_by_normals(values[order], normals[order]).value == pytest.approx(found)


def test_without_a_face_or_with_one_colour_it_is_undefined_and_says_why(heads):
    elsewhere = replace(heads[0], vertices=heads[0].vertices + 500.0)
    assert "can be seen" in baked_light(elsewhere).reason
    grey = replace(heads[0], albedo=np.full_like(heads[0].albedo, 128))
    assert "one luminance" in baked_light(grey).reason


def test_a_head_that_keeps_its_identity_under_other_lights_loses_nothing():
    floor, ceiling = np.full((2, 3), 0.1), np.full((2, 3), 0.9)
    first = np.array([True, False, False])
    steady = np.full((2, 3), 0.7)
    baked = np.array([[0.7, 0.4, 0.4], [0.7, 0.4, 0.4]])
    assert relighting_drop([(steady, floor, ceiling)], first).value == pytest.approx(0.0)
    lost = relighting_drop([(baked, floor, ceiling)] * 2, first)
    assert lost.value == pytest.approx(0.3 / 0.8)
    assert lost.value > MAXIMUM_DROP
    assert "one light" in relighting_drop([(steady, floor, ceiling)], np.ones(3, bool)).reason


def test_rows_of_the_family_light(heads, tmp_path):
    """An asset's own figure, its excess over the true head, and the method's loss from light to light."""
    asset = tmp_path / "head"
    manifest = AssetManifest(method="oracle", identity="someone", seed=0, expressions=("neutral",))
    write_head_asset(asset, {"neutral": lit(heads[0], LAMP)}, manifest)
    views = tuple(
        ViewSpec(f"front-{name}", Camera(), light, frontal=True)
        for name, light in (("even", EnvironmentLight.uniform()), ("unseen", LAMP))
    )
    names = tuple(view.name for view in views)
    photo = np.eye(8, dtype=np.float32)[:1]
    embeddings = np.stack([np.eye(8)[0], np.eye(8)[0] + np.eye(8)[1]])[None].astype(np.float32)
    features = HeadFeatures(
        ("neutral",),
        names,
        np.array([True, True]),
        embeddings,
        np.full((1, 2, 68, 2), np.nan, np.float32),
        np.zeros((1, 2, 52), np.float32),
        np.ones((1, 2), np.float32),
        np.full((1, 2), "", dtype="<U8"),
        {},
    )
    true = baked_light(heads[0]).value
    reference = Reference(
        photo, ("neutral",), names, np.zeros((1, 2)), np.ones((1, 2)), impostors=20, albedo_light=true
    )
    head = Head("someone", 0, features, asset=asset, views=views)
    rows = {
        row.metric: row
        for row in score_method([head], {"someone": reference}, None, ("neutral",), ("light",))
    }
    assert set(rows) == {"baked_light", "baked_light_excess", "relighting_drop"}
    assert rows["baked_light_excess"].value == pytest.approx(rows["baked_light"].value - true)
    assert rows["baked_light_excess"].value > MAXIMUM_EXCESS
    similarity = identity_similarity(embeddings, photo)
    assert rows["relighting_drop"].value == pytest.approx(similarity[0, 0] - similarity[0, 1])
    unknown = replace(reference, albedo_light=None)
    rows = {
        row.metric: row for row in score_method([head], {"someone": unknown}, None, ("neutral",), ("light",))
    }
    assert "no true head" in rows["baked_light_excess"].reason
