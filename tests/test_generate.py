"""The generator: it knows nothing but photos, and under a denoiser that knows it finds the head."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import open3d as o3d
import pytest
import torch
from PIL import Image
from scipy.spatial import cKDTree

import idto3d
from idto3d import generate
from idto3d.asset import AssetManifest, read_expression, read_manifest
from idto3d.attributes import Attributes
from idto3d.checkpoints import Checkpoints
from idto3d.errors import UserError
from idto3d.expressions import preset
from idto3d.geometry.mean_head import load_mean_head
from idto3d.guidance import asking
from idto3d.guidance.control import UNIT, ControlView
from idto3d.guidance.reference_views import ReferenceViews
from idto3d.population.people import draw_person
from idto3d.population.photos import draw_photo
from idto3d.population.surface import Surface, place_on_mean
from idto3d.population.truth import outer_skin

WEIGHTS = Path(idto3d.__file__).parent / "weights"
LIPS = list(range(48, 60))  # outer ones, iBUG
MISPLACED = 2.5  # mm, of 18 at the start

ALONE = """
import sys
from pathlib import Path
sys.modules["anny"] = None
sys.modules["idto3d.population"] = None
from idto3d_baselines.id_to_3d import generate
from idto3d_baselines.specs import GenerateRequest
from idto3d_protocols.schema import Budget
photos, weights, out = (Path(argument) for argument in sys.argv[1:])
budget = Budget(geometry_steps=2, texture_steps=2, fit_steps=0, geometry_batch=1, texture_batch=1, threads=1)
small = {"grid_resolution": 56, "faces": 3000, "texture_size": 64, "views": 4}
small |= {"neutral_weight": 1.0, "looks": 1}
found = tuple(sorted(photos.iterdir()))
generate(GenerateRequest("somebody", found, ("neutral", "smile"), 0, budget, weights, out, small))
"""


def test_the_generator_runs_where_no_answer_can_be_imported(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(2):
        image = draw_photo(draw_person("validation", 5), index, 160).image
        Image.fromarray(image).save(photos / f"{index}.jpg", quality=95)
    out = tmp_path / "head"
    command = [sys.executable, "-c", ALONE, str(photos), str(WEIGHTS), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    manifest = read_manifest(out)
    # One view a step: half a step of layout, one and one of each stage, in which expressions and the neutral
    # head's colours are pushed; and the references of an expression's one phase a stage, of four views each.
    # Places cost as much as an answer: an expression asks for its own and those at rest, a neutral head's
    # shape for its own. An expression's shape begins with those of all four views.
    shape, colours = (1 + 1) + (2 + 2) + (4 + 4), 2 + (2 + 2)
    assert manifest.guidance_calls == shape + colours + 2 * 4
    neutral, smile = (read_expression(out, name) for name in ("neutral", "smile"))
    assert np.array_equal(neutral.faces, smile.faces)
    assert 150.0 < np.ptp(neutral.vertices[:, 1]) < 400.0  # mm


@pytest.mark.parametrize("weight", [0.0, 300.0])
def test_distillation_under_a_denoiser_that_knows_finds_the_head(
    monkeypatch: pytest.MonkeyPatch, weight: float
) -> None:
    """With the true normals as the denoiser's answer, stage 1 at least halves the distance to the skin, and
    opens a mouth that is open; told the true places besides, it puts the lips where they are."""
    person = draw_person("validation", 1)
    truth = {name: Surface(person, preset(name)) for name in ("neutral", "surprise")}
    asked: list[tuple[str, list[object]]] = []

    def remember(_: object, expression: str, cameras: list[object], __: object) -> None:
        asked.append((expression, cameras))

    class Unasked:
        """Views of no reference, for a denoiser that makes no errors."""

        def __init__(self, _: object, __: object, cameras: list[object], drawn: list[object], *___: object):
            nothing = torch.zeros(len(cameras), 1)
            self.views = ReferenceViews(cameras, drawn, nothing, nothing, nothing, nothing)  # type: ignore[arg-type]

        def noised(self, *_: object) -> ReferenceViews:
            return self.views

    def answer(*_: object, error: object, **__: object) -> torch.Tensor:
        assert error is not None
        expression, cameras = asked[-1]
        targets = []
        for camera in cameras:
            fine = replace(camera, resolution=128)  # type: ignore[type-var]
            seen = truth[expression].look(fine)
            picture = np.zeros((128, 128, 3), np.float32)
            picture[seen.mask] = seen.normal @ fine.rotation().T
            targets.append(picture.reshape(64, 2, 64, 2, 3).mean((1, 3)))
        return torch.from_numpy(np.stack(targets)).permute(0, 3, 1, 2)

    class Knowing:
        resolution = 64

        def encode(self, images: torch.Tensor) -> torch.Tensor:
            return images

        decode = encode
        knows_places = True

        def places(self, _: object) -> torch.Tensor:
            expression, cameras = asked[-1]
            shown = np.zeros((len(cameras), 64, 64, 3), np.float32)
            for image, camera in zip(shown, cameras, strict=True):
                seen = truth[expression].look(replace(camera, resolution=64))  # type: ignore[type-var]
                image[seen.mask] = place_on_mean(seen) / UNIT
            return torch.from_numpy(shown).permute(0, 3, 1, 2)

    monkeypatch.setattr(generate, "condition_of", remember)
    monkeypatch.setattr(generate, "placed", lambda condition, *_: condition)
    monkeypatch.setattr(generate, "still_views", Unasked)
    monkeypatch.setattr(generate, "plain_views", Unasked)
    monkeypatch.setattr(asking, "sds_target", answer)
    settings = generate.GeneratorSettings(
        geometry_steps=90,
        neutral_weight=1.0,
        neutral_askings=3,
        grid_resolution=56,
        views=16,
        layout_share=1.0,
        place_weight=weight,
        place_scale=1.0,
    )
    mean_head = load_mean_head(WEIGHTS / "mean_head.npz")
    grid, control = generate.start_grid(mean_head, settings.grid_resolution), ControlView(mean_head)
    names, nobody = ["neutral", "surprise"], generate.Subject(None, None)
    field = generate.start_field(grid, len(names), mean_head.landmarks)
    if weight:
        generate.lay_out(nobody, field, Knowing(), control, mean_head, settings, 0)  # type: ignore[arg-type]
    found = generate.sculpt(nobody, names, Knowing(), control, field, settings, 0)  # type: ignore[arg-type]
    with np.load(WEIGHTS / "mean_head.npz") as mean:
        before = _distance(person, mean["vertices"], mean["faces"])
    after = _distance(person, found.vertices["neutral"].numpy(), found.faces.numpy())
    assert after < 0.4 * before
    drop = float((found.vertices["neutral"] - found.vertices["surprise"])[:, 1].max())
    assert drop > 6.0  # mm, of a jaw that drops 15
    if weight:
        lips = found.vertices["neutral"][_nearest(found.on_mean.numpy(), mean_head.landmarks[LIPS])].numpy()
        assert np.median(np.linalg.norm(lips - truth["neutral"].landmarks[LIPS], axis=1)) < MISPLACED


def _nearest(points: np.ndarray, to: np.ndarray) -> np.ndarray:
    """For each of `to` [N, 3] the nearest of `points` [P, 3], by its number."""
    return cKDTree(points).query(to)[1]


class Interrupted(Exception):
    """What ends a run in the middle."""


def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    """Both stages go on from their checkpoints, to the same bits; another seed's are refused."""
    settings = generate.GeneratorSettings(
        layout_share=1.0,
        neutral_weight=2.0,
        geometry_steps=7,
        texture_steps=6,
        grid_resolution=56,
        faces=3000,
        texture_size=64,
        views=4,
    )
    subject = generate.Subject(None, Attributes("female", "young", "light", "long", "brown", "no beard"))
    manifest = AssetManifest(method="id_to_3d", identity="a", seed=0, expressions=("neutral", "smile"))

    def run(name: str, kept: str, stop: tuple[str, int] | None = None, seed: int = 0) -> Path:
        def progress(done: int, _: int, stage: str) -> None:
            if stop == (stage, done):
                raise Interrupted

        generate.generate_head(
            subject,
            ("neutral", "smile"),
            WEIGHTS,
            tmp_path / name,
            manifest.model_copy(update={"seed": seed}),
            settings,
            seed,
            progress,
            tmp_path / kept,
        )
        return tmp_path / name

    whole = read_manifest(run("whole", "whole-kept"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Checkpoints, "_due", lambda _: True)
        for stop in (("layout", 2), ("geometry", 2), ("geometry", 5), ("texture", 4)):
            with pytest.raises(Interrupted):
                run("cut", "kept", stop)
        assert (tmp_path / "kept" / "preview.png").is_file()
        cut = read_manifest(run("cut", "kept"))
    assert cut.files == whole.files
    assert cut.guidance_calls >= whole.guidance_calls  # of every process; the references more than once
    with pytest.raises(UserError, match="another generation"):
        run("other", "kept", seed=1)


def _distance(person: object, vertices: np.ndarray, faces: np.ndarray) -> float:
    """Median distance of the true face to a mesh, mm."""
    true_vertices, true_faces = outer_skin(person, "neutral")  # type: ignore[arg-type]
    points = true_vertices[np.unique(true_faces)]
    points = points[(points[:, 2] > -50) & (np.abs(points[:, 1] + 35) < 75)]
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(vertices.astype(np.float32)), o3d.core.Tensor(faces.astype(np.uint32))
    )
    return float(np.median(scene.compute_distance(o3d.core.Tensor(points.astype(np.float32))).numpy()))
