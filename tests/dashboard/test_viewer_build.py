"""The bundle: made once for given sources, whole, and with nothing in it that another host must serve."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from idto3d.errors import UserError
from idto3d_dashboard.viewer import built_file


@pytest.fixture
def hook(repository: Path) -> ModuleType:
    pytest.importorskip(
        "hatchling", reason="hatchling is not installed here; pip brings it for a build alone"
    )
    spec = importlib.util.spec_from_file_location("hatch_build", repository / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sources(hook: ModuleType, repository: Path, tmp_path: Path) -> Path:
    """A copy of the viewer's sources, without a bundle."""
    copy = tmp_path / hook.VIEWER
    shutil.copytree(
        repository / hook.VIEWER, copy, ignore=shutil.ignore_patterns("node_modules", "build", "__pycache__")
    )
    return copy


def test_the_bundle_is_made_again_when_a_source_has_changed(
    hook: ModuleType, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def bundle(folder: Path) -> None:
        made.append(folder)
        (folder / "build").mkdir(exist_ok=True)
        for name in hook.BUILT:
            (folder / "build" / name).write_text(name)

    monkeypatch.setattr(hook, "bundle", bundle)

    def install(target: str = "wheel") -> int:
        hook.ViewerBuild(str(tmp_path), {}, None, None, str(tmp_path), target).initialize("standard", {})
        return len(made)

    assert install("sdist") == 0
    assert install() == install() == 1
    with (sources / "src" / "viewer.ts").open("a") as file:
        file.write("// another line\n")
    assert install() == 2
    (sources / "build" / "viewer.css").unlink()
    assert install() == 3


def test_a_wheel_without_the_viewer_is_not_made(
    hook: ModuleType, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editable environment goes on without: all else works there."""
    assert sources.is_dir()

    def bundle(folder: Path) -> None:
        raise OSError(f"no npm for {folder.name}")

    class App:
        said: Any = None

        def display_warning(self, message: str) -> None:
            self.said = message

    monkeypatch.setattr(hook, "bundle", bundle)
    app = App()
    build: Any = hook.ViewerBuild(str(tmp_path), {}, None, None, str(tmp_path), "wheel", app)
    with pytest.raises(RuntimeError, match="could not be built"):
        build.initialize("standard", {})
    build.initialize("editable", {})
    assert "install again" in app.said


def test_the_bundle_asks_nobody_for_anything() -> None:
    """No address that a browser would load, besides those in three.js' own messages and XML names."""
    try:
        script, style = (built_file(name).read_text() for name in ("viewer.js", "viewer.css"))
    except UserError as error:
        pytest.skip(str(error))
    assert "url(" not in style
    assert "@import" not in style
    assert not re.findall(r"(?:import|from)\s*\(?[\"'](?:https?:)?//", script)
    assert not re.findall(r"\b(?:unpkg|jsdelivr|cdnjs|gstatic)\b", script)
