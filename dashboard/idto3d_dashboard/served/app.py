"""The review dashboard: which run and which part of it, then the page that was asked for.

Streamlit runs this file anew for every reader and change; it arranges, `reading` reads, `drawing` draws.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import streamlit

from idto3d.errors import UserError
from idto3d_dashboard import address
from idto3d_dashboard.choice import choose
from idto3d_dashboard.drawing.style import put_style
from idto3d_dashboard.live_sheet import LiveSheet
from idto3d_dashboard.pages import GROUPS
from idto3d_dashboard.reading.run import open_run
from idto3d_eval.score_file import damage_told


def main() -> None:
    """Show one page."""
    streamlit.set_page_config(page_title="idto3d-eval", layout="wide")
    put_style()
    folders = {Path(folder).name: Path(folder) for folder in sys.argv[1:]}
    with streamlit.sidebar:
        links = streamlit.container(gap="xsmall")
        name = LiveSheet().choose("Run", list(folders), "run")
    pages = {group: [_page(module, folders, name) for module in modules] for group, modules in GROUPS.items()}
    # Streamlit's own list of grouped pages is none to a screen reader: its items are no children of it.
    page = streamlit.navigation(pages, position="hidden")
    address.arrive(page.url_path)
    with links:
        for group, own in pages.items():
            streamlit.caption(group)
            for one in own:
                streamlit.page_link(one)
    page.run()


def _page(module: ModuleType, folders: dict[str, Path], name: str) -> streamlit.Page:
    return streamlit.Page(
        _shown(module, folders, name),
        title=module.TITLE,
        url_path=module.PATH,
        default=module.PATH == "overview",
    )


def _shown(module: ModuleType, folders: dict[str, Path], name: str) -> Callable[[], None]:
    """What a page does: reads the chosen part of the run and shows it, or the sentence that says why not."""

    def show() -> None:
        try:
            with damage_told(folders[name]):
                module.show(choose(open_run(folders[name]), folders), LiveSheet())
        except UserError as error:
            streamlit.warning(str(error), icon=":material/info:")

    return show


main()
