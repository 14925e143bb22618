"""Jobs of appearance and stability: only where asked for, and no other job hangs on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_appearance_readings import mean_colour_network

from idto3d_eval.family_stages import STAGES_OF_HEAD
from idto3d_eval.job_names import row_jobs, shared_jobs
from idto3d_eval.named_networks import FOLDER
from idto3d_eval.plan import Plan, plan_run
from idto3d_eval.sessions import session_labels
from idto3d_eval.single import shipped_weights
from idto3d_eval.takedown import take_down
from idto3d_protocols.loader import load_protocol
from idto3d_protocols.schema import BudgetChange, Protocol

OURS = {*STAGES_OF_HEAD, "appearance_references"}


def planned(protocol: Protocol, *families: str) -> Plan:
    others = tuple(name for name in protocol.metrics if name not in ("appearance", "stability"))
    return plan_run(protocol.model_copy(update={"metrics": (*others, *families)}), shipped_weights())


def keys(plan: Plan) -> dict[str, str]:
    """Keys with each need's own key for its digest."""
    found: dict[str, str] = {}
    for job in plan.jobs:
        found[job.name] = job.key(found)
    return found


def test_asking_for_the_families_changes_no_key_of_other_stages() -> None:
    protocol = load_protocol("unseen_ids")
    without, with_them = planned(protocol), planned(protocol, "appearance", "stability")
    before, after = keys(without), keys(with_them)
    kept = [job.name for job in without.jobs if job.stage != "score"]
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    added = {job.name: job.stage for job in with_them.jobs if job.name not in before}
    assert set(added.values()) == OURS - {"sessions"}
    assert not OURS & {job.stage for job in without.jobs}
    people, rows = len(protocol.population.identities), len(protocol.methods)
    assert len(added) == people * (2 * rows + 1)


def test_every_job_comes_after_what_it_needs_and_scores_get_all() -> None:
    plan = planned(sessions(), "appearance", "stability")
    known: set[str] = set()
    for job in plan.jobs:
        assert set(job.needs) <= known, job.name
        known.add(job.name)
    score = {job.name: job for job in plan.jobs}["scores/again"]
    place = "again/heldout-0000/seed-0"
    for stage in STAGES_OF_HEAD:
        assert f"{stage}/{place}" in score.needs
    assert "appearance_references/heldout-0001" in score.needs
    # Correlations over sessions are of all sessions of the group, and of no other row.
    assert "features/first/heldout-0000/seed-0" in score.needs
    assert "features/other/heldout-0000/seed-0" not in score.needs


def sessions() -> Protocol:
    protocol = load_protocol("smoke")
    row = protocol.methods[1]
    rows = (
        row.model_copy(update={"label": "first"}),
        row.model_copy(update={"label": "other", "parameters": {"part": 1}}),
        row.model_copy(update={"label": "again", "repeat": 1}),
        row.model_copy(update={"label": "threads", "budget": BudgetChange(threads=2)}),
        row.model_copy(update={"label": "steps", "budget": BudgetChange(fit_steps=1)}),
    )
    return protocol.model_copy(update={"methods": rows})


def test_sessions_differ_in_repeat_or_threads_alone() -> None:
    protocol = sessions()
    found = {row.label: session_labels(protocol, row) for row in protocol.methods}
    group = ("first", "again", "threads")
    assert {found[label] for label in group} == {group}
    assert found["other"] == ("other",)
    assert found["steps"] == ("steps",)
    plan = planned(protocol, "stability")
    compared = {job.label for job in plan.of_stage("sessions")}
    assert compared == {"again", "threads"}
    (job,) = [job for job in plan.of_stage("sessions") if job.name == "sessions/again/heldout-0001/seed-0"]
    assert job.needs == tuple(
        f"{kind}/{label}/heldout-0001/seed-0" for kind in ("heads", "views") for label in ("first", "again")
    )


def test_a_users_network_stands_in_the_keys_of_what_reads_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    before = keys(planned(load_protocol("smoke"), "appearance"))
    monkeypatch.setenv(FOLDER, str(tmp_path))
    mean_colour_network(tmp_path / "features.onnx")
    plan = planned(load_protocol("smoke"), "appearance")
    after = keys(plan)
    changed = {job.stage for job in plan.jobs if before[job.name] != after[job.name]}
    assert changed == {"appearance", "appearance_references", "score"}


def test_an_archive_knows_the_jobs_of_the_families() -> None:
    from idto3d_eval.archive_file import _JOB

    plan = planned(sessions(), "appearance", "stability")
    assert all(_JOB.fullmatch(job.name) for job in plan.jobs)


def everything() -> Protocol:
    """A protocol with sessions, another person's photos, and another recogniser."""
    protocol = sessions()
    swapped = protocol.methods[0].model_copy(update={"label": "swapped", "photos_of": "next"})
    people = protocol.population.model_copy(
        update={"identities": (*protocol.population.identities, "heldout-0009")}
    )
    changes = {
        "methods": (*protocol.methods, swapped),
        "population": people,
        "recognisers": ("recogniser_a",),
        "metrics": ("identity", "appearance", "stability"),
    }
    return protocol.model_copy(update=changes)


def test_the_names_of_jobs_are_the_plans() -> None:
    """An archive and a takedown go by these names: what they do not know, they would leave behind."""
    from idto3d_eval.archive_file import _JOB

    protocol = everything()
    plan = plan_run(protocol, shipped_weights())
    rows = (job for label, row in plan.rows.items() for job in row_jobs(protocol, label, row))
    assert {*shared_jobs(protocol), *rows} == {job.name for job in plan.jobs}
    assert all(_JOB.fullmatch(job.name) for job in plan.jobs)


def test_a_takedown_leaves_nothing_of_any_family_or_recogniser(tmp_path: Path) -> None:
    protocol = everything()
    run, who = tmp_path / "run", protocol.population.identities[0]
    plan = plan_run(protocol, shipped_weights())
    for job in plan.jobs:
        for place in (run / job.name / "features.npz", run / "index" / f"{job.name}.json"):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"{}")
    (run / "protocol.json").write_text(protocol.model_dump_json())
    for name in ("summary.json", "scores.before.0123abcd.parquet", "tables/headline.csv"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(b"")
    from_their_photos = {
        job.name for job in plan.jobs if "swapped" in job.name and "heldout-0009" in job.name
    }
    take_down(who, tmp_path)
    left = {path.relative_to(run).as_posix() for path in run.rglob("*")}
    assert not any(who in Path(name).parts for name in left)
    assert from_their_photos
    assert not from_their_photos & left
    assert {name for name in left if "/" not in name} == {
        *("protocol.json", "void.json", "index", ".lock"),
        *(job.name.partition("/")[0] for job in plan.jobs if job.stage != "score"),
    }
