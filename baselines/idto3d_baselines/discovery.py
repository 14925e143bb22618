"""All methods there are: the native table, and those from outside that folders and installed packages offer.

Folders are `methods/` here and at the root of the checkout, and those in $IDTO3D_METHODS; packages speak
through the entry-point group `idto3d_eval.methods`. What is broken is told and hides nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from idto3d.errors import UserError
from idto3d_baselines.external_spec import load_external
from idto3d_baselines.specs import METHODS, MethodSpec

FOLDER = "methods"
VARIABLE = "IDTO3D_METHODS"
GROUP = "idto3d_eval.methods"
MAX_SPECS = 1000  # files of one folder
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class BrokenSpec:
    """A method that is not in the table: the name it would have, where it was found, and why not."""

    name: str
    found_at: str
    reason: str


@dataclass(frozen=True)
class KnownMethods:
    """The table with all that was discovered, native methods first, and what was broken."""

    specs: dict[str, MethodSpec]
    broken: tuple[BrokenSpec, ...]

    def spec(self, name: str) -> MethodSpec:
        """The method called `name`.

        Raises:
            UserError: no method has that name, or its file is broken.
        """
        if name in self.specs:
            return self.specs[name]
        for each in self.broken:
            if each.name == name:
                raise UserError(each.reason)
        raise UserError(f"Found no method called {name!r}, expected one of {', '.join(self.specs)}.")

    def named(self, names: Sequence[str]) -> dict[str, MethodSpec]:
        """The whole table, once all of these names were found in it.

        Raises:
            UserError: one of them is broken; one that nobody offers is left to whoever asks for it.
        """
        for name in names:
            if name not in self.specs and any(each.name == name for each in self.broken):
                self.spec(name)
        return self.specs


def known_methods(folders: Sequence[Path] | None = None) -> KnownMethods:
    """Discover every method.

    Args:
        folders: where specs lie; the usual places, and entry points, where None.
    """
    specs, broken = dict(METHODS), []
    offers = [offer for folder in (spec_folders() if folders is None else folders) for offer in _in(folder)]
    offers += list(_installed()) if folders is None else []
    for name, found_at, offered in offers:
        if isinstance(offered, Exception):
            broken.append(BrokenSpec(name, found_at, _sentence(offered)))
        elif offered.name in specs:
            whose = "a native method" if offered.name in METHODS else "another found before"
            reason = f"Method {offered.name} at {found_at} has the name of {whose}, expected one of its own."
            broken.append(BrokenSpec(name, found_at, reason))
        else:
            specs[offered.name] = offered
    return KnownMethods(specs, tuple(broken))


def spec_folders() -> list[Path]:
    """The folders that are looked through, each once: here, the checkout's, then $IDTO3D_METHODS in order."""
    named = [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    checkout = Path(__file__).resolve().parents[2]
    usual = [Path.cwd() / FOLDER]
    if (checkout / "pyproject.toml").is_file():
        usual.append(checkout / FOLDER)
    found = {folder.resolve(): folder for folder in (*(each for each in usual if each.is_dir()), *named)}
    return list(found)


Offer = tuple[str, str, MethodSpec | Exception]  # name, where, what


def _in(folder: Path) -> Iterator[Offer]:
    """Every spec of a folder, or of the one file."""
    try:
        paths = [folder] if folder.is_file() else sorted(folder.iterdir())
    except OSError as error:
        reason = UserError(f"Found no folder of methods at {folder} ({error.strerror}), expected one.")
        yield folder.name, str(folder), reason
        return
    for path in [path for path in paths if path.suffix in SUFFIXES][:MAX_SPECS]:
        try:
            yield path.stem, str(path), load_external(path)
        except Exception as error:  # one broken spec never hides the others, whatever is wrong with it
            yield path.stem, str(path), error


def _installed() -> Iterator[Offer]:
    """What installed packages offer: a folder or file of specs, or a MethodSpec."""
    for entry in entry_points(group=GROUP):
        place = f"entry point {entry.name} ({entry.value})"
        try:
            offered: Any = entry.load()
        except (Exception, SystemExit) as error:  # a foreign import: whatever it raises is one broken method
            yield (
                entry.name,
                place,
                UserError(f"Method {place} cannot be loaded ({_sentence(error)}); mend it."),
            )
            continue
        if isinstance(offered, MethodSpec):
            yield offered.name, place, offered
        elif isinstance(offered, str | Path):
            yield from _in(Path(offered))
        else:
            kind = type(offered).__name__
            yield (
                entry.name,
                place,
                UserError(f"Method {place} is a {kind}, expected a path or a MethodSpec."),
            )


def _sentence(error: BaseException) -> str:
    """An error on one line."""
    text = " ".join(str(error).split())[:500]
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
