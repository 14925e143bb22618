"""A page with two heads, for the tests of the viewer inside Streamlit."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from idto3d_dashboard.viewer import LOOKS, ShownHead, show_heads

folder = Path(os.environ["IDTO3D_TEST_HEADS"])
st.session_state["runs"] = st.session_state.get("runs", 0) + 1
st.button("Run again")
look = st.radio("Look", LOOKS)
smile = st.slider("Smile", 0.0, 1.0, 0.0)
names = ["ada", "bob", "eve"] if st.checkbox("With Eve") else ["ada", "bob"]
show_heads(
    [ShownHead(name.title(), folder / f"{name}.glb") for name in names],
    key="heads",
    look=str(look),
    weights={"smile": smile},
    height=160,
)
show_heads([ShownHead("Ada again", folder / "ada.glb")], key="below", height=160)
st.write(f"Run {st.session_state['runs']}")
