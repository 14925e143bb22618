"""Which code a result depends on: a hash over the functions, classes and constants that a function reaches.

Read from syntax trees without importing anything, so that a plan stays light and an edit elsewhere, a
comment, a docstring or a type that only a checker imports re-runs nothing. Names are followed through this
project's own modules; of other libraries, versions stand in `library_versions`. What was read from a file's
bytes is kept in the cache folder: parsing all of them was more than a second of every command.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from idto3d.cache import cache_folder
from idto3d.whole_file import write_whole

PACKAGES = frozenset({"idto3d", "idto3d_protocols", "idto3d_baselines", "idto3d_eval"})

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

WHOLE = "*"  # every symbol of a module
LOOSE = ""  # its statements that bind no name
_Symbol = tuple[str, str]  # module, and a name in it or WHOLE
_Look = tuple[str, tuple[_Symbol, ...]]  # the digest of a symbol's own code, and the symbols it needs
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@functools.cache
def code_version(entry: str) -> str:
    """A hash of the code behind an entry and of all that it reaches in this project.

    Args:
        entry: `module:function`, or a module's dotted name for all that is in it.

    Returns:
        The first 16 hexadecimal digits of a sha256; "" where the source cannot be found.
    """
    module, _, name = entry.partition(":")
    reached = sorted(
        f"{found}:{symbol} {digest}" for (found, symbol), digest in _reach((module, name or WHOLE))
    )
    return hashlib.sha256("\n".join(reached).encode()).hexdigest()[:16] if reached else ""


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


@dataclass(frozen=True)
class _Module:
    """A source file taken apart: what each top-level name is bound to, and what runs on import."""

    looks: Mapping[str, _Look]  # of its symbols, and under LOOSE of the statements that bind no name
    imports: Mapping[str, _Symbol]


def _reach(start: _Symbol) -> Iterator[tuple[_Symbol, str]]:
    """All symbols that a symbol depends on, itself included, with the digest of each."""
    waiting, seen = [start], set()
    while waiting:
        symbol = waiting.pop()
        if symbol in seen:
            continue
        seen.add(symbol)
        digest, needs = _look(*symbol)
        waiting += needs
        if digest:
            yield symbol, digest


@functools.cache
def _look(name: str, symbol: str) -> _Look:
    """The digest of a symbol's own code, "" where it only passes others on, and the symbols it needs."""
    module = _module(name)
    if module is None:
        return "", ()
    if symbol == LOOSE:
        return module.looks[LOOSE]
    if symbol == WHOLE:
        inside = [(name, other) for other in module.looks]
        return "", (*inside, *module.imports.values())
    if symbol in module.looks:
        digest, needs = module.looks[symbol]
        return digest, (*needs, (name, LOOSE))
    if symbol in module.imports:
        return "", (module.imports[symbol], (name, LOOSE))
    return "", ((f"{name}.{symbol}", WHOLE), (name, LOOSE))


@functools.cache
def _module(name: str) -> _Module | None:
    path = _source_of(name)
    if path is None:
        return None
    source = path.read_bytes()
    told = f"{sys.version} {name} ".encode()
    kept = f"code/{hashlib.sha256(told + _own_source() + source).hexdigest()[:32]}.json"
    try:
        return _from_json(json.loads((cache_folder() / kept).read_bytes()))
    except (OSError, ValueError, TypeError, KeyError):
        found = _taken_apart(name, source)
    with contextlib.suppress(OSError):  # the next command takes it apart again
        write_whole(cache_folder() / kept, json.dumps([found.looks, found.imports]))
    return found


@functools.cache
def _own_source() -> bytes:
    return Path(__file__).read_bytes()


def _from_json(value: Any) -> _Module:
    looks, imports = value
    return _Module(
        {
            symbol: (digest, tuple((module, name) for module, name in needs))
            for symbol, (digest, needs) in looks.items()
        },
        {bound: (module, name) for bound, (module, name) in imports.items()},
    )


def _taken_apart(name: str, source: bytes) -> _Module:
    symbols: dict[str, list[ast.stmt]] = {}
    imports: dict[str, _Symbol] = {}
    loose: list[ast.stmt] = []
    for statement in _parse(source).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports.update(_bindings(statement))
        elif isinstance(statement, _Definition):
            symbols.setdefault(statement.name, []).append(statement)
        elif names := _assigned(statement):
            for bound in names:
                symbols.setdefault(bound, []).append(statement)
        elif not _for_checkers(statement):
            loose.append(statement)
    known = {**imports, **{symbol: (name, symbol) for symbol in symbols}}
    return _Module(
        {
            symbol: (_digest(statements), _needs(known, statements))
            for symbol, statements in {**symbols, LOOSE: loose}.items()
        },
        imports,
    )


def _needs(known: Mapping[str, _Symbol], statements: Iterable[ast.stmt]) -> tuple[_Symbol, ...]:
    """The symbols that statements name: of their own module, or imported at its top or inside them."""
    found: set[_Symbol] = set()
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id in known:
                found.add(known[node.id])
            elif isinstance(node, ast.Import | ast.ImportFrom):
                found.update(symbol for _, symbol in _bindings(node))
    return tuple(sorted(found))


def _parse(source: bytes) -> ast.Module:
    """The syntax tree without docstrings; a file that does not parse counts as one string."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ast.Module([ast.Expr(ast.Constant(source))], [])
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | _Definition):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


def _bindings(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, _Symbol]]:
    """What an import binds to what, as far as it is this project's; its imports are absolute."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            bound, symbol = alias.asname or alias.name.partition(".")[0], (alias.name, WHOLE)
        else:
            bound, symbol = alias.asname or alias.name, (node.module or "", alias.name)
        if symbol[0].partition(".")[0] in PACKAGES:
            yield bound, symbol


def _assigned(statement: ast.stmt) -> list[str]:
    """The plain names that an assignment binds."""
    if isinstance(statement, ast.Assign):
        targets: list[ast.expr] = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    else:
        return []
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _for_checkers(statement: ast.stmt) -> bool:
    """Whether a statement only serves type checkers, or a module that is run as a script."""
    if not isinstance(statement, ast.If):
        return False
    names = {node.id for node in ast.walk(statement.test) if isinstance(node, ast.Name)}
    return bool(names & {"TYPE_CHECKING", "__name__"})


def _digest(statements: Iterable[ast.stmt]) -> str:
    return hashlib.sha256("\n".join(map(ast.dump, statements)).encode()).hexdigest()


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
