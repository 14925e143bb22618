"""Writes a bundle: the dashboard's pages of one run, each person's among them, beside the viewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import ModuleType

from streamlit.logger import set_log_level as quiet

from idto3d.errors import UserError
from idto3d_dashboard.bundle.files import BundleFiles, plain_name
from idto3d_dashboard.bundle.still_sheet import StillSheet
from idto3d_dashboard.choice import EVERYBODY, Choice
from idto3d_dashboard.drawing.style import DRAWN
from idto3d_dashboard.pages import GROUPS, OF_ONE_PERSON
from idto3d_dashboard.reading.run import Run, open_run
from idto3d_dashboard.sheet import Shows
from idto3d_dashboard.viewer.built import built_file
from idto3d_eval.run_folder import SUMMARY

STYLE, SCRIPT = (Path(__file__).with_name(name) for name in ("bundle.css", "bundle.js"))
# Nothing is fetched, and no script but the bundle's own runs; charts set their style in place.
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; "
    "img-src 'self' file: data: blob:; connect-src blob: data:"
)
Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Bundle:
    """What was written."""

    folder: Path
    pages: int
    size: int  # bytes


@dataclass(frozen=True)
class _Page:
    """One page of the bundle."""

    module: ModuleType
    name: str  # of its file, without the ending
    identity: str  # whose page it is; "" for one of all people


def write_bundle(folder: Path, out: Path, photos: bool = True, told: Told = lambda *_: None) -> Bundle:
    """Write a finished run as plain HTML into a folder.

    Args:
        folder: of the run.
        out: to write into; it must be empty or not there.
        photos: whether real people's faces may be in it. Without, photographs are left out, and of a
            photographed population also all heads, which show the same faces, and pictures of them.
        told: called with what is being written, how many pages are, and of how many.

    Raises:
        UserError: no run that can be shown, a folder that has something in it, a viewer that is not built.
    """
    quiet("ERROR")  # its caches work without a server, and say so at every turn
    run = open_run(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"Found something at {out}, expected an empty folder or none; name another.")
    viewer = [built_file(name) for name in ("viewer.classic.js", "viewer.css", "three.LICENSE.txt")]
    real = run.summary["protocol"]["population"]["label"] != "synthetic"
    shows = Shows(photos=photos, heads=photos or not real)
    files = BundleFiles(out)
    for path in (*viewer, DRAWN, STYLE, SCRIPT):
        files.write(f"shown/{path.name}", path.read_bytes())
    files.write("shown/plotly.js", _plotly())
    files.write(SUMMARY, (folder / SUMMARY).read_bytes())
    pages = list(_pages(run))
    for at, page in enumerate(pages):
        told("pages", at, len(pages))
        sheet = StillSheet(files, page.name, shows)
        page.module.show(_choice(run, page.identity), sheet)
        files.write(f"{page.name}.html", _html(run, page, pages, sheet).encode())
    told("pages", len(pages), len(pages))
    return Bundle(out, len(pages), files.size())


def _pages(run: Run) -> Iterator[_Page]:
    for modules in GROUPS.values():
        for module in modules:
            if module not in OF_ONE_PERSON:
                name = "index" if module.PATH == "overview" else module.PATH
                yield _Page(module, name, "")
                continue
            for identity in run.identities:
                yield _Page(module, f"{module.PATH}-{plain_name(identity)}", identity)


def _choice(run: Run, identity: str) -> Choice:
    return Choice(
        run=run,
        folders={run.name: run.folder},
        methods=run.labels,
        group=EVERYBODY,
        people=run.identities,
        identity=identity or run.identities[0],
        expression=run.expressions[0],
    )


def _html(run: Run, page: _Page, pages: list[_Page], sheet: StillSheet) -> str:
    told = run.summary["protocol"]
    title = f"{page.module.TITLE}{f', {page.identity}' if page.identity else ''}: {told['name']}"
    drawn = '<script src="shown/plotly.js"></script>' if sheet.scripts else ""
    scripts = "".join(f'<script src="{escape(path)}"></script>' for path in dict.fromkeys(sheet.scripts))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        '<link rel="stylesheet" href="shown/viewer.css"><link rel="stylesheet" href="shown/bundle.css">'
        '<link rel="stylesheet" href="shown/drawn.css">'
        f"</head><body>{_navigation(page, pages)}<main>{sheet.body()}"
        f'<p class="note">{escape(told["name"])}, version {told["version"]}; population: '
        f"{escape(told['population']['label'])}.</p></main>"
        f'{drawn}<script src="shown/viewer.classic.js"></script>'
        f'{scripts}<script src="shown/bundle.js"></script></body></html>\n'
    )


def _navigation(page: _Page, pages: list[_Page]) -> str:
    first: dict[str, _Page] = {}
    for other in pages:
        same = other.identity == page.identity or not other.identity
        if other.module.PATH not in first or (same and other.identity):
            first[other.module.PATH] = other
    lines = []
    for group, modules in GROUPS.items():
        links = "".join(_link(first[module.PATH], module.TITLE, page) for module in modules)
        lines.append(f"<b>{escape(group)}</b>{links}")
    people = [other for other in pages if other.module is page.module and other.identity]
    if people:
        lines.append("<b>Person</b>" + "".join(_link(other, other.identity, page) for other in people))
    return f'<nav aria-label="Pages">{"".join(lines)}</nav>'


def _link(to: _Page, title: str, page: _Page) -> str:
    here = ' aria-current="page"' if to.module is page.module and to.identity == page.identity else ""
    return f'<a href="{escape(to.name)}.html"{here}>{escape(title)}</a>'


def _plotly() -> bytes:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script.encode()
