"""The JSON that the viewer takes: what is in it, where its files go, and what happens to what is unsound."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from idto3d.errors import UserError
from idto3d_dashboard.viewer import LOOKS, ShownHead, built, built_file, head_spec
from idto3d_dashboard.viewer.heads import checked_glb
from tests.dashboard.shown_glbs import calling, plain


def test_a_head_is_named_by_the_hash_of_its_bytes(tmp_path: Path) -> None:
    data = plain()
    (tmp_path / "head.glb").write_bytes(data)
    spec = head_spec([ShownHead("Ada", tmp_path / "head.glb"), ShownHead("Bob", data)], look="clay")
    assert json.loads(json.dumps(spec)) == spec
    ada, bob = spec["heads"]
    assert ada["hash"] == bob["hash"] == hashlib.sha256(data).hexdigest()
    kind, text = ada["glb"].split(",")
    assert kind == "data:model/gltf-binary;base64"
    assert base64.b64decode(text) == data


def test_files_go_where_the_page_puts_them(tmp_path: Path) -> None:
    """Names are made of hashes, so a bundle writes equal files once."""
    Image.new("RGB", (4, 4)).save(tmp_path / "front.png")
    (tmp_path / "not.png").write_text("<svg onload='alert(1)'/>")
    put: dict[str, str] = {}

    def place(data: bytes, name: str, kind: str) -> dict[str, str]:
        assert name.startswith(hashlib.sha256(data).hexdigest())
        put[name] = kind
        return {"file": name}

    views = (tmp_path / "front.png", tmp_path / "not.png", tmp_path / "gone.png")
    head = head_spec([ShownHead("Ada", plain(), views)], place=place)["heads"][0]
    assert sorted(put.values()) == ["image/png", "model/gltf-binary"]
    assert [view["file"] for view in head["strip"]] == [name for name in put if name.endswith(".png")]
    assert head["glb"]["file"].endswith(".glb")


def test_a_refused_head_leaves_the_others(tmp_path: Path) -> None:
    heads = [
        ShownHead("Eve", calling("evil.test")),
        ShownHead("Gone", tmp_path / "gone.glb"),
        ShownHead("Ada", plain()),
    ]
    eve, gone, ada = head_spec(heads)["heads"]
    assert eve["error"].startswith("Found an image at 'http://evil.test")
    assert eve["glb"] == gone["glb"] == ""
    assert "generate the head again" in gone["error"]
    assert "error" not in ada


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "head.glb"
    path.write_bytes(plain())
    first = checked_glb(path, "Ada")
    assert checked_glb(path, "Ada")[0] is first[0]
    path.write_bytes(calling("evil.test"))
    with pytest.raises(UserError, match="images inside the file"):
        checked_glb(path, "Ada")


def test_an_unknown_look_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=", ".join(LOOKS)):
        head_spec([], look="x-ray")


def test_a_missing_bundle_says_how_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built, "_BUILD", tmp_path)
    with pytest.raises(UserError, match="pip install"):
        built_file("viewer.js")
    with pytest.raises(UserError, match="expected one of"):
        built_file("../heads.py")


def test_the_looks_are_those_of_the_viewer(repository: Path) -> None:
    """Both sides name the same looks and lights."""
    source = (repository / "dashboard/idto3d_dashboard/viewer/src/spec.ts").read_text()
    for name in ("LOOKS", "LIGHTS"):
        line = next(line for line in source.splitlines() if line.startswith(f"export const {name} = "))
        words = json.loads(line.split("= ")[1].split(" as")[0])
        assert tuple(words) == getattr(__import__("idto3d_dashboard.viewer", fromlist=[name]), name)
