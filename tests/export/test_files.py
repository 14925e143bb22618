"""What an export leaves on the disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from idto3d.asset import AssetError
from idto3d.errors import UserError
from idto3d.export.files import export_head
from tests.export.heads import head, stretched, write_head

NEUTRAL = head()
OBJ = ("{}.obj", "{}.mtl", "{}_albedo.png", "{}_roughness.png", "{}_metallic.png")


@pytest.fixture
def asset(tmp_path: Path) -> Path:
    smile = replace(NEUTRAL, vertices=stretched(NEUTRAL.vertices))
    return write_head(tmp_path / "head", neutral=NEUTRAL, smile=smile)


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_all_files_are_there_and_told_with_their_sizes(asset: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    written = export_head(asset, out)
    there = _contents(out)
    assert set(there) == {"morphs.glb"} | {
        f"obj/{name.format(e)}" for e in ("neutral", "smile") for name in OBJ
    }
    assert {path.relative_to(out).as_posix(): size for path, size in written.files.items()} == {
        name: len(data) for name, data in there.items()
    }
    assert list(written.residuals) == ["smile"]


def test_exporting_again_gives_the_same_bytes(asset: Path, tmp_path: Path) -> None:
    """Also over what a killed export left behind."""
    out = tmp_path / "out"
    export_head(asset, out)
    before = _contents(out)
    (out / "morphs.glb").write_bytes(b"half")
    (out / ".morphs.glb.partial").write_bytes(b"half")
    export_head(asset, out)
    assert _contents(out) == before


def test_only_what_is_asked_is_written(asset: Path, tmp_path: Path) -> None:
    export_head(asset, tmp_path / "obj", ("smile",), morphs=False)
    assert set(_contents(tmp_path / "obj")) == {f"obj/{name.format('smile')}" for name in OBJ}
    export_head(asset, tmp_path / "morphs", ("smile",), obj=False)
    assert set(_contents(tmp_path / "morphs")) == {"morphs.glb"}


def test_refusals_write_nothing(asset: Path, tmp_path: Path) -> None:
    before, out = _contents(asset), tmp_path / "out"
    with pytest.raises(UserError, match="'joy'"):
        export_head(asset, out, ("joy",))
    with pytest.raises(UserError, match=r"the asset .* itself"):
        export_head(asset, asset)
    with pytest.raises(UserError, match="both kinds"):
        export_head(asset, out, morphs=False, obj=False)
    with pytest.raises(UserError, match="a neutral alone"):
        export_head(asset, out, ("neutral",))
    with pytest.raises(AssetError, match=r"asset\.json"):
        export_head(tmp_path / "none", out)
    assert not out.exists()
    assert _contents(asset) == before
