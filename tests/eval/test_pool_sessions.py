"""Heads of two sessions come from two processes; other jobs go on in the process that is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_stages as fake
import pytest

from idto3d_eval.keys import KeyInputs
from idto3d_eval.plan import Job
from idto3d_eval.pool import Pool


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with Pool(1, 1, fake.TABLE, tmp_path / "workers.log") as made:
        yield made


def process_of(pool: Pool, log: Path, stage: str, repeat: int, threads: int = 1) -> int:
    """The process that answers a job, which fails for want of all that it would need."""
    keyed: dict[str, Any] = {"repeat": repeat, "threads": threads}
    request = {"job": "a", "stage": stage, "key_inputs": keyed, "log": str(log)}
    pool.submit(Job("a", stage, KeyInputs(stage, {})), request)
    heard = []
    while not heard:
        heard = list(pool.messages(5.0))
    assert [message.status for message in heard] == ["failed"]
    return pool._workers[0]._process.pid


def test_a_process_makes_heads_of_one_session(pool: Pool, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    first = process_of(pool, log, "generate", 0)
    assert process_of(pool, log, "generate", 0) == first
    assert process_of(pool, log, "render", 1) == first
    second = process_of(pool, log, "generate", 1)
    assert second != first
    assert process_of(pool, log, "generate", 1, threads=2) not in (first, second)
    assert list(pool.messages(0.5)) == []  # nobody is told that an idle process was let go
