"""Heads side by side in three dimensions, as pages ask for them."""

from __future__ import annotations

from idto3d_dashboard.viewer import LOOKS, ShownHead, show_heads

__all__ = ["LOOKS", "ShownHead", "show_heads"]
