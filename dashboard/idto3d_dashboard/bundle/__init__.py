"""A run as a folder of plain HTML that opens from disk: the dashboard's pages, its charts and its heads."""

from __future__ import annotations

from idto3d_dashboard.bundle.write import Bundle, write_bundle

__all__ = ["Bundle", "write_bundle"]
