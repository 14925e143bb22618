"""Which files a method from outside stands on: where each head's lies, and what a head's key has of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from idto3d.asset import NAME, AssetError
from idto3d.foreign.folder import IMAGE_SUFFIXES, MATERIAL_SUFFIX, inside
from idto3d_baselines.external_spec import (
    PLACEHOLDER,
    AssetsSpec,
    CommandSpec,
    ExternalSpec,
    spec_of,
)
from idto3d_baselines.specs import MethodSpec

MAX_BESIDE = 1000  # materials and images beside an OBJ or PLY whose hashes count
MISSING = "missing"
READER, MEAN_HEAD = "reader_methods.onnx", "mean_head.npz"  # what places a head


def assets_folder(spec: AssetsSpec, origin: Path) -> Path:
    """The folder of a method's heads; a relative one starts at the spec's own."""
    return origin / spec.folder


def filled(template: str, identity: str, expression: str, seed: int) -> str:
    """A path template with its names put in; none of them carries a separator, so none climbs."""
    values = {"identity": identity, "expression": expression, "seed": str(seed)}
    return PLACEHOLDER.sub(lambda found: values[found.group(1)], template)


def head_files(
    spec: ExternalSpec, folder: Path, identity: str, seed: int, expressions: Sequence[str]
) -> dict[str, str]:
    """The files that are there of those asked for, expression -> name relative to the folder.

    Raises:
        AssetError: a name that leads out of the folder, or an identity that is no plain name.
    """
    if "/" in identity or "\\" in identity or identity in ("", ".", ".."):
        raise AssetError(f"Found the identity {identity!r:.80}, expected a plain name; rename it.")
    found = {}
    for expression in expressions:
        if not NAME.fullmatch(expression):
            raise AssetError(f"Found the expression {expression!r:.80}, expected a plain name; rename it.")
        template = spec.neutral if expression == "neutral" and spec.neutral else spec.heads
        name = filled(template, identity, expression, seed)
        if inside(folder, name).is_file():
            found[expression] = name
    return found


def provided(spec: ExternalSpec, expressions: Sequence[str]) -> tuple[str, ...]:
    """Those of the expressions asked for that a method says it provides; all where it says nothing."""
    return tuple(name for name in expressions if spec.expressions is None or name in spec.expressions)


def content_hashes(
    method: MethodSpec, identity: str, seed: int, expressions: Sequence[str]
) -> dict[str, str]:
    """sha256, by name, of the files whose change would change an identity's head; {} for native methods."""
    if not method.outside:
        return {}
    spec, origin = spec_of(method.settings), Path(method.origin)
    if isinstance(spec, CommandSpec):
        return {name: _sha256(origin / name) for name in spec.files}
    folder = assets_folder(spec, origin)
    try:
        files = head_files(spec, folder, identity, seed, provided(spec, expressions))
    except AssetError:
        return {}  # told when the head is made
    hashes = {}
    for name in files.values():
        path = inside(folder, name)
        for each in (path, *_beside(path)):
            hashes[each.relative_to(folder.resolve()).as_posix()] = _sha256(each)
    return hashes


def reads_weights(file: str) -> bool:
    """Whether a file of the folder of weights can change the head of a method from outside."""
    return Path(file).name.startswith((Path(READER).stem, Path(MEAN_HEAD).stem))


def _beside(path: Path) -> Iterator[Path]:
    """Materials and images in the folder of an OBJ or PLY, any of which it may name."""
    if path.suffix.lower() == ".glb":
        return
    wanted = (*IMAGE_SUFFIXES, MATERIAL_SUFFIX)
    there = sorted(each for each in path.parent.iterdir() if each.suffix.lower() in wanted)
    yield from (each for each in there[:MAX_BESIDE] if each.is_file())


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return MISSING
