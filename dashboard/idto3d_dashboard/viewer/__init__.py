"""Heads in three dimensions, many under one camera: a Streamlit component, and files for static pages."""

from idto3d_dashboard.viewer.built import built_file
from idto3d_dashboard.viewer.glb_check import check_shown_glb
from idto3d_dashboard.viewer.heads import LIGHTS, LOOKS, ShownHead, head_spec, packed_as_data
from idto3d_dashboard.viewer.streamlit_component import show_heads

__all__ = [
    "LIGHTS",
    "LOOKS",
    "ShownHead",
    "built_file",
    "check_shown_glb",
    "head_spec",
    "packed_as_data",
    "show_heads",
]
