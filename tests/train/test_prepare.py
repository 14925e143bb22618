"""From folders of pictures to guidance's arrays: cameras, crops, labels, what is missing, what is broken."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

import idto3d
from idto3d.errors import UserError
from idto3d.expressions import EXPRESSIONS
from idto3d.guidance import base
from idto3d.guidance.cameras import FACE_CENTRE
from idto3d.guidance.condition import camera_features
from idto3d.guidance.control import UNIT
from idto3d.identity.align import five_points
from idto3d.identity.detector import YuNetDetector
from idto3d.identity.reader import load_reader
from idto3d.identity.recogniser import load_recogniser
from idto3d.render.camera import Camera
from idto3d.train import prepare as module
from idto3d.train.guidance_data import GuidanceData
from idto3d.train.head_pose import HeadPose, fit_photo, fit_rig, mean_landmarks
from idto3d.train.moment_rows import PrepareOptions, Tools
from idto3d.train.nersemble import read_nersemble
from idto3d.train.normals_model import NormalsModel
from idto3d.train.picture_list import read_picture_list
from idto3d.train.prepare import prepare
from idto3d.train.prior import PriorOptions, train_prior
from idto3d_eval.cli import Settings, app
from tests.guidance.models import small_unet
from tests.train.made_pictures import (
    RIG,
    SIDE,
    calibration,
    portrait,
    show,
    surface,
    write,
    write_frames,
    write_videos,
)

WEIGHTS = Path(idto3d.__file__).parent / "weights"


@pytest.fixture(scope="module")
def tools() -> Tools:
    return Tools(load_reader(WEIGHTS / "reader_methods.onnx"), load_recogniser(WEIGHTS / "recogniser_a.onnx"))


@pytest.fixture(scope="module")
def rig_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1: two people surprised, one sequence that no expression names, one broken picture."""
    folder = tmp_path_factory.mktemp("nersemble")
    for index, participant in enumerate(("018", "030")):
        write_frames(folder, participant, index, "EMO-2-surprise+fear", ["neutral", "surprise"])
    shutil.copytree(
        folder / "018/sequences/EMO-2-surprise+fear", folder / "018/sequences/SEN-01-cramp_small_danger"
    )
    broken = folder / "030/sequences/EMO-2-surprise+fear/frame_00000/images-2x-73fps/cam_222200039.png"
    broken.write_bytes(broken.read_bytes()[:2000])
    return folder


@pytest.fixture(scope="module")
def prepared(rig_folder: Path, tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    prepare(read_nersemble(rig_folder), out, tools, PrepareOptions(crops=2))
    return out


def write_list(folder: Path, rows: list[dict[str, Any]]) -> Path:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / "pictures.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return folder / "pictures.csv"


@pytest.fixture
def listed(tmp_path: Path) -> list[dict[str, Any]]:
    """Lines of two people, two pictures each."""
    rows = []
    for index, subject in enumerate(("ada", "ben")):
        for number, yaw in enumerate((0.2, -0.3)):
            image = write(tmp_path / subject / f"{number}.png", portrait(index, yaw=yaw).image)
            rows.append({"subject": subject, "image": str(image.relative_to(tmp_path))})
    return rows


def test_a_camera_is_found_from_the_landmarks_of_one_picture() -> None:
    """Within a tenth of a radian: the mean head is not the person."""
    for camera in (Camera(yaw=0.5, pitch=0.2, resolution=SIDE), Camera(yaw=-0.9, roll=0.3, resolution=SIDE)):
        pose = fit_photo(camera.project(surface(1, "surprise").landmarks))
        assert pose.yaw == pytest.approx(camera.yaw, abs=0.1)
        assert pose.misfit < 0.06
        seen = camera_features(pose.aimed(FACE_CENTRE, 200.0, 64))
        np.testing.assert_allclose(seen[4], 0.0)  # upright
    given = fit_photo(camera.project(surface(1, "surprise").landmarks), None, (-0.9, 0.0, 0.3))
    assert given.yaw == pytest.approx(-0.9, abs=0.06)


def test_a_rig_shares_its_head_so_that_a_view_from_behind_has_a_camera() -> None:
    """The world's place, turn and unit are found; a wrong reading from behind is outvoted."""
    content: Any = calibration()
    cameras, lens = list(RIG.values()), np.array(content["intrinsics"])
    lens[:2, 2] += 0.5
    lens = np.diag([SIDE / 2200, SIDE / 2200, 1]) @ lens
    head = surface(0, "neutral").landmarks
    read = [camera.project(head) for camera in cameras]
    read[3] = read[3] @ np.array([[0.3, 0.0], [0.0, 0.9]]) + 20
    poses = fit_rig(read, [lens] * 4, [np.array(pose) for pose in content["world_2_cam"].values()])
    assert poses is not None
    for pose, camera in zip(poses, cameras, strict=True):
        assert np.cos(pose.yaw - camera.yaw) > 0.99
        # The person is smaller than the mean head, which then stands farther away.
        away = np.linalg.norm(camera.position()) * mean_landmarks().std(0).sum() / head.std(0).sum()
        assert np.linalg.norm(pose.translation) == pytest.approx(away, rel=0.04)
    assert fit_rig([read[0], None], [lens] * 2, [np.eye(4)] * 2) is None


def test_a_turned_picture_is_what_the_turned_camera_sees() -> None:
    """Aiming and zooming moves nothing: the crop is the render from the crop's camera, normals too."""
    camera = replace(RIG["222200038"], roll=0.2, target=(20.0, 10.0, -40.0), resolution=500)
    pose = HeadPose.of(camera, 500, 500)
    aimed = pose.aimed((5.0, -30.0, -20.0), 220.0, 96)
    shown, direct = show(2, "smile", camera), show(2, "smile", aimed)
    turned, covered = pose.turned(shown.image, aimed)
    assert covered.min() == 1.0
    inside = np.abs(turned.astype(float) - direct.image)[16:-16, 16:-16]
    assert np.median(inside) < 2
    vectors = pose.turned(shown.normals, aimed)[0] / 127.5 - 1.0
    true = direct.normals / 127.5 - 1.0
    on_head = (direct.mask[..., 0] > 0) & (np.linalg.norm(vectors, axis=-1) > 0.9)
    agreement = (pose.turn_normals(vectors, aimed) * true).sum(-1)[on_head]
    assert np.median(agreement) > 0.99
    assert np.median((vectors * true).sum(-1)[on_head]) < np.median(agreement)


def test_a_folder_of_frames_becomes_arrays_that_guidance_reads(prepared: Path) -> None:
    card = json.loads((prepared / "data.json").read_text())
    for kind in ("photograph", "normals", "shaded"):
        data = GuidanceData.open(prepared, kind)
        assert data.images.shape[1:] == (64, 64, 3)
        assert set(data.person[data.train]).isdisjoint(data.person[data.heldout])
        images, condition = data.batch(data.train[:3], np.random.default_rng(0))
        assert images.shape == (3, 3, 64, 64)
        torch.testing.assert_close(condition.identity.norm(dim=1), torch.ones(3))
        assert condition.control is not None
    assert card["rows"] == len(data.images) == 2 * (2 * 2 * 4 - 1)  # crops × (people × moments × cameras - 1)
    assert card["unmapped"] == ["SEN-01-cramp_small_danger"]
    assert card["expressions"]["surprise"] > 0
    assert "smirk" in card["expressions_missing"]
    assert card["layout"] == "nersemble, version 1 (frames)"
    assert card["licences"][0].startswith("NeRSemble")
    assert len(card["people"]["heldout"]) == len(card["people"]["train"]) == 1
    assert "never saw a real face" in card["recogniser"]["note"]


def test_a_broken_picture_is_named_and_the_others_go_on(prepared: Path) -> None:
    with (prepared / "refused.csv").open() as file:
        refused = list(csv.DictReader(file))
    assert [row["what"] for row in refused] == ["030/EMO-2-surprise+fear/00000/222200039"]
    assert "damaged" in refused[0]["why"]


def test_the_control_lies_where_the_head_is_from_every_side(prepared: Path) -> None:
    """Cameras behind the head included: of the rows from there, too, the mean head covers the mask."""
    data = GuidanceData.open(prepared, "normals")
    behind = data.camera[:, 1] < 0
    assert behind.sum() == 2 * 4
    for row in range(len(data.images)):
        told = np.abs(data.place[row].astype(np.float32)).sum(0) > 0
        drawn = np.abs(data.images[row].astype(float) - 127.5).max(-1) > 8
        assert (told & drawn).sum() / (told | drawn).sum() > 0.6
    with (prepared / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[int(np.flatnonzero(behind)[0])]["frame"].endswith("222200040")


def test_moments_of_a_sequence_are_told_apart_or_labelled(
    prepared: Path, rig_folder: Path, tmp_path: Path
) -> None:
    """What the reader sees clearly is told rightly, the rest is not told; a file of labels is taken at its
    word."""
    true = {"00000": "neutral", "00001": "surprise"}
    with (prepared / "frames.csv").open() as file:
        told = {(row["frame"].split("/")[2], row["expression"]) for row in csv.DictReader(file)}
    assert told <= {*true.items(), ("00000", "")}
    assert set(true.items()) <= told
    labels = tmp_path / "labels.csv"
    labels.write_text("participant,sequence,frame,expression\n18,EMO-2-surprise+fear,1,fear\n")
    moments = read_nersemble(rig_folder, labels=labels).moments
    assert {frame.expressions for moment in moments for frame in moment} == {("fear",)}
    labels.write_text("participant,sequence,frame,expression\n18,EMO-2-surprise+fear,1,joy\n")
    with pytest.raises(UserError, match="malformed line 2"):
        read_nersemble(rig_folder, labels=labels)


def test_the_same_command_makes_no_moment_again(
    prepared: Path, rig_folder: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done is kept; a moment that is missing is made, and the arrays end the same."""
    before, made = (prepared / "photograph.npy").read_bytes(), list[object]()
    plain = module.moment_rows
    monkeypatch.setattr(module, "moment_rows", lambda *a: (made.append(a), plain(*a))[1])
    next((prepared / "parts").glob("*.npz")).unlink()
    prepare(read_nersemble(rig_folder), prepared, tools, PrepareOptions(crops=2))
    assert len(made) == 1
    assert (prepared / "photograph.npy").read_bytes() == before


def test_videos_are_read_and_what_is_missing_is_said(tools: Tools, tmp_path: Path) -> None:
    """Version 2 has neither masks nor normal maps: the outline stands in, and geometry is not made up."""
    folder, out = tmp_path / "nersemble", tmp_path / "out"
    for index, participant in enumerate(("018", "030")):
        write_videos(folder, participant, index, "EMO-4-disgust+happy", ["neutral", "smile"])
    card = prepare(read_nersemble(folder, moments=1), out, tools, PrepareOptions(crops=1))
    assert card["layout"] == "nersemble, version 2 (videos)"
    assert card["rows"] == 4
    assert "geometry prior cannot be trained" in card["normals"]
    assert card["masks"].startswith("0 of 4 supplied")
    assert not (out / "normals.npy").exists()
    assert len(GuidanceData.open(out, "shaded").train) == 2


def test_bad_lines_are_named_by_their_number(tmp_path: Path, listed: list[dict[str, Any]]) -> None:
    bad: list[dict[str, Any]] = [
        {"subject": "", "image": "ada/0.png"},
        {"subject": "ada", "image": "nowhere.png"},
        {"subject": "ada", "image": "ada/0.png", "expression": "joy"},
        {"subject": "ada", "image": "ada/0.png", "yaw": "10"},
        {"subject": "ada", "image": "ada/0.png", "beard": "long"},
        {"subject": "ada", "image": "ada/0.png", "fovy": "wide"},
    ]
    layout = read_picture_list(write_list(tmp_path, [*listed, *bad]), licence="made")
    assert len(layout.moments) == 4
    assert [what for what, _ in layout.refused] == [f"pictures.csv, line {number}" for number in range(6, 12)]
    for (_, why), part in zip(
        layout.refused, ("subject", "nowhere.png", "joy", "yaw", "beard", "fovy"), strict=True
    ):
        assert part in why
    with pytest.raises(UserError, match="Found no licence"):
        read_picture_list(write_list(tmp_path, listed))
    with pytest.raises(UserError, match="unknown column 'name'"):
        read_picture_list(write_list(tmp_path, [{**listed[0], "name": "x"}]), licence="made")
    with pytest.raises(UserError, match="Found no participant"):
        read_nersemble(tmp_path)


def test_a_line_may_tell_all_that_is_known(
    tmp_path: Path, tools: Tools, listed: list[dict[str, Any]]
) -> None:
    """A whole camera needs no face; words, expression, mask and normal map are taken as they are."""
    behind = replace(RIG["222200040"], fovy=0.45)
    shown = show(0, "kiss", behind)
    for name in ("image", "mask", "normals"):
        write(tmp_path / f"behind_{name}.png", getattr(shown, name))
    line = {
        **{name: f"behind_{name}.png" for name in ("image", "mask", "normals")},
        **{"subject": "ada", "expression": "kiss", "beard": "stubble", "distance": behind.distance},
        **{"yaw": np.degrees(behind.yaw), "pitch": 0.0, "fovy": np.degrees(behind.fovy)},
    }
    layout = read_picture_list(write_list(tmp_path, [*listed, line]), licence="consent of both")
    out = tmp_path / "out"
    card = prepare(layout, out, tools, PrepareOptions(crops=1))
    assert card["rows"] == 5
    assert card["normals"].startswith("1 of 5")
    assert card["licences"] == ["consent of both"]
    data = GuidanceData.open(out, "normals")
    assert [*data.train, *data.heldout] == [4]  # the only row with a normal map
    assert data.expression.tolist() == [-1] * 4 + [EXPRESSIONS.index("kiss")]
    assert data.attributes[4].tolist() == [-1, -1, -1, -1, -1, 1]
    assert np.arctan2(*data.camera[4, :2]) == pytest.approx(behind.yaw, abs=0.05)


def test_normals_are_estimated_where_a_network_is_named(
    tmp_path: Path, tools: Tools, listed: list[dict[str, Any]]
) -> None:
    """Here the network answers with its own input, mirrored in y by its card."""
    sizes = [1, 3, 64, 64]
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes) for name in ("in", "out")]
    node = onnx.helper.make_node("Identity", ["in"], ["out"])
    graph = onnx.helper.make_graph([node], "echo", ends[:1], ends[1:])
    path = tmp_path / "echo.onnx"
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path
    )
    (tmp_path / "echo.card.json").write_text(json.dumps({"axes": [1, -1, 1]}))
    model = NormalsModel(path)
    picture = np.full((64, 64, 3), (255, 255, 127), np.uint8)
    np.testing.assert_allclose(model.estimate(picture)[0, 0], [0.707, -0.707, 0.0], atol=0.01)
    out = tmp_path / "out"
    layout = read_picture_list(write_list(tmp_path, listed), licence="made")
    card = prepare(layout, out, replace(tools, normals=model), PrepareOptions(crops=1))
    assert card["normals"] == "4 of 4 crops"
    assert (out / "normals.npy").is_file()


@pytest.mark.shared_data
def test_on_photographs_the_mean_heads_features_lie_on_the_persons(
    shared_data: Path, tmp_path: Path, tools: Tools
) -> None:
    """With a detector of real faces: its five points and the mean head's agree to a few pixels of 128."""
    photos = {"obama.jpg": "obama", "obama2.jpg": "obama", "biden.jpg": "biden", "astronaut.png": "astronaut"}
    folder = shared_data / "portraits"
    listed = [{"subject": name, "image": str(folder / photo)} for photo, name in photos.items()]
    detector = YuNetDetector(shared_data / "detector" / "yunet_n_640_640.onnx")
    layout = read_picture_list(write_list(tmp_path, listed), licence="public domain")
    out, real = tmp_path / "out", replace(tools, detector=detector, detector_name="yunet")
    card = prepare(layout, out, real, PrepareOptions(resolution=128, crops=1))
    assert (card["rows"], card["refused"]) == (4, 0)
    mean = five_points(mean_landmarks()[:, :2])
    for picture, place in zip(np.load(out / "photograph.npy"), np.load(out / "place.npy"), strict=True):
        drawn = place.astype(np.float64)[:2] * UNIT  # [2, 64, 64] mm
        away = np.linalg.norm(drawn[None] - mean[:, :, None, None], axis=1)  # [5, 64, 64]
        away[:, np.abs(place).sum(0) == 0] = np.inf
        row, column = np.unravel_index(away.reshape(5, -1).argmin(1), (64, 64))
        expected = 2 * np.stack([column + 0.5, row + 0.5], 1)
        found = detector.detect(picture)[0].points
        assert np.linalg.norm(found - expected, axis=1).max() < 7


def test_what_was_prepared_trains_a_prior(
    tmp_path: Path, listed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both commands in turn, as a user gives them, on the tiny base's format."""
    monkeypatch.setattr("idto3d.train.prior._draw", lambda *_: None)
    monkeypatch.setattr("idto3d.train.guidance.identity_gain", lambda *_, **__: {})
    out, folder = tmp_path / "out", tmp_path / "base"
    command = ["data", "prepare", "csv", str(write_list(tmp_path, listed)), "--out", str(out)]
    runner = CliRunner()
    refused = runner.invoke(app, command, obj=Settings())
    assert refused.exit_code == 2
    assert "--licence" in refused.stderr
    done = runner.invoke(app, [*command, "--licence", "consent on paper"], obj=Settings())
    assert done.exit_code == 0, done.output
    base.write(folder, small_unet(), base.make_scheduler(), base.make_codec(), base.make_encoder(512))
    options = PriorOptions(steps=1, batch=2, rank=2, device="cpu")
    card = train_prior(folder, out, "texture", tmp_path / "mine", options, say=lambda _: None)
    assert card["licences"][1] == "data: consent on paper"
    assert card["population"] == "real people"
    assert card["people"] == {"train": 1, "heldout": 1}
    with pytest.raises(UserError, match=r"Found no normal maps.*--normals-model"):
        train_prior(folder, out, "geometry", tmp_path / "mine", options)
