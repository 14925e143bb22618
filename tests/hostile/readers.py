"""The project's readers as the corpus calls them: a file or folder in, nothing out, or what they raise."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path


def photo(path: Path) -> None:
    """A photograph of a person."""
    from idto3d.identity.photo import read_photo

    read_photo(path)


def mesh(path: Path) -> None:
    """A GLB, OBJ or PLY of a method from outside."""
    from idto3d.foreign.meshes import read_foreign_mesh

    read_foreign_mesh(path.parent, path.name, "m")


def head(path: Path) -> None:
    """A head of a head asset."""
    from idto3d.asset import read_expression

    read_expression(path.parent, path.stem)


def manifest(path: Path) -> None:
    """What a head asset says of itself."""
    from idto3d.asset import read_manifest

    read_manifest(path.parent)


def protocol(path: Path) -> None:
    """A protocol that a user wrote."""
    from idto3d_protocols import load_protocol

    load_protocol(path)


def method(path: Path) -> None:
    """A method from outside."""
    from idto3d_baselines.external_spec import load_external

    load_external(path)


def recogniser(path: Path) -> None:
    """A recogniser that a user brings."""
    from idto3d.identity.recogniser import load_recogniser

    load_recogniser(path)


def reader(path: Path) -> None:
    """A face reader."""
    from idto3d.identity.reader import load_reader

    load_reader(path)


def face_adapter(path: Path) -> None:
    """An adapter for faces, as safetensors or torch's own file."""
    from idto3d.guidance.face_adapter import read_face_adapter

    read_face_adapter(path)


def directions(path: Path) -> None:
    """What words mean to a prior."""
    from idto3d.guidance.word_directions import WordDirections

    WordDirections.read(path.parent)


def archive(path: Path) -> None:
    """A run's archive."""
    from idto3d_eval.archive_file import read_archive

    read_archive(path)


def record(path: Path) -> None:
    """What the index remembers of a job; one that cannot be read counts as none."""
    from idto3d_eval.store import Store

    index = path.parent / "index"
    index.mkdir()
    shutil.copy(path, index)
    Store(path.parent).record(path.stem)


READERS: dict[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (
        photo,
        mesh,
        head,
        manifest,
        protocol,
        method,
        recogniser,
        reader,
        face_adapter,
        directions,
        archive,
        record,
    )
}
