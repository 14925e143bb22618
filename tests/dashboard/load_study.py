"""Fifty raters at once against one served study: no vote lost or doubled, also when the server is killed.

    python -m tests.dashboard.load_study [--seconds 300] [--clients 42] [--pages 8] [--kills 5] [--postgres]

Clients are processes of their own that speak to the vote service over HTTP and send an answer again until it
is acknowledged, as pages do; pages are a real browser's. What was acknowledged is held against the database.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from idto3d_eval.preference.database.connection import connect, database_url
from idto3d_eval.preference.database.tables import trials, votes
from tests.dashboard.conftest import CHROMIUM, SANDBOXLESS, SOFTWARE_WEBGL
from tests.dashboard.study_runs import Server, links, made_run, made_study, token
from tests.eval.preference.postgres import postgres, programs

SERVICE_BAR, BROWSER_BAR = 300.0, 1000.0  # ms, 95 % of the votes
THINK = (1.0, 3.0)  # s between a client's answers
THREADS = 7  # clients of one process


@dataclass
class Told:
    """What one rater was told.

    Attributes:
        slot: place in the plan.
        kept: pair -> answer that the study said it holds.
        waits: ms from the call or click to the acknowledgement.
        again: attempts beyond the first.
    """

    slot: int
    kept: dict[str, str] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    again: int = 0


def measure(
    folder: Path, seconds: float, clients: int, pages: int, kills: int, url: str | None
) -> dict[str, Any]:
    """Serve a study to so many for so long; returns figures, with what was lost or doubled."""
    runs = folder / "runs"
    made_run(runs)
    each = min(1000, max(20, int(2 * seconds)))
    options = ["--raters", str(clients + pages), "--pairs", str(each), "--most", str(each)]
    options += ["--questions", "geometry", "--seconds", "0.2", "--turn", "30", "--repeats", "0"]
    study = made_study(runs, folder / "study", *options, "--attention", "0")
    served = [] if url is None else ["--db", url]
    server = Server(study, *served, first=True)
    server.start()
    stop = time.time() + seconds
    killer = threading.Thread(target=_kill_now_and_then, args=(server, seconds, kills))
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    groups = [list(range(start, min(start + THREADS, clients))) for start in range(0, clients, THREADS)]
    processes = [
        context.Process(target=_clients, args=(server.address, study, group, stop, queue)) for group in groups
    ]
    browser = context.Process(
        target=_pages, args=(server.address, study, list(range(clients, clients + pages)), stop, queue)
    )
    if pages:
        processes.append(browser)
    try:
        for process in processes:
            process.start()
        killer.start()
        told = [queue.get(timeout=seconds + 240) for _ in range(clients + pages)]
        for process in processes:
            process.join(60)
        killer.join()
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
        server.stop()
    return _figures(study, url, told, clients, kills)


def _figures(study: Path, url: str | None, told: list[Told], clients: int, kills: int) -> dict[str, Any]:
    engine = connect(database_url(study, url))
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(trials.c.slot, votes.c.pair, votes.c.answer).join(trials, trials.c.pair == votes.c.pair)
        ).all()
    stored: dict[int, dict[str, str]] = {}
    doubled = 0
    for slot, pair, answer in rows:
        doubled += pair in stored.setdefault(slot, {})
        stored[slot][pair] = answer
    lost = changed = unasked = 0
    for one in told:
        own = stored.get(one.slot, {})
        lost += sum(pair not in own for pair in one.kept)
        changed += sum(own.get(pair, answer) != answer for pair, answer in one.kept.items())
        # A page may stop while its last answer is on its way: that one is stored and not yet told.
        unasked += max(0, len(own.keys() - one.kept.keys()) - 1)
    service = [wait for one in told if one.slot < clients for wait in one.waits]
    browser = [wait for one in told if one.slot >= clients for wait in one.waits]
    return {
        "database": "PostgreSQL" if url else "SQLite",
        "raters": len(told),
        "votes": len(rows),
        "acknowledged": sum(len(one.kept) for one in told),
        "lost": lost,
        "doubled": doubled,
        "changed": changed,
        "not given": unasked,
        "kills": kills,
        "sent again": sum(one.again for one in told),
        "service p50 ms": _at(service, 50),
        "service p95 ms": _at(service, 95),
        "browser p50 ms": _at(browser, 50),
        "browser p95 ms": _at(browser, 95),
        "browser votes": len(browser),
    }


def _at(waits: list[float], share: float) -> float:
    return round(float(np.percentile(waits, share)), 1) if waits else float("nan")


def _kill_now_and_then(server: Server, seconds: float, kills: int) -> None:
    for _ in range(kills):
        time.sleep(seconds / (kills + 1))
        server.kill()
        server.start()


def _clients(address: str, study: Path, slots: list[int], stop: float, queue: Any) -> None:
    """Some clients, a thread each."""
    told = [Told(slot) for slot in slots]
    threads = [threading.Thread(target=_client, args=(address, study, one, stop)) for one in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in told:
        queue.put(one)


def _client(address: str, study: Path, told: Told, stop: float) -> None:
    rng, own = random.Random(told.slot), token(study, told.slot)
    time.sleep(rng.uniform(0, THINK[1]))
    _insist(address, "consent", {"token": own})
    view = _insist(address, "next", {"token": own})[0]["next"]
    while view and time.time() < stop:
        time.sleep(rng.uniform(*THINK))
        sent = {
            "token": own,
            "pair": view["pair"],
            "question": view["question"],
            "answer": rng.choice(view["answers"]),
            "turned": 45.0,
        }
        started = time.perf_counter()
        answer, attempts = _insist(address, "vote", sent)
        told.waits.append(1000 * (time.perf_counter() - started))
        told.again += attempts - 1
        told.kept[view["pair"]] = answer["answer"]
        view = answer["next"]


def _insist(address: str, name: str, content: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Send until it is answered; the answer and how many attempts it took."""
    body = json.dumps(content).encode()
    for attempt in range(1, 1000):
        request = urllib.request.Request(
            f"{address}/study/{name}", body, {"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return json.load(answer), attempt
        except urllib.error.HTTPError as error:
            if error.code not in (408, 429, 500, 502, 503, 504):
                raise AssertionError(f"{name} was refused: {error.code} {error.read()[:300]!r}") from error
        except OSError:
            pass  # the server is away
        time.sleep(0.2)
    raise AssertionError("the server never answered")


def _pages(address: str, study: Path, slots: list[int], stop: float, queue: Any) -> None:
    os.setsid()  # the browser's many threads share what is theirs, as on a machine of their own
    told = asyncio.run(_all_pages(address, links(study), slots, stop))
    for one in told:
        queue.put(one)


async def _all_pages(address: str, addresses: list[str], slots: list[int], stop: float) -> list[Told]:
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=[*SANDBOXLESS, *SOFTWARE_WEBGL])
        told = await asyncio.gather(
            *(_page(browser, address + addresses[slot], slot, stop) for slot in slots)
        )
        await browser.close()
    return list(told)


async def _page(browser: Any, address: str, slot: int, stop: float) -> Told:
    """One rater in the browser: turns by keys, clicks, until the time is over."""
    told = Told(slot)
    context = await browser.new_context(viewport={"width": 900, "height": 800})
    page = await context.new_page()

    async def keep(response: Any) -> None:
        if response.url.endswith("/study/vote") and response.ok:
            try:
                answer = await response.json()
                told.kept[json.loads(response.request.post_data)["pair"]] = answer["answer"]
            except (
                Exception
            ):  # the page went on before its answer was read here: the database is asked instead
                return

    page.on("response", lambda response: asyncio.ensure_future(keep(response)))
    rng = random.Random(slot)
    while time.time() < stop:
        try:
            await page.goto(address, timeout=60_000)
            await _agree(page)
            break
        except Exception:  # the server is away: the rater comes again
            await asyncio.sleep(1)
    while time.time() < stop:
        try:
            await page.locator(".h3d-head[data-state=ready]").nth(1).wait_for(timeout=10_000)
            for key in "aaadd":
                await page.keyboard.press(key)
            await page.locator(".h3d-pair[data-open=true]").wait_for(timeout=4_000)
            before = await page.locator(".h3d-count").inner_text()
            choice = rng.choice(("left", "right", "tie", "neither"))
            await page.locator(f".h3d-answer[data-answer={choice}]").click(timeout=4_000)
            if before == "Practice":
                await page.get_by_role("button", name="Go on").click(timeout=30_000)
            await page.locator(".h3d-count", has_not_text=before).wait_for(timeout=30_000)
        except Exception:  # the server was away, or the page came anew: go on from what is there
            if await page.get_by_role("button", name="Finish").count():
                break
            await asyncio.sleep(0.5)
    await asyncio.sleep(1)
    told.waits = await page.evaluate("performance.getEntriesByName('vote').map(one => one.duration)")
    await context.close()
    return told


async def _agree(page: Any) -> None:
    """Through consent and instructions, whichever of them this rater has still before them."""
    first = page.get_by_text("I have read this").or_(page.get_by_role("button", name="Begin"))
    await first.or_(page.locator(".h3d-pair")).first.wait_for(timeout=60_000)
    if await page.get_by_text("I have read this").count():
        await page.get_by_text("I have read this").click(timeout=5_000)
        await page.get_by_role("button", name="Go on").click(timeout=30_000)
        await page.get_by_role("button", name="Begin").wait_for(timeout=30_000)
    if await page.get_by_role("button", name="Begin").count():
        await page.get_by_role("button", name="Begin").click(timeout=30_000)
    await page.locator(".h3d-pair").wait_for(timeout=30_000)


def faults(found: dict[str, Any]) -> list[str]:
    """Which bars a measurement misses."""
    wrong = [name for name in ("lost", "doubled", "changed", "not given") if found[name]]
    slow = [
        name
        for name, bar in (("service p95 ms", SERVICE_BAR), ("browser p95 ms", BROWSER_BAR))
        if found[name] > bar
    ]
    return wrong + slow


def main() -> None:
    """Measure, print, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description="Load on a served study.")
    for name, value in (("seconds", 300), ("clients", 42), ("pages", 8), ("kills", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--postgres", action="store_true", help="against apt's PostgreSQL instead of SQLite")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="load-study-") as temporary:
        folder = Path(temporary)
        load = (given.seconds, given.clients, given.pages, given.kills)
        if given.postgres:
            if not programs():
                raise SystemExit("Found no PostgreSQL, expected apt's: apt-get install postgresql.")
            with postgres(folder) as url:
                found = measure(folder, *load, url)
        else:
            found = measure(folder, *load, None)
    for name, value in found.items():
        print(f"{name:16} {value}")
    missed = faults(found)
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
