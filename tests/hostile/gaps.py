"""Cases that a reader does not pass yet, and why; each is expected to fail until it is mended."""

from __future__ import annotations

GAPS: dict[str, str] = {
    "head glb type as list": "glb_bounds looks it up unchecked; its code is in keys of committed results",
}
