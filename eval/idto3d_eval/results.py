"""The end of a run: tables, summary and report in its folder, written once for one set of finished jobs, and
written anew where figures are older than the rows or the code that they follow from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d.errors import UserError
from idto3d_eval.code_version import code_version
from idto3d_eval.collection import collected_later
from idto3d_eval.keys import canonical_json, content_key, file_sha256
from idto3d_eval.preference.study import PREFERENCES
from idto3d_eval.run_folder import BY_IDENTITY, COSTS, SCORES, SUMMARY, protocol_of
from idto3d_eval.score_file import damage_told, scan_scores
from idto3d_eval.selfcheck.record import refused as refused_metrics
from idto3d_eval.standing import Intact
from idto3d_eval.store import Damaged, Record, Store
from idto3d_eval.summary_file import load_summary

if TYPE_CHECKING:
    from idto3d_eval.plan import Plan
    from idto3d_protocols.schema import Protocol

EARLIER_SCORES = "scores.before.*.parquet"  # what a rescore keeps, by its content
PICTURES = (
    "contact_sheet.png",
    "methods.jpg",
    "quality_cost.svg",
    "quality_cost.png",
    "expression_matrix.svg",
    "expression_matrix.png",
)
PAGES = ("report.html", "report.md", SUMMARY)
FILES = (SCORES, COSTS, BY_IDENTITY, *PICTURES, *PAGES)
_PLAIN_FIELDS = attrgetter(*(member.name for member in fields(Record) if member.name != "facts"))
WRITERS = ("idto3d_eval.results", "idto3d_eval.report_html", "idto3d_eval.report")


def finish(plan: Plan, store: Store, settled: Mapping[str, Record]) -> dict[str, Any]:
    """Writes all that a reader opens, unless it is there for exactly these jobs.

    Returns:
        The summary, as `summary.json` holds it.

    Raises:
        DiskFull: when no room is left; the same command writes them once there is.
        Damaged: scores are not those that were indexed; nothing was written.
    """
    key = results_key(plan, settled)
    if store.current(SUMMARY, key) and all((store.root / name).exists() for name in FILES):
        return read_summary(store)
    if damaged := Intact(store).damaged(settled[job.name] for job in plan.scores()):
        raise Damaged(damaged)
    from idto3d_eval.contact_sheet import contact_sheet_png, methods_jpeg
    from idto3d_eval.summary import facts
    from idto3d_eval.tables import cost_table, parquet_bytes, score_table

    costs = cost_table(plan, settled)
    stored = store.write(SCORES, parquet_bytes(score_table(plan, store, settled)))
    store.write(COSTS, parquet_bytes(costs))
    store.write("contact_sheet.png", contact_sheet_png(plan.protocol, store, settled))
    store.write("methods.jpg", methods_jpeg(plan.protocol, store, settled))
    _write_pages(store, plan.protocol, facts(plan, settled, costs, stored))
    store.note(Record(SUMMARY, key, "done", ""))
    return read_summary(store)


def refresh(store: Store) -> tuple[dict[str, Any], str]:
    """A finished run's summary, with figures that are those of its rows and of today's code.

    Figures, pages and tables are written anew where `scores.parquet` is another than the one they were
    computed from, or where code that they depend on, or the record of the self-check, has changed since.
    Heads, readings and scores are left as they are.

    Returns:
        The summary, and why it was computed anew, "" where it stood.

    Raises:
        UserError: the folder holds no finished run.
    """
    require_finished(store)
    known = read_summary(store)
    now, before = _made_of(store), known.get("figures_of")
    if before == now and all((store.root / name).is_file() for name in PAGES):
        return known, ""
    why = _why(before, now)
    known["provenance"]["scores_sha256"] = now["scores_sha256"]
    return _write_pages(store, protocol_of(store), known), why


@collected_later
def results_key(plan: Plan, settled: Mapping[str, Record]) -> str:
    """The key of tables and report: all jobs' records, the protocol, and the code that writes them."""
    records = sorted((job.name, _record_text(settled[job.name])) for job in plan.jobs)
    told = ",".join(f"{json.dumps(name)}:{text}" for name, text in records)
    parts = {
        "code": canonical_json([code_version(module) for module in WRITERS]),
        "protocol": canonical_json(plan.protocol.model_dump(mode="json")),
        "records": f"{{{told}}}",
        "refused": canonical_json(refused_metrics()),
        "style": canonical_json(file_sha256(Path(__file__).with_name("report.css"))),
    }
    text = ",".join(f'"{name}":{part}' for name, part in parts.items())
    return hashlib.sha256(f"{{{text}}}".encode("ascii")).hexdigest()


def _record_text(record: Record) -> str:
    """All fields of a record, the same text for one that was read and for one that was made.

    They are JSON's own types. As JSON, which few of them need, a hundred thousand records took two seconds.
    """
    facts = json.dumps(record.facts, sort_keys=True, allow_nan=False) if record.facts else ""
    return f"{_PLAIN_FIELDS(record)!r}{facts}"


def require_finished(store: Store) -> None:
    """Raise UserError where a folder holds no finished run."""
    if not (store.root / SUMMARY).is_file() or not (store.root / SCORES).is_file():
        raise UserError(
            f"Found no finished run at {store.root}, expected its {SUMMARY} and {SCORES}; run its protocol "
            "first."
        )


def read_summary(store: Store) -> dict[str, Any]:
    """What `summary.json` holds.

    Raises:
        UserError: it cannot be read.
    """
    return load_summary(store.root / SUMMARY)


def _write_pages(store: Store, protocol: Protocol, known: Mapping[str, Any]) -> dict[str, Any]:
    """Figures from the rows on disk, and all pages and tables that show them.

    Pictures are drawn and packed beside the pages: Pillow does most of it without the interpreter's lock.
    """
    from concurrent.futures import ThreadPoolExecutor

    from idto3d_eval import expression_matrix
    from idto3d_eval.identity_table import as_table, measure
    from idto3d_eval.quality_cost_chart import sheet
    from idto3d_eval.report import markdown
    from idto3d_eval.report_html import html
    from idto3d_eval.scene import png, standalone_svg
    from idto3d_eval.summary import with_figures
    from idto3d_eval.table_files import write_tables
    from idto3d_eval.tables import parquet_bytes

    path = store.root / SCORES
    scores = scan_scores(path)
    with damage_told(path):
        measured = measure(scores)
    summary = {**with_figures(known, protocol, scores, measured, store), "figures_of": _made_of(store)}
    scenes = {"quality_cost": sheet(summary), "expression_matrix": expression_matrix.sheet(summary)}
    with ThreadPoolExecutor(max_workers=1) as beside:
        drawn = {name: beside.submit(png, scene) for name, scene in scenes.items()}
        for name, scene in scenes.items():
            store.write(f"{name}.svg", standalone_svg(scene))
        store.write(BY_IDENTITY, parquet_bytes(as_table(measured)))
        store.write("report.html", html(protocol, store, summary, scores, measured))
        store.write("report.md", markdown(summary))
        write_tables(store, summary)
        for name, picture in drawn.items():
            store.write(f"{name}.png", picture.result())
    store.write(SUMMARY, _json(summary))
    return summary


def _json(summary: Mapping[str, Any]) -> str:
    """JSON with a line a field and a line an entry of a list; indenting all takes longer than computing."""
    lines = []
    for name, value in summary.items():
        entries = [json.dumps(entry, allow_nan=False) for entry in value] if isinstance(value, list) else []
        text = "[\n" + ",\n".join(entries) + "\n]" if entries else json.dumps(value, allow_nan=False)
        lines.append(f"{json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _made_of(store: Store) -> dict[str, Any]:
    """What figures and pages follow from."""
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), *sorted((here / "metrics").glob("*.py")), here / "report.css"]
    sources += [here / "preference" / name for name in ("analysis_text.py", "kept.py")]
    people = store.root / PREFERENCES
    return {
        "scores_sha256": file_sha256(store.root / SCORES),
        "code": content_key({path.name: file_sha256(path) for path in sources})[:16],
        "refused": refused_metrics(),
        "preferences": file_sha256(people) if people.is_file() else "",
    }


def _why(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> str:
    if before is None:
        return "it had no figures of today's form"
    if before["scores_sha256"] != now["scores_sha256"]:
        return f"{SCORES} is another than the one they were computed from"
    if before["refused"] != now["refused"]:
        return "other metrics pass their self-check"
    if before.get("preferences", "") != now["preferences"]:
        return "people's preferences have been analysed since"
    return "code that they follow from has changed" if before != now else "a page was missing"
