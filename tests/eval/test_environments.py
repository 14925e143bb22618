"""Other renderings: the fixed set, a second renderer that agrees with the first, readings of a stored "
"head."""

from dataclasses import replace

import numpy as np
import pytest

from idto3d.asset import AssetManifest, write_head_asset
from idto3d.errors import UserError
from idto3d.population.people import draw_person
from idto3d.population.truth import true_mesh
from idto3d_eval.environments import FILE, draw, environments_of, load_environments, read_environments
from idto3d_eval.features import load_scoring_models
from idto3d_eval.second_renderer import nvdiffrast
from idto3d_eval.single import shipped_weights
from idto3d_eval.views import view_specs
from idto3d_protocols.loader import load_protocol


@pytest.fixture(scope="module")
def mesh():
    return true_mesh(draw_person("validation", 0), "neutral")


@pytest.fixture(scope="module")
def environments():
    return environments_of(view_specs(load_protocol("smoke")), ("zbuffer",))


def small(environment, yaw=0.0, resolution=64):
    camera = replace(environment.view.camera, resolution=resolution, yaw=yaw)
    return replace(environment, view=replace(environment.view, camera=camera))


def test_each_environment_departs_from_the_first_along_one_axis(environments):
    first = environments[0]
    assert [own.name for own in environments] == [
        "first",
        "128px",
        "256px",
        "below",
        "right",
        "top",
        "zbuffer",
    ]
    for other in environments[1:]:
        differs = {
            "resolution": other.view.camera != first.view.camera,
            "light": not np.array_equal(other.view.light.sh, first.view.light.sh),
            "renderer": other.renderer != first.renderer,
        }
        assert [axis for axis, found in differs.items() if found] == [other.axis]


@pytest.mark.parametrize("yaw", [0.0, 0.7])
def test_the_second_renderer_draws_what_the_first_one_draws(mesh, environments, yaw):
    """They share no code that finds or fills a pixel, so outlines may differ in single pixels."""
    one, other = (draw(mesh, small(environments[place], yaw)).astype(int) for place in (0, -1))
    assert one.std() > 10.0
    differs = np.abs(one - other).max(axis=-1)
    assert (differs > 1).mean() < 0.002
    assert (differs > 0).mean() < 0.02


def test_a_stored_head_is_read_in_every_environment(mesh, environments, tmp_path):
    names = ("neutral", "smile", "anger", "fear")
    manifest = AssetManifest(method="oracle", identity="validation-0000", seed=0, expressions=names)
    write_head_asset(tmp_path / "head", dict.fromkeys(names, mesh), manifest)
    models = load_scoring_models(shipped_weights())
    chosen = [small(environments[place], resolution=128) for place in (0, 3)]
    asked = ("smile", "neutral", "anger", "fear")
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        read_environments(tmp_path / "head", asked, chosen, models, tmp_path / place / FILE)
    read = load_environments(tmp_path / "a" / FILE)
    assert read.names == ("first", "below")
    assert read.expressions == ("neutral", "smile", "anger")
    assert read.embeddings.shape[:2] == (2, 3)
    assert read.actions.shape == (2, 3, 52)
    assert (read.reasons == "").all()
    # One mesh for all expressions: what is read of it is one thing, and light is another.
    assert np.array_equal(read.embeddings[0, 0], read.embeddings[0, 2])
    assert not np.allclose(read.embeddings[0, 0], read.embeddings[1, 0], atol=1e-3)
    assert (tmp_path / "a" / FILE).read_bytes() == (tmp_path / "b" / FILE).read_bytes()


def test_nvdiffrast_says_what_it_lacks():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError):
        nvdiffrast(torch.zeros(3, 3), torch.zeros(1, 3, dtype=torch.int64))


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / FILE).write_bytes(b"no npz")
    with pytest.raises(UserError, match="read them again"):
        load_environments(tmp_path / FILE)
