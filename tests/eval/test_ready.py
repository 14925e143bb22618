"""Which job is handed out next."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from idto3d_eval.keys import KeyInputs
from idto3d_eval.plan import Job, Plan
from idto3d_eval.ready import ReadyJobs
from idto3d_eval.stage import Stage

STAGES = {
    "make": Stage(lambda _: None, fields=(), seconds=30.0),
    "draw": Stage(lambda _: None, fields=(), seconds=4.0),
}


def ready(*jobs: tuple[str, str, tuple[str, ...]]) -> ReadyJobs:
    made = tuple(Job(name, stage, KeyInputs(stage, {}), needs) for name, stage, needs in jobs)
    return ReadyJobs(Plan(cast(Any, None), made, {}, {}, Path()), STAGES)


def names(jobs: ReadyJobs, count: int = 99) -> list[str]:
    return [job.name for _, job in zip(range(count), jobs.take(), strict=False)]


def test_a_head_that_was_made_is_drawn_before_the_next_is_made():
    jobs = ready(("a", "make", ()), ("a drawn", "draw", ("a",)), ("b", "make", ()))
    jobs.begin(())
    assert names(jobs, 1) == ["a"]
    jobs.settle("a")
    assert names(jobs) == ["a drawn", "b"]


def test_what_most_wait_for_comes_first_then_the_plans_order():
    jobs = ready(("a", "make", ()), ("b", "make", ()), ("c", "make", ()), ("of b", "draw", ("b",)))
    jobs.begin(())
    assert names(jobs) == ["b", "a", "c"]


def test_a_job_waits_for_all_that_it_needs_and_a_settled_one_does_not_come():
    jobs = ready(("a", "make", ()), ("b", "make", ()), ("both", "draw", ("a", "b")))
    jobs.begin({"a"})
    assert names(jobs) == ["b"]
    jobs.settle("b")
    assert names(jobs) == ["both"]


def test_a_job_that_is_put_back_comes_again():
    jobs = ready(("a", "make", ()), ("b", "make", ()))
    jobs.begin(())
    first = next(jobs.take())
    jobs.put_back(first)
    assert names(jobs) == ["a", "b"]
