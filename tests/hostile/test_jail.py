"""The watch over readers sees what it is there for: memory, network, files elsewhere, time, and death."""

from __future__ import annotations

import pytest

from tests.hostile.case import Case
from tests.hostile.jail import Jail

READERS = "tests.hostile.bad_readers"


@pytest.fixture(scope="module")
def jail():
    with Jail(["protocol"], {"HOSTILE_READERS": READERS}) as made:
        yield made


@pytest.mark.parametrize(
    ("reader", "told"),
    [
        ("writes_elsewhere", "open /"),
        ("makes_folders_elsewhere", "os.mkdir /"),
        ("connects", "socket."),
        ("starts_a_program", "subprocess.Popen"),
        ("takes_memory", "MemoryError"),
        ("takes_time", "seconds"),
        ("dies", "exit code -11"),
        ("raises", "ZeroDivisionError"),
        ("tells_two_lines", "not one sentence"),
    ],
)
def test_a_bad_reader_is_found_out(jail: Jail, reader: str, told: str) -> None:
    outcome = jail.read(Case(reader, reader, lambda: {"a.txt": b""}))
    assert any(told in fault for fault in outcome.faults())


def test_a_good_reader_is_not(jail: Jail) -> None:
    """A child that died before is replaced by one that reads."""
    assert jail.read(Case("a", "reads", lambda: {"a.txt": b"a"})).faults() == []
