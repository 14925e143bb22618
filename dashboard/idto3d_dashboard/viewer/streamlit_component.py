"""The viewer in a Streamlit page; files are served by their hash, so a rerun sends some hundred bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from idto3d_dashboard.viewer.built import built_file
from idto3d_dashboard.viewer.heads import ShownHead, head_spec

# The bundle is not given to Streamlit as the component's own script: that is sent again with every message.
_LOADER = """
export default async function ({ data, parentElement }) {
  const viewer = await import(new URL(data.module, document.baseURI).href);
  return viewer.showHeads(parentElement, data.spec);
}
"""


def show_heads(
    heads: Sequence[ShownHead],
    *,
    key: str,
    look: str = "colour",
    light: str = "studio",
    weights: Mapping[str, float] | None = None,
    height: int = 360,
    group: str | None = None,
) -> None:
    """Show heads beside each other, under one camera.

    Reruns keep the camera and what is drawn: a head is known by the hash of its bytes, and only what changed
    around it is told to the browser.

    Args:
        heads: in the order in which they are shown; one whose GLB is refused shows the reason.
        key: of the place on the page, as any Streamlit element's.
        look: one of `LOOKS`.
        light: one of `LIGHTS`.
        weights: of the morph targets, by name.
        height: of a picture at most, CSS pixels.
        group: mounts of one group turn together.

    Raises:
        UserError: the viewer is not built, or the look or light is unknown.
    """

    def place(data: bytes, name: str, kind: str) -> str:
        return _served(data, name, kind, f"{key}/{name}")

    spec = head_spec(
        heads, look=look, light=light, weights=weights, height=height, group=group, key=key, place=place
    )
    module = place(*_bundle(), "text/javascript")
    built_component("heads_3d", "viewer.css", _LOADER)(key=key, data={"module": module, "spec": spec})


def _served(data: bytes, name: str, kind: str, coordinates: str) -> str:
    """The address of bytes in Streamlit's media storage, which keeps them as long as a session shows them.

    Above 1 MiB the storage hashes samples of the bytes; the name, made of their sha256, is hashed as well.
    """
    import streamlit as st
    from streamlit.runtime import exists, get_instance

    if not exists():  # run by python and not by streamlit: nothing is shown
        return ""
    address = get_instance().media_file_mgr.add(data, kind, coordinates, file_name=name)
    prefix = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{prefix}{address}" if prefix else address


@lru_cache(maxsize=1)
def _bundle() -> tuple[bytes, str]:
    data = built_file("viewer.js").read_bytes()
    return data, f"{hashlib.sha256(data).hexdigest()}.js"


@lru_cache(maxsize=4)
def built_component(name: str, style: str, loader: str) -> Callable[..., Any]:
    """A component of ours: Streamlit keeps one for each name.

    Args:
        name: of the component.
        style: a file of the bundle.
        loader: its script, which Streamlit sends with every message; so it only loads the bundle.
    """
    from streamlit.components.v2 import component

    css = f"/* one line would be read as a path */\n{built_file(style).read_text()}"
    return component(name, css=css, js=loader)
