"""Does a run's folder hold what its records tell of: hashes of its artefacts, and scores computed again."""

from __future__ import annotations

import json
import math
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from idto3d.errors import UserError
from idto3d_baselines.specs import METHODS, MethodSpec
from idto3d_eval.keys import file_sha256, folder_digest
from idto3d_eval.plan import Job, Plan, plan_run
from idto3d_eval.results import read_summary
from idto3d_eval.run import STAGE_TABLE, shipped_weights
from idto3d_eval.run_folder import SCORES, SUMMARY, protocol_of, records_of
from idto3d_eval.stage import Stage, stage_table
from idto3d_eval.store import Record, Store
from idto3d_eval.stored_call import run_here
from idto3d_eval.tables import ScoreRow, parquet_bytes, read_rows, score_table

TOLERANCE = 1e-6  # relative, and absolute below 1: other machines move last bits, errors move more

Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Finding:
    """One thing that does not agree."""

    what: str
    found: str
    expected: str

    def row(self) -> dict[str, str]:
        """As a table shows it."""
        return {"what": self.what, "found": self.found, "expected": self.expected}


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what does not agree."""

    artefacts: int  # whose hashes were computed again
    without_files: int  # known by their digests alone
    scores: int  # computed again
    rows: tuple[str, ...]  # method rows that they are of
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def verify_run(
    run: Path,
    sample: int = 1,
    seed: int = 0,
    *,
    weights: Path | None = None,
    methods: Mapping[str, MethodSpec] = METHODS,
    stages: str = STAGE_TABLE,
    told: Told = lambda *_: None,
) -> Verified:
    """Computes hashes of all artefacts and the scores of some method rows again.

    Args:
        run: the run's folder.
        sample: how many method rows to score again, each as a whole since figures over all heads need all.
        seed: of the choice.
        weights: folder of weights; the shipped ones by default.
        methods: what the protocol's method names refer to.
        stages: `module:name` of the table of stages.
        told: called with what is looked at, how many are done and how many there are.

    Raises:
        UserError: the folder holds no run.
    """
    store = Store(run)
    protocol = protocol_of(store)
    records = _records(store)
    findings = list(_hashes(store, records, told))
    done = [record for record in records if record.done]
    table = stage_table(stages)
    plan = plan_run(protocol, weights or shipped_weights(), methods, table)
    findings += _tables(store, plan)
    notes: list[str] = []
    known = {record.job: record for record in records}
    scores = plan.scores()
    able = [job for job in scores if _able(job, known)]
    lacking = len(scores) - len(able)
    if lacking:
        notes.append(
            f"{lacking} method rows cannot be scored again here: their heads were not kept or not made."
        )
    chosen = sorted(random.Random(seed).sample(able, min(sample, len(able))), key=lambda job: job.name)
    count = 0
    for at, job in enumerate(chosen):
        told("scores", at, len(chosen))
        if job.key({need: known[need].digest for need in job.needs}) != known[job.name].key:
            notes.append(
                f"{job.label} was scored by other code, weights or libraries than today's; 'idto3d-eval "
                "rescore' shows what they change."
            )
        stored, again = read_rows(store.artefact(job.name)), _score(plan, store, job, known, table)
        count += len(again)
        findings += _disagreements(job.label, stored, again)
    told("scores", len(chosen), len(chosen))
    return Verified(
        sum(not record.fileless for record in done),
        sum(record.fileless for record in done),
        count,
        tuple(job.label for job in chosen),
        tuple(findings),
        tuple(notes),
    )


def _records(store: Store) -> list[Record]:
    """All that the index remembers; read as it lies there, also of artefacts that are gone."""
    folder = store.root / "index"
    found = []
    for path in sorted(folder.rglob("*.json")):
        try:
            record = Record(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError, RecursionError):
            record = Record(path.relative_to(folder).with_suffix("").as_posix(), "", "unreadable", "")
        if record.job != SUMMARY:
            found.append(record)
    if not found:
        raise UserError(f"Found no record in {folder}, expected those of a run; run its protocol first.")
    return found


def _hashes(store: Store, records: Sequence[Record], told: Told) -> Iterator[Finding]:
    for at, record in enumerate(records):
        told("artefacts", at, len(records))
        if record.status == "unreadable":
            yield Finding(record.job, "a record that cannot be read", "JSON as the run wrote it")
        elif record.done and not record.fileless:
            folder = store.artefact(record.job)
            if not folder.exists():
                yield Finding(record.job, "no files", f"files of digest {record.digest[:16]}…")
            elif (digest := folder_digest(folder)) != record.digest:
                yield Finding(record.job, f"files of digest {digest[:16]}…", f"{record.digest[:16]}…")
    told("artefacts", len(records), len(records))


def _tables(store: Store, plan: Plan) -> Iterator[Finding]:
    """Whether scores.parquet is what the score rows add up to, and what the summary was computed from."""
    if not (store.root / SCORES).is_file() or not (store.root / SUMMARY).is_file():
        yield Finding(SCORES, "no finished run's tables", f"{SCORES} and {SUMMARY}")
        return
    sha = file_sha256(store.root / SCORES)
    told = read_summary(store)["provenance"]["scores_sha256"]
    if sha != told:
        yield Finding(SCORES, f"sha256 {sha[:16]}…", f"{told[:16]}…, as {SUMMARY} says")
    settled = records_of(store, [job.name for job in plan.jobs])
    try:
        same = parquet_bytes(score_table(plan, store, settled)) == (store.root / SCORES).read_bytes()
    except (OSError, ValueError) as error:
        yield Finding(SCORES, f"score rows that cannot be read ({error})", "those of every method row")
        return
    if not same:
        yield Finding(SCORES, "other rows", "those that the scored method rows hold")


def _able(job: Job, known: Mapping[str, Record]) -> bool:
    """Whether a row's scores and all that they need are here as files, or failed."""
    own = known.get(job.name)
    needs = [known.get(need) for need in job.needs]
    return own is not None and own.done and all(need is not None and not need.fileless for need in needs)


def _score(
    plan: Plan, store: Store, job: Job, known: Mapping[str, Record], table: Mapping[str, Stage]
) -> list[ScoreRow]:
    """The rows of a score job, computed again from its stored inputs."""
    done = [need for need in job.needs if known[need].done and store.artefact(need).exists()]
    inputs = {need: store.artefact(need).absolute() for need in done}
    failures = {need: known[need].reason for need in job.needs if need not in done}
    with tempfile.TemporaryDirectory() as folder:
        run_here(plan, job, table[job.stage], inputs, failures, Path(folder))
        return read_rows(Path(folder))


def _disagreements(
    label: str, stored: Sequence[ScoreRow], again: Sequence[ScoreRow], most: int = 20
) -> list[Finding]:
    """Scores that differ by more than the tolerance, the first of them one by one."""
    mine, other = ({_key(row): row.value for row in rows} for rows in (stored, again))
    wrong = [key for key in sorted({*mine, *other}) if not _alike(mine.get(key), other.get(key))]
    found = [
        Finding(
            f"{label}: {' '.join(map(str, filter(None, key)))}", _said(mine.get(key)), _said(other.get(key))
        )
        for key in wrong[:most]
    ]
    left = len(wrong) - most
    return [*found, Finding(label, f"{left} more scores that differ", "none")] if left > 0 else found


def _key(row: ScoreRow) -> tuple[str, str, str, str, int]:
    return row.metric, row.identity, row.expression, row.view, row.seed


def _alike(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return False
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) and math.isnan(second)
    return abs(first - second) <= TOLERANCE * max(1.0, abs(first), abs(second))


def _said(value: float | None) -> str:
    return "no such score" if value is None else f"{value:.9g}"
