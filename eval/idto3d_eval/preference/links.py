"""Signed links: who may answer as which rater, by a name that the study's key signed (HMAC, RFC 2104)."""

from __future__ import annotations

import hashlib
import hmac
import re

RATER, JOIN, FILE, PANEL, DONE = "rater", "join", "file", "panel", "done"
_TOKEN = re.compile(r"([0-9a-f]{16})\.([0-9a-f]{32})")
NAME = re.compile(r"[0-9a-f]{16}")
PANEL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def rater_of_slot(key: bytes, slot: int) -> str:
    """The rater's name of a place in the plan: 64 bits that nobody can guess."""
    return _signed(key, RATER, str(slot))[:16]


def rater_of_panel(key: bytes, panel: str, person: str) -> str:
    """The rater's name of someone whom a panel sends: the same whenever they come, with no way back."""
    return _signed(key, PANEL, f"{panel}:{person}")[:16]


def token_of(key: bytes, rater: str) -> str:
    """What a rater's link carries: the name and its signature."""
    return f"{rater}.{_signed(key, 'link', rater)[:32]}"


def rater_of_token(key: bytes, token: str) -> str | None:
    """Whom a token belongs to; None where the key did not sign it."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    rater, signature = found.groups()
    return rater if hmac.compare_digest(signature, _signed(key, "link", rater)[:32]) else None


def join_token(key: bytes) -> str:
    """What the link carries that a panel sends everyone by."""
    return _signed(key, JOIN, "")[:32]


def may_join(key: bytes, token: str) -> bool:
    """Whether a link is the panel's."""
    return hmac.compare_digest(token.encode("utf-8", "replace"), join_token(key).encode())


def file_name(key: bytes, *content: str) -> str:
    """The name under which a browser gets a file: it says nothing of what made it."""
    return _signed(key, FILE, "\0".join(content))[:32]


def completion_code(key: bytes, rater: str) -> str:
    """What a rater shows for having finished."""
    return _signed(key, DONE, rater)[:10].upper()


def _signed(key: bytes, purpose: str, content: str) -> str:
    return hmac.new(key, f"{purpose}\0{content}".encode(), hashlib.sha256).hexdigest()
