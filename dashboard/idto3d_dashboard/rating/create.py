"""Makes a study of a finished run: the plan of its pairs, and the files that browsers get."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from idto3d.asset import TexturedMesh, read_bounded
from idto3d.errors import UserError
from idto3d.given_asset import read_given
from idto3d.whole_file import write_whole
from idto3d_dashboard.rating.parts import PHOTO, Part
from idto3d_dashboard.reading.heads import Head, head_of
from idto3d_dashboard.reading.pictures import MAX_BYTES, folder_of
from idto3d_dashboard.reading.run import Run, open_run
from idto3d_eval.preference import links
from idto3d_eval.preference.blind_files import blind_glb, blind_photo, damaged
from idto3d_eval.preference.questions import QUESTIONS
from idto3d_eval.preference.study import (
    ASSETS,
    FILES,
    LINKS,
    PLAN,
    STUDY,
    Study,
    read_secret,
    read_study,
    write_secret,
    write_study,
)
from idto3d_eval.preference.trials import (
    DAMAGED,
    INTACT,
    STRANGER,
    Planner,
    Trial,
    expressions_of,
    read_trials,
    trials_table,
)
from idto3d_eval.summary import REFERENCE
from idto3d_eval.tables import parquet_bytes

PHOTOS = 3  # of a person that a rater sees
Told = Callable[[str, int, int], None]


def comparable(run: Run) -> tuple[str, ...]:
    """Rows of a run that people can compare: what made heads of its own and is no reference."""
    return tuple(
        label for label in run.labels if run.made_of(label) == label and run.row(label)["block"] != REFERENCE
    )


def reference_of(run: Run) -> str:
    """The row with true heads, to hide among the others; "" where there is none."""
    return next((row["label"] for row in run.summary["rows"] if row.get("kind") == "ceiling"), "")


def whole_people(
    run: Run, methods: Sequence[str], questions: Sequence[str], expressions: Sequence[str]
) -> tuple[str, ...]:
    """People of whom every method made every head that is asked about."""
    asked = {name for question in questions for name in expressions_of(question, expressions)}
    return tuple(
        person
        for person in run.identities
        if all(not _head(run, method, person, name).missing for method in methods for name in asked)
    )


def create_study(folder: Path, study: Study, run: Run, told: Told = lambda *_: None) -> list[Trial]:
    """Write a study's folder, `study.json` last, so that a folder with it is whole.

    Args:
        folder: new or empty; one that was left half made is made anew.
        study: as it will be; its methods and people have all heads that it asks about.
        run: that it is made of.
        told: what is written, files done, and all.

    Raises:
        UserError: a study is there already, or a file of the run cannot be used.
    """
    if (folder / STUDY).exists():
        raise UserError(f"Found a study in {folder} already, expected a new folder; name another.")
    (folder / FILES).mkdir(parents=True, exist_ok=True)
    key = write_secret(folder)
    planner = Planner(study)
    trials = [trial for slot in range(study.raters) for trial in planner.rater(slot)]
    parts = parts_of(study, trials)
    _write_parts(folder, parts, key, run, study, told)
    write_whole(folder / PLAN, parquet_bytes(trials_table(trials)))
    write_links(folder, study, key)
    write_study(folder, study)
    return trials


def invite(folder: Path, more: int) -> Study:
    """Places for more raters, balanced with those that are planned.

    Raises:
        UserError: no study, or its run is gone while new files are needed.
    """
    study, key, trials = read_study(folder), read_secret(folder), read_trials(folder / PLAN)
    planner = Planner(study, trials)
    grown = study.model_copy(update={"raters": study.raters + more})
    added = [trial for slot in range(study.raters, grown.raters) for trial in planner.rater(slot)]
    missing = [part for part in parts_of(study, added) if not _place(folder, key, part).exists()]
    if missing:
        run = open_run((folder / study.run_folder).resolve())
        _write_parts(folder, missing, key, run, study, lambda *_: None, keep=True)
    write_whole(folder / PLAN, parquet_bytes(trials_table([*trials, *added])))
    write_links(folder, grown, key)
    write_study(folder, grown)
    return grown


def parts_of(study: Study, trials: Iterable[Trial]) -> list[Part]:
    """All files that some trials show; where methods are chosen later, those of all methods."""
    found: set[Part] = set()
    for trial in trials:
        question = QUESTIONS[trial.question]
        roles = {trial.left, trial.right}
        if study.scheduling == "adaptive" and trial.left in study.methods:
            roles |= set(study.methods)
        found |= {Part(role, trial.identity, trial.expression, question.textured) for role in roles}
        if question.photos:
            found |= {Part(PHOTO, trial.identity, str(number), True) for number in range(PHOTOS)}
    return sorted(found, key=lambda part: (part.identity, part.expression, part.role, part.textured))


def write_links(folder: Path, study: Study, key: bytes) -> None:
    """`links.csv`: what to send to whom, as the part of an address after the host."""
    table = io.StringIO()
    writer = csv.writer(table)
    if study.panel == "links":
        writer.writerow(("slot", "rater", "link"))
        for slot in range(study.raters):
            rater = links.rater_of_slot(key, slot)
            writer.writerow((slot, rater, f"/?r={links.token_of(key, rater)}"))
    else:
        writer.writerow(("panel", "link"))
        writer.writerow((study.panel, f"/?join={links.join_token(key)}{_panel_fields(study.panel)}"))
    write_whole(folder / LINKS, table.getvalue())
    (folder / LINKS).chmod(0o600)


def _panel_fields(panel: str) -> str:
    """What the panel fills in: Prolific's and MTurk's own names."""
    if panel == "prolific":
        return "&PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
    return "&workerId=${workerId}&assignmentId=${assignmentId}&hitId=${hitId}"


def _write_parts(
    folder: Path,
    parts: Sequence[Part],
    key: bytes,
    run: Run,
    study: Study,
    told: Told,
    keep: bool = False,
) -> None:
    import polars

    rows = polars.read_parquet(folder / ASSETS).to_dicts() if keep else []
    meshes: dict[tuple[str, str, str], TexturedMesh] = {}
    person = ""
    for number, part in enumerate(parts):
        told("heads", number, len(parts))
        if part.identity != person:
            meshes, person = {}, part.identity  # parts come by person, and so do the meshes that are held
        place = _place(folder, key, part)
        if part.role == PHOTO:
            photos = folder_of(run.folder, f"identities/{part.identity}/scoring")
            if int(part.expression) >= len(photos):
                continue
            write_whole(
                place, blind_photo(read_bounded(run.folder / photos[int(part.expression)], MAX_BYTES))
            )
        else:
            mesh = _mesh(run, study, part, meshes)
            write_whole(place, blind_glb(mesh, textured=part.textured))
        rows.append({"file": place.name, **asdict(part)})
    told("heads", len(parts), len(parts))
    write_whole(folder / ASSETS, parquet_bytes(polars.DataFrame(rows)))


def _mesh(
    run: Run, study: Study, part: Part, meshes: dict[tuple[str, str, str], TexturedMesh]
) -> TexturedMesh:
    """The mesh of a part, damaged or another person's where its role says so."""
    intact = study.reference or study.methods[0]
    method = intact if part.role in (INTACT, DAMAGED, STRANGER) else part.role
    person = _stranger(study, part.identity) if part.role == STRANGER else part.identity
    name = (method, person, part.expression)
    if name not in meshes:
        head = _head(run, *name)
        if head.glb is None:
            raise UserError(
                f"Found no head of {person} by {method} with {part.expression} ({head.missing}), expected "
                "one to show; leave the method or the person out."
            )
        meshes[name] = read_given(head.glb.parent, part.expression)
    return damaged(meshes[name], study.seed) if part.role == DAMAGED else meshes[name]


def _stranger(study: Study, identity: str) -> str:
    """The person whose head stands in for someone else's."""
    people = study.identities
    return people[(people.index(identity) + 1) % len(people)]


def _head(run: Run, method: str, person: str, expression: str) -> Head:
    return head_of(run, method, person, expression, run.protocol.seeds[0])


def _place(folder: Path, key: bytes, part: Part) -> Path:
    """Where a part lies: under a name that the key makes, and nobody else can."""
    name = links.file_name(key, part.role, part.identity, part.expression, str(part.textured))
    return folder / FILES / f"{name}.{'jpg' if part.role == PHOTO else 'glb'}"
