"""The files of a bundle, written once under a name made of their content, and where a page finds them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars

_PLAIN = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass
class BundleFiles:
    """What has been written below a bundle's folder.

    Attributes:
        root: the folder.
        written: names, relative to it.
    """

    root: Path
    written: set[str] = field(default_factory=set)

    def write(self, name: str, data: bytes) -> str:
        """Write a file unless it is there already; its name, relative to the bundle."""
        if name not in self.written:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            self.written.add(name)
        return name

    def place(self, data: bytes, name: str, kind: str) -> str | dict[str, str]:
        """A file of the viewer. A page that is opened from disk may load scripts and pictures, and fetch
        nothing else: a mesh becomes a script that holds it."""
        if kind.startswith("image/"):
            return self.write(f"files/{name}", data)
        text = base64.b64encode(data).decode()
        script = f"(globalThis.HEADS_FILES ??= {{}})[{json.dumps(name)}] = {json.dumps(text)};\n"
        self.write(f"files/{name}.js", script.encode())
        return {"file": name}

    def picture(self, path: Path) -> str:
        """A copy of a picture."""
        data = path.read_bytes()
        return self.write(f"files/{hashlib.sha256(data).hexdigest()}{path.suffix.lower()}", data)

    def chart(self, figure: go.Figure, name: str) -> str:
        """A chart as a script that holds its JSON."""
        script = f"(globalThis.IDTO3D_CHARTS ??= {{}})[{json.dumps(name)}] = {figure.to_json()};\n"
        return self.write(f"data/{plain_name(name)}.js", script.encode())

    def csv(self, data: polars.DataFrame, name: str) -> str:
        """A table."""
        return self.write(f"data/{plain_name(name)}.csv", data.write_csv().encode())

    def size(self) -> int:
        """Bytes of all that was written."""
        return sum((self.root / name).stat().st_size for name in self.written)


def plain_name(text: str) -> str:
    """Letters, digits, - _ and . of a text, for a file's name."""
    return _PLAIN.sub("-", text).strip("-.") or "page"
