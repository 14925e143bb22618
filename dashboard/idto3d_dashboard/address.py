"""What a reader has chosen, in the page's address and through the session: a view can be sent as a link, and
a choice holds on all pages.

Streamlit's own binding of widgets to the address is not used: following a link to another page drops it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import streamlit

T = TypeVar("T")
_PAGE, _MOVED = "page shown", "page is another than before"


def arrive(page: str) -> None:
    """Remember which page is shown: a browser that came from another one has lost what its address held."""
    streamlit.session_state[_MOVED] = streamlit.session_state.get(_PAGE) != page
    streamlit.session_state[_PAGE] = page


def begin(key: str, options: Sequence[T], default: T) -> None:
    """Give a widget its value before it is drawn: what was chosen before, else the address's, else a default.

    Args:
        key: of the widget, and in the address.
        options: what can be chosen; anything else, from an old link or another run, becomes the default.
        default: one of them.
    """
    if _current(key) in options:
        return
    chosen = _chosen()
    named = {str(option): option for option in options}
    asked = "" if key in chosen else streamlit.query_params.get(key, "")
    streamlit.session_state[key] = chosen[key] if chosen.get(key) in options else named.get(asked, default)


def begin_many(key: str, options: Sequence[str], default: Sequence[str]) -> None:
    """As `begin`, of several options at once; none of them is a choice too."""
    before = _current(key)
    before = _chosen().get(key) if before is None else before
    if before is not None and all(one in options for one in before):
        streamlit.session_state[key] = list(before)
        return
    asked = before if before is not None else streamlit.query_params.get_all(key)
    streamlit.session_state[key] = [one for one in asked if one in options] or list(default)


def begin_share(key: str) -> None:
    """As `begin`, of a number from 0 to 1, which is the default."""
    if _current(key) is not None:
        return
    try:
        asked = float(_chosen().get(key, streamlit.query_params.get(key, "1")))
    except ValueError:
        asked = 1.0
    streamlit.session_state[key] = asked if 0.0 <= asked <= 1.0 else 1.0


def note(key: str, value: Any, default: Any) -> None:
    """Remember what is chosen, and put it into the address; a default needs no place there."""
    _chosen()[key] = value
    if value == default:
        if key in streamlit.query_params:
            del streamlit.query_params[key]
        return
    told = [str(one) for one in value] if isinstance(value, list | tuple) else str(value)
    now = streamlit.query_params.get_all(key)
    if streamlit.session_state.get(_MOVED) or now != (told if isinstance(told, list) else [told]):
        streamlit.query_params[key] = told


def _current(key: str) -> Any:
    """A widget's value; None on a page just arrived at, whose widgets are new ones and begin anew."""
    return None if streamlit.session_state.get(_MOVED) else streamlit.session_state.get(key)


def _chosen() -> dict[str, Any]:
    """Key -> value of all choices of the session: Streamlit forgets a widget's when another page is shown."""
    found: dict[str, Any] = streamlit.session_state.setdefault("chosen", {})
    return found
