"""What keeps objects: a folder that machines share, or any store of fsspec that creates conditionally.

A put replaces an object at once (S3's PUT, a rename on a disk); `create` makes one only where there is none
(S3's `If-None-Match`, a hard link), which is all that the lease needs of a store.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Mapping
from glob import has_magic
from pathlib import Path
from typing import Any, Protocol

from idto3d.errors import UserError
from idto3d_eval.disk import write_atomically


class Backend(Protocol):
    """What there is to ask of a store, each thing once; errors are its own."""

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Write objects, each as a whole."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write an object where there is none; False, with nothing done, where there is one."""
        ...

    def get(self, names: Iterable[str]) -> dict[str, bytes]:
        """The contents of those objects that are there."""
        ...

    def names(self, under: str) -> list[str]:
        """All objects under a folder."""
        ...

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        ...


def open_backend(url: str) -> Backend:
    """The store behind a URL or a path.

    Raises:
        UserError: no library for such a URL is installed, or it is no URL.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme in {"file", "local"}:
        return FolderObjects(Path(rest if separator else url))
    try:
        return FsspecObjects(url)
    except ImportError as error:
        raise UserError(
            f"Found no library for {scheme}:// ({said(error)}), expected one that fsspec uses; for s3:// "
            "install it with `pip install idto3d-eval[s3]`."
        ) from None
    except ValueError as error:
        raise UserError(
            f"Found the store {url!r} ({said(error)}), expected such as s3://bucket/prefix or a folder."
        ) from None


class FolderObjects:
    """Objects as files of a folder that several machines may see."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Writes files beside their places and renames them."""
        for name, content in objects.items():
            write_atomically(self._folder / name, content)

    def create(self, name: str, content: bytes) -> bool:
        """Writes a file beside its place and links it there, which one of several callers can."""
        path = self._folder / name
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        write_atomically(beside, content)
        try:
            os.link(beside, path)
        except FileExistsError:
            return False
        finally:
            beside.unlink()
        return True

    def get(self, names: Iterable[str]) -> dict[str, bytes]:
        """Reads those files that are there."""
        return {name: (self._folder / name).read_bytes() for name in names if (self._folder / name).is_file()}

    def names(self, under: str) -> list[str]:
        """All files, but those that are just being written."""
        found = (path for path in (self._folder / under).rglob("*") if path.is_file())
        return [path.relative_to(self._folder).as_posix() for path in found if not path.name.startswith(".")]

    def remove(self, name: str) -> None:
        """Removes a file."""
        (self._folder / name).unlink(missing_ok=True)


class FsspecObjects:
    """Objects of any store that fsspec knows and that can create conditionally."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if url.startswith("s3://"):
            # A store that is away is to be noticed in seconds; waiting is done here, not three layers below.
            config = {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 1}}
            options["config_kwargs"] = config
        self._fs, root = url_to_fs(url, **options)
        self._root = root.rstrip("/")

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Puts them, several at once."""
        self._fs.pipe({self._path(name): content for name, content in objects.items()})

    def create(self, name: str, content: bytes) -> bool:
        """Puts one on the condition that there is none."""
        try:
            self._fs.pipe_file(self._path(name), content, mode="create")
        except FileExistsError:
            return False
        return True

    def get(self, names: Iterable[str]) -> dict[str, bytes]:
        """Gets them, several at once."""
        paths = {self._path(name): name for name in names}
        # Several at once are taken for patterns, so those that could be one are got one by one.
        plain = [path for path in paths if not has_magic(path)]
        found = self._fs.cat(plain, on_error="return") if plain else {}
        for path in paths.keys() - found.keys():
            with contextlib.suppress(FileNotFoundError):
                found[path] = self._fs.cat_file(path)
        for content in found.values():
            if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                raise content
        return {paths[path]: bytes(content) for path, content in found.items() if isinstance(content, bytes)}

    def names(self, under: str) -> list[str]:
        """All of them under a prefix."""
        found = self._fs.find(self._path(under.rstrip("/")))
        return sorted(path.removeprefix(self._root).lstrip("/") for path in found)

    def remove(self, name: str) -> None:
        """Deletes one."""
        try:
            self._fs.rm_file(self._path(name))
        except FileNotFoundError:
            return

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def said(error: BaseException) -> str:
    """The first line of an error, short enough for a sentence."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}..."
