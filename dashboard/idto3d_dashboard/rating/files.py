"""The files of a study as browsers ask for them: by a name that is in its table, and by no other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from idto3d.errors import UserError
from idto3d_dashboard.rating.parts import PHOTO, Part
from idto3d_eval.preference.study import ASSETS, FILES

ADDRESS = "/study/files/"
TYPES = {".glb": "model/gltf-binary", ".jpg": "image/jpeg"}
_NAME = re.compile(r"[0-9a-f]{32}\.(?:glb|jpg)")


@dataclass
class StudyFiles:
    """All that a study shows.

    Args:
        folder: of the study.
    """

    folder: Path

    def path(self, name: str) -> Path | None:
        """The file of a name; None where the study has none."""
        if _NAME.fullmatch(name) is None:
            return None
        if name not in self._names and self._changed:
            self._read_again()
        return self.folder / FILES / name if name in self._names else None

    def head(self, role: str, identity: str, expression: str, textured: bool) -> str:
        """The address of a head.

        Raises:
            KeyError: the study has no such head.
        """
        part = Part(role, identity, expression, textured)
        if part not in self._parts and self._changed:
            self._read_again()
        return ADDRESS + self._parts[part]

    def photos(self, identity: str) -> list[str]:
        """The addresses of a person's photos."""
        found = [
            (part.expression, name)
            for part, name in self._parts.items()
            if part.role == PHOTO and part.identity == identity
        ]
        return [ADDRESS + name for _, name in sorted(found)]

    @cached_property
    def _read(self) -> tuple[dict[Part, str], float]:
        import polars

        path = self.folder / ASSETS
        try:
            changed = path.stat().st_mtime
            rows = polars.read_parquet(path).to_dicts()
        except (OSError, polars.exceptions.PolarsError):
            raise UserError(
                f"Found no table of files in {path}, expected what study create wrote; make the study again."
            ) from None
        return {
            Part(row["role"], row["identity"], row["expression"], row["textured"]): row["file"]
            for row in rows
        }, changed

    @property
    def _parts(self) -> dict[Part, str]:
        return self._read[0]

    @cached_property
    def _names(self) -> set[str]:
        return set(self._parts.values())

    @property
    def _changed(self) -> bool:
        return (self.folder / ASSETS).stat().st_mtime != self._read[1]

    def _read_again(self) -> None:
        for name in ("_read", "_names"):
            self.__dict__.pop(name, None)
