"""How the packages stand on each other, and what importing them costs."""

from __future__ import annotations

import ast
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Each package may import itself and those before it.
ORDER = ("idto3d", "idto3d_protocols", "idto3d_baselines", "idto3d_eval", "idto3d_dashboard")
FOLDERS = {
    "idto3d": "idto3d",
    "idto3d_protocols": "protocols/idto3d_protocols",
    "idto3d_baselines": "baselines/idto3d_baselines",
    "idto3d_eval": "eval/idto3d_eval",
    "idto3d_dashboard": "dashboard/idto3d_dashboard",
}
GENERATOR = ("generate.py", "guidance", "geometry", "texture", "render", "identity")
HEAVY = ("torch", "open3d", "diffusers", "transformers", "anny", "cv2", "onnxruntime", "polars", "plotly")


def sources(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, anywhere in it, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            assert node.module is not None
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def lean_environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("package", ORDER)
def test_imports_point_one_way(repository: Path, package: str) -> None:
    """idto3d ◄ idto3d_protocols ◄ idto3d_baselines ◄ idto3d_eval ◄ idto3d_dashboard, lazily or not."""
    above = ORDER[ORDER.index(package) + 1 :]
    wrong = [
        f"{path}:{line} imports {module}"
        for path in sources(repository / FOLDERS[package])
        for module, line in imported(path)
        if module.split(".")[0] in above
    ]
    assert wrong == []


@pytest.mark.parametrize("part", GENERATOR)
def test_generator_knows_no_answers(repository: Path, part: str) -> None:
    """Nothing that generates imports the population or the head model that it is built on."""
    wrong = [
        f"{path}:{line} imports {module}"
        for path in sources(repository / "idto3d" / part)
        for module, line in imported(path)
        if module.split(".")[0] == "anny" or module.startswith("idto3d.population")
    ]
    assert wrong == []


def test_scoring_readers_are_named_by_the_evaluation_alone(repository: Path) -> None:
    """Recogniser B and the scoring reader score; no method and no generator names their files."""
    wrong = [
        f"{path}: {word}"
        for folder in ("baselines", *(f"idto3d/{part}" for part in GENERATOR))
        for path in sources(repository / folder)
        for word in ("recogniser_b", "reader_scoring")
        if word in path.read_text(encoding="utf-8")
    ]
    assert wrong == []


@pytest.mark.parametrize("module", ["idto3d_protocols", "idto3d_baselines.specs", "idto3d_eval.cli"])
def test_light_modules_load_nothing_heavy(module: str) -> None:
    """Reading the tables and the command line costs no torch and no renderer."""
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=lean_environment()
    )
    assert done.stdout.strip() == "[]"


def test_help_takes_under_half_a_second() -> None:
    """Processor time, which is the waiting time of an idle machine and does not grow with its neighbours."""
    command = [str(Path(sys.executable).with_name("idto3d-eval")), "--help"]
    best = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=lean_environment())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "run" in done.stdout
    assert best < 0.5
