"""Which code a stage runs: a hash over the syntax trees of a module and of all it imports from this project."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from importlib import metadata
from pathlib import Path

PACKAGES = ("idto3d", "idto3d_protocols", "idto3d_baselines", "idto3d_eval")

# Libraries whose version can move a pixel or a weight; others (tables, progress, plots) cannot.
NUMERIC_LIBRARIES = (
    "anny",
    "diffusers",
    "numpy",
    "onnxruntime",
    "open3d",
    "opencv-python-headless",
    "peft",
    "pillow",
    "scipy",
    "torch",
    "trimesh",
    "xatlas",
)


@functools.cache
def code_version(module: str) -> str:
    """A hash of the code behind a module: its own syntax tree and those of the project modules it imports.

    Comments, docstrings and layout do not count, so editing them re-runs nothing. Imports inside functions
    count. Nothing is imported or executed.

    Args:
        module: dotted name; modules outside the project (a test's own) are hashed alone with what they import.

    Returns:
        The first 16 hexadecimal digits of the sha256; "" for a module whose source cannot be found.
    """
    seen: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source_of(name)
        if name in seen or path is None:
            continue
        digest, imported = _read_module(path, name)
        seen[name] = digest
        waiting.extend(imported)
    text = "\n".join(f"{name} {digest}" for name, digest in sorted(seen.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if seen else ""


@functools.cache
def library_versions() -> dict[str, str]:
    """Installed versions of the numeric libraries, read from their metadata without importing them."""
    versions: dict[str, str] = {}
    for name in NUMERIC_LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def _read_module(path: Path, name: str) -> tuple[str, tuple[str, ...]]:
    """The digest of one file's syntax tree, and the project modules it may import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            imported.add(base)
            imported.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    ours = tuple(sorted(n for n in imported if n.split(".")[0] in PACKAGES))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), ours


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
        node.body = node.body[1:] or [ast.Pass()]


@functools.cache
def _source_of(module: str) -> Path | None:
    """The source file of a module, found without importing its parents."""
    root, _, rest = module.partition(".")
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    if not rest:
        return origin if origin.suffix == ".py" else None
    stem = origin.parent.joinpath(*rest.split("."))
    for candidate in (stem.with_suffix(".py"), stem / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None
