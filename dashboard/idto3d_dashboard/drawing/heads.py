"""Heads side by side: in three dimensions where the viewer is there, else as their stored views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit

LOOKS = ("colour", "clay", "normals", "wireframe", "albedo")
COLUMNS = 4


@dataclass(frozen=True)
class ShownHead:
    """A head as the viewer takes it: name, GLB, its stored views by rising yaw, and what to say of it."""

    name: str
    glb: Path | bytes
    strip: tuple[Path, ...] = ()
    note: str = ""


def show_heads(
    heads: Sequence[ShownHead],
    *,
    key: str,
    look: str = "colour",
    light: str = "studio",
    weights: Mapping[str, float] | None = None,
    height: int = 360,
) -> None:
    """The middle one of each head's stored views."""
    columns = streamlit.columns(min(len(heads), COLUMNS) or 1)
    for at, head in enumerate(heads):
        with columns[at % len(columns)]:
            if head.strip:
                streamlit.image(
                    str(head.strip[len(head.strip) // 2]), alt=f"A view of the head of {head.name}"
                )
            streamlit.caption(f"{head.name}: {head.note}")
