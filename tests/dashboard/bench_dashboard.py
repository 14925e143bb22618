"""How long a large run takes to open and each page to be there, in a browser:

    python -m tests.dashboard.bench_dashboard --methods 50 --people 200

Scores are made up, of 13 expressions and 16 views a head, and there are no heads: what is measured is
reading, aggregating and drawing tables and charts. Exits with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from idto3d_dashboard.pages import GROUPS
from idto3d_eval.bench.bars import Bar
from idto3d_eval.bench.scale_runs import make_run_of
from tests.dashboard.conftest import CHROMIUM
from tests.dashboard.served import Watched, serving

OPENS, SHOWS = 3.0, 1.0  # s
REPEATS = 3


def main() -> int:
    """Make the run, open every page, print the bars."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", type=int, default=50)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="Where the run is kept and found again.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="idto3d-dashboard-") as temporary:
        runs = asked.folder or Path(temporary)
        rows = prepare(runs / "large", asked.methods, asked.people)
        print(f"{asked.methods} methods, {asked.people} identities, 13 expressions, 16 views: {rows:,} rows")
        bars = list(measure(runs))
    for bar in bars:
        print(f"{bar.name:<28}{bar.value:8.2f} s  ≤ {bar.bound:<4g} {'passed' if bar.passed else 'FAILED'}")
    return 0 if all(bar.passed for bar in bars) else 1


def prepare(folder: Path, methods: int, people: int) -> int:
    """A run with its figures; found again where it is there."""
    import polars

    if not (folder / "report.html").is_file():
        make_run_of(folder, methods=methods, people=people, cameras=8, lights=2)
        command = [sys.executable, "-m", "idto3d_eval.cli", "report", folder.name, "--runs", folder.parent]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return int(polars.scan_parquet(folder / "scores.parquet").select(polars.len()).collect().item())


def measure(runs: Path) -> Iterator[Bar]:
    """Seconds from asking for an address until the page is there: the first one, then each page."""
    with serving(runs, ["large"], runs / "log") as address, sync_playwright() as started:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        watched = Watched(browser)
        yield Bar("opens", _seconds(watched, address), OPENS)
        for module in (module for modules in GROUPS.values() for module in modules):
            times = [_turned_to(watched, module.TITLE) for _ in range(REPEATS)]
            yield Bar(f"{module.TITLE}, first time", times[0], SHOWS)
            yield Bar(f"{module.TITLE}, again", min(times[1:]), SHOWS)
        browser.close()


def _seconds(watched: Watched, address: str) -> float:
    started = time.perf_counter()
    watched.open(address)
    return time.perf_counter() - started


def _turned_to(watched: Watched, title: str) -> float:
    """Seconds of turning to a page; another page lies between two visits."""
    _turn(watched, "Provenance" if title != "Provenance" else "Generalisation")
    return _turn(watched, title)


def _turn(watched: Watched, title: str) -> float:
    """From the click in the navigation until another title is there and the page has come to rest."""
    before = watched.page.locator("h1").inner_text()
    started = time.perf_counter()
    watched.page.get_by_role("link", name=title, exact=True).click()
    watched.page.wait_for_function(
        "before => (document.querySelector('h1')?.innerText ?? before) !== before", arg=before, polling=20
    )
    watched.rest()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
